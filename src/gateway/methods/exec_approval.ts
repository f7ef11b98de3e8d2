/**
 * Methods on exec approvals: asking, listing, answering, waiting, history, and the audit of what ran.
 * Every route to an answer goes through one function of the desk (A12). Source: gateway-protocol.md 11.7, 11.8.
 */
import { any, int, list, nullable, obj, oneOf, opt, record, str } from "../../lib/schema.ts";
import { bool } from "../../lib/schema.ts";
import { approvalNotFound, refusal } from "../../protocol/errors.ts";
import type { ApprovalRecord } from "../../store/approval_record.ts";
import { reviewsOthers } from "../approvals/rules.ts";
import type { OpenApproval, Resolution } from "../approvals/types.ts";
import { method, type MethodContext, type MethodDefinition } from "./define.ts";

const DAY_MS = 24 * 3_600_000;
const text = (max = 4_096) => opt(nullable(str({ max })));
const id = () => str({ min: 1, max: 256 });

const requestParams = obj({
  id: text(256),
  command: text(1_000_000),
  commandArgv: opt(nullable(list(str(), { max: 10_000 }))),
  systemRunPlan: opt(any()),
  env: opt(nullable(record(str(), { max: 2_000 }))),
  cwd: text(),
  nodeId: text(256),
  host: text(64),
  security: text(64),
  ask: text(64),
  agentId: text(256),
  resolvedPath: text(),
  sessionKey: text(),
  turnSourceChannel: text(),
  turnSourceTo: text(),
  turnSourceAccountId: text(),
  turnSourceThreadId: opt(nullable(any())),
  timeoutMs: opt(int({ min: 1, max: DAY_MS })),
  twoPhase: opt(bool()),
  warningText: text(16_384),
  requireDeliveryRoute: opt(bool()),
  suppressDelivery: opt(bool()),
  sessionId: text(),
  runId: text(256),
  toolCallId: text(256),
  scope: opt(any()),
  commandSpans: opt(any()),
  unavailableDecisions: opt(any()),
  approvalReviewerDeviceIds: opt(any()),
});

const times = ({ id, createdAtMs, expiresAtMs }: OpenApproval) => ({
  id,
  createdAtMs,
  expiresAtMs,
});

function outcome(approval: OpenApproval, { decision }: Resolution) {
  const { id, createdAtMs, expiresAtMs } = approval;
  return { id, decision, createdAtMs, expiresAtMs };
}

const request = method("exec.approval.request", {
  scope: "operator.approvals",
  summary: "Ask a person whether a command may run",
  params: requestParams,
}, async (params, context) => {
  const { services, connection, principal } = context;
  const asked = await services.approvals.ask(connection, params);
  const { approval, deliveryRoute } = asked;
  if (params.twoPhase === true && deliveryRoute !== "none") {
    context.accept({
      status: "accepted",
      ...times(approval),
      ...(principal.protocol === 3 ? {} : { deliveryRoute }),
    });
  }
  return outcome(approval, await asked.decided);
});

const get = method("exec.approval.get", {
  scope: "operator.approvals",
  summary: "One waiting approval, by id or unique prefix",
  params: obj({ id: id() }),
}, ({ id }, { services, connection }) => {
  const approval = services.approvals.find(connection, id);
  if (approval === undefined || approval.resolution !== undefined) throw approvalNotFound();
  const { commandText, commandPreview, host, nodeId, agentId, expiresAtMs, view } = approval;
  return {
    id: approval.id,
    commandText,
    commandPreview,
    allowedDecisions: view.allowedDecisions,
    host,
    nodeId,
    agentId,
    expiresAtMs,
  };
});

const listMethod = method("exec.approval.list", {
  scope: "operator.approvals",
  summary: "Waiting approvals",
}, (_params, { services, connection }) =>
  services.approvals.list(connection).map((approval) => ({
    id: approval.id,
    request: approval.view,
    createdAtMs: approval.createdAtMs,
    expiresAtMs: approval.expiresAtMs,
    approvalKind: "exec",
    requester: shownRequester(approval),
  })));

/** Who asks, as this gateway knows it: the proven device, and the name it goes by. */
function shownRequester({ requester: { name, deviceId } }: OpenApproval) {
  return { name, ...(deviceId === undefined ? {} : { deviceId }) };
}

const resolve = method("exec.approval.resolve", {
  scope: "operator.approvals",
  summary: "Answer an approval; the first answer wins",
  params: obj({ id: id(), decision: str({ max: 64 }) }),
}, async (params, { services, connection }) => {
  await services.approvals.resolve(connection, params);
  return { ok: true };
});

const waitDecision = method("exec.approval.waitDecision", {
  scope: "operator.approvals",
  summary: "Wait for the answer to an approval",
  params: obj({ id: id() }),
}, async ({ id }, { services, connection, principal }) => {
  const { approval, decided } = services.approvals.waitFor(connection, id);
  const resolution = await decided;
  const terminalReason = resolution.reason === "timeout" ? "expired" : resolution.reason;
  return {
    ...outcome(approval, resolution),
    ...(principal.protocol === 3 ? {} : { terminalReason }),
  };
});

