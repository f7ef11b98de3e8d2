/**
 * "Allow always": what is remembered. One entry bound to exactly this program, these arguments, this directory and the
 * content of its script; never a program by itself, a shell or a multiplexer (X17, X19, X20). The pattern form is one that
 * reference peers can never match more widely. Source: decisions.md 19, node-host.md 7.6.
 */
import type { AllowEntry } from "./file/approvals_file.ts";
import { argPatternDigest } from "./digest.ts";
import { baseName } from "./reading/paths.ts";
import type { Plan } from "./plan.ts";

/** What to store, or why nothing can be. */
export type Learned = { readonly ok: true; readonly entry: AllowEntry } | {
  readonly ok: false;
  readonly why: string;
};

/** Inputs of {@linkcode learn}. */
export interface LearnFacts {
  readonly nowMs: number;
  readonly newId: () => string;
}

/** The entry for an allow-always run of `plan`. */
export async function learn(plan: Plan, { nowMs, newId }: LearnFacts): Promise<Learned> {
  const why = whyNotLearned(plan);
  if (why !== undefined) return { ok: false, why };
  return {
    ok: true,
    entry: {
      id: newId(),
      pattern: `=argv:${plan.exactDigest}`,
      argPattern: await argPatternDigest(plan.cwd, plan.argv.slice(1)),
      source: "allow-always",
      lastUsedAt: nowMs,
      lastUsedCommand: plan.commandText,
      ...(plan.exact.file === undefined ? {} : { lastResolvedPath: plan.exact.file }),
    },
  };
}

/** Why an exact rule would bind less than it seems; `undefined` when the command can be remembered. */
export function whyNotLearned(plan: Plan): string | undefined {
  if (plan.exact.file === undefined) return "its program was not found";
  if (plan.hardRefusal) return plan.hardRefusal.message;
  if (
    /^(?:busybox|toybox)$/.test(baseName(plan.exact.file)) ||
    plan.segments.some((segment) => segment.multiplexer)
  ) {
    return "a multiplexer is many programs in one and is never remembered";
  }
  const code = plan.segments.find((segment) => segment.blocked?.code === "runner")?.blocked ??
    (plan.refusal?.code === "shell-stdin" ? plan.refusal : undefined);
  if (code) return code.message;
  if (
    plan.segments.some((segment) => segment.interpreter?.kind === "unbound") ||
    (plan.stdin && plan.carrier)
  ) {
    return "it reads code from its input, which cannot be remembered";
  }
  return undefined;
}
