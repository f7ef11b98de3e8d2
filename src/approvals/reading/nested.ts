/**
 * Commands inside the arguments of another (`find -exec`, `xargs`): found on disk, and accepted only when they are plain
 * programs, because the rest of their arguments comes at run time.
 */
import { codeOptions } from "./options/code_options.ts";
import { type ExecFacts, type Refusal, refusal } from "../facts.ts";
import { interpreterUse } from "./interpreters.ts";
import { baseName } from "./paths.ts";
import { type Resolved, resolveExecutable } from "./resolve.ts";
import { runnerUse } from "./runners.ts";
import { shellUse } from "./shells.ts";
import { stripWrapper } from "./wrappers.ts";

/** A command found inside the arguments of another (`find -exec`, `xargs`); its further arguments are open. */
export interface NestedUse {
  readonly argv: readonly string[];
  readonly resolved: Resolved;
}

/** Inner commands of an argv, and the words that get a path in their place. */
export interface NestedFound {
  readonly uses: NestedUse[];
  readonly replaced: ReadonlyMap<number, string>;
  readonly refusal?: Refusal;
}

/** Inner commands must be plain programs: a shell, wrapper, runner or interpreter with open arguments is never bound. */
export function nestedUses(
  argv: readonly string[],
  ranges: readonly { start: number; end: number }[],
  cwd: string,
  facts: ExecFacts,
): NestedFound {
  const uses: NestedUse[] = [];
  const replaced = new Map<number, string>();
  for (const { start, end } of ranges) {
    const inner = argv.slice(start, end);
    const resolved = resolveExecutable(inner[0] ?? "", cwd, facts);
    // With one word more, as at run time: what only asks for a version alone may run something then.
    const longer = [...inner, "x"];
    const plain = stripWrapper(longer, facts.platform).kind === "plain" && !shellUse(inner) &&
      !interpreterUse(inner) &&
      runnerUse(inner).kind === "plain" && codeOptions(inner).refusal === undefined &&
      codeOptions(inner).nested.length === 0;
    if (!resolved || !plain || baseName(inner[0] ?? "") === "env") {
      return {
        uses,
        replaced,
        refusal: refusal("nested", `the inner command "${inner.join(" ")}" is not a plain program`),
      };
    }
    uses.push({ argv: inner, resolved });
    replaced.set(start, resolved.execPath);
  }
  return { uses, replaced };
}
