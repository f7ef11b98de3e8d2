/**
 * Shared credentials → verdict: token, password, none, trusted proxy, tailscale. Devices are the handshake's and the
 * pairing desk's. First line that decides, decides. Source: gateway-protocol.md 4.1, 4.4, 4.5.
 */
import { isOwnAddress } from "../../platform/own_address.ts";
import type { Secret } from "../../lib/secret.ts";
import type { ConnectParams } from "../../protocol/connect.ts";
import type { AuthMethod } from "../../protocol/hello.ts";
import { ipInRange, isLoopbackIp } from "../peers/address.ts";
import type { AuthReason } from "./errors.ts";
import type { PeerFacts } from "../peers/peer_facts.ts";
import type { Throttle, ThrottleActor } from "./throttle.ts";

/** `gateway.auth.trustedProxy`. */
export interface TrustedProxyPolicy {
  readonly userHeader: string;
  readonly requiredHeaders: readonly string[];
  /** Exact names; empty = everyone. */
  readonly allowUsers: readonly string[];
  readonly allowLoopback: boolean;
}

/** What the gateway demands, from configuration and flags. */
export interface AuthPolicy {
  readonly mode: "none" | "token" | "password" | "trusted-proxy";
  readonly token?: Secret | undefined;
  readonly password?: Secret | undefined;
  readonly allowTailscale: boolean;
  readonly trustedProxy?: TrustedProxyPolicy | undefined;
  readonly trustedProxies: readonly string[];
  readonly allowRealIpFallback: boolean;
  /** Asks the local tailscale daemon who owns an address; `undefined` when it cannot say. */
  readonly whois?: ((address: string) => Promise<string | undefined>) | undefined;
}

/** One attempt. */
export interface SecretQuestion {
  readonly auth: ConnectParams["auth"];
  readonly role: string;
  readonly peer: PeerFacts;
}

/** Verdict on the shared credentials of one attempt. */
export type SecretVerdict =
  | {
    readonly ok: true;
    readonly method: AuthMethod;
    /** Scopes a proxy allows; absent = the proxy said nothing. */
    readonly proxyScopes?: readonly string[];
    /** The owner declared that `proxyScopes` is always the proxy's word. */
    readonly proxyVouches?: boolean;
  }
  | {
    readonly ok: false;
    readonly reason: AuthReason;
    /** A value was sent and compared: this was a guess that the throttle must count. */
    readonly guessed: boolean;
    /** For `rate_limited`. */
    readonly retryAfterMs?: number;
    /** Why a Tailscale identity that was stated did not count; for the log, the wire tells the secret's reason. */
    readonly tailscale?: TailscaleReason;
  };

/** Why a Tailscale Serve identity does not count. Source: config-and-credentials.md 9. */
export type TailscaleReason = Extract<AuthReason, `tailscale_${string}`>;

/** Who is throttled for an attempt of this peer. */
export function actorOf(peer: PeerFacts): ThrottleActor {
  return { address: peer.clientAddress, origin: peer.origin };
}

/** Judges the shared credentials; counts nothing (the caller knows how the attempt ended). */
export async function checkSecret(
  question: SecretQuestion,
  policy: AuthPolicy,
  throttle: Throttle,
): Promise<SecretVerdict> {
  if (policy.mode === "trusted-proxy") return await checkTrustedProxy(question, policy, throttle);
  if (policy.mode === "none") return { ok: true, method: "none" };
  const tailscale = await checkTailscale(question, policy);
  if (tailscale === "ok") return { ok: true, method: "tailscale" };
  const shared = await checkShared(policy.mode, question, policy, throttle);
  return shared.ok || tailscale === undefined ? shared : { ...shared, tailscale };
}

async function checkShared(
  mode: "token" | "password",
  { auth, peer }: SecretQuestion,
  policy: AuthPolicy,
  throttle: Throttle,
): Promise<SecretVerdict> {
  // With a device token beside it, a guess would be answered without delay: no loopback exemption then (I03).
  const strict = auth?.deviceToken !== undefined;
  const retryAfterMs = throttle.lockedForMs("shared-secret", actorOf(peer), strict);
  if (retryAfterMs > 0) return { ok: false, reason: "rate_limited", guessed: false, retryAfterMs };
  const wanted = policy[mode];
  if (!wanted) return { ok: false, reason: `${mode}_missing_config`, guessed: false };
  const sent = mode === "token" ? auth?.token ?? auth?.password : auth?.password ?? auth?.token;
  if (sent === undefined || sent === "") {
    return { ok: false, reason: `${mode}_missing`, guessed: false };
  }
  return await wanted.equals(sent)
    ? { ok: true, method: mode }
    : { ok: false, reason: `${mode}_mismatch`, guessed: true };
}

/** The shared secret in force for this peer; behind a trusted proxy only direct local callers have one. */
export function sharedSecretFor(policy: AuthPolicy, peer: PeerFacts): Secret | undefined {
  if (policy.mode === "token") return policy.token;
  if (policy.mode === "password") return policy.password;
  return policy.mode === "trusted-proxy" && peer.local ? policy.password : undefined;
}

