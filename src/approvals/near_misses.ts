/**
 * Rules that almost count: a grant whose program fits but not its requester, directory, arguments or agent, and the mark
 * that OpenClaw v4 leaves beside learnt rules. They are told in explanations, so that a refusal names what is in the way.
 */
import { type Grant, grantMiss } from "./grants.ts";
import type { Coverage, MatchFacts } from "./matching/match.ts";
import type { Plan } from "./plan.ts";

/** One line per rule that almost counts; nothing when the command may run. */
export function nearMisses(
  plan: Plan,
  facts: MatchFacts,
  coverage: readonly Coverage[],
): readonly string[] {
  return [...new Set([...grantLines(plan, facts, coverage), ...markLines(plan, facts)])];
}

function grantLines(plan: Plan, facts: MatchFacts, coverage: readonly Coverage[]): string[] {
  const { nowMs, requester, grants = [] } = facts;
  if (nowMs === undefined) return [];
  const common = { digest: plan.exactDigest, agentId: plan.agentId, requester, nowMs };
  const whole = { ...common, paths: [], args: [], cwd: plan.cwd };
  const missed = plan.segments.flatMap(({ target, argv, cwd }, i) => {
    const open = coverage[i] === undefined || "miss" in coverage[i];
    if (!target || !open) return [];
    return [{ ...common, paths: [target.path, target.execPath], args: argv.slice(1), cwd }];
  });
  return [whole, ...missed].flatMap((asked) =>
    grants.flatMap((grant) => lineOf(grant, grantMiss(grant, asked, facts.facts)))
  );
}

function lineOf(grant: Grant, why: string | undefined): string[] {
  return why === undefined ? [] : [`grant ${grant.id} names this command but ${why}`];
}

/**
 * `=node-command:<hex>` stands for nothing by itself: v4 writes it next to the path rules of an allow-always decision, and
 * only those rules, each bound to its arguments, let the command run, there and here. Source: node-host.md 7.6.
 */
function markLines(plan: Plan, { policy }: MatchFacts): string[] {
  const mark = `=node-command:${plan.textDigest}`;
  const found = policy.allowlist.find(({ entry }) => entry.pattern === mark);
  if (!found) return [];
  const text = `agents.${found.agent} "${mark}" marks this command as allowed always by OpenClaw`;
  return [
    `${text}; it counts only with the path rules stored beside it, and those do not fit here`,
  ];
}
