/**
 * Who may review an exec approval, see it, and answer it; and how a request is read. Pure.
 * Source: gateway-protocol.md 11.7, 11.8; decision 15. Attacks stopped: A12, A13 (answer by another route), A15 (hidden text).
 */
import { bindingOf, checkSystemRunPlan } from "../../approvals/binding.ts";
import { commandPreview } from "../../approvals/words.ts";
import { sha256Hex, utf8 } from "../../lib/bytes.ts";
import { refusal } from "../../protocol/errors.ts";
import { APPROVAL_LIFETIME_MS } from "../../protocol/limits.ts";
import { REVIEWER_CLIENT_IDS } from "../../protocol/client_ids.ts";
import { coversScope } from "../../protocol/scopes.ts";
import type { ApprovalRequester } from "../../store/open_approval.ts";
import type { ApprovalDecision, ApprovalView, OpenApproval } from "./types.ts";
import type { Peer } from "../peers/peer.ts";
import { type Principal, principalName } from "../peers/principal.ts";

/** A15: a longer text could not be read by a person; no approval is offered for it. */
export const MAX_COMMAND_BYTES = 64 * 1024;

/** A plan with more than this beside its command is refused: open requests are kept, and shown to everybody. */
const MAX_PLAN_CHARS = 256 * 1024;
/** Ids are shown, part of a path, and pasted into a shell with the command to answer: nothing a shell would read. */
const APPROVAL_ID = /^[A-Za-z0-9][A-Za-z0-9._:@-]{0,255}$/;

const REVIEW_CAPS = ["approvals", "exec-approvals"];

/** Whether this connection can decide approvals at all. */
export function isReviewer({ principal }: Peer): boolean {
  if (principal.role !== "operator" || !coversScope(principal.scopes, "operator.approvals")) {
    return false;
  }
  return principal.protocol === 3 || REVIEWER_CLIENT_IDS.has(principal.clientId) ||
    principal.caps.some((cap) => REVIEW_CAPS.includes(cap));
}

/** Same connection or same proven device. */
export function isRequester(peer: Peer, approval: OpenApproval): boolean {
  const { connId, deviceId } = approval.requester;
  if (peer.connId === connId) return true;
  return deviceId !== undefined && peer.principal.deviceId === deviceId;
}

/**
 * Whether a connection may see and review what others ask: owners and admins. A connection of protocol 3 counts as what its
 * device was approved for, because that generation asks for no more than each call needs; the protocol itself gives nobody
 * more than the newer one would, else two devices with `write` and `approvals` would approve for each other.
 */
export function reviewsOthers({ owner, scopes, protocol, deviceScopes = [] }: Principal): boolean {
  return owner || coversScope(scopes, "operator.admin") ||
    (protocol === 3 && coversScope(deviceScopes, "operator.admin"));
}

/** Whether a connection with the approvals scope sees this request: its own, or everybody's. */
export function maySee(peer: Peer, approval: OpenApproval): boolean {
  return reviewsOthers(peer.principal) || isRequester(peer, approval);
}

/**
 * Whether a connection may answer. Its own request only as owner or admin (decision 15): `write` plus `approvals` would
 * otherwise approve whatever it asks for. Nobody knows whose a connection without a device is (a session of a trusted
 * proxy): it could be the requester's second one.
 */
export function mayAnswer(peer: Peer, approval: OpenApproval): boolean {
  const { owner, scopes, deviceId } = peer.principal;
  if (!maySee(peer, approval)) return false;
  if (owner || coversScope(scopes, "operator.admin")) return true;
  return deviceId !== undefined && !isRequester(peer, approval);
}

/** Whether this reviewer counts for a request: the requester itself only when it may answer it. */
export function countsAsReviewer(peer: Peer, approval: OpenApproval): boolean {
  return isReviewer(peer) && mayAnswer(peer, approval);
}

/** `exec.approval.request` params after the schema. Nulls count as absent. */
export type ApprovalParams = Readonly<Record<string, unknown>>;

const text = (value: unknown): string | null =>
  typeof value === "string" && value.trim() !== "" ? value : null;

/**
 * Reads a request. Command, directory, agent and session of host `node` come from the plan, whose text is checked against
 * its argv; so what is shown is what can run.
 */
export async function readApproval(
  params: ApprovalParams,
  requester: Peer,
  nowMs: number,
): Promise<OpenApproval> {
  const host = text(params.host) ?? "gateway";
  const plan = host === "node" ? nodePlan(params) : undefined;
  const env = params.env as Record<string, unknown> | null | undefined;
  const binding = plan === undefined ? undefined : await bindingOf(plan, env);
  const command = plan?.commandText ?? text(params.command);
  if (command === null) throw refusal("INVALID_REQUEST", "command is required");
  if (utf8(command).length > MAX_COMMAND_BYTES) {
    throw refusal("INVALID_REQUEST", "command is too long to be reviewed", {
      details: { code: "COMMAND_TOO_LONG", maxBytes: MAX_COMMAND_BYTES },
    });
  }
  const ask = text(params.ask);
  const allowedDecisions: ApprovalDecision[] = ask === "always"
    ? ["allow-once", "deny"]
    : ["allow-once", "allow-always", "deny"];
  const warningText = await warningFor(command, text(params.warningText));
  const agentId = plan === undefined ? text(params.agentId) : plan.agentId;
  const nodeId = text(params.nodeId);
  const timeoutMs = typeof params.timeoutMs === "number" ? params.timeoutMs : APPROVAL_LIFETIME_MS;
  return {
    id: readId(params.id),
    view: buildView({ params, plan, binding, env, command, warningText, allowedDecisions, host }),
    commandText: command,
    commandPreview: shownPreview(plan),
    warningText,
    host,
    nodeId,
    agentId,
    plan,
    binding,
    requester: requesterOf(requester),
    createdAtMs: nowMs,
    expiresAtMs: nowMs + timeoutMs,
    resolution: undefined,
    settling: undefined,
    consumed: false,
  };
}

