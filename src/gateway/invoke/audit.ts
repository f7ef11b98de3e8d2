/**
 * One audit row per `system.run`, made from the call and the node's answer, queued off the invoke path. Source: decision 24.
 */
import { isObject } from "../../lib/objects.ts";
import { utf8 } from "../../lib/bytes.ts";
import { showableWithin } from "../../lib/text.ts";
import type { AuditRow } from "../../store/audit_row.ts";
import type { SafeRun } from "../approvals/run.ts";
import type { InvokeOutcome } from "./desk.ts";
import type { NodeAnswer } from "./reply.ts";
import type { Peer } from "../peers/peer.ts";

/** Longest kept argument, number of them, and bytes of all: a thousand rows must fit one answer of `audit.list`. */
const MAX_ARG_BYTES = 2_000;
const MAX_ARGS = 200;
const MAX_ARGV_BYTES = 8_000;
/** Less is not worth a word. */
const MIN_ARG_BYTES = 16;

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
    argv: keptWords(argv),
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

function keptWords(argv: readonly unknown[]): string[] {
  const kept: string[] = [];
  let left = MAX_ARGV_BYTES;
  for (const word of argv.slice(0, MAX_ARGS)) {
    const text = showableWithin(String(word), Math.min(MAX_ARG_BYTES, left));
    left -= utf8(text).length;
    kept.push(text);
    if (left < MIN_ARG_BYTES) break;
  }
  if (kept.length < argv.length) kept.push("…");
  return kept;
}

function ruleOf(run: SafeRun, result: Record<string, unknown>): { rule?: string } {
  if (run.approved !== undefined) return { rule: `approval ${run.approved.id}` };
  return typeof result.rule === "string" ? { rule: showableWithin(result.rule, 512) } : {};
}
