/**
 * The operator's acts on devices: list, approve, admit, reject, remove, rename. Each settles when durable.
 * Tokens are `token_changes.ts`. Source: gateway-protocol.md 8.5; decisions 3, 4.
 */
import { refusal } from "../../protocol/errors.ts";
import { requiredApproveScopes } from "../../protocol/node_commands.ts";
import type { ApprovedVia, DeviceRecord } from "../../store/device_record.ts";
import type { PairingRequest } from "../../store/pairing_request.ts";
import {
  answerRequest,
  deadRequest,
  expireRequests,
  type PairingContext,
  throwIf,
  waitingRequest,
  waitingRequests,
} from "./context.ts";
import { approvedRecord, deviceRow, refuseName } from "./record.ts";
import { requestEvent } from "./requests.ts";
import { mayOperateToken, mayTouch, refuseApprove, refuseSurfaceApprove } from "./rules.ts";
import { approve } from "./surfaces.ts";
import type { Principal } from "../peers/principal.ts";
import { surfaceHash } from "../nodes/surface.ts";

const LIST = "`openclaw devices list`";

/** `device.pair.list`. `connected` tells whether a device has a live session. */
export async function listDevices(
  context: PairingContext,
  principal: Principal,
  connected: (deviceId: string) => boolean,
) {
  const { store } = context;
  const pending = waitingRequests(context).filter((r) => mayTouch(principal, r.deviceId));
  const paired = [...store.devices.values()].filter((d) => mayTouch(principal, d.deviceId));
  return {
    pending: await Promise.all(
      pending.sort((a, b) => b.ts - a.ts).map(async (request) => ({
        ...requestEvent(request),
        reason: request.reason,
        ...(request.surface === undefined ? {} : {
          caps: request.surface.caps,
          commands: request.surface.commands,
          surfaceHash: await surfaceHash(request.deviceId, request.surface),
        }),
      })),
    ),
    paired: paired.sort((a, b) => b.approvedAtMs - a.approvedAtMs).map((record) =>
      deviceRow(record, store.seen.get(record.deviceId), connected(record.deviceId))
    ),
  };
}

function requestFor(context: PairingContext, principal: Principal, requestId: string) {
  const request = waitingRequest(context, requestId);
  if (request === undefined) throw deadRequest(context, principal, requestId, LIST);
  // Someone else's request looks unknown to a device that may only manage itself.
  if (!mayTouch(principal, request.deviceId)) throw refusal("INVALID_REQUEST", "unknown requestId");
  return request;
}

/** `device.pair.approve`: the device only, as the reference does it. */
export async function approveDevice(
  context: PairingContext,
  principal: Principal,
  requestId: string,
): Promise<DeviceRecord> {
  const request = requestFor(context, principal, requestId);
  throwIf(refuseApprove(principal, request)); // I06
  return await grantRequest(context, request, { withSurface: false, via: "owner" });
}

/** `device.pair.admit`: device and first surface in one transaction, if the surface is still the one that was shown. */
export async function admitDevice(
  context: PairingContext,
  principal: Principal,
  asked: { readonly requestId: string; readonly surfaceHash: string },
): Promise<DeviceRecord> {
  const shown = requestFor(context, principal, asked.requestId);
  const hash = await surfaceHash(shown.deviceId, shown.surface);
  const request = requestFor(context, principal, asked.requestId);
  if (hash !== asked.surfaceHash) {
    throw refusal(
      "INVALID_REQUEST",
      "the commands of this request are not the ones that were shown",
      {
        details: { code: "SURFACE_CHANGED", requestId: asked.requestId, surfaceHash: hash },
      },
    );
  }
  throwIf(refuseApprove(principal, request));
  throwIf(refuseSurfaceApprove(principal, requiredApproveScopes(request.surface?.commands ?? [])));
  return await grantRequest(context, request, { withSurface: true, via: "owner" });
}

/** Device and first surface of a request whose key ssh confirmed; `undefined` when it no longer waits as it was. */
export async function approveVouched(
  context: PairingContext,
  confirmed: PairingRequest,
): Promise<DeviceRecord | undefined> {
  const request = waitingRequest(context, confirmed.requestId);
  if (request?.publicKey !== confirmed.publicKey) return undefined;
  return await grantRequest(context, request, { withSurface: true, via: "ssh-verified" });
}

