/**
 * What a node host calls by itself: events, inventories, queued work. Answers are honest and small: this gateway keeps
 * what it shows and drops the rest. Source: gateway-protocol.md 9.1, 11.5.
 */
import { isObject } from "../../lib/objects.ts";
import { any, int, list, nullable, obj, oneOf, opt, record, str } from "../../lib/schema.ts";
import { bool } from "../../lib/schema.ts";
import { refusal } from "../../protocol/errors.ts";
import { scanJson } from "../../protocol/json_scan.ts";
import { pairingChanged } from "../nodes/policy.ts";
import { method, type MethodContext, type MethodDefinition } from "./define.ts";

const MAX_PUBLISHED = 512;
/** Published lists are part of `node.list`; one node must not make everybody's answer huge. */
const MAX_PUBLISHED_CHARS = 256 * 1024;

function requireModest(name: string, list: readonly unknown[]): void {
  if (JSON.stringify(list).length <= MAX_PUBLISHED_CHARS) return;
  throw refusal("INVALID_REQUEST", `${name} is longer than ${MAX_PUBLISHED_CHARS} characters`);
}

/** The node's id; a node connection always has one. */
function nodeIdOf({ principal }: MethodContext): string {
  return principal.deviceId ?? "";
}

function requestIdOf(context: MethodContext): string | undefined {
  return context.services.store.devices.get(nodeIdOf(context))?.pendingSurface?.requestId;
}

function isApproved(context: MethodContext): boolean {
  return context.services.store.devices.get(nodeIdOf(context))?.surface !== undefined;
}

/** Until the surface is approved, a v4 node is told to wait; a v3 node would not understand. */
function requireApproved(context: MethodContext): void {
  if (context.principal.protocol === 4 && !isApproved(context)) {
    throw pairingChanged(requestIdOf(context));
  }
}

const event = method("node.event", {
  scope: "none",
  role: "node",
  summary: "Something happened on a node",
  params: obj({
    event: str({ min: 1, max: 256 }),
    payload: opt(any()),
    payloadJSON: opt(nullable(str())),
  }),
}, (params, context) => {
  requireApproved(context);
  const payload = eventPayload(params);
  switch (params.event) {
    case "exec.started":
    case "exec.finished":
    case "exec.denied":
      return execEvent(params.event, payload, context);
    case "node.presence.alive":
      context.services.pairing.noteSeen(nodeIdOf(context), "alive");
      return { ok: true, event: params.event, handled: true, reason: "persisted" };
    case "node.host.stats":
      return hostStats(params.event, payload, context);
    default:
      return eventAnswer(params.event, context, false, "unknown_event");
  }
});

/** The newer generation says what became of an event; the older one only that it arrived. */
function eventAnswer(
  event: string,
  { principal }: MethodContext,
  handled: boolean,
  reason?: string,
) {
  if (principal.protocol === 3) return { ok: true };
  return { ok: true, event, handled, ...(reason === undefined ? {} : { reason }) };
}

function eventPayload(params: { payload?: unknown; payloadJSON?: string | null }) {
  let value = params.payload;
  if (value === undefined && typeof params.payloadJSON === "string") {
    const problem = scanJson(params.payloadJSON); // N16, N17: as for the frame itself
    try {
      if (problem === undefined) value = JSON.parse(params.payloadJSON);
    } catch {
      throw refusal("INVALID_REQUEST", "invalid node.event params: payloadJSON is not JSON");
    }
    if (problem !== undefined) {
      throw refusal("INVALID_REQUEST", `invalid node.event params: payloadJSON: ${problem}`);
    }
  }
  return isObject(value) ? value : {};
}

/** A20: only runs this gateway sent to this node count; forged ones are dropped and counted. */
function execEvent(name: string, payload: Record<string, unknown>, context: MethodContext) {
  const { services } = context;
  const { runId } = payload;
  const known = typeof runId === "string" &&
    services.nodeFacts.hasRun(nodeIdOf(context), runId, services.clock.now());
  if (known) return eventAnswer(name, context, true);
  if (services.nodeFacts.dropEvent(nodeIdOf(context), services.clock.monotonic())) {
    context.log.warn("node event for a run it never had", { node: nodeIdOf(context), event: name });
  }
  return eventAnswer(name, context, false, "unmatched_exec_event");
}

const STATS = [
  "cpuCount",
  "memoryTotalBytes",
  "memoryFreeBytes",
  "diskTotalBytes",
  "diskAvailableBytes",
] as const;

function hostStats(name: string, payload: Record<string, unknown>, context: MethodContext) {
  const { services, clock } = context;
  const kept: Record<string, unknown> = {};
  for (const key of STATS) if (typeof payload[key] === "number") kept[key] = payload[key];
  const load = payload.loadAverage;
  if (Array.isArray(load) && load.length === 3 && load.every((n) => typeof n === "number")) {
    kept.loadAverage = load;
  }
  services.nodeFacts.of(nodeIdOf(context)).hostStats = { ...kept, updatedAtMs: clock.now() };
  return { ok: true, event: name, handled: true, reason: "updated" };
}

