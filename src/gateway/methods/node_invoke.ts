/**
 * Calling a node: `node.invoke` with policy and approvals in front, the node's answers and live output, stdin and cancel.
 * Source: gateway-protocol.md 11.4, 12; decisions 12-14, 24.
 */
import { wait } from "../../lib/clock.ts";
import { any, bool, int, nullable, obj, opt, str } from "../../lib/schema.ts";
import { changesProfiles } from "../../protocol/browser_proxy.ts";
import { refusal } from "../../protocol/errors.ts";
import { invokeNeedsAdmin } from "../../protocol/node_commands.ts";
import { safeRun } from "../approvals/run.ts";
import { MAX_INVOKE_TIMEOUT_MS } from "../invoke/invoke.ts";
import { auditRow } from "../invoke/audit.ts";
import type { InvokeCall, InvokeOutcome } from "../invoke/desk.ts";
import { MAX_CHUNK_CHARS } from "../invoke/live.ts";
import { badPayload, invokeError, invokeReply, readAnswer } from "../invoke/reply.ts";
import { pairingChanged, refuseCall } from "../nodes/policy.ts";
import { method, type MethodContext, type MethodDefinition, requireScope } from "./define.ts";

const id = () => str({ min: 1, max: 256 });
const key = () => str({ min: 1, max: 512 });
const origin = () => opt(nullable(str({ max: 512 })));

/** A node that starts answers NODE_NOT_READY; so often it is asked again. Source: 11.4. */
const NOT_READY_RETRIES = 4;
const NOT_READY_WAIT_MS = 250;

const invokeParams = obj({
  nodeId: id(),
  command: str({ min: 1, max: 256 }),
  params: opt(any()),
  timeoutMs: opt(int({ min: 0, max: MAX_INVOKE_TIMEOUT_MS })),
  idempotencyKey: key(),
  sessionKey: origin(),
  turnSourceChannel: origin(),
  turnSourceTo: origin(),
  turnSourceAccountId: origin(),
  turnSourceThreadId: origin(),
});

interface InvokeParams {
  readonly nodeId: string;
  readonly command: string;
  readonly params?: unknown;
  readonly timeoutMs?: number;
  readonly idempotencyKey: string;
  readonly sessionKey?: string | null;
}

/** Every road to a node for an operator passes here: side doors first (A02), then liveness, then policy (I09). */
function checkCall(params: InvokeParams, { services, principal }: MethodContext): void {
  const { nodeId, command } = params;
  if (command.startsWith("system.execApprovals.")) {
    throw refusal(
      "INVALID_REQUEST",
      "node.invoke does not allow system.execApprovals.*; use exec.approvals.node.*",
      { details: { command } },
    );
  }
  if (command.startsWith("browser.proxy") && changesProfiles(params.params)) {
    throw refusal(
      "INVALID_REQUEST",
      "node.invoke cannot mutate persistent browser profiles via browser.proxy",
      { details: { command } },
    );
  }
  if (invokeNeedsAdmin(command)) requireScope(principal, "operator.admin");
  const record = services.store.devices.get(nodeId);
  const live = services.invoker.liveNode(nodeId);
  if (live === undefined) {
    if (principal.protocol === 4 && record?.surface === undefined) {
      throw pairingChanged(record?.pendingSurface?.requestId);
    }
    const outcome = { ok: false, code: "NOT_CONNECTED", message: "node not connected" } as const;
    throw invokeError({ nodeId, command, protocol: principal.protocol }, {
      ...outcome,
      dispatched: false,
    });
  }
  const refused = refuseCall({
    command,
    platform: live.peer.principal,
    declared: live.peer.principal.commands,
    effective: live.commands,
    approved: record?.surface !== undefined,
    pendingRequestId: record?.pendingSurface?.requestId,
  }, services.nodePolicy());
  if (refused !== undefined) throw refused;
}

const invoke = method("node.invoke", {
  scope: "operator.write",
  summary: "Run a command of a node and wait for its answer",
  params: invokeParams,
}, (params, context) => {
  checkCall(params, context);
  if (params.command === "system.run") return runOnNode(params, context);
  const call = toCall(params, params.params, context);
  return context.services.invoker.call(call).then((outcome) =>
    notReady(outcome) ? askAgain(call, context) : reply(params, outcome, context)
  );
});

function toCall(params: InvokeParams, forwarded: unknown, context: MethodContext): InvokeCall {
  const { nodeId, command, timeoutMs, idempotencyKey, sessionKey } = params;
  return {
    nodeId,
    command,
    paramsJSON: forwarded === undefined ? null : JSON.stringify(forwarded),
    ...(timeoutMs === undefined || timeoutMs === 0 ? {} : { timeoutMs }),
    idempotencyKey,
    ...(typeof sessionKey === "string" ? { sessionKey } : {}),
    caller: context.connection,
  };
}

