/**
 * Plan + policy → verdict. The only place where a command is allowed or refused: it asks `matching/match.ts` about coverage, looks
 * the rest up in the decision table, and hands out what is executed. Every refusal carries its explanation.
 * Source: node-host.md 5.4, 7.3; decisions.md 22.
 */
import { explain, type Explanation, explanationText } from "./explain.ts";
import {
  type Coverage,
  coverExactly,
  coverSegments,
  loginShell,
  type Match,
  type MatchFacts,
} from "./matching/match.ts";
import type { ExecCommand, ListItem, Plan } from "./plan.ts";
import { readsCommands } from "./reading/options/database_tools.ts";
import { type Decision, decisionOf, type ScopedEntry } from "./policy.ts";

/** What is handed to the executor. */
export type Execution = { readonly kind: "exact"; readonly command: ExecCommand } | {
  readonly kind: "list";
  readonly items: readonly ListItem[];
};

/** Why a command was refused, as in `exec.denied` events. Source: node-host.md 5.5. */
export type DenyReason =
  | "security=deny"
  | "approval-required"
  | "allowlist-miss"
  | "execution-plan-miss";

/** The outcome for one request. */
export type Verdict =
  | {
    readonly outcome: "run";
    readonly execution: Execution;
    /** Rule that allowed it, for the audit table. */
    readonly rule: string;
    /** Allow entries to record as used, in the scope they live in. */
    readonly used: readonly ScopedEntry[];
    readonly usedGrants: readonly string[];
    readonly explanation: Explanation;
  }
  | {
    readonly outcome: "deny";
    readonly reason: DenyReason;
    /** Wire text: first line as in the specification, explanation below. */
    readonly message: string;
    readonly explanation: Explanation;
  };

/** Inputs of {@linkcode decide}. */
export interface DecideFacts extends MatchFacts {
  /** Set by the gateway after it matched a stored approval; the caller has checked the stored plan. */
  readonly approved?: boolean;
}

const FIRST_LINES: Readonly<Record<Exclude<Decision, "run"> | "execution-plan-miss", string>> = {
  "security=deny": "SYSTEM_RUN_DISABLED: security=deny",
  "approval-required": "SYSTEM_RUN_DENIED: approval required",
  "allowlist-miss": "SYSTEM_RUN_DENIED: allowlist miss",
  "execution-plan-miss": "SYSTEM_RUN_DENIED: execution plan miss",
};

/** Judges a plan. Refused environment overrides of the plan are the caller's to answer before. */
export function decide(plan: Plan, facts: DecideFacts): Verdict {
  const { policy } = facts;
  const approved = facts.approved === true;
  const exact = plan.stdin && feedsCode(plan) ? undefined : coverExactly(plan, facts);
  const coverage = strictly(plan, coverSegments(plan, facts), facts);
  const hit = plan.refusal === undefined && coverage.length > 0 &&
    coverage.every((one) => "match" in one);
  const base = decisionOf({
    security: policy.security,
    ask: policy.ask,
    approved,
    durable: exact !== undefined,
    hit,
  });
  // Strict inline eval holds against security=full as well: only an approval or an exact rule lets inline code run.
  const inline = policy.strictInlineEval && !approved && !exact && plan.segments.some(carriesCode);
  const decision: Decision = base === "run" && inline
    ? (policy.ask === "off" ? "allowlist-miss" : "approval-required")
    : base;
  const reason: Decision | "execution-plan-miss" = plan.hardRefusal
    ? "execution-plan-miss"
    : decision;
  const explanation = explain({
    plan,
    facts,
    coverage,
    ...(exact ? { exact } : {}),
    decision: reason,
  });
  if (reason !== "run") {
    return {
      outcome: "deny",
      reason,
      message: `${FIRST_LINES[reason]}\n${explanationText(explanation)}`,
      explanation,
    };
  }
  return { outcome: "run", explanation, ...allowedBy({ plan, facts, coverage, exact, hit }) };
}

/** Whether a segment runs code that is in its words or its input. */
function carriesCode(segment: Plan["segments"][number]): boolean {
  return segment.interpreter?.kind === "inline" || segment.interpreter?.kind === "unbound";
}

/** Whether attached input would reach a shell or interpreter: needs full or an approval. Source: decisions.md 14. */
function feedsCode(plan: Plan): boolean {
  return plan.carrier !== undefined || plan.segments.some(takesCode);
}

function takesCode(segment: Plan["segments"][number]): boolean {
  const use = segment.interpreter;
  return segment.shell !== undefined || (use !== undefined && use.kind !== "info") ||
    readsCommands(segment.argv);
}

/** Coverage less what only an approval or an exact rule may allow. */
function strictly(plan: Plan, coverage: readonly Coverage[], { policy }: DecideFacts): Coverage[] {
  return coverage.map((one, i): Coverage => {
    const segment = plan.segments[i];
    if (!segment || "miss" in one) return one;
    if (policy.strictInlineEval && carriesCode(segment)) {
      return codeMiss("it carries code inline and strictInlineEval is on");
    }
    if (plan.stdin && (takesCode(segment) || loginShell(plan))) {
      return codeMiss("input is attached to a shell or interpreter");
    }
    return one;
  });
}

function codeMiss(why: string): Coverage {
  return { miss: { why, missing: [] } };
}

interface AllowedFacts {
  readonly plan: Plan;
  readonly facts: DecideFacts;
  readonly coverage: readonly Coverage[];
  readonly exact: Match | undefined;
  readonly hit: boolean;
}

type Allowed = Pick<
  Extract<Verdict, { outcome: "run" }>,
  "execution" | "rule" | "used" | "usedGrants"
>;

/** What runs and why. The exact argv runs only when it was allowed as such; rules allow the read plan. */
function allowedBy({ plan, facts, coverage, exact, hit }: AllowedFacts): Allowed {
  const exactly: Execution = { kind: "exact", command: plan.exact };
  const asGiven: Execution = plan.boundItems ? { kind: "list", items: plan.boundItems } : exactly;
  if (facts.approved === true) {
    return { execution: asGiven, rule: "approval", used: [], usedGrants: [] };
  }
  if (facts.policy.security === "full") {
    return { execution: exactly, rule: "security=full", used: [], usedGrants: [] };
  }
  const matches = coverage.flatMap((one) => "match" in one ? [one.match] : []);
  if (hit) {
    return {
      execution: loginShell(plan) ? asGiven : { kind: "list", items: plan.items },
      rule: matches.map((match) => match.rule).join("; "),
      used: unique(matches.flatMap((match) => match.entries)),
      usedGrants: unique(matches.flatMap((match) => match.grantIds)),
    };
  }
  return {
    execution: asGiven,
    rule: exact?.rule ?? "",
    used: exact?.entries ?? [],
    usedGrants: exact?.grantIds ?? [],
  };
}

function unique<T>(values: readonly T[]): T[] {
  return [...new Set(values)];
}
