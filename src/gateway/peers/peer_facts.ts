/**
 * What the upgrade request tells about the peer, judged once: direct or through a proxy, local or remote.
 * Attacks stopped: N05 (a direct peer claims to be loopback), N07/N09 (identity headers from strangers).
 * Source: gateway-protocol.md 5.1, 5.2; config-and-credentials.md 9.
 */
import { canonicalIp, ipInRange, isLoopbackIp } from "./address.ts";

/** Headers by lower-case name. */
export type Headers = Readonly<Record<string, string | undefined>>;

/** How the client's address was found out. */
export type Attribution = "direct-local" | "direct-remote" | "trusted-proxy" | "unattributable";

/** Judged facts of one upgrade. */
export interface PeerFacts {
  readonly attribution: Attribution;
  /** Direct loopback socket and no proxy header. */
  readonly local: boolean;
  /** Address of the client: of the socket, or what a trusted proxy says. Throttling counts by it. */
  readonly clientAddress: string;
  /** Address at the other end of the socket. */
  readonly socketAddress: string;
  readonly origin: string | undefined;
  readonly host: string | undefined;
  readonly headers: Headers;
  /** Names of headers that were sent more than once; nobody knows which copy is whose. */
  readonly repeated: readonly string[];
}

/** Configuration this needs: `gateway.trustedProxies`, `gateway.allowRealIpFallback`. */
export interface ProxyPolicy {
  readonly trustedProxies: readonly string[];
  readonly allowRealIpFallback: boolean;
}

/** Headers by which everybody says that a proxy stood in between. */
const PROXY_HEADER = /^(?:forwarded|x-real-ip|x-forwarded-.*|tailscale-.*)$/;

/**
 * What single proxies and tunnels say beside those or instead. A program of this machine sends none of them; from elsewhere
 * a proxy on the way out may, and who comes so is remote anyway.
 */
const RELAY_HEADER = new RegExp(
  "^(?:via|cdn-loop|cf-.*|true-client-ip|x-client-ip|client-ip|x-cluster-client-ip|x-remote-(?:ip|addr)|" +
    "x-original-(?:forwarded-for|host|remote-addr)|x-originating-ip|x-envoy-.*|x-azure-.*|" +
    "fastly-client-ip|fly-client-ip|x-appengine-user-ip|x-proxyuser-ip|ngrok-.*)$",
);

/** Whether any header says a proxy stood in between. */
function hasProxyHeaders(headers: Headers, socket: string): boolean {
  const fromHere = isLoopbackIp(socket);
  return Object.keys(headers).some((name) =>
    headers[name] !== undefined &&
    (PROXY_HEADER.test(name) || (fromHere && RELAY_HEADER.test(name)))
  );
}

/** Judges one upgrade. `repeated`: names of headers that were sent more than once. */
export function judgePeer(
  socketAddress: string,
  headers: Headers,
  policy: ProxyPolicy,
  repeated: readonly string[] = [],
): PeerFacts {
  const socket = canonicalIp(socketAddress) ?? socketAddress;
  const proxied = hasProxyHeaders(headers, socket);
  // N03: of two `Host` headers one is for us and one for whoever looks next; neither counts.
  const host = repeated.includes("host") ? undefined : headers.host;
  const base = { socketAddress: socket, origin: headers.origin, host, headers, repeated };
  const trusted = (ip: string) => policy.trustedProxies.some((range) => ipInRange(ip, range));
  if (!proxied) {
    const local = isLoopbackIp(socket);
    const attribution = local ? "direct-local" : "direct-remote";
    return { ...base, attribution, local, clientAddress: socket };
  }
  const client = trusted(socket) ? forwardedClient(headers, trusted, policy) : undefined;
  return client === undefined
    ? { ...base, attribution: "unattributable", local: false, clientAddress: socket }
    : { ...base, attribution: "trusted-proxy", local: false, clientAddress: client };
}

/** The nearest hop in `X-Forwarded-For`, from the right, that is neither loopback nor a trusted proxy. */
function forwardedClient(
  headers: Headers,
  trusted: (ip: string) => boolean,
  policy: ProxyPolicy,
): string | undefined {
  const hops = (headers["x-forwarded-for"] ?? "").split(",").slice(-32);
  for (const hop of hops.reverse()) {
    const ip = canonicalIp(withoutPort(hop.trim()));
    if (ip === undefined) break; // an unreadable hop hides who came before it
    if (!isLoopbackIp(ip) && !trusted(ip)) return ip;
  }
  if (!policy.allowRealIpFallback) return undefined;
  const real = canonicalIp((headers["x-real-ip"] ?? "").trim());
  return real !== undefined && !isLoopbackIp(real) ? real : undefined;
}

function withoutPort(hop: string): string {
  const match = /^(\[[^\]]+\]|[0-9.]+):[0-9]+$/.exec(hop);
  return match?.[1] ?? hop;
}