/** The scopes a proxy allows its user. */
const SCOPES_HEADER = "x-openclaw-scopes";

/** Attacks stopped: N07 (a local process sends the proxy's header), N08 (the session states its own scopes). */
async function checkTrustedProxy(
  question: SecretQuestion,
  policy: AuthPolicy,
  throttle: Throttle,
): Promise<SecretVerdict> {
  const { peer } = question;
  if (peer.local && policy.password) {
    return await checkShared("password", question, policy, throttle);
  }
  const reason = proxyProblem(peer, policy);
  if (reason !== undefined) return { ok: false, reason, guessed: false };
  return { ok: true, method: "trusted-proxy", ...scopeCap(peer, policy) };
}

/**
 * N08: a client can send this header, too, and a proxy that does not know it passes it on. It only gives scopes when it
 * is a required header, by which the owner says that the proxy sets it; else it can only take some away from a device.
 */
function scopeCap(peer: PeerFacts, policy: AuthPolicy) {
  const cap = peer.headers[SCOPES_HEADER];
  if (cap === undefined) return {};
  const proxyScopes = cap.split(/[\s,]+/).filter(Boolean);
  const { requiredHeaders = [] } = policy.trustedProxy ?? {};
  const isProxys = requiredHeaders.some((name) => name.toLowerCase() === SCOPES_HEADER);
  return { proxyScopes, proxyVouches: isProxys };
}

function proxyProblem(peer: PeerFacts, policy: AuthPolicy): AuthReason | undefined {
  const proxy = policy.trustedProxy;
  if (!proxy || proxy.userHeader === "") return "trusted_proxy_config_missing";
  if (policy.trustedProxies.length === 0) return "trusted_proxy_no_proxies_configured";
  if (!policy.trustedProxies.some((range) => ipInRange(peer.socketAddress, range))) {
    return "trusted_proxy_untrusted_source";
  }
  if (!proxy.allowLoopback && isOwnAddress(peer.socketAddress)) {
    return "trusted_proxy_loopback_source";
  }
  const required = proxy.requiredHeaders.map((name) => name.toLowerCase());
  const missing = required.find((name) => !peer.headers[name]?.trim());
  if (missing !== undefined) return `trusted_proxy_missing_header_${missing}`;
  const userHeader = proxy.userHeader.toLowerCase();
  // N07: a proxy that adds its header beside the client's own tells two stories.
  const twice = [userHeader, ...required, SCOPES_HEADER].find((name) =>
    peer.repeated.includes(name)
  );
  if (twice !== undefined) return `trusted_proxy_repeated_header_${twice}`;
  const user = userNamed(peer.headers[userHeader] ?? "");
  if (user === undefined) return "trusted_proxy_user_missing";
  return proxy.allowUsers.length > 0 && !proxy.allowUsers.includes(user)
    ? "trusted_proxy_user_not_allowed"
    : undefined;
}

/**
 * The user a header names, `undefined` for none. Proxies send UTF-8, and a header is read as one character per byte. Names
 * match exactly: only the blanks around a header are no part of it, others (U+00A0) make another user.
 */
function userNamed(header: string): string | undefined {
  const text = header.replace(/^[ \t]+|[ \t]+$/g, "");
  const bytes = Uint8Array.from(text, (char) => char.charCodeAt(0));
  // A larger character would be cut to a byte and could become that of another name.
  const isBytes = bytes.every((byte, i) => byte === text.charCodeAt(i));
  const user = isBytes ? new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes) : text;
  return user.trim() === "" ? undefined : user;
}

/**
 * N09: the header alone proves nothing; the daemon must name the same user for the forwarded address. `undefined` = no
 * identity counts on this connection, or none was stated.
 */
async function checkTailscale(
  { auth, role, peer }: SecretQuestion,
  { allowTailscale, whois }: AuthPolicy,
): Promise<"ok" | TailscaleReason | undefined> {
  if (!allowTailscale || role === "node" || peer.local || !whois) return undefined;
  if (auth?.token || auth?.password || !isLoopbackIp(peer.socketAddress)) return undefined;
  const stated = peer.headers["tailscale-user-login"];
  if (stated === undefined) return undefined;
  const login = stated.trim().toLowerCase();
  if (login === "" || peer.repeated.includes("tailscale-user-login")) {
    return "tailscale_user_missing";
  }
  const isServed = ["x-forwarded-for", "x-forwarded-proto", "x-forwarded-host"]
    .every((name) => peer.headers[name]);
  if (!isServed || peer.attribution !== "trusted-proxy") return "tailscale_proxy_missing";
  const owner = (await whois(peer.clientAddress))?.trim().toLowerCase();
  if (owner === undefined) return "tailscale_whois_failed";
  return owner === login ? "ok" : "tailscale_user_mismatch";
}
