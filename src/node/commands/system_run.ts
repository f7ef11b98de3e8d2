/**
 * `system.run`: the order of checks of node-host.md 5.4, then the run. What is judged is the plan, and the plan is what
 * runs; starting it is `run_plan.ts`. A gateway's `approved` is never trusted without the plan it speaks about (A01).
 */
import {
  approvedRunRefusal,
  checkDrift,
  checkSystemRunPlan,
  type SystemRunPlan,
} from "../../approvals/binding.ts";
import { decide, type DenyReason, type Verdict } from "../../approvals/decide.ts";
import { learn } from "../../approvals/learn.ts";
import { makePlan, type Plan } from "../../approvals/plan.ts";
import { type EffectivePolicy, effectivePolicy } from "../../approvals/policy.ts";
import { checkRawCommand } from "../../approvals/words.ts";
import { messageOf, OpenclawError } from "../../lib/errors.ts";
import {
  any,
  bool,
  type Infer,
  list,
  nullable,
  num,
  obj,
  opt,
  record,
  str,
} from "../../lib/schema.ts";
import { runPlan } from "./run_plan.ts";
import { type InvokeContext, nodeCommand, type NodeServices } from "./define.ts";

const optStr = () => opt(nullable(str()));

/** Parameters. Source: node-host.md 5.1; `stdin` is ours (decision 14). */
export const runSchema = obj({
  command: list(any(), { min: 1 }),
  rawCommand: optStr(),
  cwd: optStr(),
  env: opt(nullable(record(any()))),
  timeoutMs: opt(nullable(num())),
  needsScreenRecording: opt(nullable(bool())),
  agentId: optStr(),
  sessionKey: optStr(),
  runId: optStr(),
  approved: opt(nullable(bool())),
  approvalDecision: opt(any()),
  systemRunPlan: opt(any()),
  suppressNotifyOnExit: opt(nullable(bool())),
  stdin: opt(nullable(bool())),
}, { unknown: "drop" });

type RunParams = Infer<typeof runSchema>;

/** One request on its way through the checks. */
interface Run {
  readonly params: RunParams;
  readonly argv: readonly string[];
  readonly approved: boolean;
  readonly plan: Plan;
  readonly bound: SystemRunPlan | undefined;
  readonly facts: ReturnType<NodeServices["machine"]["facts"]>;
  readonly context: InvokeContext;
  readonly event: Readonly<Record<string, unknown>>;
}

export const systemRun = nodeCommand("system.run", {
  params: runSchema,
  refusal: (problems) => {
    const first = problems[0];
    if (first && /more than/.test(first.message)) return `at ${first.path}: ${first.message}`;
    if (!first || first.path === "" || first.path.startsWith("/command")) return "command required";
    return `at ${first.path}: ${first.message}`;
  },
}, async (params, context) => {
  const run = await readRun(params, context);
  const policy = await policyOf(run.plan, context);
  const verdict = await judge(run, policy);
  if (verdict.outcome === "deny") throw deny(run, verdict.reason, verdict.message);
  if (run.approved && run.bound) {
    const drift = await checkDrift(run.bound, run.facts);
    if (drift !== undefined) throw deny(run, "execution-plan-miss", drift);
  }
  if (!await context.approvals.spend(verdict.usedGrants)) {
    // Two runs at once on a grant for one: the second asks like any other.
    throw deny(
      run,
      "approval-required",
      "SYSTEM_RUN_DENIED: approval required\nthe grant was used up",
    );
  }
  context.approvals.recordUse(
    verdict.used,
    run.plan.commandText,
    run.plan.segments[0]?.target?.path,
  );
  audit(run, "command allowed", { rule: verdict.rule });
  if (params.needsScreenRecording === true) {
    const text = "PERMISSION_MISSING: screenRecording";
    throw deny(run, "permission:screenRecording", text);
  }
  if (run.approved && params.approvalDecision === "allow-always") await remember(run.plan, context);
  return await runPlan({
    plan: run.plan,
    execution: verdict.execution,
    rule: verdict.rule,
    bound: run.approved ? run.bound : undefined,
    timeoutMs: params.timeoutMs ?? undefined,
    policyConfig: await context.policyConfig(),
    event: run.event,
    context,
  });
});

/** Longest command in characters; no system starts a longer one, and judging it would hold up everybody else. */
const MAX_COMMAND_CHARS = 2 * 1024 * 1024;

