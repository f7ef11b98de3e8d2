/**
 * Does a rule cover a command? Asks the allowlist, safe bins, skills and grants about each segment of a plan and says
 * which rule answered, or why the segment stays uncovered. Every executable that will be started is asked about:
 * wrappers, the shell of a script and commands inside arguments too. Source: node-host.md 7.4.
 */
import { isBounded } from "./bounded.ts";
import type { AllowEntry } from "../file/approvals_file.ts";
import type { ExecFacts } from "../facts.ts";
import { type Grant, grantCovers, grantCoversExactly } from "../grants.ts";
import { namePatternMatches, pathPatternMatches, patternKind } from "./pattern.ts";
import type { Plan } from "../plan.ts";
import type { EffectivePolicy, ScopedEntry } from "../policy.ts";
import { inTrustedDirectory, type Resolved, SYSTEM_DIRS } from "../reading/resolve.ts";
import { judgeSafeBin } from "./safe_bins.ts";
import type { Segment } from "../reading/segments.ts";
import { textIsUnambiguous } from "../words.ts";

/** Everything besides the plan that matching needs. */
export interface MatchFacts {
  readonly policy: EffectivePolicy;
  readonly facts: Pick<ExecFacts, "platform" | "home" | "homeReal">;
  readonly grants?: readonly Grant[];
  /** Wall clock for grants; without it no grant counts. */
  readonly nowMs?: number;
  /** Device id of the requester, or `owner`, for grants. */
  readonly requester?: string;
  /** Trusted path of each skill program, by bare name. */
  readonly skillBins?: ReadonlyMap<string, string>;
}

/** Why a command may run. `rule` is for people and for the audit table. */
export interface Match {
  readonly rule: string;
  readonly entries: readonly ScopedEntry[];
  readonly grantIds: readonly string[];
}

/** Why a segment is not covered. */
export interface Miss {
  readonly why: string;
  readonly hint?: string;
  /** Executables that have no rule, for the suggested fix; empty when no path rule can help. */
  readonly missing: readonly Resolved[];
}

/** Answer about one segment. */
export type Coverage = { readonly match: Match } | { readonly miss: Miss };

/** Asks about every segment. A plan that was not understood has none and is never covered by rules. */
export function coverSegments(plan: Plan, facts: MatchFacts): Coverage[] {
  const shell = loginShell(plan);
  const entry = shell && openEntry(shell, plan.argv[0] ?? "", facts);
  return plan.segments.map((segment) => {
    const own = coverSegment(segment, plan, facts);
    return shell ? withLogin(own, shell, entry) : own;
  });
}

/** The shell of a `-l` form: it runs profile files first, so it needs a rule of its own. Source: 7.4. */
export function loginShell(plan: Plan): Resolved | undefined {
  const use = plan.carrier?.use;
  return use?.kind === "inline" && use.login ? plan.carrier?.resolved : undefined;
}

function withLogin(own: Coverage, shell: Resolved, entry: ScopedEntry | undefined): Coverage {
  if ("match" in own) {
    if (entry) return { match: { ...own.match, entries: [...own.match.entries, entry] } };
    const why = `"${shell.path}" is started as a login shell, which runs profile files first`;
    return { miss: { why, hint: "use -c without -l", missing: [shell] } };
  }
  return entry ? own : { miss: { ...own.miss, missing: [...own.miss.missing, shell] } };
}

/** A rule or grant for exactly this argv in this directory, whatever its shape. */
export function coverExactly(
  plan: Plan,
  { policy, grants = [], nowMs, requester }: MatchFacts,
): Match | undefined {
  for (const scoped of policy.allowlist) {
    const { pattern, unknown } = scoped.entry;
    if (unknown) continue;
    if (pattern === `=argv:${plan.exactDigest}`) return matchOf(scoped);
    // The old form binds neither directory nor script content, so it counts only where there is no script.
    const text = pattern === `=command:${plan.textDigest}` && textIsUnambiguous(plan.argv) &&
      !plan.operand && plan.operandRefusal === undefined;
    if (text) return matchOf(scoped);
  }
  if (nowMs === undefined) return undefined;
  const asked = { cwd: plan.cwd, agentId: plan.agentId, requester, nowMs };
  const grant = grants.find((one) => grantCoversExactly(one, plan.exactDigest, asked));
  return grant && { rule: `grant ${grant.id}`, entries: [], grantIds: [grant.id] };
}

function matchOf(scoped: ScopedEntry): Match {
  return { rule: ruleText(scoped), entries: [scoped], grantIds: [] };
}

/** How a rule is named: scope and pattern. */
export function ruleText({ agent, entry }: ScopedEntry): string {
  return `agents.${agent} "${entry.pattern}"${
    entry.argPattern === undefined ? "" : " with argPattern"
  }`;
}

