/**
 * Building and showing device records: what an approval turns a request into, and the rows `device.pair.list` gives out.
 * Source: gateway-protocol.md 8.3, 8.5.
 */
import {
  type ApprovedSurface,
  type ApprovedVia,
  deviceName,
  type DeviceRecord,
  type TokenGrant,
} from "../../store/device_record.ts";
import type { SeenRecord } from "../../store/device_record.ts";
import type { OpenclawError } from "../../lib/errors.ts";
import { slugOf } from "../../lib/text.ts";
import { refusal } from "../../protocol/errors.ts";
import { coversScope } from "../../protocol/scopes.ts";
import type { Principal } from "../peers/principal.ts";
import type { GatewayStore } from "../../store/gateway_store.ts";
import type { PairingRequest } from "../../store/pairing_request.ts";
import { newGrant } from "./tokens.ts";

/** What is approved: the part of a request that becomes the device's record. */
export type Grantee = Pick<
  PairingRequest,
  | "deviceId"
  | "publicKey"
  | "clientId"
  | "clientMode"
  | "displayName"
  | "version"
  | "platform"
  | "deviceFamily"
  | "modelIdentifier"
  | "remoteIp"
  | "role"
  | "roles"
  | "scopes"
>;

/** How it is approved. */
export interface Approval {
  readonly via: ApprovedVia;
  readonly nowMs: number;
  readonly surface?: ApprovedSurface;
  readonly joinedBy?: string;
  readonly labels?: Readonly<Record<string, string>>;
}

/**
 * The record after an approval. Roles and scopes are added to what was approved before; a token that is not revoked keeps
 * its value, so an upgrade never logs a device out.
 */
export function approvedRecord(
  before: DeviceRecord | undefined,
  grantee: Grantee,
  approval: Approval,
): DeviceRecord {
  const kept = before?.publicKey === grantee.publicKey ? before : undefined;
  const approvedScopes = union(kept?.approvedScopes, grantee.scopes);
  const tokens: Record<string, TokenGrant> = { ...kept?.tokens };
  for (const role of grantee.roles) {
    const scopes = role === "operator" ? approvedScopes : [];
    const grant = tokens[role];
    tokens[role] = grant === undefined || grant.revokedAtMs !== undefined
      ? newGrant(role, scopes, approval.nowMs)
      : { ...grant, scopes: union(grant.scopes, scopes) };
  }
  const { scopes: _scopes, roles: _roles, role: _role, ...facts } = pickFacts(grantee);
  const { pendingSurface, ...base } = kept ?? { pendingSurface: undefined };
  return {
    ...base,
    ...facts,
    role: kept?.role ?? grantee.role,
    roles: union(kept?.roles, grantee.roles),
    approvedScopes,
    tokens,
    createdAtMs: kept?.createdAtMs ?? approval.nowMs,
    approvedAtMs: approval.nowMs,
    approvedVia: approval.via,
    ...(approval.joinedBy === undefined ? {} : { joinedBy: approval.joinedBy }),
    ...(approval.labels === undefined ? {} : { labels: approval.labels }),
    ...(approval.surface === undefined
      ? (pendingSurface === undefined ? {} : { pendingSurface })
      : { surface: approval.surface }),
  };
}

/**
 * A device names itself anew at each connect, but not after another one: commands are sent by name, and whoever took the
 * name of a machine that is away would get them.
 */
export function nameOf(
  { devices }: Pick<GatewayStore, "devices">,
  record: DeviceRecord,
  said: string | undefined,
): { readonly displayName?: string } {
  if (said === undefined || said === record.displayName) return {};
  return isAnothersName(devices.values(), record.deviceId, said) ? {} : { displayName: said };
}

/** Whether a device other than `deviceId` goes by this name. */
function isAnothersName(
  devices: Iterable<DeviceRecord>,
  deviceId: string,
  name: string,
): boolean {
  const slug = slugOf(name);
  for (const other of devices) {
    if (other.deviceId === deviceId) continue;
    const names = [other.nodeName, other.operatorLabel, other.displayName, other.deviceId];
    if (names.some((taken) => taken !== undefined && slugOf(taken) === slug)) return true;
  }
  return false;
}

/** The refusal of a name that would lead commands for another device here, when nobody with admin gives it. */
export function refuseName(
  { owner, scopes }: Principal,
  devices: Iterable<DeviceRecord>,
  deviceId: string,
  name: string,
): OpenclawError | undefined {
  if (owner || coversScope(scopes, "operator.admin")) return undefined;
  return isAnothersName(devices, deviceId, name)
    ? refusal("INVALID_REQUEST", "another device goes by this name")
    : undefined;
}

function pickFacts(grantee: Grantee): Grantee {
  const out: Record<string, unknown> = {};
  const keys = [
    "deviceId",
    "publicKey",
    "clientId",
    "clientMode",
    "displayName",
    "version",
    "platform",
    "deviceFamily",
    "modelIdentifier",
    "remoteIp",
    "role",
    "roles",
    "scopes",
  ] as const;
  for (const key of keys) if (grantee[key] !== undefined) out[key] = grantee[key];
  return out as unknown as Grantee;
}

function union(a: readonly string[] | undefined, b: readonly string[]): string[] {
  return [...new Set([...(a ?? []), ...b])];
}

/** A token without its secret parts. */
export function tokenRow(grant: TokenGrant, usedAtMs: number | undefined) {
  return {
    role: grant.role,
    scopes: grant.scopes,
    createdAtMs: grant.createdAtMs,
    ...(grant.rotatedAtMs === undefined ? {} : { rotatedAtMs: grant.rotatedAtMs }),
    ...(grant.revokedAtMs === undefined ? {} : { revokedAtMs: grant.revokedAtMs }),
    ...(usedAtMs === undefined ? {} : { lastUsedAtMs: usedAtMs }),
  };
}

/** A paired device as `device.pair.list` and `device.pair.approve` show it. */
export function deviceRow(record: DeviceRecord, seen: SeenRecord | undefined, connected: boolean) {
  const {
    tokens,
    approvedScopes,
    surface,
    pendingSurface,
    nodeName: _node,
    joinedBy: _join,
    version: _version,
    modelIdentifier: _model,
    ...rest
  } = record;
  return {
    ...rest,
    displayName: deviceName(record),
    scopes: approvedScopes,
    ...(surface === undefined ? {} : { nodeSurface: surface }),
    ...(pendingSurface === undefined ? {} : { pendingNodeSurface: pendingSurface }),
    ...(seen === undefined
      ? {}
      : { lastSeenAtMs: seen.lastSeenAtMs, lastSeenReason: seen.lastSeenReason }),
    connected,
    tokens: Object.values(tokens).map((grant) =>
      tokenRow(grant, seen?.tokenUsedAtMs?.[grant.role])
    ),
  };
}