/** An approval as `approval.*` shows it. */
function openRow(approval: OpenApproval) {
  const { resolution } = approval;
  return {
    id: approval.id,
    status: resolution?.status ?? "pending",
    presentation: presentation({
      ...approval,
      allowedDecisions: approval.view.allowedDecisions,
    }),
    urlPath: `/approve/${encodeURIComponent(approval.id)}`,
    createdAtMs: approval.createdAtMs,
    expiresAtMs: approval.expiresAtMs,
    ...(resolution === undefined ? {} : endOf({
      resolvedAtMs: resolution.atMs,
      reason: resolution.reason,
      decision: resolution.decision,
      resolver: resolution.resolver,
    })),
  };
}

function recordRow(record: ApprovalRecord) {
  return {
    id: record.id,
    status: record.status,
    presentation: presentation(record),
    urlPath: `/approve/${encodeURIComponent(record.id)}`,
    createdAtMs: record.createdAtMs,
    expiresAtMs: record.expiresAtMs,
    ...endOf(record),
  };
}

type Shown = Pick<
  ApprovalRecord,
  | "commandText"
  | "commandPreview"
  | "warningText"
  | "host"
  | "nodeId"
  | "agentId"
  | "allowedDecisions"
>;

function presentation(shown: Shown) {
  const { commandText, commandPreview, warningText, host, nodeId, agentId, allowedDecisions } =
    shown;
  return {
    kind: "exec",
    commandText,
    commandPreview,
    warningText,
    host,
    nodeId,
    agentId,
    allowedDecisions,
  };
}

function endOf(end: Pick<ApprovalRecord, "resolvedAtMs" | "reason" | "decision" | "resolver">) {
  const { kind, id } = end.resolver;
  return {
    resolvedAtMs: end.resolvedAtMs,
    reason: end.reason,
    ...(end.decision === null ? {} : { decision: end.decision }),
    source: {},
    resolver: { kind, ...(id === undefined ? {} : { id }) },
  };
}

const approvalGet = method("approval.get", {
  scope: "operator.approvals",
  summary: "One approval, waiting or decided",
  params: obj({ id: id(), kind: opt(str({ max: 64 })) }),
}, ({ id }, context) => {
  const { approvals, store } = context.services;
  const approval = approvals.find(context.connection, id);
  if (approval !== undefined) return { approval: openRow(approval) };
  const record = store.approvals.get(id);
  if (record !== undefined && mayRead(record, context)) return { approval: recordRow(record) };
  throw refusal("INVALID_REQUEST", "approval not found", {
    details: { reason: "APPROVAL_NOT_FOUND" },
  });
});

const approvalResolve = method("approval.resolve", {
  scope: "operator.approvals",
  summary: "Answer an approval and get its final state",
  params: obj({ id: id(), kind: oneOf("exec"), decision: str({ max: 64 }) }),
}, async (params, { services, connection }) => {
  const { approval, applied } = await services.approvals.resolve(connection, params);
  return { applied, approval: openRow(approval) };
});

const approvalHistory = method("approval.history", {
  scope: "operator.approvals",
  summary: "Decided approvals, newest first",
  params: obj({ limit: opt(int({ min: 1, max: 500 })) }),
}, ({ limit }, context) => ({
  items: shownHistory(context, limit ?? 50).map(recordRow),
}));

/** Characters of commands in one answer: with all around them it must fit a frame. */
const MAX_HISTORY_CHARS = 8 * 1024 * 1024;

/** The newest ones the caller may see, as many as fit. */
function shownHistory(context: MethodContext, limit: number): ApprovalRecord[] {
  let chars = 0;
  return visibleHistory(context).slice(0, limit).filter(({ commandText, warningText }) =>
    (chars += commandText.length + (warningText ?? "").length) <= MAX_HISTORY_CHARS
  );
}

/** Whether a record of the history is for this caller: admins see all, others what their device asked. */
function mayRead(record: ApprovalRecord, context: MethodContext): boolean {
  const { principal, connection, services } = context;
  return reviewsOthers(principal) ||
    (principal.deviceId !== undefined && record.requesterDeviceId === principal.deviceId) ||
    services.approvals.find(connection, record.id) !== undefined;
}

function visibleHistory(context: MethodContext): ApprovalRecord[] {
  return [...context.services.store.approvals.values()]
    .filter((record) => mayRead(record, context))
    .sort((a, b) => b.resolvedAtMs - a.resolvedAtMs);
}

const auditList = method("audit.list", {
  scope: "operator.read",
  summary: "What ran on nodes: who asked, what decided, how it ended; newest first",
  params: obj({
    limit: opt(int({ min: 1, max: 1_000 })),
    beforeId: opt(int({ min: 1 })),
    nodeId: opt(id()),
  }),
}, async ({ limit, beforeId, nodeId }, { services }) => ({
  rows: await services.store.listAudit({
    limit: limit ?? 100,
    ...(beforeId === undefined ? {} : { beforeId }),
    ...(nodeId === undefined ? {} : { nodeId }),
  }),
}));

/** Methods on exec approvals. */
export const execApprovalMethods: readonly MethodDefinition[] = [
  request,
  get,
  listMethod,
  resolve,
  waitDecision,
  approvalGet,
  approvalResolve,
  approvalHistory,
  auditList,
];
