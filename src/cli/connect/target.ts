/**
 * From flags, environment and configuration to one gateway, the running one of this state directory included.
 */
import { readEnv } from "../../config/env.ts";
import { loadConfig } from "../../config/file/load.ts";
import { type StatePaths, statePaths } from "../../config/paths.ts";
import { decideTarget, type Target } from "../../config/credentials/target.ts";
import type { Fingerprint } from "../../identity/fingerprint.ts";
import { secretOf } from "../../lib/secret.ts";
import { parseEndpoint } from "../../net/endpoint.ts";
import type { Io } from "../terminal/io.ts";
import type { RpcValues } from "./rpc_flags.ts";
import { acceptedPins, followsPins } from "./operator_pins.ts";
import { withRunningGateway } from "./running_gateway.ts";

/** A target with the places it was decided from. */
export interface CliTarget extends Target {
  readonly paths: StatePaths;
  readonly loaded: Awaited<ReturnType<typeof loadConfig>>;
  /** Accepted certificates: the pin, or what its gateway announced in its place. */
  readonly pins: readonly Fingerprint[];
  /** Whether the gateway's announcements about its certificate are kept. */
  readonly followsPins: boolean;
  /** Warnings for stderr. */
  readonly notes: readonly string[];
}

/**
 * Decides which gateway the flags, the environment and the configuration mean. `strict`: only credentials of its own,
 * and a secret reference without a value is no error (config-and-credentials.md 5.3).
 */
export async function targetOf(
  io: Io,
  values: RpcValues,
  { strict }: { readonly strict?: boolean | undefined } = {},
): Promise<CliTarget> {
  const paths = statePaths(io.env);
  const loaded = await withRunningGateway(await loadConfig(paths, io.env), paths);
  const { remote, port } = loaded.config.gateway;
  // With --via, --url is the gateway as its ssh host sees it.
  const remotePort = values.via !== undefined && values.url !== undefined
    ? parseEndpoint(values.url).port
    : remote.remotePort ?? readEnv(io.env).gatewayPort ?? port;
  const viaUrl = `${values.tlsFingerprint === undefined ? "ws" : "wss"}://127.0.0.1:${remotePort}`;
  const flags = {
    // Another host's gateway is as foreign as another URL: nothing stored is sent there (N24).
    url: values.url ?? (values.via === undefined ? undefined : viaUrl),
    token: secretOf(values.token),
    password: secretOf(values.password),
    tlsFingerprint: values.tlsFingerprint,
  };
  const target = await decideTarget({ flags, env: io.env, loaded, paths, strict });
  const tunnel = values.via === undefined ? target.tunnel : {
    sshTarget: values.via,
    sshIdentity: undefined,
    sshHostKeyPolicy: remote.sshHostKeyPolicy,
    remotePort,
  };
  const notes = loaded.warnings.map((w) => w.message);
  const follows = followsPins(target);
  const pins = target.pin === undefined
    ? []
    : follows
    ? await acceptedPins(paths, target.pin)
    : [target.pin];
  return { ...target, tunnel, paths, loaded, pins, followsPins: follows, notes };
}
