/**
 * Why a command may run or not, in words: segments, files, environment, the rule that matched or the closest one and why
 * it missed, and the smallest rule that would fit. One text for the dry run, for refusals and for approval prompts.
 * Everything that came from a caller is shown escaped (A16, A17).
 */
import { nearest, showable, showableWithin } from "../lib/text.ts";
import {
  argPatternFits,
  type Coverage,
  type Match,
  type MatchFacts,
  type Miss,
  ruleText,
} from "./matching/match.ts";
import { fileNameOf } from "./reading/paths.ts";
import { patternKind } from "./matching/pattern.ts";
import { nearMisses } from "./near_misses.ts";
import type { Plan } from "./plan.ts";
import type { Decision, EffectivePolicy, ScopedEntry } from "./policy.ts";
import type { Segment } from "./reading/segments.ts";
import { quoteWord } from "./words.ts";

/** What would make the command run. */
export interface Fix {
  readonly kind: "add-rules" | "exact-rule" | "approve" | "policy" | "rewrite";
  /** Patterns to add to the agent's allowlist; empty when a rule cannot help. */
  readonly patterns: readonly string[];
  readonly text: string;
}

/** One segment in words. */
export interface SegmentExplanation {
  readonly text: string;
  readonly path: string | undefined;
  readonly allowed: boolean;
  /** Rule that matched, or why none did. */
  readonly why: string;
  readonly closest?: string;
  readonly hint?: string;
}

/** The whole explanation. */
export interface Explanation {
  readonly decision: Decision | "execution-plan-miss";
  readonly command: string;
  readonly cwd: string;
  readonly segments: readonly SegmentExplanation[];
  /** Why the text was not understood. */
  readonly unread?: string;
  readonly environment: readonly string[];
  readonly policy: string;
  readonly rule?: string;
  /** Rules that almost counted: grants for somebody else, another directory, other arguments. */
  readonly nearMisses?: readonly string[];
  readonly fix?: Fix;
}

/** Inputs of {@linkcode explain}. */
export interface ExplainFacts {
  readonly plan: Plan;
  readonly facts: MatchFacts;
  readonly coverage: readonly Coverage[];
  readonly exact?: Match;
  readonly decision: Decision | "execution-plan-miss";
}

/** Longest command text in an explanation, in bytes; the whole text stays in the plan. */
const MAX_SHOWN_BYTES = 2000;

/** Builds the explanation of a verdict. */
export function explain({ plan, facts, coverage, exact, decision }: ExplainFacts): Explanation {
  const unread = plan.hardRefusal ?? plan.refusal;
  const fix = decision === "run" ? undefined : fixFor(plan, facts.policy, coverage, decision);
  const near = decision === "run" ? [] : nearMisses(plan, facts, coverage);
  return {
    decision,
    command: showableWithin(plan.commandText, MAX_SHOWN_BYTES),
    cwd: showable(plan.cwd),
    segments: plan.segments.map((segment, i) => segmentLine(segment, coverage[i], facts.policy)),
    ...(unread
      ? { unread: unread.message + (unread.hint === undefined ? "" : ` (${unread.hint})`) }
      : {}),
    environment: environmentLines(plan),
    policy: policyLine(facts.policy),
    ...(exact ? { rule: exact.rule } : {}),
    ...(near.length > 0 ? { nearMisses: near.map(showable) } : {}),
    ...(fix ? { fix } : {}),
  };
}

function policyLine(policy: EffectivePolicy): string {
  return `security=${policy.security} (${policy.sources.security}), ask=${policy.ask} (${policy.sources.ask}), agent ${
    showable(policy.agentId)
  }`;
}

function environmentLines(plan: Plan): string[] {
  const { accepted, reduced, blocked, invalid } = plan.env;
  const line = (what: string, names: readonly string[]) =>
    names.length === 0 ? [] : [`${what} ${names.map(showable).join(", ")}`];
  return [
    ...line("set", Object.keys(accepted)),
    ...line("dropped for a shell:", reduced),
    ...line("refused:", blocked),
    ...line("invalid:", invalid),
  ];
}

function segmentLine(
  segment: Segment,
  coverage: Coverage | undefined,
  policy: EffectivePolicy,
): SegmentExplanation {
  const base = { text: showableWithin(segment.text, MAX_SHOWN_BYTES), path: segment.target?.path };
  if (!coverage || "match" in coverage) {
    return { ...base, allowed: true, why: showable(coverage?.match.rule ?? "") };
  }
  const closest = segment.target && coverage.miss.missing.length > 0
    ? closestRule(segment, policy)
    : undefined;
  return {
    ...base,
    allowed: false,
    why: showable(coverage.miss.why),
    ...(coverage.miss.hint === undefined ? {} : { hint: showable(coverage.miss.hint) }),
    ...(closest === undefined ? {} : { closest: showable(closest) }),
  };
}