function coverSegment(segment: Segment, plan: Plan, facts: MatchFacts): Coverage {
  if (segment.blocked || !segment.target) {
    const why = segment.blocked;
    return {
      miss: {
        why: why?.message ?? "nothing to run was found",
        ...(why?.hint === undefined ? {} : { hint: why.hint }),
        missing: [],
      },
    };
  }
  const helpers = [
    ...segment.wrappers.map((one) => one.resolved),
    ...(segment.shell ? [segment.shell] : []),
  ];
  const entries: ScopedEntry[] = [];
  const missing: Resolved[] = [];
  for (const helper of helpers) {
    if (!helper) {
      return { miss: { why: "a wrapper in front of the command was not found", missing: [] } };
    }
    if (inTrustedDirectory(helper, [...SYSTEM_DIRS, ...facts.policy.safeBinTrustedDirs])) continue;
    const entry = openEntry(helper, helper.word, facts);
    if (entry) entries.push(entry);
    else missing.push(helper);
  }
  for (const nested of segment.nested) {
    const entry = openEntry(nested.resolved, nested.argv[0] ?? "", facts);
    if (entry) entries.push(entry);
    else missing.push(nested.resolved);
  }
  const main = coverTarget(segment, segment.target, plan, facts);
  if ("miss" in main) {
    return { miss: { ...main.miss, missing: [...missing, ...main.miss.missing] } };
  }
  if (missing.length > 0) {
    return {
      miss: {
        why: `no rule covers ${
          missing.map((one) => `"${one.path}"`).join(", ")
        }, which this command starts`,
        missing,
      },
    };
  }
  return { match: { ...main.match, entries: [...main.match.entries, ...entries] } };
}

/** A rule for a program with any arguments: what is needed where the arguments are not known yet. */
function openEntry(
  resolved: Resolved,
  word: string,
  { policy, facts }: MatchFacts,
): ScopedEntry | undefined {
  return policy.allowlist.find(({ entry }) =>
    entry.argPattern === undefined && !entry.unknown &&
    patternCovers(entry.pattern, resolved, word, facts)
  );
}

function patternCovers(
  pattern: string,
  resolved: Resolved,
  word: string,
  facts: MatchFacts["facts"],
): boolean {
  const kind = patternKind(pattern);
  if (kind === "all") return true;
  if (kind === "path") {
    return pathPatternMatches(pattern, [resolved.path, resolved.execPath], facts);
  }
  return kind === "name" && namePatternMatches(pattern, word, facts.platform);
}

function coverTarget(segment: Segment, target: Resolved, plan: Plan, facts: MatchFacts): Coverage {
  const word = segment.shell ? target.path : segment.argv[0] ?? "";
  const args = segment.argv.slice(1);
  for (const scoped of facts.policy.allowlist) {
    const { entry } = scoped;
    if (entry.unknown || !patternCovers(entry.pattern, target, word, facts.facts)) continue;
    if (argPatternFits(entry, args, segment.argDigest)) return { match: matchOf(scoped) };
  }
  const grant = coveringGrant(segment, target, plan, facts);
  if (grant) return { match: { rule: `grant ${grant.id}`, entries: [], grantIds: [grant.id] } };
  if (segment.shell) {
    return { miss: { why: `no rule covers the script "${target.path}"`, missing: [target] } };
  }
  const skill = facts.policy.autoAllowSkills ? facts.skillBins?.get(word) : undefined;
  if (skill !== undefined && skill === target.path) {
    return { match: { rule: `skill "${word}"`, entries: [], grantIds: [] } };
  }
  const safe = judgeSafeBin(segment.argv, target, facts.policy);
  if (safe?.safe) return { match: { rule: `safe bin "${word}"`, entries: [], grantIds: [] } };
  return { miss: { why: safe?.why ?? `no rule covers "${target.path}"`, missing: [target] } };
}

function coveringGrant(
  segment: Segment,
  target: Resolved,
  plan: Plan,
  facts: MatchFacts,
): Grant | undefined {
  const { nowMs, requester, grants = [] } = facts;
  if (nowMs === undefined) return undefined;
  const asked = {
    paths: [target.path, target.execPath],
    args: segment.argv.slice(1),
    cwd: segment.cwd,
    agentId: plan.agentId,
    requester,
    nowMs,
  };
  return grants.find((grant) => grantCovers(grant, asked, facts.facts));
}

/** Longest argument text that a regular expression of the file is applied to. */
const MAX_ARGUMENT_TEXT = 8192;

/**
 * Whether `argPattern` covers the arguments. The digest form binds them and the directory; any other `sha256:` form is
 * from a later version and covers nothing; the rest is a regular expression, applied on every system because it can
 * only narrow. Arguments are joined with NUL when the expression names one, else with a space. Source: 7.4.
 */
export function argPatternFits(
  entry: AllowEntry,
  args: readonly string[],
  argDigest: string,
): boolean {
  const { argPattern } = entry;
  if (argPattern === undefined) return true;
  if (argPattern.startsWith("sha256:")) return argPattern === argDigest;
  const byNul = argPattern.includes("\0") || argPattern.includes("\\0") ||
    argPattern.includes("\\x00");
  const text = byNul
    ? (args.length === 0 ? "\0\0" : args.map((arg) => `${arg}\0`).join(""))
    : args.join(" ");
  if (text.length > MAX_ARGUMENT_TEXT || !isBounded(argPattern, text.length)) return false;
  try {
    return new RegExp(argPattern).test(text);
  } catch (error) {
    if (error instanceof SyntaxError) return false;
    throw error;
  }
}
