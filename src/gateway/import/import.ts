/**
 * Importing the pairings of an existing set-up into our store: devices with their roles, scopes and tokens (as hashes),
 * nodes with their approved commands. Rows that do not add up are skipped and named; what is paired already stays.
 * Source: issue of pairing, section 1; gateway-protocol.md 16; decision 7.
 */
import { isObject } from "../../lib/objects.ts";
import { sha256Hex } from "../../lib/bytes.ts";
import type { Clock } from "../../lib/clock.ts";
import { deviceIdOf, normalizePublicKey } from "../../identity/device_key.ts";
import { lstatOrMissing } from "../../platform/file_safety.ts";
import { ensureDir, writeAtomic } from "../../platform/files.ts";
import type {
  ApprovedSurface,
  ApprovedVia,
  DeviceRecord,
  TokenGrant,
} from "../../store/device_record.ts";
import type { GatewayStore } from "../../store/gateway_store.ts";
import { type ImportSource, readImportSource, type Row } from "./sources.ts";
import { newGrant } from "../pairing/tokens.ts";

/** What an import did, for people and programs. */
export interface ImportReport {
  readonly from: string;
  readonly kind: ImportSource["kind"];
  /** Ids of devices that are paired now and were not before. */
  readonly devices: readonly string[];
  /** Those of them whose commands are approved. */
  readonly nodes: readonly string[];
  readonly skipped: readonly { readonly what: string; readonly why: string }[];
  /** Files that were written because they were missing. */
  readonly files: readonly string[];
}

/** Where things go. */
export interface ImportTarget {
  readonly store: GatewayStore;
  readonly clock: Clock;
  readonly paths: {
    readonly identityDir: string;
    readonly deviceKeyFile: string;
    readonly approvalsFile: string;
  };
}

/**
 * Imports a state directory of the reference. The caller holds the gateway lock (no import behind a running gateway).
 * Settles when durable; all devices in one transaction. `undefined` when the folder holds nothing to import.
 * @throws `IMPORT_UNREADABLE` for a damaged store, codes of `platform/files.ts` for an unsafe one.
 */
export async function importState(
  dir: string,
  target: ImportTarget,
): Promise<ImportReport | undefined> {
  const source = await readImportSource(dir);
  if (source === undefined) return undefined;
  const { store, clock } = target;
  const skipped: { what: string; why: string }[] = [];
  const records: DeviceRecord[] = [];
  for (const row of source.devices) {
    const record = await toRecord(row, source, clock.now());
    const what = String(row.deviceId ?? "a device without an id");
    if (typeof record === "string") skipped.push({ what, why: record });
    else if (store.devices.has(record.deviceId)) skipped.push({ what, why: "is paired already" });
    else records.push(record);
  }
  await store.commit((tx) => {
    for (const record of records) tx.put(store.devices, record.deviceId, record);
  });
  return {
    from: dir,
    kind: source.kind,
    devices: records.map((record) => record.deviceId),
    nodes: records.filter((record) => record.surface !== undefined).map((r) => r.deviceId),
    skipped,
    files: await writeMissingFiles(source, target),
  };
}

const text = (value: unknown): string | undefined =>
  typeof value === "string" && value !== "" ? value : undefined;
const time = (value: unknown): number | undefined =>
  typeof value === "number" && Number.isSafeInteger(value) && value > 0 ? value : undefined;
const texts = (value: unknown): string[] =>
  Array.isArray(value) ? value.filter((item): item is string => typeof item === "string") : [];
const row = (value: unknown): Row => isObject(value) ? value : {};