/** The rule nearest to a segment's program, and why it does not fit. */
function closestRule(segment: Segment, { allowlist }: EffectivePolicy): string | undefined {
  const path = segment.target?.path ?? "";
  const name = fileNameOf(path);
  const why = (one: ScopedEntry, text: string) => `closest rule: ${ruleText(one)}, ${text}`;
  for (const one of allowlist) {
    const { pattern, argPattern, unknown } = one.entry;
    const samePath = pattern === path ||
      (patternKind(pattern) === "name" && pattern === segment.argv[0]);
    if (samePath && unknown) return why(one, "which has a key that is not known here");
    if (
      samePath && argPattern !== undefined &&
      !argPatternFits(one.entry, segment.argv.slice(1), segment.argDigest)
    ) {
      return why(
        one,
        argPattern.startsWith("sha256:")
          ? "which is bound to other arguments or another directory"
          : "whose argPattern does not fit the arguments",
      );
    }
    if (pattern === name && segment.argv[0] !== name) {
      return why(one, "a bare name, which only fits a command written without a path");
    }
    if (pattern !== path && pattern.toLowerCase() === path.toLowerCase()) {
      return why(one, "which differs in upper and lower case");
    }
  }
  const sameName = allowlist.find((one) =>
    patternKind(one.entry.pattern) === "path" && fileNameOf(one.entry.pattern) === name
  );
  if (sameName) return why(sameName, "which is in another directory");
  const near = nearest(
    path,
    allowlist.map((one) => one.entry.pattern).filter((pattern) => patternKind(pattern) === "path"),
  );
  const entry = allowlist.find((one) => one.entry.pattern === near);
  return entry && why(entry, "which names another program");
}

function fixFor(
  plan: Plan,
  policy: EffectivePolicy,
  coverage: readonly Coverage[],
  decision: Explanation["decision"],
): Fix | undefined {
  if (plan.hardRefusal) {
    return {
      kind: "rewrite",
      patterns: [],
      text: plan.hardRefusal.hint ?? "no rule can allow this",
    };
  }
  if (policy.security === "deny" || decision === "security=deny") return denyFix(policy);
  if (policy.ask === "always") {
    return {
      kind: "approve",
      patterns: [],
      text: `each run needs an approval: ask=always is set in ${policy.sources.ask}`,
    };
  }
  if (plan.stdin && (plan.carrier || plan.segments.some((one) => one.shell || one.interpreter))) {
    return {
      kind: "approve",
      patterns: [],
      text: "input for a shell or interpreter needs an approval; run it without input, or ask",
    };
  }
  const misses = coverage.flatMap((one, i) =>
    "miss" in one ? [{ miss: one.miss, segment: plan.segments[i] }] : []
  );
  const byPath = plan.refusal === undefined && misses.length > 0 && misses.every(pathRuleHelps);
  if (plan.exact.file === undefined) {
    return {
      kind: "rewrite",
      patterns: [],
      text: `"${
        showable(plan.argv[0] ?? "")
      }" was not found; install it or name it by its absolute path`,
    };
  }
  const missingFile = misses.find(({ segment }) => segment?.blocked?.code === "not-found");
  if (missingFile) {
    const text = `${missingFile.miss.why}; install it or name it by its absolute path`;
    return { kind: "rewrite", patterns: [], text };
  }
  const patterns = byPath
    ? [...new Set(misses.flatMap(({ miss }) => miss.missing.map((one) => one.path)))]
    : [`=argv:${plan.exactDigest}`];
  const commands = patterns.map(showable).map((pattern) =>
    `openclaw approvals allowlist add --agent ${quoteWord(policy.agentId)} ${quoteWord(pattern)}`
  );
  return { kind: byPath ? "add-rules" : "exact-rule", patterns, text: commands.join("\n") };
}

function denyFix(policy: EffectivePolicy): Fix {
  const broken = policy.sources.security === "unreadable approvals file";
  const text = broken
    ? `repair the approvals file: ${policy.problems[0] ?? ""}`
    : `security=deny is set in ${policy.sources.security}; set it to "allowlist" there`;
  return { kind: "policy", patterns: [], text };
}

/** A path rule for an interpreter or a script's shell would allow any code, so an exact rule is the smaller one there. */
function pathRuleHelps({ miss, segment }: { miss: Miss; segment: Segment | undefined }): boolean {
  return miss.missing.length > 0 && segment?.blocked === undefined &&
    (segment?.interpreter === undefined || segment.interpreter.kind === "info");
}

/** The explanation as lines for a person; the same in dry run, refusal and prompt. */
export function explanationText(explanation: Explanation): string {
  const { segments, unread, environment, policy, rule, fix } = explanation;
  const lines = [`command: ${explanation.command}`, `directory: ${explanation.cwd}`];
  if (unread !== undefined) lines.push(`not read: ${showable(unread)}`);
  segments.forEach((segment, i) => {
    const where = segment.path === undefined ? "" : ` -> ${showable(segment.path)}`;
    lines.push(
      `[${i + 1}] ${segment.text}${where}: ${
        segment.allowed ? "allowed by" : "not allowed,"
      } ${segment.why}`,
    );
    if (segment.closest !== undefined) lines.push(`    ${segment.closest}`);
    if (segment.hint !== undefined) lines.push(`    hint: ${segment.hint}`);
  });
  if (rule !== undefined) lines.push(`exact rule: ${rule}`);
  lines.push(...(explanation.nearMisses ?? []).map((line) => `almost: ${line}`));
  lines.push(...environment.map((line) => `environment: ${line}`), `policy: ${policy}`);
  if (fix) lines.push(...fix.text.split("\n").map((line) => `fix: ${showable(line)}`));
  return lines.join("\n");
}
