/**
 * Which gateway a client command talks to. Pure: flags, environment and configuration in, endpoint out.
 * Order: `--url` > `OPENCLAW_GATEWAY_URL` > remote mode > local. Credentials and pins are `target.ts`.
 */
import { OpenclawError } from "../../lib/errors.ts";
import { type IpKind, ipKind, parseIp } from "../../lib/ip.ts";
import {
  type Endpoint,
  isLoopback,
  parseEndpoint,
  renderEndpoint,
  urlHost,
} from "../../net/endpoint.ts";
import type { EnvSettings } from "../env.ts";
import type { Config } from "../schema/schema.ts";

/** Where the URL comes from. */
export type EndpointSource = "cli" | "env" | "remote" | "local";

/** How a managed ssh tunnel must be opened (decision 34). */
export interface TunnelPlan {
  readonly sshTarget: string;
  readonly sshIdentity: string | undefined;
  readonly sshHostKeyPolicy: "strict" | "openssh";
  /** Port of the gateway on the ssh host's loopback. */
  readonly remotePort: number;
}

/** A gateway to talk to. */
export interface ChosenEndpoint {
  readonly url: string;
  readonly source: EndpointSource;
  /** `Source:` line of connection errors. Source: cli.md 1. */
  readonly sourceText: string;
  readonly mode: "local" | "remote";
  /** Configured remote endpoint: its pin and its credentials belong to this URL. */
  readonly configuredRemote: boolean;
  /** Open this tunnel first and connect through it. */
  readonly tunnel: TunnelPlan | undefined;
  /** Plaintext to a private literal address was opted into (section 6, decision 33). */
  readonly allowPrivatePlaintext: boolean;
}

/** What the choice depends on. */
export interface EndpointFacts {
  /** `--url`. */
  readonly url?: string | undefined;
  /** For probes: the local or the configured remote gateway, whatever the mode. */
  readonly only?: "local" | "remote" | undefined;
  readonly env: Pick<EnvSettings, "gatewayUrl" | "gatewayPort" | "allowInsecurePrivateWs">;
  readonly config: Config;
  /** Whether an address is this machine's own. Default: none is. */
  readonly isOwnAddress?: (host: string) => boolean;
}

const PRIVATE: ReadonlySet<IpKind | undefined> = new Set(["private", "link-local", "cgnat"]);

/** Throws `ENDPOINT_MALFORMED` or `GATEWAY_REMOTE_URL_MISSING`. */
export function decideEndpoint(facts: EndpointFacts): ChosenEndpoint {
  const { env, config, only } = facts;
  if (only === undefined && facts.url !== undefined) {
    return override(facts, facts.url, "cli", "cli --url");
  }
  if (only === undefined && env.gatewayUrl !== undefined) {
    return override(facts, env.gatewayUrl, "env", "env OPENCLAW_GATEWAY_URL");
  }
  const remote = only ? only === "remote" : config.gateway.mode === "remote";
  return remote ? remoteEndpoint(facts) : localEndpoint(facts);
}

function override(
  facts: EndpointFacts,
  text: string,
  source: "cli" | "env",
  sourceText: string,
): ChosenEndpoint {
  const url = renderEndpoint(parseEndpoint(text));
  const configured = facts.config.gateway.remote.url;
  return {
    url,
    source,
    sourceText,
    mode: facts.config.gateway.mode ?? "local",
    // The pin of the configured URL also protects the same URL from the environment, but never lends itself to --url.
    configuredRemote: source === "env" && configured !== undefined &&
      renderEndpoint(parseEndpoint(configured)) === url,
    tunnel: undefined,
    allowPrivatePlaintext: facts.env.allowInsecurePrivateWs,
  };
}

function localEndpoint({ env, config, isOwnAddress }: EndpointFacts): ChosenEndpoint {
  const { bind, customBindHost, port, tls } = config.gateway;
  const host = bind === "custom" && customBindHost && customBindHost !== "0.0.0.0"
    ? customBindHost
    : "127.0.0.1";
  return {
    url: localUrl(host, env.gatewayPort ?? port, tls.enabled),
    source: "local",
    sourceText: kindOfHost(host) === "loopback"
      ? "local loopback"
      : "local, config gateway.customBindHost",
    mode: "local",
    configuredRemote: false,
    tunnel: undefined,
    // Packets to an own address never leave this machine; a copied configuration may name another one's.
    allowPrivatePlaintext: env.allowInsecurePrivateWs || (isOwnAddress?.(host) ?? false),
  };
}

function remoteEndpoint(facts: EndpointFacts): ChosenEndpoint {
  const { remote } = facts.config.gateway;
  const url = remote.url === undefined ? undefined : parseEndpoint(remote.url);
  const tunnel = tunnelPlan(facts, url);
  if (!url && !tunnel) {
    throw new OpenclawError(
      "GATEWAY_REMOTE_URL_MISSING",
      "Cannot choose a gateway: gateway.mode is remote, but neither gateway.remote.url nor " +
        "gateway.remote.sshTarget is set",
      { hint: "openclaw config set gateway.remote.url wss://gateway.example:18789" },
    );
  }
  const direct = remote.transport === "direct" && PRIVATE.has(kindOfHost(url?.host));
  return {
    url: url
      ? renderEndpoint(url)
      : localUrl("127.0.0.1", tunnel?.remotePort ?? 0, remote.tlsFingerprint !== undefined),
    source: "remote",
    sourceText: url ? "config gateway.remote.url" : "config gateway.remote.sshTarget",
    mode: "remote",
    configuredRemote: true,
    tunnel,
    allowPrivatePlaintext: facts.env.allowInsecurePrivateWs || direct,
  };
}

/** Decision 34: only with an ssh target or an explicit `transport: "ssh"` to a host that is not this one. */
function tunnelPlan({ env, config }: EndpointFacts, url: Endpoint | undefined) {
  const { remote, port } = config.gateway;
  if (remote.transport === "direct") return undefined;
  const elsewhere = url !== undefined && !isLoopback(url);
  const inferred = remote.transport === "ssh" && elsewhere ? url.host : undefined;
  const sshTarget = remote.sshTarget ?? inferred;
  return sshTarget === undefined ? undefined : {
    sshTarget,
    sshIdentity: remote.sshIdentity,
    sshHostKeyPolicy: remote.sshHostKeyPolicy,
    remotePort: remote.remotePort ?? env.gatewayPort ?? port,
  };
}

/** Class of a literal address; `undefined` for names. */
function kindOfHost(host: string | undefined): IpKind | undefined {
  const bytes = parseIp(host ?? "");
  return bytes && ipKind(bytes);
}

function localUrl(host: string, port: number, encrypted: boolean): string {
  return `${encrypted ? "wss" : "ws"}://${urlHost(host)}:${port}`;
}