async function grantRequest(
  context: PairingContext,
  request: PairingRequest,
  { withSurface, via }: { readonly withSurface: boolean; readonly via: ApprovedVia },
): Promise<DeviceRecord> {
  const { store, clock, emit } = context;
  const nowMs = clock.now();
  const before = store.devices.get(request.deviceId);
  const surface = withSurface && request.surface !== undefined
    ? approve(request.surface, before?.surface, nowMs)
    : undefined;
  const record = approvedRecord(before, request, {
    via,
    nowMs,
    ...(surface === undefined ? {} : { surface }),
  });
  await store.commit((tx) => {
    expireRequests(context, tx);
    answerRequest(context, tx, request, { outcome: "approved", atMs: nowMs });
    tx.put(store.devices, record.deviceId, record);
  });
  const { requestId, deviceId } = request;
  emit("device.pair.resolved", { requestId, deviceId, decision: "approved", ts: nowMs });
  emit("device.pair.changed", {});
  return record;
}

/** `device.pair.reject`. */
export async function rejectDevice(
  context: PairingContext,
  principal: Principal,
  requestId: string,
) {
  const request = requestFor(context, principal, requestId);
  const atMs = context.clock.now();
  await context.store.commit((tx) => {
    answerRequest(context, tx, request, { outcome: "rejected", atMs });
  });
  const { deviceId } = request;
  context.emit("device.pair.resolved", { requestId, deviceId, decision: "rejected", ts: atMs });
  context.emit("device.pair.changed", {});
  return { requestId, deviceId };
}

function deviceFor(context: PairingContext, principal: Principal, deviceId: string): DeviceRecord {
  const record = context.store.devices.get(deviceId);
  if (record === undefined || !mayTouch(principal, deviceId)) {
    throw refusal("INVALID_REQUEST", "unknown deviceId");
  }
  return record;
}

/** `device.pair.remove`: record, waiting requests and tokens. The caller ends the sessions afterwards. */
export async function removeDevice(
  context: PairingContext,
  principal: Principal,
  deviceId: string,
) {
  const record = deviceFor(context, principal, deviceId);
  if (!mayOperateToken(principal, record, record.approvedScopes)) {
    throw refusal("INVALID_REQUEST", "device removal denied"); // I04: no weaker caller ends an admin device
  }
  const atMs = context.clock.now();
  await context.store.commit((tx) => {
    for (const request of waitingRequests(context)) {
      if (request.deviceId !== deviceId) continue;
      answerRequest(context, tx, request, { outcome: "removed", atMs });
    }
    tx.remove(context.store.devices, deviceId);
    tx.remove(context.store.seen, deviceId);
  });
  context.emit("device.pair.changed", {});
  return { deviceId };
}

/** `node.pair.remove`: the node role goes; a node-only device goes altogether. */
export async function removeNode(context: PairingContext, principal: Principal, nodeId: string) {
  const record = context.store.devices.get(nodeId);
  if (record === undefined || !record.roles.includes("node") || !mayTouch(principal, nodeId)) {
    throw refusal("INVALID_REQUEST", "unknown nodeId");
  }
  if (record.roles.length === 1) await removeDevice(context, principal, nodeId);
  else await dropNodeRole(context, record);
  context.emit("node.pair.resolved", {
    requestId: "",
    nodeId,
    decision: "removed",
    ts: context.clock.now(),
  });
  return { nodeId };
}

async function dropNodeRole(context: PairingContext, record: DeviceRecord): Promise<void> {
  const { surface: _s, pendingSurface: _p, tokens, ...rest } = record;
  const { node: _token, ...others } = tokens;
  const roles = record.roles.filter((role) => role !== "node");
  await context.store.commit((tx) =>
    tx.put(context.store.devices, record.deviceId, {
      ...rest,
      role: roles[0] ?? record.role,
      roles,
      tokens: others,
    })
  );
  context.emit("device.pair.changed", {});
}

/** `device.pair.rename`. */
export async function renameDevice(
  context: PairingContext,
  principal: Principal,
  asked: { readonly deviceId: string; readonly label: string },
) {
  const record = deviceFor(context, principal, asked.deviceId);
  throwIf(refuseName(principal, context.store.devices.values(), asked.deviceId, asked.label));
  await context.store.commit((tx) =>
    tx.put(context.store.devices, asked.deviceId, { ...record, operatorLabel: asked.label })
  );
  context.emit("device.pair.changed", {});
  return { deviceId: asked.deviceId, label: asked.label };
}
