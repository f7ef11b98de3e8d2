/**
 * Ordinary programs whose options, operands or batch words start other programs or load code: a word that fits its rule
 * makes the command one that a path rule does not cover (class of X15, X30). The rules are tables by kind of program;
 * programs without a rule are held to the names such options usually have. Programs that need more than a table are
 * read in `code_options.ts`.
 */
import { BUILD_TOOLS } from "./build_tools.ts";
import { CMAKE_TOOLS } from "./cmake_options.ts";
import { DATABASE_TOOLS } from "./database_tools.ts";
import { longOption, type ToolRule } from "./options.ts";
import { SYSTEM_TOOLS } from "./system_tools.ts";

const TOOLS: readonly ToolRule[] = [
  ...BUILD_TOOLS,
  ...CMAKE_TOOLS,
  ...SYSTEM_TOOLS,
  ...DATABASE_TOOLS,
];

/** Options that name a program wherever they occur: `--password-command`, `--pre-hook`, `-exec`. */
const USUAL =
  /^--?(?!no-)(?:[a-z0-9]+[-_])*(?:exec(?:-[a-z-]+)?|execute|executable|eval|command|cmd|program|script|hook|askpass|pager|editor|shell|rsh|wrapper|preprocessor|launcher)(?:=|$)/;

/** Programs in which a usual name means something else, or that only look at their words. */
const NO_USUAL =
  /^(?:echo|printf|test|expr|grep|egrep|fgrep|zgrep|user(?:add|mod)|adduser|chsh|ps|ls|cat|getopt|logger)$/;

/** Whether a program has a rule of its own here. */
export function hasToolRule(name: string): boolean {
  return TOOLS.some(({ names }) => names.test(name));
}

/** The word that can make an ordinary program start another one; `undefined` when there is none. */
export function toolCode(name: string, argv: readonly string[]): string | undefined {
  let ruled = false;
  for (const { names, long, word, argv: read } of TOOLS) {
    if (!names.test(name)) continue;
    ruled = true;
    const found = (long && longOption(argv, long)) ??
      (word && argv.slice(1).find((one) => word.test(one))) ?? read?.(argv);
    if (found !== undefined) return found;
  }
  if (ruled || NO_USUAL.test(name)) return undefined;
  return argv.slice(1).find((one) => USUAL.test(one));
}
