/**
 * Whether a waiting node may be looked up over ssh, and what its answer is worth. Pure. Attacks stopped: a stranger who
 * makes the gateway call hosts of his choice (only where the packets came from, only private networks or those listed), a
 * flood of requests (cool-downs), a key that is not the one that knocked. Source: remote-access.md 7.
 */
import { inIpRange, ipKind, parseIp, parseIpRange } from "../../lib/ip.ts";
import type { PairingRequest } from "../../store/pairing_request.ts";
import type { AdmissionRequest } from "../pairing/desk.ts";

/** `gateway.nodes.pairing.sshVerify`. */
export interface VouchSettings {
  /** Account on the node; default the gateway's own. */
  readonly user?: string | undefined;
  readonly identity?: string | undefined;
  readonly timeoutMs?: number | undefined;
  /** Networks in place of the private ones. */
  readonly cidrs?: readonly string[] | undefined;
}

/** Default of `timeoutMs`. */
export const VOUCH_TIMEOUT_MS = 7_000;
/** Calls at once. */
export const MAX_VOUCHING = 4;
/** How long an address is left alone after ssh failed, and after it named another key. */
export const COOLDOWN_MS = { failed: 60_000, mismatch: 300_000 } as const;

/** The address to ask, or `undefined`: only a fresh node without scopes, straight from a private network. */
export function addressToAsk(
  filed: PairingRequest,
  request: AdmissionRequest,
  settings: VouchSettings,
): string | undefined {
  const { role, asksScopes, local, direct, browserOrigin, remoteIp } = request;
  if (role !== "node" || asksScopes || local || browserOrigin !== undefined) return;
  // I06: a request keeps what the device asked for before. Of that a key on a machine vouches for the node alone.
  if (filed.roles.some((asked) => asked !== "node") || filed.scopes.length > 0) return;
  // Behind a proxy the address is hearsay; an upgrade or a repair always asks a person.
  if (!direct || remoteIp === undefined || filed.reason !== "not-paired" || filed.isRepair) return;
  const bytes = parseIp(remoteIp);
  if (bytes === undefined || ipKind(bytes) === "loopback") return;
  const trusted = settings.cidrs === undefined
    ? ["private", "cgnat", "link-local"].includes(ipKind(bytes))
    : settings.cidrs.some((text) => {
      const range = parseIpRange(text);
      return range !== undefined && inIpRange(bytes, range);
    });
  return trusted ? remoteIp : undefined;
}
