/**
 * Approval of node command surfaces: reconciling what a node declares with what is approved, and the operator's answers.
 * Source: gateway-protocol.md 9.1, 9.3; decisions 3, 4.
 */
import { refusal } from "../../protocol/errors.ts";
import { type PlatformFacts, requiredApproveScopes } from "../../protocol/node_commands.ts";
import {
  type ApprovedSurface,
  deviceName,
  type DeviceRecord,
  type PendingSurface,
  type Surface,
} from "../../store/device_record.ts";
import type { Change } from "../../store/store.ts";
import { filterDeclared } from "../nodes/policy.ts";
import { countAsked, deadRequest, type PairingContext, remember, throwIf } from "./context.ts";
import type { AdmissionRequest, EffectiveSurface } from "./desk.ts";
import { refuseName } from "./record.ts";
import { mayTouch, refuseSurfaceApprove } from "./rules.ts";
import type { Principal } from "../peers/principal.ts";
import { compareSurface, sameSurface, surfaceChanges, tidySurface } from "../nodes/surface.ts";

/** The part of a declaration the command policy lets through. */
export function allowedSurface(
  context: PairingContext,
  declared: Surface,
  platform: PlatformFacts,
): Surface {
  const commands = filterDeclared(declared.commands, platform, context.nodePolicy());
  return tidySurface({ ...declared, commands });
}

/** What a node may do now, with the id of the request that waits. */
export function effectiveSurface(
  context: PairingContext,
  nodeId: string,
  declared: Surface,
): EffectiveSurface {
  const record = context.store.devices.get(nodeId);
  const { effective } = compareSurface(declared, record?.surface);
  const pendingRequestId = record?.pendingSurface?.requestId;
  return pendingRequestId === undefined ? effective : { ...effective, pendingRequestId };
}

/** Outcome of {@linkcode reconcile}: the record to save, and what to tell once it is saved. */
export interface Reconciled {
  readonly record: DeviceRecord;
  readonly told: readonly (() => void)[];
}

/** Compares a connecting node's surface with the approved one and files, keeps or clears the request (I08, I09). */
export function reconcile(
  context: PairingContext,
  tx: Change,
  record: DeviceRecord,
  { request, declared }: { readonly request: AdmissionRequest; readonly declared: Surface },
): Reconciled {
  const pending = record.pendingSurface;
  if (!compareSurface(declared, record.surface).grows) {
    if (pending === undefined) return { record, told: [] };
    const { pendingSurface: _cleared, ...rest } = record;
    return { record: rest, told: [endPending(context, tx, record, pending, "removed")] };
  }
  if (pending !== undefined && sameSurface(pending, declared)) return { record, told: [] };
  countAsked(context, record.deviceId);
  const made = buildPending(record, request, declared, context.clock.now());
  const told: (() => void)[] = [];
  if (pending !== undefined) {
    told.push(endPending(context, tx, record, pending, "superseded", made));
  }
  told.push(() => context.emit("node.pair.requested", pendingRow(record.deviceId, made)));
  return { record: { ...record, pendingSurface: made }, told };
}

function endPending(
  context: PairingContext,
  tx: Change,
  record: DeviceRecord,
  pending: PendingSurface,
  outcome: "superseded" | "removed",
  made?: PendingSurface,
): () => void {
  const atMs = context.clock.now();
  remember(context, tx, {
    requestId: pending.requestId,
    kind: "surface",
    deviceId: record.deviceId,
    outcome,
    ...(made === undefined
      ? {}
      : { replacedBy: made.requestId, changed: surfaceChanges(pending, made) }),
    atMs,
  });
  return () => emitResolved(context, pending.requestId, record.deviceId, "rejected");
}

/** Tells operators what became of a surface request. */
export function emitResolved(
  context: PairingContext,
  requestId: string,
  nodeId: string,
  decision: string,
) {
  context.emit("node.pair.resolved", { requestId, nodeId, decision, ts: context.clock.now() });
}

function buildPending(
  record: DeviceRecord,
  request: AdmissionRequest,
  declared: Surface,
  nowMs: number,
): PendingSurface {
  const { device, remoteIp } = request;
  const silent = record.surface === undefined && record.approvedVia !== "owner";
  return {
    requestId: crypto.randomUUID(),
    clientId: device.clientId,
    clientMode: device.clientMode,
    ...(device.displayName === undefined ? {} : { displayName: device.displayName }),
    ...(device.platform === undefined ? {} : { platform: device.platform }),
    ...(device.version === undefined ? {} : { version: device.version }),
    ...(device.deviceFamily === undefined ? {} : { deviceFamily: device.deviceFamily }),
    ...declared,
    ...(remoteIp === undefined ? {} : { remoteIp }),
    ...(silent ? { silent } : {}),
    ts: nowMs,
  };
}

/** A waiting surface as `node.pair.list` and `node.pair.requested` show it. */
export function pendingRow(nodeId: string, pending: PendingSurface) {
  const { requestId, remoteIp, silent, ts, ...rest } = pending;
  return {
    requestId,
    nodeId,
    ...rest,
    requiredApproveScopes: requiredApproveScopes(pending.commands),
    ...(remoteIp === undefined ? {} : { remoteIp }),
    ...(silent === undefined ? {} : { silent }),
    ts,
  };
}