function reply(params: InvokeParams, outcome: InvokeOutcome, { principal }: MethodContext) {
  const facts = { nodeId: params.nodeId, command: params.command, protocol: principal.protocol };
  if (!outcome.ok) throw invokeError(facts, outcome);
  const answer = readAnswer(outcome);
  if (answer === undefined) throw badPayload(facts);
  return invokeReply(facts, answer);
}

function notReady(outcome: InvokeOutcome): boolean {
  return !outcome.ok && outcome.code === "NODE_NOT_READY";
}

async function askAgain(call: InvokeCall, context: MethodContext) {
  const { invoker } = context.services;
  for (let attempt = 0;; attempt++) {
    await wait(NOT_READY_WAIT_MS, context.signal, context.clock);
    const outcome = await invoker.call(call);
    if (!notReady(outcome) || attempt + 1 >= NOT_READY_RETRIES) {
      return reply(
        { ...call, idempotencyKey: call.idempotencyKey ?? "", sessionKey: null },
        outcome,
        context,
      );
    }
  }
}

async function runOnNode(params: InvokeParams, context: MethodContext) {
  const { services, connection, clock } = context;
  const { approvals, invoker, store, nodeFacts } = services;
  const startedAtMs = clock.now();
  const startedMono = clock.monotonic();
  const run = await safeRun(approvals, connection, {
    nodeId: params.nodeId,
    params: params.params,
    nowMs: startedAtMs,
  });
  // I12: the disk took its time over the approval, and what the node may do can be less by now.
  checkCall(params, context);
  nodeFacts.noteRun(params.nodeId, String(run.params.runId), startedAtMs);
  const outcome = await invoker.call(toCall(params, run.params, context));
  const answer = outcome.ok ? readAnswer(outcome) : undefined;
  const durationMs = clock.monotonic() - startedMono;
  // After the caller, who waits: the row is written later anyway.
  context.afterResponse(() => {
    const caller = connection;
    const { nodeId } = params;
    store.audit(auditRow({ caller, nodeId, run, startedAtMs, durationMs, outcome, answer }));
  });
  const facts = {
    nodeId: params.nodeId,
    command: params.command,
    protocol: context.principal.protocol,
  };
  if (!outcome.ok) throw invokeError(facts, outcome);
  if (answer === undefined) throw badPayload(facts);
  return invokeReply(facts, answer);
}

const result = method("node.invoke.result", {
  scope: "none",
  role: "node",
  summary: "A node's answer to a call",
  params: obj({
    id: id(),
    nodeId: id(),
    ok: bool(),
    payload: opt(any()),
    payloadJSON: opt(nullable(str())),
    error: opt(nullable(obj({ code: opt(str({ max: 256 })), message: opt(str({ max: 65_536 })) }))),
  }),
}, (params, { services, connection }) => services.invoker.result(connection, params));

const progress = method("node.invoke.progress", {
  scope: "none",
  role: "node",
  summary: "A piece of a running command's output",
  params: obj({ invokeId: id(), nodeId: id(), seq: int({ min: 0 }), chunk: str({ max: 16_384 }) }),
}, (params, { services, connection }) => services.invoker.progress(connection, params));

const ack = method(
  "node.invoke.output.ack",
  {
    scope: "operator.write",
    summary: "Output up to this number was written; more may come",
    params: obj({ idempotencyKey: key(), seq: int({ min: 0 }) }),
  },
  ({ idempotencyKey, seq }, { services, connection }) =>
    services.invoker.ackOutput({ peer: connection, idempotencyKey }, seq),
);

const input = method(
  "node.invoke.input",
  {
    scope: "operator.write",
    summary: "A piece of stdin for a running command",
    params: obj({
      idempotencyKey: key(),
      seq: int({ min: 1 }),
      b64: str({ max: MAX_CHUNK_CHARS, pattern: /^[A-Za-z0-9+/]*={0,2}$/ }),
      eof: bool(),
    }),
  },
  ({ idempotencyKey, ...chunk }, { services, connection }) =>
    services.invoker.input({ peer: connection, idempotencyKey }, chunk),
);

const cancel = method(
  "node.invoke.cancel",
  {
    scope: "operator.write",
    summary: "Stop a running command of this connection",
    params: obj({ idempotencyKey: key() }),
  },
  ({ idempotencyKey }, { services, connection }) =>
    services.invoker.cancel({ peer: connection, idempotencyKey }),
);

/** Methods around a call to a node. */
export const nodeInvokeMethods: readonly MethodDefinition[] = [
  invoke,
  result,
  progress,
  ack,
  input,
  cancel,
];
