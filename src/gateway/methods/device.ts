/**
 * Methods on devices: pairing requests, paired devices, tokens, upgrades. The acts are `../pairing/devices.ts`.
 * Source: gateway-protocol.md 8.5; decision 3.
 */
import { int, list, obj, opt, str } from "../../lib/schema.ts";
import { CLOSE } from "../../protocol/close_codes.ts";
import type { Role } from "../../protocol/roles.ts";
import {
  admitDevice,
  approveDevice,
  listDevices,
  rejectDevice,
  removeDevice,
  renameDevice,
} from "../pairing/devices.ts";
import { deviceRow } from "../pairing/record.ts";
import { revokeToken, rotateToken } from "../pairing/token_changes.ts";
import { requestUpgrade, waitForRequest } from "../pairing/upgrade.ts";
import type { DeviceRecord } from "../../store/device_record.ts";
import { method, type MethodContext, type MethodDefinition } from "./define.ts";

const id = () => str({ min: 1, max: 256 });
const requestParams = obj({ requestId: id() });
const deviceParams = obj({ deviceId: id() });
const scopeList = () => list(str({ min: 1, max: 128 }), { max: 64 });

/** Longest wait of `device.scopes.waitUpgrade`, milliseconds. */
const WAIT_UPGRADE_MS = 5 * 60_000;

function row(record: DeviceRecord, { services }: MethodContext) {
  const seen = services.store.seen.get(record.deviceId);
  return deviceRow(record, seen, services.registry.deviceConnected(record.deviceId));
}

/** I12: the device's sessions end right after the answer was queued. */
function endSessions(context: MethodContext, deviceId: string, role?: Role): void {
  const { registry, invoker } = context.services;
  context.afterResponse(() => {
    if (role !== "operator") invoker.stopNode(deviceId);
    registry.closeDevice(
      { deviceId, ...(role === undefined ? {} : { role }) },
      CLOSE.sessionEnded,
      "device removed",
    );
  });
}

const listMethod = method("device.pair.list", {
  scope: "operator.pairing",
  summary: "Waiting requests and paired devices",
}, (_params, { services, principal }) =>
  listDevices(
    services.pairing.context,
    principal,
    (deviceId) => services.registry.deviceConnected(deviceId),
  ));

const approve = method("device.pair.approve", {
  scope: "operator.pairing",
  summary: "Approve a device; a node's commands are approved separately",
  params: requestParams,
}, async ({ requestId }, context) => {
  const { services, principal } = context;
  const record = await approveDevice(services.pairing.context, principal, requestId);
  return { requestId, device: row(record, context) };
});

const admit = method("device.pair.admit", {
  scope: "operator.pairing",
  summary: "Approve a device and exactly the commands that were shown, in one step",
  params: obj({ requestId: id(), surfaceHash: str({ pattern: /^[0-9a-f]{64}$/ }) }),
}, async (params, context) => {
  const { services, principal } = context;
  const record = await admitDevice(services.pairing.context, principal, params);
  services.invoker.surfaceChanged(record.deviceId);
  return { requestId: params.requestId, device: row(record, context) };
});

const reject = method(
  "device.pair.reject",
  {
    scope: "operator.pairing",
    summary: "Refuse a waiting device",
    params: requestParams,
  },
  ({ requestId }, { services, principal }) =>
    rejectDevice(services.pairing.context, principal, requestId),
);

const remove = method("device.pair.remove", {
  scope: "operator.pairing",
  summary: "Forget a device and end its sessions",
  params: deviceParams,
}, async ({ deviceId }, context) => {
  const { services, principal } = context;
  const removed = await removeDevice(services.pairing.context, principal, deviceId);
  await services.approvals.deviceEnded(deviceId);
  services.nodeFacts.forget(deviceId);
  endSessions(context, deviceId);
  return removed;
});

const rename = method(
  "device.pair.rename",
  {
    scope: "operator.pairing",
    summary: "Give a device a label that survives reconnects",
    params: obj({ deviceId: id(), label: str({ min: 1, max: 64 }) }),
  },
  (params, { services, principal }) => renameDevice(services.pairing.context, principal, params),
);

const rotate = method("device.token.rotate", {
  scope: "operator.pairing",
  summary: "Replace a device token; the old one works until the new one was used",
  params: obj({ deviceId: id(), role: id(), scopes: opt(scopeList()) }),
}, async (params, context) => {
  const { services, principal } = context;
  const { token, scopes, rotatedAtMs } = await rotateToken(
    services.pairing.context,
    principal,
    params,
  );
  endSessions(context, params.deviceId, params.role as Role);
  const delivery = token === undefined ? "withheld-cross-device" : "in-band";
  return {
    deviceId: params.deviceId,
    role: params.role,
    scopes,
    rotatedAtMs,
    ...(token === undefined ? {} : { token: token.reveal() }),
    ...(principal.protocol === 3 ? {} : { tokenDelivery: delivery }),
  };
});

const revoke = method("device.token.revoke", {
  scope: "operator.pairing",
  summary: "End a device token; the next connect needs an approval",
  params: obj({ deviceId: id(), role: id() }),
}, async (params, context) => {
  const { services, principal } = context;
  const revoked = await revokeToken(services.pairing.context, principal, params);
  await services.approvals.deviceEnded(params.deviceId, params.role as Role);
  endSessions(context, params.deviceId, params.role as Role);
  return revoked;
});

const upgrade = method(
  "device.scopes.requestUpgrade",
  {
    scope: "operator.read",
    summary: "Ask for more scopes for the connected device",
    params: obj({ scopes: scopeList() }),
  },
  ({ scopes }, { services, principal }) =>
    requestUpgrade(services.pairing.context, principal, scopes),
);

const waitUpgrade = method(
  "device.scopes.waitUpgrade",
  {
    scope: "operator.read",
    summary: "Wait for the decision on an upgrade",
    params: obj({ requestId: id(), timeoutMs: opt(int({ min: 0, max: WAIT_UPGRADE_MS })) }),
  },
  ({ requestId, timeoutMs }, { services, principal, signal }) =>
    waitForRequest(services.pairing.context, principal, {
      requestId,
      timeoutMs: timeoutMs ?? WAIT_UPGRADE_MS,
      signal,
    }),
);

/** Methods on devices. */
export const deviceMethods: readonly MethodDefinition[] = [
  listMethod,
  approve,
  admit,
  reject,
  remove,
  rename,
  rotate,
  revoke,
  upgrade,
  waitUpgrade,
];
