/**
 * Runs an allowed plan in the runner and makes its result: environment, bindings, time limit, live output, input, the
 * `exec.finished` event. Whether it may run was decided before. Source: node-host.md 5.3, 5.5, 6; decisions 12-14, 20-24.
 */
import type { SystemRunPlan } from "../../approvals/binding.ts";
import type { Execution } from "../../approvals/decide.ts";
import { childEnv } from "../../approvals/env.ts";
import type { ExecCommand, Plan } from "../../approvals/plan.ts";
import type { InvokeContext } from "./define.ts";
import { LIVE_CREDIT_BYTES, LiveOutput } from "./live_output.ts";
import type { NodePolicyConfig } from "../files/policy_config.ts";
import { eventOutput, OUTPUT_CAP_BYTES, RunOutput } from "./run_output.ts";
import type { FileBinding, ItemSpec, JobEnd, JobSpec, StageSpec } from "../runner/frames.ts";
import type { RunningJob } from "../runner/link.ts";

/** Exit code of a run that was stopped by its time limit. Source: node-host.md 5.3. */
const TIMEOUT_EXIT_CODE = 124;
/** Processes named by number in a result. */
const NAMED_ESCAPED = 20;
/** Credit that never runs out in one run: what is not streamed is capped by `keepBytes` instead. */
const UNLIMITED_CREDIT = 0x7fff_ffff;

/** Inputs of {@linkcode runPlan}. */
export interface RunFacts {
  readonly plan: Plan;
  readonly execution: Execution;
  /** Rule that allowed it, for the audit record. */
  readonly rule: string;
  /** The approved plan, whose content is checked again on the opened files. */
  readonly bound: SystemRunPlan | undefined;
  /** The caller's own limit; the deadline of the invoke applies as well. */
  readonly timeoutMs: number | undefined;
  readonly policyConfig: NodePolicyConfig;
  /** Common members of this run's events. */
  readonly event: Readonly<Record<string, unknown>>;
  readonly context: InvokeContext;
}

/** Result of `system.run`. The members after `error` are ours and go only to gateways of ours. */
export interface RunResult {
  readonly exitCode?: number;
  readonly timedOut: boolean;
  readonly success: boolean;
  readonly stdout: string;
  readonly stderr: string;
  readonly error: string | null;
  readonly durationMs?: number;
  readonly rule?: string;
  /** Name of the signal that ended the command. */
  readonly signal?: string;
  readonly outSeq?: number;
  readonly outputSha256?: string;
  readonly outputBytes?: number;
  readonly gap?: true;
}

/** Runs to the end; resolves with the result whatever the programs did. */
export async function runPlan(facts: RunFacts): Promise<RunResult> {
  const { context } = facts;
  const { live, signal, runner } = context;
  const output = await RunOutput.create({ digest: live !== undefined });
  // Credit flows back only after output came, and output only after the job exists.
  const stream = live && new LiveOutput(live.send, (bytes) => job.addCredit(bytes));
  let taken = 0;
  let inputRead = () => {};
  const job: RunningJob = runner.run(jobOf(facts), {
    onOutput: (kind, bytes) => {
      output.add(kind, bytes);
      stream?.push(kind, bytes);
    },
    onInputTaken: () => {
      inputRead();
      stream?.inputTaken(++taken);
    },
  });
  if (live && facts.plan.stdin) inputRead = live.onInput((bytes) => job.input(bytes));
  const onAbort = () => {
    job.stop();
    stream?.abandon();
  };
  signal.addEventListener("abort", onAbort, { once: true });
  if (signal.aborted) onAbort();
  const end = await job.ended;
  signal.removeEventListener("abort", onAbort);
  await stream?.flushed();
  const result = resultOf({ facts, end, output, stream });
  sendFinished(facts, result);
  return result;
}

function jobOf({ plan, execution, bound, policyConfig, timeoutMs, context }: RunFacts): JobSpec {
  const { machine, live } = context;
  const env = childEnv({
    base: { ...machine.env, PATH: machine.pathEnv },
    accepted: plan.env.accepted,
    pass: policyConfig.passEnv,
    secretNames: policyConfig.secretNames,
    platform: machine.platform,
  });
  const limits = [timeoutMs, context.timeoutMs].filter((ms) => ms !== undefined && ms > 0);
  return {
    items: execution.kind === "list"
      ? execution.items
      : [exactItem(execution.command, bindingOf(plan, execution, bound), bound !== undefined)],
    env,
    stdin: plan.stdin && live !== undefined,
    credit: live ? LIVE_CREDIT_BYTES : UNLIMITED_CREDIT,
    ...(live ? {} : { keepBytes: OUTPUT_CAP_BYTES }),
    ...(limits.length > 0 ? { timeoutMs: Math.min(...limits as number[]) } : {}),
  };
}

function exactItem(
  command: ExecCommand,
  binding: FileBinding | undefined,
  bindCwd: boolean,
): ItemSpec {
  const stage: StageSpec = {
    ...command,
    ...(binding ? { bindings: [binding] } : {}),
    ...(bindCwd ? { bindCwd } : {}),
  };
  return { when: "always", stages: [stage] };
}

/** The content that was approved, or that a remembered rule was made for; `undefined` = the path alone was allowed. */
function bindingOf(
  plan: Plan,
  execution: Execution,
  bound: SystemRunPlan | undefined,
): FileBinding | undefined {
  if (bound) return bound.mutableFileOperand ?? undefined;
  return execution.kind === "exact" ? plan.operand : undefined;
}

interface ResultFacts {
  readonly facts: RunFacts;
  readonly end: JobEnd;
  readonly output: RunOutput;
  readonly stream: LiveOutput | undefined;
}

function resultOf({ facts, end, output, stream }: ResultFacts): RunResult {
  const { live, wantsFacts } = facts.context;
  const texts = output.texts(end.outputBytes > OUTPUT_CAP_BYTES);
  const exitCode = end.timedOut ? TIMEOUT_EXIT_CODE : end.exitCode;
  const error = end.error?.message ?? escapedText(end);
  return {
    ...(exitCode === undefined ? {} : { exitCode }),
    timedOut: end.timedOut,
    success: exitCode === 0 && !end.timedOut && error === null,
    ...texts,
    error,
    ...(wantsFacts ? { durationMs: end.durationMs, rule: facts.rule } : {}),
    ...(wantsFacts && end.signal !== undefined ? { signal: end.signal } : {}),
    ...(live && stream ? { outSeq: stream.outSeq, ...output.digest() } : {}),
    ...(stream?.gap ? { gap: true as const } : {}),
  };
}

/** F40: processes that left their group are named, also though they were killed. */
function escapedText(end: JobEnd): string | null {
  if (!end.escaped || end.escaped.length === 0) return null;
  const more = end.escaped.length - NAMED_ESCAPED;
  const named = end.escaped.slice(0, NAMED_ESCAPED).join(", ");
  return `killed processes that had left their group: ${named}${
    more > 0 ? ` and ${more} more` : ""
  }`;
}

/** A gateway of ours reads all of it from the result: the event would only cost each run another round trip. */
function sendFinished({ event, context }: RunFacts, result: RunResult): void {
  if (context.wantsFacts) return;
  const text = eventOutput(result.stdout, result.stderr, result.error);
  const { suppressNotifyOnExit, ...rest } = event as Record<string, unknown>;
  context.sendEvent("exec.finished", {
    ...rest,
    ...(result.exitCode === undefined ? {} : { exitCode: result.exitCode }),
    timedOut: result.timedOut,
    success: result.success,
    ...(text === "" ? {} : { output: text }),
    suppressNotifyOnExit,
  });
}
