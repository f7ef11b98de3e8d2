/**
 * What an authenticated connection may do: owner or not, which scopes, and whether pairing is asked. Pure.
 * Attacks stopped: I01 (self-declared scopes), I07 (silent upgrade), N08. Source: decision 1, gateway-protocol.md 4.3.
 */
import type { AuthMethod } from "../../protocol/hello.ts";
import { coversScope } from "../../protocol/scopes.ts";
import type { SecretVerdict } from "../auth/auth.ts";
import type { Candidate, Grant } from "./types.ts";
import type { BootstrapTicket, DeviceTokenVerdict } from "../pairing/desk.ts";
import type { PeerFacts } from "../peers/peer_facts.ts";

/** Facts of {@linkcode decideGrant}: at least one of `secret.ok`, `bootstrap`, `deviceToken` holds. */
export interface GrantFacts {
  readonly candidate: Candidate;
  readonly peer: PeerFacts;
  readonly secret: SecretVerdict;
  readonly bootstrap?: BootstrapTicket;
  readonly deviceToken?: DeviceTokenVerdict & { readonly ok: true };
}

/** Decides once; the scopes never grow afterwards. */
export function decideGrant(facts: GrantFacts): Grant {
  const { candidate: { params, role }, peer, secret } = facts;
  const owner = isOwner(peer, secret);
  const device = params.device !== undefined;
  const helper = params.client.id === "gateway-client" && params.client.mode === "backend";
  return {
    method: methodOf(facts),
    owner,
    scopes: scopesOf(facts, owner, device),
    // A helper of the command line on the gateway host leaves no trace in the device list.
    needsPairing: device && !(owner && helper && role === "operator"),
    bootstrap: facts.bootstrap,
    deviceTokenGeneration: facts.deviceToken?.generation,
  };
}

/** Decision 1. Mode `none` makes nobody an owner. */
function isOwner(peer: PeerFacts, secret: SecretVerdict): boolean {
  return secret.ok && (secret.method === "token" || secret.method === "password") && peer.local &&
    peer.origin === undefined;
}

function methodOf({ secret, bootstrap, deviceToken }: GrantFacts): AuthMethod {
  if (bootstrap) return "bootstrap-token";
  if (deviceToken) return "device-token";
  return secret.ok ? secret.method : "none";
}

function scopesOf(facts: GrantFacts, owner: boolean, device: boolean): readonly string[] {
  const { candidate: { params, role }, secret } = facts;
  if (role === "node") return [];
  const asked = params.scopes ?? [];
  if (owner) return asked;
  const cap = secret.ok ? secret.proxyScopes : undefined;
  // Without a device only a proxy can vouch for scopes; with one, pairing decides whether they are covered.
  if (!device && !(secret.ok && secret.proxyVouches)) return [];
  return cap === undefined ? asked : asked.filter((scope) => coversScope(cap, scope));
}
