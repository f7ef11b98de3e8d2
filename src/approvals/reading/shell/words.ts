/**
 * Command names that only a shell can run: reserved words and builtins. A plan is run without a shell, so these are
 * refused by name instead of being looked up as files (some systems ship stubs under the same names).
 * Also the one ordinary command whose builtin form differs from its program: `echo` with a backslash.
 */
import { type Refusal, refusal } from "../../facts.ts";
import type { Dialect } from "./text.ts";

const RESERVED = new Set(
  "! [[ ]] if then else elif fi case esac for while until do done in function select coproc foreach repeat"
    .split(" "),
);
const FISH_RESERVED = new Set("and or not begin end switch if for while function".split(" "));
const BUILTINS = new Set(
  (". : alias autoload bg bind break builtin caller cd chdir command compgen complete compopt continue declare dirs " +
    "disable disown emulate enable eval exec exit export fc fg getopts hash help history jobs let local logout mapfile " +
    "noglob popd pushd read readarray readonly return set setopt shift shopt source suspend times trap type typeset " +
    "ulimit umask unalias unset unsetopt wait whence zmodload").split(" "),
);

/** What to write instead of a builtin that people reach for in one-liners. */
const INSTEAD: Readonly<Record<string, string>> = {
  ".": "run the file as a script: sh <file>",
  source: "run the file as a script: bash <file>",
  command: "which <name> tells whether a program is there",
  exec: "leave exec out",
  export: "leave the shell out and give --env NAME=value",
  set: "leave it out and join the commands with &&",
  type: "which <name> tells whether a program is there",
};
const IN_A_FILE = "put the lines into a script and allow that file: sh <file>";

/** Why a simple command cannot be run without a shell; `undefined` when it can. `cd` in front of a list is the caller's business. */
export function checkCommandWords(words: readonly string[], dialect: Dialect): Refusal | undefined {
  const name = words[0] ?? "";
  if (RESERVED.has(name) || (dialect === "fish" && FISH_RESERVED.has(name))) {
    return refusal("compound", `"${name}" starts a compound command, which needs a shell`, {
      hint: IN_A_FILE,
    });
  }
  if (BUILTINS.has(name) && name !== "cd") {
    const hint = INSTEAD[name] ?? IN_A_FILE;
    return refusal("builtin", `"${name}" is a shell builtin, not a program`, { hint });
  }
  if (name === "echo" && words.some((word) => word.includes("\\"))) {
    return refusal("echo-escape", "shells disagree about backslashes in echo", {
      hint: "use printf",
    });
  }
  return undefined;
}