/** The words of a request as text. @throws {OpenclawError} `INVALID_REQUEST` for a word that is none, or too much text. */
export function argvOf(command: readonly unknown[]): string[] {
  if (command.some((word) => typeof word === "object")) {
    throw new OpenclawError("INVALID_REQUEST", "command required: each word must be text");
  }
  const argv = command.map(String);
  if (argv.reduce((sum, word) => sum + word.length, 0) > MAX_COMMAND_CHARS) {
    const text = `command is longer than ${MAX_COMMAND_CHARS} characters`;
    throw new OpenclawError("INVALID_REQUEST", text);
  }
  return argv;
}

/** Steps 1 to 4: what does not depend on the policy. */
async function readRun(params: RunParams, context: InvokeContext): Promise<Run> {
  const argv = argvOf(params.command);
  const mismatch = checkRawCommand(argv, params.rawCommand);
  if (mismatch) {
    const text = "INVALID_REQUEST: rawCommand does not match command";
    throw new OpenclawError("INVALID_REQUEST", text, { details: { ...mismatch } });
  }
  const given = params.systemRunPlan ?? undefined;
  const bound = given === undefined ? undefined : checkSystemRunPlan(given);
  if (given !== undefined && !bound) {
    throw new OpenclawError("INVALID_REQUEST", "systemRunPlan invalid");
  }
  const facts = context.machine.facts();
  const { cwd = null, env = null, agentId = null, sessionKey = null } = params;
  const stdin = params.stdin === true;
  const plan = await makePlan({ argv, cwd, env, agentId, sessionKey, stdin }, facts);
  const refused = plan.envPrefixRefusal ?? plan.env.refusal;
  if (refused !== undefined) throw new OpenclawError("INVALID_REQUEST", refused);
  const approved = params.approved === true;
  const event = {
    sessionKey: sessionKey?.trim() || "node",
    runId: params.runId?.trim() || crypto.randomUUID(),
    host: "node",
    command: plan.commandText,
    suppressNotifyOnExit: params.suppressNotifyOnExit ?? false,
  };
  const run = { params, argv, approved, plan, bound, facts, context, event };
  const untrusted = approvedRunRefusal({
    approved,
    command: argv,
    cwd,
    agentId,
    sessionKey,
    stdin,
    systemRunPlan: bound,
  });
  if (untrusted !== undefined) throw deny(run, "execution-plan-miss", untrusted);
  return run;
}

/** The policy in force for a plan. */
export async function policyOf(plan: Plan, services: NodeServices): Promise<EffectivePolicy> {
  const { parsed } = await services.approvals.load();
  const { exec, agents } = await services.policyConfig();
  const agentConfig = agents[plan.agentId];
  return effectivePolicy({
    approvals: parsed,
    agentId: plan.agentId,
    config: exec,
    ...(agentConfig ? { agentConfig } : {}),
  });
}

/** Steps 5 and 6. */
export async function judge(
  run: Pick<Run, "plan" | "facts" | "approved" | "context">,
  policy: EffectivePolicy,
): Promise<Verdict> {
  const { approvals, clock, skillBins, requester } = run.context;
  return decide(run.plan, {
    policy,
    facts: run.facts,
    approved: run.approved,
    grants: await approvals.grants(),
    nowMs: clock.now(),
    ...(requester === undefined ? {} : { requester }),
    ...(policy.autoAllowSkills ? { skillBins: await skillBins() } : {}),
  });
}

/** Sends the event and makes the error. Source: node-host.md 5.5, 7.3. */
function deny(
  run: Run,
  reason: DenyReason | "permission:screenRecording",
  message: string,
): OpenclawError {
  run.context.sendEvent("exec.denied", { ...run.event, reason });
  audit(run, "command denied", { reason });
  const code = run.context.protocol === 3 ? "UNAVAILABLE" : "SYSTEM_RUN_DENIED";
  return new OpenclawError(code, message, { details: { reason } });
}

/** The node's own record of a decision; never the command, whose words may be secret. */
function audit(run: Run, message: string, why: { rule: string } | { reason: string }): void {
  const { log, requester } = run.context;
  log.info(message, { runId: run.event["runId"], requester, ...why });
}

/** Allow-always; a rule that cannot be stored does not stop the run that was approved. */
async function remember(plan: Plan, { approvals, clock, log }: InvokeContext): Promise<void> {
  const learned = await learn(plan, { nowMs: clock.now(), newId: () => crypto.randomUUID() });
  if (!learned.ok) return log.warn("allow-always could not be remembered", { why: learned.why });
  try {
    await approvals.learn(plan.agentId, [learned.entry]);
  } catch (error) {
    log.warn("allow-always could not be stored", { error: messageOf(error) });
  }
}
