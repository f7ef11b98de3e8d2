/**
 * Methods on nodes: the list, and approval of their command surface. Calling a node is `node_invoke.ts`.
 * Source: gateway-protocol.md 9.3, 11.3.
 */
import { obj, str } from "../../lib/schema.ts";
import { CLOSE } from "../../protocol/close_codes.ts";
import { refusal } from "../../protocol/errors.ts";
import { nodeRow, nodeRows } from "./node_rows.ts";
import { removeNode } from "../pairing/devices.ts";
import { approveSurface, listSurfaces, rejectSurface, renameNode } from "../pairing/surfaces.ts";
import { method, type MethodDefinition } from "./define.ts";

const id = () => str({ min: 1, max: 256 });
const requestParams = obj({ requestId: id() });
const nodeParams = obj({ nodeId: id() });

const listMethod = method("node.list", {
  scope: "operator.read",
  summary: "All paired nodes with what they may do now",
}, (_params, { services, clock }) => ({ ts: clock.now(), nodes: nodeRows(services) }));

const describe = method("node.describe", {
  scope: "operator.read",
  summary: "One node",
  params: nodeParams,
}, ({ nodeId }, { services, clock }) => {
  const record = services.store.devices.get(nodeId);
  if (record === undefined || !record.roles.includes("node")) {
    throw refusal("INVALID_REQUEST", "unknown nodeId");
  }
  return { ts: clock.now(), ...nodeRow(services, record) };
});

const rename = method(
  "node.rename",
  {
    scope: "operator.pairing",
    summary: "Name a node",
    params: obj({ nodeId: id(), displayName: str({ min: 1, max: 256 }) }),
  },
  (params, { services, principal }) => renameNode(services.pairing.context, principal, params),
);

const pairList = method("node.pair.list", {
  scope: "operator.pairing",
  summary: "Command surfaces that wait, and approved nodes",
}, (_params, { services, principal }) => listSurfaces(services.pairing.context, principal));

const pairApprove = method("node.pair.approve", {
  scope: "operator.pairing",
  summary: "Approve a node's commands; the live node gets them at once",
  params: requestParams,
}, async ({ requestId }, { services, principal, clock }) => {
  const { record, row } = await approveSurface(
    services.pairing.context,
    principal,
    requestId,
  );
  const nodeId = record.deviceId;
  services.invoker.surfaceChanged(nodeId);
  const live = services.invoker.liveNode(nodeId);
  if (live !== undefined) {
    services.events.send(live.peer, "node.pair.resolved", {
      requestId,
      nodeId,
      decision: "approved",
      ts: clock.now(),
    });
  }
  return { requestId, node: row };
});

const pairReject = method("node.pair.reject", {
  scope: "operator.pairing",
  summary: "Refuse the commands a node asks for",
  params: requestParams,
}, async ({ requestId }, { services, principal }) => {
  const rejected = await rejectSurface(services.pairing.context, principal, requestId);
  services.invoker.surfaceChanged(rejected.nodeId);
  return rejected;
});

const pairRemove = method("node.pair.remove", {
  scope: "operator.pairing",
  summary: "Take the node role from a device and end its node sessions",
  params: nodeParams,
}, async ({ nodeId }, context) => {
  const { services, principal } = context;
  const removed = await removeNode(services.pairing.context, principal, nodeId);
  await services.approvals.deviceEnded(nodeId, "node");
  services.nodeFacts.forget(nodeId);
  // I12: right after the answer was queued.
  context.afterResponse(() => {
    services.invoker.stopNode(nodeId);
    services.registry.closeDevice(
      { deviceId: nodeId, role: "node" },
      CLOSE.sessionEnded,
      "device removed",
    );
  });
  return removed;
});

/** Methods on nodes. */
export const nodeMethods: readonly MethodDefinition[] = [
  listMethod,
  describe,
  rename,
  pairList,
  pairApprove,
  pairReject,
  pairRemove,
];
