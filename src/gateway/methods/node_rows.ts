/**
 * Nodes as `node.list` and `node.describe` show them: stored record, live session and published facts in one row.
 * Source: gateway-protocol.md 11.3.
 */
import { deviceName, type DeviceRecord } from "../../store/device_record.ts";
import type { GatewayServices } from "../services/services.ts";

/** One node; absent values are left out. */
export function nodeRow(services: GatewayServices, record: DeviceRecord): Record<string, unknown> {
  const nodeId = record.deviceId;
  const live = services.invoker.liveNode(nodeId);
  const seen = services.store.seen.get(nodeId);
  const surface = live?.surface ?? record.surface;
  const facts = services.nodeFacts.peek(nodeId);
  const pending = record.pendingSurface;
  const twins = services.invoker.twins(nodeId).length;
  return defined({
    nodeId,
    displayName: record.nodeName ?? deviceName(record),
    platform: record.platform,
    version: record.version,
    clientId: record.clientId,
    clientMode: record.clientMode,
    deviceFamily: record.deviceFamily,
    modelIdentifier: record.modelIdentifier,
    remoteIp: record.remoteIp,
    caps: sorted(surface?.caps),
    commands: sorted(surface?.commands),
    permissions: surface?.permissions,
    labels: record.labels,
    sessionHost: false,
    nodePluginTools: live === undefined ? undefined : facts?.pluginTools ?? [],
    hostStats: facts?.hostStats,
    pathEnv: live?.peer.principal.pathEnv,
    approvalState: pending !== undefined || record.surface === undefined
      ? "pending-approval"
      : "approved",
    pendingRequestId: pending?.requestId,
    pendingDeclaredCaps: pending === undefined ? undefined : sorted(pending.caps),
    pendingDeclaredCommands: pending === undefined ? undefined : sorted(pending.commands),
    instanceId: ownId(live?.peer.principal.instanceId),
    connectedAtMs: live?.peer.connectedAtMs,
    lastConnectedAtMs: seen?.lastConnectedAtMs,
    lastSeenAtMs: seen?.lastSeenAtMs,
    lastSeenReason: seen?.lastSeenReason,
    approvedAtMs: record.surface?.approvedAtMs ?? record.approvedAtMs,
    duplicateSessions: twins === 0 ? undefined : twins,
    paired: true,
    connected: live !== undefined,
  });
}

/** Commands find a node by its instance id, too: one that could be another node's name is not shown. */
function ownId(instanceId: string | undefined): string | undefined {
  return /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(instanceId ?? "")
    ? instanceId
    : undefined;
}

/** All nodes: connected first, then by name, then by id. */
export function nodeRows(services: GatewayServices): Record<string, unknown>[] {
  const rows = [...services.store.devices.values()]
    .filter((record) => record.roles.includes("node"))
    .map((record) => nodeRow(services, record));
  return rows.sort((a, b) =>
    Number(b.connected) - Number(a.connected) ||
    compare(a.displayName, b.displayName) || compare(a.nodeId, b.nodeId)
  );
}

function compare(a: unknown, b: unknown): number {
  const [left, right] = [String(a).toLowerCase(), String(b).toLowerCase()];
  return left < right ? -1 : left > right ? 1 : 0;
}

function sorted(items: readonly string[] | undefined): string[] {
  return [...new Set(items ?? [])].sort();
}

function defined(row: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(row).filter(([, value]) => value !== undefined));
}