/** The record, or why the row cannot be one. I22: an id is only believed with the key it is made from. */
async function toRecord(
  source: Row,
  from: ImportSource,
  nowMs: number,
): Promise<DeviceRecord | string> {
  const publicKey = normalizePublicKey(text(source.publicKey) ?? "");
  if (publicKey === undefined) return "has no usable public key";
  const deviceId = await deviceIdOf(publicKey);
  if (deviceId === undefined || deviceId !== source.deviceId) {
    return "has an id that is not its key's";
  }
  const roles = [...new Set([...texts(source.roles), ...texts([source.role])])]
    .filter((role) => role === "operator" || role === "node");
  if (roles.length === 0) return "has no role this gateway knows";
  const scopes = texts(source.approvedScopes ?? source.scopes);
  const createdAtMs = time(source.createdAtMs) ?? nowMs;
  const surface = roles.includes("node") ? surfaceOf(source, from, deviceId) : undefined;
  return {
    deviceId,
    publicKey,
    clientId: text(source.clientId) ?? (roles.includes("node") ? "node-host" : "cli"),
    clientMode: text(source.clientMode) ?? (roles.includes("node") ? "node" : "cli"),
    ...facts(source),
    role: roles[0] ?? "operator",
    roles,
    approvedScopes: scopes,
    tokens: await grantsOf(source, roles, scopes, nowMs),
    createdAtMs,
    approvedAtMs: time(source.approvedAtMs) ?? createdAtMs,
    approvedVia: viaOf(source.approvedVia),
    ...(surface === undefined ? {} : { surface }),
  };
}

function facts(source: Row): Partial<DeviceRecord> {
  const out: Record<string, string> = {};
  const names = ["displayName", "operatorLabel", "platform", "deviceFamily", "remoteIp"] as const;
  for (const name of names) {
    const value = text(source[name]);
    if (value !== undefined) out[name] = value;
  }
  return out;
}

function viaOf(value: unknown): ApprovedVia {
  const known = ["silent", "bootstrap", "trusted-cidr", "ssh-verified"] as const;
  return known.find((via) => via === value) ?? "owner";
}

/** Tokens keep working: their hash is kept until the device used a token of ours (decision 7). Revoked ones stay revoked. */
async function grantsOf(
  source: Row,
  roles: readonly string[],
  approvedScopes: readonly string[],
  nowMs: number,
): Promise<Record<string, TokenGrant>> {
  const out: Record<string, TokenGrant> = {};
  for (const role of roles) {
    const held = row(row(source.tokens)[role]);
    const token = text(held.token);
    const grantScopes = texts(held.scopes).filter((scope) => approvedScopes.includes(scope));
    const grant = newGrant(
      role,
      role === "operator" ? grantScopes : [],
      time(held.createdAtMs) ?? nowMs,
    );
    const revokedAtMs = time(held.revokedAtMs);
    if (token === undefined && revokedAtMs === undefined) continue;
    out[role] = {
      ...grant,
      ...(revokedAtMs === undefined
        ? { importedHash: await sha256Hex(token ?? "") }
        : { revokedAtMs }),
    };
  }
  return out;
}

/** The approved surface: of the device record in the new line, of the node store in the old one. */
function surfaceOf(source: Row, from: ImportSource, deviceId: string): ApprovedSurface | undefined {
  const found = from.kind === "sqlite" ? source.nodeSurface : from.nodes.get(deviceId);
  if (found === undefined || found === null) return undefined;
  const surface = row(found);
  const permissions = Object.entries(row(surface.permissions)).filter((entry): entry is [
    string,
    boolean,
  ] => typeof entry[1] === "boolean");
  const approvedAtMs = time(surface.approvedAtMs) ?? time(source.approvedAtMs) ?? 1;
  return {
    caps: texts(surface.caps),
    commands: texts(surface.commands),
    ...(permissions.length === 0 ? {} : { permissions: Object.fromEntries(permissions) }),
    createdAtMs: time(surface.createdAtMs) ?? approvedAtMs,
    approvedAtMs,
  };
}

/** Key and approvals of this machine's own node lay in the database of the new line; ours are files. */
async function writeMissingFiles(source: ImportSource, { paths }: ImportTarget): Promise<string[]> {
  const written: string[] = [];
  const write = async (path: string, content: string | undefined) => {
    if (content === undefined || await lstatOrMissing(path)) return;
    await writeAtomic(path, content);
    written.push(path);
  };
  if (source.deviceKeyText !== undefined) await ensureDir(paths.identityDir);
  await write(paths.deviceKeyFile, source.deviceKeyText);
  await write(paths.approvalsFile, source.approvalsText);
  return written;
}
