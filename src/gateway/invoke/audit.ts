/**
 * One audit row per `system.run`, made from the call and the node's answer, queued off the invoke path. Source: decision 24.
 */
import { isObject } from "../../lib/objects.ts";
import { showableWithin } from "../../lib/text.ts";
import type { AuditRow } from "../../store/audit_row.ts";
import type { SafeRun } from "../approvals/run.ts";
import type { InvokeOutcome } from "./desk.ts";
import type { NodeAnswer } from "./reply.ts";
import type { Peer } from "../peers/peer.ts";

/** Longest kept argument and number of them. */
const MAX_ARG_BYTES = 2_000;
const MAX_ARGS = 200;

/** What is known about a run when it ended. */
export interface RunFacts {
  readonly caller: Peer;
  readonly nodeId: string;
  readonly run: SafeRun;
  readonly startedAtMs: number;
  readonly durationMs: number;
  readonly outcome: InvokeOutcome;
  readonly answer: NodeAnswer | undefined;
}

/** The row of one run. */
export function auditRow(facts: RunFacts): AuditRow {
  const { caller, run, outcome, answer } = facts;
  const result = isObject(answer?.value) ? answer.value : {};
  const argv = Array.isArray(run.params.command) ? run.params.command : [];
  const denied = !outcome.ok &&
    /SYSTEM_RUN_DENIED|APPROVAL/.test(`${outcome.code} ${outcome.message}`);
  return {
    atMs: facts.startedAtMs,
    requester: caller.principal.deviceId ?? caller.principal.clientId,
    nodeId: facts.nodeId,
    command: "system.run",
    argv: argv.slice(0, MAX_ARGS).map((word) => showableWithin(String(word), MAX_ARG_BYTES)),
    ...(typeof run.params.cwd === "string" ? { cwd: showableWithin(run.params.cwd, 4_096) } : {}),
    decision: run.approved?.decision ?? (denied ? "denied" : "policy"),
    ...ruleOf(run, result),
    ok: outcome.ok && result.success !== false,
    ...(typeof result.exitCode === "number" ? { exitCode: result.exitCode } : {}),
    durationMs: typeof result.durationMs === "number"
      ? Math.round(result.durationMs)
      : Math.round(facts.durationMs),
    ...(typeof result.outputSha256 === "string" ? { outputSha256: result.outputSha256 } : {}),
    ...(typeof result.outputBytes === "number" ? { outputBytes: result.outputBytes } : {}),
    ...(outcome.ok ? {} : { error: showableWithin(`${outcome.code}: ${outcome.message}`, 512) }),
  };
}

function ruleOf(run: SafeRun, result: Record<string, unknown>): { rule?: string } {
  if (run.approved !== undefined) return { rule: `approval ${run.approved.id}` };
  return typeof result.rule === "string" ? { rule: showableWithin(result.rule, 512) } : {};
}