/** An approved node as `node.pair.list` and `node.pair.approve` show it. */
export function approvedRow(context: PairingContext, record: DeviceRecord) {
  const seen = context.store.seen.get(record.deviceId);
  const surface = record.surface;
  return {
    nodeId: record.deviceId,
    clientId: record.clientId,
    clientMode: record.clientMode,
    displayName: record.nodeName ?? deviceName(record),
    ...(record.platform === undefined ? {} : { platform: record.platform }),
    ...(record.version === undefined ? {} : { version: record.version }),
    ...(record.deviceFamily === undefined ? {} : { deviceFamily: record.deviceFamily }),
    caps: surface?.caps ?? [],
    commands: surface?.commands ?? [],
    ...(surface?.permissions === undefined ? {} : { permissions: surface.permissions }),
    ...(record.remoteIp === undefined ? {} : { remoteIp: record.remoteIp }),
    createdAtMs: surface?.createdAtMs ?? record.createdAtMs,
    approvedAtMs: surface?.approvedAtMs ?? record.approvedAtMs,
    ...(seen === undefined ? {} : seenFields(seen)),
  };
}

function seenFields(
  seen: { lastSeenAtMs: number; lastSeenReason: string; lastConnectedAtMs?: number },
) {
  return {
    ...(seen.lastConnectedAtMs === undefined ? {} : { lastConnectedAtMs: seen.lastConnectedAtMs }),
    lastSeenAtMs: seen.lastSeenAtMs,
    lastSeenReason: seen.lastSeenReason,
  };
}

/** The device whose surface waits under this id. */
function waitingSurface(context: PairingContext, principal: Principal, requestId: string) {
  for (const record of context.store.devices.values()) {
    if (record.pendingSurface?.requestId !== requestId) continue;
    if (mayTouch(principal, record.deviceId)) return { record, pending: record.pendingSurface };
  }
  throw deadRequest(context, principal, requestId, "`openclaw nodes pending`");
}

/** `node.pair.approve`. Settles when durable; the caller then tells the live session. */
export async function approveSurface(
  context: PairingContext,
  principal: Principal,
  requestId: string,
) {
  const { record, pending } = waitingSurface(context, principal, requestId);
  throwIf(refuseSurfaceApprove(principal, requiredApproveScopes(pending.commands))); // I06
  const nowMs = context.clock.now();
  const { pendingSurface: _answered, ...rest } = record;
  const saved: DeviceRecord = { ...rest, surface: approve(pending, record.surface, nowMs) };
  await context.store.commit((tx) => {
    tx.put(context.store.devices, record.deviceId, saved);
    remember(context, tx, answered(requestId, record.deviceId, "approved", nowMs));
  });
  emitResolved(context, requestId, record.deviceId, "approved");
  context.emit("device.pair.changed", {});
  return { record: saved, row: approvedRow(context, saved) };
}

/** A surface as approved now; the time of the first approval is kept. */
export function approve(
  surface: Surface,
  before: ApprovedSurface | undefined,
  nowMs: number,
): ApprovedSurface {
  const { caps, commands, permissions } = surface;
  return {
    caps,
    commands,
    ...(permissions === undefined ? {} : { permissions }),
    createdAtMs: before?.createdAtMs ?? nowMs,
    approvedAtMs: nowMs,
  };
}

function answered(
  requestId: string,
  deviceId: string,
  outcome: "approved" | "rejected",
  atMs: number,
) {
  return { requestId, kind: "surface" as const, deviceId, outcome, atMs };
}

/** `node.pair.reject`. The node stays connected with what was approved before. */
export async function rejectSurface(
  context: PairingContext,
  principal: Principal,
  requestId: string,
) {
  const { record } = waitingSurface(context, principal, requestId);
  const { pendingSurface: _answered, ...rest } = record;
  await context.store.commit((tx) => {
    tx.put(context.store.devices, record.deviceId, rest);
    remember(context, tx, answered(requestId, record.deviceId, "rejected", context.clock.now()));
  });
  emitResolved(context, requestId, record.deviceId, "rejected");
  return { requestId, nodeId: record.deviceId };
}

/** `node.rename`: needs an approved surface. */
export async function renameNode(
  context: PairingContext,
  principal: Principal,
  { nodeId, displayName }: { readonly nodeId: string; readonly displayName: string },
) {
  const record = context.store.devices.get(nodeId);
  if (record?.surface === undefined || !mayTouch(principal, nodeId)) {
    throw refusal("INVALID_REQUEST", "unknown nodeId");
  }
  throwIf(refuseName(principal, context.store.devices.values(), nodeId, displayName));
  await context.store.commit((tx) =>
    tx.put(context.store.devices, nodeId, { ...record, nodeName: displayName })
  );
  context.emit("device.pair.changed", {});
  return { nodeId, displayName };
}

/** `node.pair.list`. */
export function listSurfaces(context: PairingContext, principal: Principal) {
  const pending = [];
  const paired = [];
  for (const record of context.store.devices.values()) {
    if (!mayTouch(principal, record.deviceId)) continue;
    if (record.pendingSurface !== undefined) {
      pending.push(pendingRow(record.deviceId, record.pendingSurface));
    }
    if (record.surface !== undefined) paired.push(approvedRow(context, record));
  }
  return { pending: pending.sort((a, b) => b.ts - a.ts), paired };
}
