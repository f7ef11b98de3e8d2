/**
 * Test cases inside a policy file: `"tests": [{ "command": "git status", "expect": "run" }]`. Owns their shape and their
 * run against the live facts; nothing is started. Used by `openclaw approvals test`.
 */
import {
  check,
  type Infer,
  list,
  obj,
  oneOf,
  opt,
  problemText,
  str,
  union,
} from "../../lib/schema.ts";
import { showable } from "../../lib/text.ts";
import { decide, type DecideFacts } from "../decide.ts";
import { explanationText } from "../explain.ts";
import type { ExecFacts } from "../facts.ts";
import { makePlan } from "../plan.ts";
import { commandText } from "../words.ts";

/** One case. A text command is shell text, a list is an argv. */
export const policyCaseSchema = obj({
  name: opt(str()),
  agent: opt(str({ min: 1 })),
  command: union(str({ min: 1 }), list(str(), { min: 1 })),
  cwd: opt(str()),
  expect: oneOf("run", "ask", "deny"),
});

/** {@linkcode policyCaseSchema} as a type. */
export type PolicyCase = Infer<typeof policyCaseSchema>;

/** What a case asks of the policy. */
export type CaseOutcome = "run" | "ask" | "deny";

/** Outcome of one case. */
export interface CaseResult {
  readonly name: string;
  readonly ok: boolean;
  readonly expected: CaseOutcome | undefined;
  readonly found: CaseOutcome | undefined;
  /** Explanation, or what is wrong with the case itself. */
  readonly text: string;
}

/** Runs cases; `factsFor` gives the policy of the case's agent. */
export async function runCases(
  tests: readonly unknown[],
  facts: ExecFacts,
  factsFor: (agentId: string) => DecideFacts,
): Promise<CaseResult[]> {
  const results: CaseResult[] = [];
  for (const [i, test] of tests.entries()) {
    const checked = check(policyCaseSchema, test);
    if (!checked.ok) {
      results.push({
        name: `tests[${i}]`,
        ok: false,
        expected: undefined,
        found: undefined,
        text: problemText(checked.problems),
      });
      continue;
    }
    results.push(await runCase(checked.value, facts, factsFor));
  }
  return results;
}

async function runCase(
  test: PolicyCase,
  facts: ExecFacts,
  factsFor: (agentId: string) => DecideFacts,
): Promise<CaseResult> {
  const argv = typeof test.command === "string" ? ["/bin/sh", "-c", test.command] : test.command;
  const agentId = test.agent ?? "main";
  const plan = await makePlan({
    argv,
    agentId,
    ...(test.cwd === undefined ? {} : { cwd: test.cwd }),
  }, facts);
  const verdict = decide(plan, factsFor(agentId));
  const found = verdict.outcome === "run"
    ? "run"
    : verdict.reason === "approval-required"
    ? "ask"
    : "deny";
  const name = test.name ??
    (typeof test.command === "string" ? test.command : commandText(test.command));
  return {
    name: showable(name),
    ok: found === test.expect,
    expected: test.expect,
    found,
    text: explanationText(verdict.explanation),
  };
}
