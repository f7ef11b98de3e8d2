/**
 * Methods that tell how the gateway is: health, status, presence, identity, logs, and the small answers real command
 * lines and nodes ask for. What this gateway does not have is answered empty. Source: gateway-protocol.md 11.1.
 */
import { bool, int, obj, opt, str } from "../../lib/schema.ts";
import { arch, deviceFamily, platformName } from "../../platform/os.ts";
import { readSystemFacts } from "../../platform/system_facts.ts";
import { approvalNotFound, refusal } from "../../protocol/errors.ts";
import { WIRE_VERSION } from "../../protocol/versions.ts";
import { method, type MethodContext, type MethodDefinition } from "./define.ts";

const emptyTasks = {
  total: 0,
  active: 0,
  terminal: 0,
  failures: 0,
  byStatus: {
    queued: 0,
    running: 0,
    succeeded: 0,
    failed: 0,
    timed_out: 0,
    cancelled: 0,
    lost: 0,
  },
  byRuntime: { subagent: 0, acp: 0, cli: 0, cron: 0 },
};

const emptyTaskAudit = {
  total: 0,
  warnings: 0,
  errors: 0,
  byCode: {
    stale_queued: 0,
    stale_running: 0,
    lost: 0,
    delivery_failed: 0,
    missing_cleanup: 0,
    inconsistent_timestamps: 0,
  },
};

function statusOf({ services, principal }: MethodContext, projection: boolean) {
  const { rss, heapUsed, heapTotal, external } = Deno.memoryUsage();
  return {
    runtimeVersion: WIRE_VERSION,
    ...(projection
      ? {
        cliProjection: {
          agents: { defaultId: "main", ownership: "sole", selectionRequired: false, rows: [] },
          updateChannel: null,
          memoryPlugin: { enabled: false, slot: null },
        },
      }
      : {}),
    heartbeat: { defaultAgentId: "main", agents: [] },
    channelSummary: [],
    queuedSystemEvents: [],
    tasks: emptyTasks,
    taskAudit: emptyTaskAudit,
    sessions: {
      paths: [],
      count: 0,
      defaults: { model: null, contextTokens: null },
      recent: [],
      byAgent: [],
    },
    ...(principal.protocol === 4
      ? {
        hostDesktop: { enabled: false, state: "disabled" },
        degradedSecretOwners: [],
        degradedPlugins: [],
        modelRuntime: { degraded: false, pendingAgents: [] },
        processMemory: {
          rssBytes: rss,
          heapUsedBytes: heapUsed,
          heapTotalBytes: heapTotal,
          externalBytes: external,
        },
        workerPools: {},
        pid: services.facts.pid,
      }
      : {}),
    gateway: {
      connections: services.registry.size,
      nodes: [...services.registry.nodes()].length,
      invokesRunning: services.invoker.pending,
      approvalsOpen: services.approvals.open,
      uptimeMs: Math.round(services.clock.monotonic() - services.facts.startedAtMs),
    },
  };
}

function systemInfo({ services }: MethodContext) {
  const { facts } = services;
  const system = readSystemFacts();
  return {
    machineName: facts.host,
    hostname: facts.host,
    platform: platformName(),
    arch: arch(),
    osLabel: `${deviceFamily()} ${system.release}`,
    ...system,
    // The field is the reference's; what runs us is said in its value.
    nodeVersion: `deno ${Deno.version.deno}`,
    port: facts.port,
    pid: facts.pid,
    processInstanceId: facts.bootId,
    uptimeMs: Math.round(services.clock.monotonic() - facts.startedAtMs),
  };
}

function preflight({ services }: MethodContext) {
  const running = services.invoker.pending;
  return {
    safe: running === 0,
    counts: { nodeInvokes: running, totalActive: running },
    blockers: running === 0 ? [] : [{ kind: "node-invokes", count: running }],
    summary: running === 0 ? "safe to restart now" : `${running} node calls are running`,
  };
}

