/**
 * How devices and pairing requests look. Pure: values in, lines and cells out.
 */
import { OpenclawError } from "../../lib/errors.ts";
import { quoted } from "../../lib/text.ts";
import type { PairedDevice, PendingDevice } from "../shapes.ts";
import { ageText, type Column, startsId } from "../terminal/table.ts";

/** Columns of the table of pending requests. */
export const PENDING_COLUMNS: readonly Column[] = [
  { title: "Request", fixed: true },
  { title: "Device" },
  { title: "Requested" },
  { title: "Approved" },
  { title: "Age", fixed: true },
  { title: "Status" },
];

/** Columns of the table of paired devices. */
export const PAIRED_COLUMNS: readonly Column[] = [
  { title: "Device" },
  { title: "ID", fixed: true, cutTo: 16 },
  { title: "Roles" },
  { title: "Scopes" },
  { title: "Tokens" },
  { title: "IP" },
];

/** Row of one pending request. `known` is the record of the same device, when it is paired. */
export function pendingRow(
  request: PendingDevice,
  known: PairedDevice | undefined,
  nowMs: number,
): string[] {
  return [
    request.requestId,
    [request.displayName ?? request.deviceId, request.remoteIp].filter(Boolean).join(" · "),
    grantText(rolesOf(request), request.scopes ?? []),
    known ? grantText(rolesOf(known), known.scopes ?? []) : "none",
    ageText(request.ts, nowMs),
    statusText(request, known),
  ];
}

/** Row of one paired device. */
export function pairedRow(device: PairedDevice): string[] {
  return [
    device.operatorLabel ?? device.displayName ?? device.clientId ?? "",
    device.deviceId,
    rolesOf(device).join(", ") || "none",
    device.scopes?.join(", ") || "none",
    device.tokens?.map((t) => t.revokedAtMs ? `${t.role} (revoked)` : t.role).join(", ") || "none",
    device.remoteIp ?? "",
  ];
}

/**
 * The device a word means: id, label, name, or an id prefix of at least six characters.
 * @throws OpenclawError `DEVICE_UNKNOWN`.
 */
export function findDevice(devices: readonly PairedDevice[], word: string): PairedDevice {
  const exact = devices.find((device) => device.deviceId === word);
  const named = devices.filter((d) => d.operatorLabel === word || d.displayName === word);
  const started = devices.filter((d) => startsId(d.deviceId, word));
  const found = exact ?? [named, started].find((list) => list.length === 1)?.[0];
  if (found) return found;
  const tied = (named.length > 0 ? named : started).map((d) => d.deviceId).join(", ");
  const message = tied === ""
    ? `unknown deviceId: ${quoted(word)}`
    : `ambiguous device: ${quoted(word)} (matches: ${tied})`;
  throw new OpenclawError("DEVICE_UNKNOWN", message, { hint: "openclaw devices list" });
}

/** The roles of a record, from either spelling. */
export function rolesOf(record: { roles?: string[] | null; role?: string | null }): string[] {
  if (record.roles && record.roles.length > 0) return record.roles;
  return record.role ? [record.role] : [];
}

function grantText(roles: readonly string[], scopes: readonly string[]): string {
  return `roles: ${roles.join(", ") || "none"}; scopes: ${scopes.join(", ") || "none"}`;
}

/** `new pairing`, `role upgrade`, `scope upgrade`, `re-approval`, plus `, repair`. */
export function statusText(request: PendingDevice, known: PairedDevice | undefined): string {
  const repair = request.isRepair ? ", repair" : "";
  if (!known) return `new pairing${repair}`;
  const newRole = rolesOf(request).some((role) => !rolesOf(known).includes(role));
  if (newRole) return `role upgrade${repair}`;
  const newScope = (request.scopes ?? []).some((scope) => !known.scopes?.includes(scope));
  return (newScope ? "scope upgrade" : "re-approval") + repair;
}

/** What an approval of this request grants, for the person who decides. */
export function grantLines(request: PendingDevice, nowMs: number): string[] {
  const commands = request.commands ?? [];
  return [
    `Request   ${request.requestId} (${ageText(request.ts, nowMs)})`,
    `Device    ${request.displayName ?? "(no name)"}${
      request.platform ? ` · ${request.platform}` : ""
    }`,
    `Address   ${request.remoteIp ?? "this machine"}`,
    `Key       ${request.deviceId} (SHA-256 of the public key)`,
    `Roles     ${rolesOf(request).join(", ") || "none"}`,
    ...(request.scopes && request.scopes.length > 0
      ? [`Scopes    ${request.scopes.join(", ")}`]
      : []),
    ...(commands.length > 0 ? [`Commands  ${commands.join(", ")}`] : []),
  ];
}

/** Why `--latest` must not approve without a person (I24); `undefined` when it may. */
export function raceReason(
  request: PendingDevice,
  pendingCount: number,
  nowMs: number,
): string | undefined {
  if (pendingCount > 1) return `${pendingCount} requests are pending`;
  const scopes = (request.scopes ?? []).filter((scope) => scope.startsWith("operator."));
  if (scopes.length > 0) return `it asks for operator scopes: ${scopes.join(", ")}`;
  if (nowMs - (request.ts ?? 0) < FRESH_MS) return "it arrived less than 2 seconds ago";
  return undefined;
}

/** A request younger than this may have been filed to race the person who types `--latest`. */
const FRESH_MS = 2_000;
