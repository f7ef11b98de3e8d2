/**
 * `system.run.prepare`: the plan an approver sees, with everything bound that could change before the run.
 * Source: node-host.md 8.
 */
import { prepareRun } from "../../approvals/binding.ts";
import { explanationText } from "../../approvals/explain.ts";
import { whyNotLearned } from "../../approvals/learn.ts";
import { makePlan } from "../../approvals/plan.ts";
import { checkRawCommand } from "../../approvals/words.ts";
import { OpenclawError } from "../../lib/errors.ts";
import { any, bool, list, nullable, obj, opt, str } from "../../lib/schema.ts";
import { nodeCommand } from "./define.ts";
import { argvOf, judge, policyOf } from "./system_run.ts";

const optStr = () => opt(nullable(str()));

export const systemRunPrepare = nodeCommand("system.run.prepare", {
  params: obj({
    command: list(any(), { min: 1 }),
    rawCommand: optStr(),
    cwd: optStr(),
    agentId: optStr(),
    sessionKey: optStr(),
    stdin: opt(nullable(bool())),
    // Ours: a dry run against the live policy instead of a plan.
    explain: opt(nullable(bool())),
  }, { unknown: "drop" }),
  refusal: "INVALID_REQUEST: command required",
}, async (params, context) => {
  const argv = argvOf(params.command);
  if (checkRawCommand(argv, params.rawCommand)) {
    throw new OpenclawError(
      "INVALID_REQUEST",
      "INVALID_REQUEST: rawCommand does not match command",
    );
  }
  const facts = context.machine.facts();
  const { cwd = null, agentId = null, sessionKey = null } = params;
  const plan = await makePlan(
    { argv, cwd, agentId, sessionKey, stdin: params.stdin === true },
    facts,
  );
  if (params.explain === true) {
    const policy = await policyOf(plan, context);
    const { explanation } = await judge({ plan, facts, approved: false, context }, policy);
    return { decision: explanation.decision, text: explanationText(explanation), explanation };
  }
  if (plan.envPrefixRefusal !== undefined) {
    throw new OpenclawError("INVALID_REQUEST", plan.envPrefixRefusal);
  }
  const prepared = await prepareRun(plan, facts);
  if (!prepared.ok) throw new OpenclawError("INVALID_REQUEST", prepared.message);
  const policy = await policyOf(plan, context);
  const why = whyNotLearned(plan);
  return {
    plan: prepared.plan,
    execPolicy: { security: policy.security, ask: policy.ask },
    allowAlwaysCoverage: {
      complete: why === undefined,
      patterns: why === undefined ? [`=argv:${plan.exactDigest}`] : [],
    },
  };
});