/** The status family. */
export const statusMethods: readonly MethodDefinition[] = [
  method(
    "health",
    {
      scope: "none",
      role: "any",
      summary: "Health of the gateway",
      params: obj({ probe: opt(bool()) }, { unknown: "drop" }),
    },
    ({ probe }, { services: { health } }) => probe ? health.refresh() : health.current,
  ),
  method(
    "status",
    {
      scope: "operator.read",
      summary: "What the gateway is doing",
      params: obj({
        includeChannelSummary: opt(bool()),
        includeCliProjection: opt(bool()),
      }),
    },
    (params, context) => statusOf(context, params.includeCliProjection === true),
  ),
  method(
    "system-presence",
    { scope: "operator.read", summary: "Who is and lately was connected" },
    (_params, { services }) => services.presence.list(),
  ),
  method(
    "last-heartbeat",
    { scope: "operator.read", summary: "The last heartbeat; this gateway runs none" },
    () => null,
  ),
  method(
    "set-heartbeats",
    {
      scope: "operator.admin",
      summary: "Accepted for compatibility; this gateway runs no heartbeats",
      params: obj({ enabled: bool() }),
    },
    ({ enabled }) => ({ ok: true, enabled }),
  ),
  method(
    "gateway.identity.get",
    { scope: "operator.read", summary: "Device id and key of the gateway" },
    (_params, { services: { identity } }) => ({
      deviceId: identity.deviceId,
      publicKey: identity.publicKey,
    }),
  ),
  method(
    "logs.tail",
    {
      scope: "operator.read",
      summary: "Lines of the gateway's log",
      params: obj({
        cursor: opt(int({ min: 0 })),
        limit: opt(int({ min: 1, max: 5000 })),
        maxBytes: opt(int({ min: 1, max: 1_000_000 })),
      }),
    },
    (params, { services }) => services.logs.tail(params),
  ),
  method(
    "system.info",
    { scope: "operator.read", summary: "The machine the gateway runs on" },
    (_params, context) => systemInfo(context),
  ),
  method(
    "gateway.restart.preflight",
    { scope: "operator.read", summary: "Whether a restart would interrupt anything" },
    (_params, context) => preflight(context),
  ),
  method(
    "update.status",
    { scope: "operator.admin", summary: "Updates; this gateway does not update itself" },
    () => ({
      sentinel: null,
      updateAvailable: null,
      effectiveChannel: "stable",
      schedule: { channel: "stable", autoEnabled: false, install: { kind: "unknown" } },
    }),
  ),
  method(
    "tools.catalog",
    {
      scope: "operator.read",
      summary: "Tools of agents; this gateway has none",
      params: obj({ agentId: opt(str({ min: 1, max: 256 })), includePlugins: opt(bool()) }),
    },
    ({ agentId }) => ({ agentId: agentId ?? "main", profiles: [], groups: [] }),
  ),
  method(
    "agents.list",
    { scope: "operator.read", summary: "Agents; this gateway has none" },
    () => ({ defaultId: "main", mainKey: "main", scope: "per-sender", agents: [] }),
  ),
  method(
    "channels.status",
    {
      scope: "operator.read",
      summary: "Message channels; this gateway has none",
      params: obj({}, { unknown: "drop" }),
    },
    (_params, { clock }) => ({
      ts: clock.now(),
      channelOrder: [],
      channelLabels: {},
      channels: {},
      channelAccounts: {},
      channelDefaultAccountId: {},
    }),
  ),
  method(
    "skills.bins",
    { scope: "none", role: "node", summary: "Programs that skills want allow-listed; none" },
    () => ({ bins: [] }),
  ),
  method(
    "plugin.approval.list",
    { scope: "operator.approvals", summary: "Open approvals of plugins; none" },
    () => [],
  ),
  method("plugin.approval.resolve", {
    scope: "operator.approvals",
    summary: "Answer an approval of a plugin; there are none",
    params: obj({ id: str({ min: 1, max: 256 }), decision: str({ max: 64 }) }),
  }, () => {
    throw approvalNotFound();
  }),
  method("plugin.approval.waitDecision", {
    scope: "operator.approvals",
    summary: "Wait for the answer to an approval of a plugin; there are none",
    params: obj({ id: str({ min: 1, max: 256 }) }),
  }, () => {
    throw refusal("INVALID_REQUEST", "approval expired or not found");
  }),
  method("exec.approval.grants.list", {
    scope: "operator.approvals",
    summary: "Standing grants of automations; none",
    params: obj({ limit: opt(int({ min: 1, max: 500 })) }),
  }, () => ({ grants: [] })),
  method("exec.approval.grants.revoke", {
    scope: "operator.approvals",
    summary: "Revoke a standing grant of an automation; there are none",
    params: obj({ grantId: str({ min: 1, max: 256 }) }),
  }, () => ({ outcome: "not-found" })),
  method(
    "openclaw.approval.list",
    { scope: "operator.approvals", summary: "Open approvals of agents; none" },
    () => [],
  ),
];
