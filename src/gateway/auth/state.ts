/**
 * The auth policy in force and what happens when it changes: sessions that used the old secret end at once (I14).
 * Source: gateway-protocol.md 4.6.
 */
import type { ServerAuth } from "../../config/server/server_auth.ts";
import type { Secret } from "../../lib/secret.ts";
import { CLOSE } from "../../protocol/close_codes.ts";
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

  /** Puts a policy in force. Returns whether the way in changed. */
  async change(next: AuthPolicy): Promise<boolean> {
    const changed = !await sameSecret(this.#policy, next);
    this.#policy = next;
    return changed;
  }
}

/** Ends every session that did not get in by a device's own token. */
export function endSharedSessions(registry: Registry): number {
  let ended = 0;
  for (const peer of [...registry.peers()]) {
    const { authMethod } = peer.principal;
    if (authMethod === "device-token" || authMethod === "bootstrap-token") continue;
    peer.close(CLOSE.sessionEnded, "gateway auth changed");
    ended++;
  }
  return ended;
}