const runnerInventory = method("node.runnerInventory.update", {
  scope: "none",
  role: "node",
  summary: "What a node could host; accepted and not used",
  params: obj({ protocolFeatures: opt(any()), workerHost: opt(any()) }, { unknown: "drop" }),
}, (_params, context) => {
  if (isApproved(context)) return { nodeId: nodeIdOf(context) };
  throw refusal(
    "UNAVAILABLE",
    "node capability surface is awaiting operator approval; run `openclaw nodes approve " +
      `${
        requestIdOf(context) ?? "<id>"
      }\` (see \`openclaw nodes pending\`), then this node retries automatically`,
    { retryable: true },
  );
});

const skills = method("node.skills.update", {
  scope: "none",
  role: "node",
  summary: "Skills a node publishes",
  params: obj({ skills: list(any(), { max: MAX_PUBLISHED }) }, { unknown: "drop" }),
}, ({ skills }, context) => {
  requireModest("skills", skills);
  const nodeId = nodeIdOf(context);
  context.services.nodeFacts.of(nodeId).skills = skills;
  return { nodeId, skills };
});

const pluginTools = method("node.pluginTools.update", {
  scope: "none",
  role: "node",
  summary: "Tools a node publishes",
  params: obj({ tools: list(any(), { max: MAX_PUBLISHED }) }, { unknown: "drop" }),
}, ({ tools }, context) => {
  requireModest("tools", tools);
  const nodeId = nodeIdOf(context);
  context.services.nodeFacts.of(nodeId).pluginTools = tools;
  return { nodeId, tools };
});

const pluginSurface = method("node.pluginSurface.refresh", {
  scope: "none",
  role: "node",
  summary: "Addresses of plugin surfaces; this gateway has none",
  params: obj({ surface: opt(any()) }, { unknown: "drop" }),
}, () => ({ pluginSurfaceUrls: {} }));

const pull = method("node.pending.pull", {
  scope: "none",
  role: "node",
  summary: "Commands queued for a sleeping node; always none, they are answered at once",
}, (_params, context) => {
  requireApproved(context);
  return { nodeId: nodeIdOf(context), actions: [] };
});

const ack = method("node.pending.ack", {
  scope: "none",
  role: "node",
  summary: "Queued work that was done",
  params: obj({ ids: list(str({ min: 1, max: 256 }), { max: 256 }) }),
}, ({ ids }, context) => {
  requireApproved(context);
  const { services, clock } = context;
  const nodeId = nodeIdOf(context);
  services.nodeFacts.ack(nodeId, ids);
  const remainingCount = services.nodeFacts.open(nodeId, clock.now()).length;
  return { nodeId, ackedIds: ids, remainingCount };
});

const drain = method("node.pending.drain", {
  scope: "none",
  role: "node",
  summary: "Queued work of a node",
  params: obj({ maxItems: opt(int({ min: 1, max: 256 })) }),
}, ({ maxItems }, context) => {
  requireApproved(context);
  const { services, clock } = context;
  const nodeId = nodeIdOf(context);
  const open = services.nodeFacts.open(nodeId, clock.now());
  const items = open.slice(0, maxItems ?? 32).map((item) => ({ ...item }));
  services.nodeFacts.ack(nodeId, items.map((item) => item.id));
  return {
    nodeId,
    revision: services.nodeFacts.of(nodeId).revision,
    items,
    hasMore: open.length > items.length,
  };
});

const enqueue = method("node.pending.enqueue", {
  scope: "operator.write",
  summary: "Queue work for a node",
  params: obj({
    nodeId: str({ min: 1, max: 256 }),
    type: str({ min: 1, max: 128 }),
    priority: opt(oneOf("default", "normal", "high")),
    expiresInMs: opt(int({ min: 1_000, max: 86_400_000 })),
    wake: opt(bool()),
    payload: opt(record(any(), { max: 256 })),
  }),
}, ({ nodeId, type, priority, expiresInMs }, { services, clock }) => {
  if (!services.store.devices.get(nodeId)?.roles.includes("node")) {
    throw refusal("INVALID_REQUEST", "unknown nodeId");
  }
  const nowMs = clock.now();
  const queued = {
    id: crypto.randomUUID(),
    type,
    priority: priority ?? "default",
    enqueuedAtMs: nowMs,
    ...(expiresInMs === undefined ? {} : { expiresAtMs: nowMs + expiresInMs }),
  };
  const revision = services.nodeFacts.enqueue(nodeId, queued);
  return { nodeId, revision, queued, wakeTriggered: false };
});

/** What a node host calls by itself. */
export const nodeCallMethods: readonly MethodDefinition[] = [
  event,
  runnerInventory,
  skills,
  pluginTools,
  pluginSurface,
  pull,
  ack,
  drain,
  enqueue,
];
