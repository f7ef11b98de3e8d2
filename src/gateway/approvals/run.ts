/**
 * What of a caller's `system.run` goes to the node, and whether an approval covers it. The caller's own approval fields
 * never pass (A01); with a run id, everything that runs comes from the stored plan (A03-A05).
 * Source: gateway-protocol.md 11.4, node-host.md 8.
 */
import { bindingMismatch, envHash } from "../../approvals/binding.ts";
import { refusal } from "../../protocol/errors.ts";
import type { ExecApprovals } from "./desk.ts";
import { isRequester } from "./rules.ts";
import type { ApprovalDecision, OpenApproval } from "./types.ts";
import type { Peer } from "../peers/peer.ts";
import { isObject } from "../../lib/objects.ts";

/** Keys the gateway forwards; `stdin` is ours (decision 14). */
const FORWARDED = [
  "command",
  "rawCommand",
  "systemRunPlan",
  "cwd",
  "env",
  "timeoutMs",
  "needsScreenRecording",
  "agentId",
  "sessionKey",
  "runId",
  "suppressNotifyOnExit",
  "stdin",
] as const;

/** A run as it goes to the node. */
export interface SafeRun {
  readonly params: Readonly<Record<string, unknown>>;
  /** Set when an approval was used. */
  readonly approved?: { readonly id: string; readonly decision: ApprovalDecision };
}

type Params = Readonly<Record<string, unknown>>;

/** Cleans the params of a `system.run`, and binds them to an approval when the caller claims one. */
export async function safeRun(
  desk: ExecApprovals,
  caller: Peer,
  call: { readonly nodeId: string; readonly params: unknown; readonly nowMs: number },
): Promise<SafeRun> {
  const { params } = call;
  if (!isObject(params)) {
    throw refusal("INVALID_REQUEST", "system.run params must be an object");
  }
  checkShape(params);
  const kept: Record<string, unknown> = {};
  for (const key of FORWARDED) if (params[key] !== undefined) kept[key] = params[key];
  const claims = params.approved === true || params.approvalDecision === "allow-once" ||
    params.approvalDecision === "allow-always";
  // A run without an id gets one, so that its events can be told from forged ones (A20).
  if (!claims) return { params: { ...kept, runId: kept.runId ?? crypto.randomUUID() } };
  const approval = claimedApproval(desk, caller, { ...call, params });
  const { plan, binding } = approval;
  if (binding === undefined) {
    throw refused("APPROVAL_NODE_BINDING_MISSING", "approval has no node binding", approval.id);
  }
  const mismatch = bindingMismatch(binding, await usedBinding(params));
  if (mismatch !== undefined) {
    throw refused(mismatch, "approval does not match request", approval.id);
  }
  // An allow-once is used exactly once, however many runs race for it, and durably so before the run leaves.
  const decision = await desk.use(approval);
  if (decision === undefined || plan === undefined) {
    throw refused("APPROVAL_REQUIRED", "approval required", approval.id);
  }
  const { cwd: _c, agentId: _a, sessionKey: _s, stdin: _i, rawCommand: _r, ...rest } = kept;
  return {
    params: {
      ...rest,
      command: plan.argv,
      rawCommand: plan.commandText,
      systemRunPlan: plan,
      ...(plan.cwd === null ? {} : { cwd: plan.cwd }),
      ...(plan.agentId === null ? {} : { agentId: plan.agentId }),
      ...(plan.sessionKey === null ? {} : { sessionKey: plan.sessionKey }),
      ...(plan.stdin === true ? { stdin: true } : {}),
      runId: approval.id,
      approved: true,
      approvalDecision: decision,
    },
    approved: { id: approval.id, decision },
  };
}

/**
 * A05: only text is part of the hash of an environment, so nothing else may be in it. The run id is remembered: a long one
 * would fill memory, and only text names an approval.
 */
function checkShape({ env, runId }: Params): void {
  if (runId !== undefined && runId !== null && (typeof runId !== "string" || runId.length > 256)) {
    throw refusal("INVALID_REQUEST", "system.run runId must be text of at most 256 characters");
  }
  if (env === undefined || env === null) return;
  if (!isObject(env) || Object.values(env).some((value) => typeof value !== "string")) {
    throw refusal("INVALID_REQUEST", "system.run env must map names to text");
  }
}

function claimedApproval(
  desk: ExecApprovals,
  caller: Peer,
  call: { readonly nodeId: string; readonly params: Params; readonly nowMs: number },
): OpenApproval {
  const runId = call.params.runId;
  if (typeof runId !== "string" || runId === "") {
    throw refused("MISSING_RUN_ID", "approval override requires params.runId");
  }
  const approval = desk.byId(runId);
  if (approval === undefined) {
    throw refused("UNKNOWN_APPROVAL_ID", "unknown or expired approval id", runId);
  }
  if (call.nowMs >= approval.expiresAtMs) {
    throw refused("APPROVAL_EXPIRED", "approval expired", runId);
  }
  if (approval.nodeId === null) {
    throw refused("APPROVAL_NODE_BINDING_MISSING", "approval has no node binding", runId);
  }
  if (approval.nodeId !== call.nodeId) {
    throw refused("APPROVAL_NODE_MISMATCH", "approval is for another node", runId);
  }
  if (!isRequester(caller, approval)) {
    const byDevice = approval.requester.deviceId !== undefined;
    throw refused(
      byDevice ? "APPROVAL_DEVICE_MISMATCH" : "APPROVAL_CLIENT_MISMATCH",
      `approval was requested by another ${byDevice ? "device" : "client"}`,
      runId,
    );
  }
  return approval;
}

async function usedBinding(params: Params) {
  const text = (value: unknown) => typeof value === "string" && value.trim() !== "" ? value : null;
  return {
    argv: Array.isArray(params.command) ? params.command.map(String) : [],
    cwd: text(params.cwd),
    agentId: text(params.agentId),
    sessionKey: text(params.sessionKey),
    stdin: params.stdin === true,
    envHash: await envHash(params.env as Record<string, unknown> | null | undefined),
  };
}

function refused(code: string, message: string, runId?: string) {
  return refusal("INVALID_REQUEST", message, {
    details: { code, ...(runId === undefined ? {} : { runId }) },
  });
}
