/**
 * The auth policy in force and what happens when it changes: sessions that used the old secret end at once (I14).
 * Source: gateway-protocol.md 4.6.
 */
import type { ServerAuth } from "../../config/server/server_auth.ts";
import type { Secret } from "../../lib/secret.ts";
import { CLOSE } from "../../protocol/close_codes.ts";
import type { AuthMethod } from "../../protocol/hello.ts";
import type { AuthPolicy } from "./auth.ts";
import type { Registry } from "../peers/registry.ts";

/** Asks the local tailscale daemon who owns an address. */
export type Whois = (address: string) => Promise<string | undefined>;

/** The configured auth as the handshake reads it. */
export function policyOf(auth: ServerAuth, whois: Whois | undefined): AuthPolicy {
  const { userHeader, requiredHeaders, allowUsers, allowLoopback } = auth.trustedProxy;
  return {
    mode: auth.mode,
    token: auth.token,
    password: auth.password,
    allowTailscale: auth.allowTailscale,
    trustedProxy: userHeader === undefined
      ? undefined
      : { userHeader, requiredHeaders, allowUsers, allowLoopback },
    trustedProxies: auth.trustedProxies,
    allowRealIpFallback: auth.allowRealIpFallback,
    whois,
  };
}

/** Whether both policies let in by the same mode and secret. */
async function sameSecret(a: AuthPolicy, b: AuthPolicy): Promise<boolean> {
  if (a.mode !== b.mode) return false;
  return await equalSecrets(a.token, b.token) && await equalSecrets(a.password, b.password);
}

async function equalSecrets(a: Secret | undefined, b: Secret | undefined): Promise<boolean> {
  return a === undefined || b === undefined ? a === b : await a.equals(b);
}

/** Holds the policy in force. */
export class AuthState {
  #policy: AuthPolicy;

  constructor(policy: AuthPolicy) {
    this.#policy = policy;
  }

  /** The policy in force. */
  get policy(): AuthPolicy {
    return this.#policy;
  }

  /** Puts a policy in force. Returns which sessions must end for it: those whose way in is not there any more. */
  async change(next: AuthPolicy): Promise<Ended> {
    const before = this.#policy;
    this.#policy = next;
    if (!await sameSecret(before, next)) return SHARED;
    const ended = new Set<AuthMethod>();
    if (proxyText(before) !== proxyText(next)) ended.add("trusted-proxy");
    if (before.allowTailscale && !next.allowTailscale) ended.add("tailscale");
    return ended;
  }
}

/** How the sessions got in that a change ends. */
export type Ended = ReadonlySet<AuthMethod>;

/** Every way but a device's own token. */
const SHARED: Ended = new Set(["none", "token", "password", "trusted-proxy", "tailscale"]);

/** Who a proxy may let in: a user taken off the list must not stay until he hangs up (I12). */
function proxyText({ mode, trustedProxy, trustedProxies }: AuthPolicy): string {
  return mode === "trusted-proxy" ? JSON.stringify([trustedProxy, trustedProxies]) : "";
}

/** Ends every session that got in by one of these ways. */
export function endSessions(registry: Registry, methods: Ended): number {
  let ended = 0;
  for (const peer of [...registry.peers()]) {
    if (!methods.has(peer.principal.authMethod)) continue;
    peer.close(CLOSE.sessionEnded, "gateway auth changed");
    ended++;
  }
  return ended;
}