function requesterOf({ connId, principal }: Peer): ApprovalRequester {
  const { deviceId } = principal;
  return {
    connId,
    ...(deviceId === undefined ? {} : { deviceId }),
    name: principalName(principal),
  };
}

function nodePlan(params: ApprovalParams) {
  if (text(params.nodeId) === null) {
    throw refusal("INVALID_REQUEST", "nodeId is required for host=node");
  }
  if (params.systemRunPlan === undefined || params.systemRunPlan === null) {
    throw refusal("INVALID_REQUEST", "systemRunPlan is required for host=node");
  }
  const plan = checkSystemRunPlan(params.systemRunPlan);
  const fits = plan !== undefined && JSON.stringify(plan).length <= MAX_PLAN_CHARS;
  if (!fits) throw refusal("INVALID_REQUEST", "systemRunPlan invalid");
  return plan;
}

function readId(value: unknown): string {
  const id = text(value);
  if (id === null) return crypto.randomUUID();
  if (id.startsWith("plugin:")) {
    throw refusal("INVALID_REQUEST", "approval ids starting with plugin: are reserved");
  }
  if (!APPROVAL_ID.test(id)) {
    throw refusal("INVALID_REQUEST", "approval id may hold letters, digits and ._:@- only");
  }
  return id;
}

/** A15: long blank stretches push the harmful part out of sight; say so, with the hash of the whole text. */
async function warningFor(command: string, given: string | null): Promise<string | null> {
  if (!/\s{40,}/.test(command) && command.length <= 4_096) return given;
  const size = `${utf8(command).length} bytes, sha256 ${await sha256Hex(command)}`;
  const own = `Long or padded command (${size}): read it to the end`;
  return given === null ? own : `${given}\n${own}`;
}

/** X24, A15: a short form of the command is shown only when it is one; the requester could say anything there. */
function shownPreview(plan: OpenApproval["plan"]): string | null {
  const said = plan?.commandPreview ?? null;
  return plan !== undefined && said === commandPreview(plan.argv) ? said : null;
}

/** As {@linkcode shownPreview}: the program of a plan is the one it starts. */
function shownProgram(params: ApprovalParams, plan: OpenApproval["plan"]): string | null {
  const said = text(params.resolvedPath);
  return plan === undefined || said === plan.argv[0] ? said : null;
}

interface ViewFacts {
  readonly params: ApprovalParams;
  readonly plan: OpenApproval["plan"];
  readonly binding: OpenApproval["binding"];
  readonly env: Record<string, unknown> | null | undefined;
  readonly command: string;
  readonly warningText: string | null;
  readonly allowedDecisions: readonly ApprovalDecision[];
  readonly host: string;
}

function buildView(facts: ViewFacts): ApprovalView {
  const { params, plan, binding, env, command, allowedDecisions, host } = facts;
  const { stdin, ...bound } = binding ?? { stdin: false };
  const argv = Array.isArray(params.commandArgv) ? params.commandArgv : undefined;
  const envKeys = Object.keys(env ?? {}).sort();
  const preview = shownPreview(plan);
  return {
    command,
    ...(preview === null ? {} : { commandPreview: preview }),
    ...(plan === undefined && argv !== undefined ? { commandArgv: argv } : {}),
    ...(envKeys.length === 0 ? {} : { envKeys }),
    systemRunBinding: binding === undefined ? null : { ...bound, ...(stdin ? { stdin } : {}) },
    systemRunPlan: plan ?? null,
    cwd: plan === undefined ? text(params.cwd) : plan.cwd,
    nodeId: text(params.nodeId),
    host,
    security: text(params.security),
    ask: text(params.ask),
    warningText: facts.warningText,
    scope: null,
    commandAnalysis: { commandCount: 1, nestedCommandCount: 0, riskKinds: [], warningLines: [] },
    allowedDecisions,
    agentId: plan === undefined ? text(params.agentId) : plan.agentId,
    resolvedPath: shownProgram(params, plan),
    sessionKey: plan === undefined ? text(params.sessionKey) : plan.sessionKey,
    sessionId: text(params.sessionId),
    runId: text(params.runId),
    toolCallId: text(params.toolCallId),
    turnSourceChannel: text(params.turnSourceChannel),
    turnSourceTo: text(params.turnSourceTo),
    turnSourceAccountId: text(params.turnSourceAccountId),
    turnSourceThreadId: text(params.turnSourceThreadId),
    cronExecutionSource: null,
    cronOperationBinding: null,
  };
}
