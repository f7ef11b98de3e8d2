/**
 * Rotating and revoking device tokens. The caller ends the sessions afterwards. Source: gateway-protocol.md 8.5; decision 7.
 */
import type { Secret } from "../../lib/secret.ts";
import { refusal } from "../../protocol/errors.ts";
import { isRole } from "../../protocol/roles.ts";
import { coversAll } from "../../protocol/scopes.ts";
import type { DeviceRecord } from "../../store/device_record.ts";
import type { PairingContext } from "./context.ts";
import { mayOperateToken } from "./rules.ts";
import type { Principal } from "../peers/principal.ts";
import { revokeGrant, rotateGrant } from "./tokens.ts";

/** Names a token. */
export interface TokenName {
  readonly deviceId: string;
  readonly role: string;
}

function grantFor(context: PairingContext, principal: Principal, name: TokenName, denied: string) {
  const record = context.store.devices.get(name.deviceId);
  // N17: `constructor` is a member of every object, and no role.
  const grant = isRole(name.role) ? record?.tokens[name.role] : undefined;
  if (record === undefined || grant === undefined || grant.revokedAtMs !== undefined) {
    throw refusal("INVALID_REQUEST", denied);
  }
  // I04: both what the token can do now and what it will be able to do must be within the caller's reach.
  if (!mayOperateToken(principal, record, grant.scopes)) throw refusal("INVALID_REQUEST", denied);
  return { record, grant };
}

/** Outcome of {@linkcode rotateToken}: `token` only for the device itself. */
export interface Rotated {
  readonly scopes: readonly string[];
  readonly rotatedAtMs: number;
  readonly token?: Secret;
}

/** `device.token.rotate`. The old token works until the new one was used, at most 10 minutes (decision 7). */
export async function rotateToken(
  context: PairingContext,
  principal: Principal,
  asked: TokenName & { readonly scopes?: readonly string[] },
): Promise<Rotated> {
  const denied = "device token rotation denied";
  const { record, grant } = grantFor(context, principal, asked, denied);
  const scopes = asked.role === "operator" ? asked.scopes ?? grant.scopes : [];
  // I04: a device whose token was narrowed must not widen it again by itself.
  const own = principal.deviceId === record.deviceId && coversAll(grant.scopes, scopes);
  const allowed = coversAll(record.approvedScopes, scopes) &&
    (own || principal.owner || coversAll(principal.scopes, scopes));
  if (!allowed || (asked.role !== "operator" && (asked.scopes ?? []).length > 0)) {
    throw refusal("INVALID_REQUEST", denied);
  }
  const rotatedAtMs = context.clock.now();
  const next = rotateGrant(grant, scopes, rotatedAtMs);
  await saveGrant(context, record, next);
  return principal.deviceId === record.deviceId
    ? { scopes, rotatedAtMs, token: await context.tokens.issue(record.deviceId, next) }
    : { scopes, rotatedAtMs };
}

async function saveGrant(
  context: PairingContext,
  record: DeviceRecord,
  grant: DeviceRecord["tokens"][string],
) {
  await context.store.commit((tx) =>
    tx.put(context.store.devices, record.deviceId, {
      ...record,
      tokens: { ...record.tokens, [grant.role]: grant },
    })
  );
  context.emit("device.pair.changed", {});
}

/** `device.token.revoke`: the next connect of that role needs an approval. */
export async function revokeToken(context: PairingContext, principal: Principal, asked: TokenName) {
  const { record, grant } = grantFor(context, principal, asked, "device token revocation denied");
  const revokedAtMs = context.clock.now();
  await saveGrant(context, record, revokeGrant(grant, revokedAtMs));
  return { deviceId: record.deviceId, role: asked.role, revokedAtMs };
}
