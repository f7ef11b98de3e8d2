/**
 * Which gateways a probe tries, with which credentials and how long. Each target sees only credentials that belong to
 * it (config-and-credentials.md 5.3). Source: remote-access.md 3.
 */
import { followsPins } from "./operator_pins.ts";
import { loadConfig } from "../../config/file/load.ts";
import { statePaths } from "../../config/paths.ts";
import { decideTarget, type Target } from "../../config/credentials/target.ts";
import type { Fingerprint } from "../../identity/fingerprint.ts";
import { isOpenclawError } from "../../lib/errors.ts";
import { type Secret, secretOf } from "../../lib/secret.ts";
import type { Beacon } from "../../net/discovery/records.ts";
import { parseSshTarget } from "../../remote/ssh_target.ts";
import type { TunnelText } from "../../remote/tunnel_wish.ts";
import type { Io } from "../terminal/io.ts";
import type { RpcValues } from "./rpc_flags.ts";
import { withRunningGateway } from "./running_gateway.ts";

/** Values of `gateway probe`. */
export interface ProbeValues extends RpcValues {
  readonly ssh: string | undefined;
  readonly sshIdentity: string | undefined;
  readonly sshAuto: boolean | undefined;
}

/** One gateway to try. */
export interface ProbeTarget {
  readonly id: string;
  readonly kind: "sshTunnel" | "explicit" | "configRemote" | "localLoopback";
  readonly url: string;
  /** Whether commands without flags would use it. */
  readonly active: boolean;
  readonly tunnel: TunnelText | undefined;
  readonly pin: Fingerprint | undefined;
  /** The pin is the configured one: what its gateway announced in its place counts too. */
  readonly followsPins: boolean;
  readonly credentials: {
    readonly token: Secret | undefined;
    readonly password: Secret | undefined;
  };
  /** Secret references that could not be had; the probe goes on without them. */
  readonly unavailable: readonly string[];
  readonly allowPrivatePlaintext: boolean;
  readonly budgetMs: number;
  readonly home: string;
  readonly tunnelsDir: string;
}

interface Facts {
  readonly values: ProbeValues;
  readonly loaded: Awaited<ReturnType<typeof loadConfig>>;
  readonly paths: ReturnType<typeof statePaths>;
  readonly io: Io;
  /** Credentials given for this very call. */
  readonly given: { readonly token: Secret | undefined; readonly password: Secret | undefined };
}

/** The targets, best first, each URL once. `discovered` is used with `--ssh-auto`. */
export async function probeTargets(
  values: ProbeValues,
  io: Io,
  discovered: Beacon | undefined,
): Promise<ProbeTarget[]> {
  const paths = statePaths(io.env);
  const loaded = await withRunningGateway(await loadConfig(paths, io.env), paths);
  const given = { token: secretOf(values.token), password: secretOf(values.password) };
  const facts: Facts = { values, io, paths, loaded, given };
  const configured = await decide(facts, { probe: "remote" });
  const local = await decide(facts, { probe: "local" });
  const explicit = values.url === undefined ? undefined : await decide(facts, { url: values.url });
  const isRemote = loaded.config.gateway.mode === "remote";
  const full = values.timeoutMs;
  const make = (
    target: Target | undefined,
    kind: ProbeTarget["kind"],
    active: boolean,
    budgetMs: number,
  ) => target ? [targetOf(facts, target, { kind, active, budgetMs })] : [];
  const targets = [
    ...sshTarget(facts, configured, discovered),
    ...make(explicit, "explicit", true, full),
    ...make(
      configured?.tunnel ? undefined : configured,
      "configRemote",
      isRemote,
      isRemote ? full : Math.min(1500, full),
    ),
    ...make(local, "localLoopback", !isRemote, isRemote ? Math.min(800, full) : full),
  ];
  const seen = new Set<string>();
  return targets.filter(({ kind, url }) =>
    kind === "sshTunnel" || (!seen.has(url) && seen.add(url))
  );
}

/** One target with the credentials that belong to it; `undefined` when no remote gateway is configured. */
async function decide(
  { given, loaded, paths, io, values }: Facts,
  which: { readonly probe: "local" | "remote" } | { readonly url: string },
): Promise<Target | undefined> {
  const flags = "url" in which
    ? { ...given, url: which.url, tlsFingerprint: values.tlsFingerprint }
    : given;
  const probe = "probe" in which ? { probe: which.probe } : {};
  try {
    return await decideTarget({ flags, env: io.env, loaded, paths, ...probe });
  } catch (error) {
    if (isOpenclawError(error, "GATEWAY_REMOTE_URL_MISSING")) return undefined;
    throw error;
  }
}

function targetOf(
  { paths }: Facts,
  target: Target,
  rest: Pick<ProbeTarget, "kind" | "active" | "budgetMs">,
): ProbeTarget {
  return {
    ...rest,
    id: rest.kind,
    url: target.url,
    tunnel: undefined,
    pin: target.pin,
    followsPins: followsPins(target),
    credentials: target.credentials,
    unavailable: target.credentials.unavailable.map((u) => u.reason),
    allowPrivatePlaintext: target.allowPrivatePlaintext,
    home: paths.home,
    tunnelsDir: paths.tunnelsDir,
  };
}

/**
 * The tunnel target. A host that is not the configured remote gateway gets only credentials given for this call: the
 * stored ones belong elsewhere (N24).
 */
function sshTarget(
  facts: Facts,
  configured: Target | undefined,
  discovered: Beacon | undefined,
): ProbeTarget[] {
  const { values, loaded, io, paths } = facts;
  const { remote, port } = loaded.config.gateway;
  const found = discovered &&
    `${discovered.host}${discovered.sshPort ? `:${discovered.sshPort}` : ""}`;
  const known = remote.sshTarget ?? inferredSsh(remote.url, io);
  const ssh = values.ssh ?? known ?? found;
  // N28: who merely announced himself on the network is not the configured gateway either.
  const own = ssh === known ? configured : undefined;
  if (ssh === undefined) return [];
  parseSshTarget(ssh);
  const tunnel: TunnelText = {
    sshTarget: ssh,
    sshIdentity: values.sshIdentity ?? (own ? remote.sshIdentity : undefined),
    sshHostKeyPolicy: remote.sshHostKeyPolicy,
    remotePort: remote.remotePort ?? port,
  };
  return [{
    id: "sshTunnel",
    kind: "sshTunnel",
    active: false,
    url: `${own?.pin ? "wss" : "ws"}://127.0.0.1:${tunnel.remotePort}`,
    tunnel,
    pin: own?.pin,
    followsPins: own !== undefined && followsPins(own),
    credentials: own?.credentials ?? facts.given,
    unavailable: own?.credentials.unavailable.map((u) => u.reason) ?? [],
    allowPrivatePlaintext: false,
    budgetMs: Math.max(2000, values.timeoutMs),
    home: paths.home,
    tunnelsDir: paths.tunnelsDir,
  }];
}

/** `<user>@<host>` of a configured remote URL that is not this machine. */
function inferredSsh(url: string | undefined, io: Io): string | undefined {
  if (url === undefined || !URL.canParse(url)) return undefined;
  const { hostname } = new URL(url);
  if (/^(localhost|127\..*|\[::1\])$/.test(hostname)) return undefined;
  return io.env["USER"] ? `${io.env["USER"]}@${hostname}` : hostname;
}
