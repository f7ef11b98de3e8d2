/**
 * Recognises shells and how they carry code: POSIX shells with every spelling of `-c` (X21, X22), cmd.exe (X38, X39)
 * and PowerShell (X40). Reading the carried text is the business of `shell/shell.ts`; judging it that of `segments.ts`.
 */
import { type Refusal, refusal } from "../facts.ts";
import { baseName, isInputPath } from "./paths.ts";
import type { Dialect } from "./shell/text.ts";

const DIALECTS: ReadonlyMap<string, Dialect> = new Map<string, Dialect>([
  ["sh", "posix"],
  ["dash", "posix"],
  ["ash", "posix"],
  ["hush", "posix"],
  ["ksh", "posix"],
  ["ksh93", "posix"],
  ["mksh", "posix"],
  ["rksh", "posix"],
  ["bash", "bash"],
  ["rbash", "bash"],
  ["zsh", "zsh"],
  ["rzsh", "zsh"],
  ["fish", "fish"],
]);
const OTHER_SHELLS = new Set(
  "csh tcsh bsd-csh elvish nu nushell xonsh rc es yash oil oils osh ysh pdksh lksh oksh loksh posh sash ion murex scsh closh"
    .split(" "),
);

/** How a shell is used in an argv. */
export type ShellUse =
  | {
    readonly kind: "inline";
    readonly name: string;
    readonly dialect: Dialect;
    readonly script: string;
    /** A login shell runs profile files first. */
    readonly login: boolean;
    /** `-e`: stop at the first failure. */
    readonly stopOnError: boolean;
    /** `-o pipefail`: a pipeline fails when any stage does. */
    readonly pipefail: boolean;
  }
  | { readonly kind: "file"; readonly name: string; readonly operandIndex: number }
  | { readonly kind: "refused"; readonly name: string; readonly refusal: Refusal };

/** Reads an argv whose first word may be a shell; `undefined` when it is none. */
export function shellUse(argv: readonly string[]): ShellUse | undefined {
  const word = argv[0] ?? "";
  const name = baseName(word).replace(/^-/, "");
  if (name === "cmd" || name === "command.com") {
    return refused(name, "cmd", "cmd.exe reads its text by its own rules");
  }
  if (name === "powershell" || name === "pwsh" || name === "powershell_ise") {
    return refused(
      name,
      "powershell",
      `PowerShell is given code (${powershellCarrier(argv.slice(1))})`,
    );
  }
  if (OTHER_SHELLS.has(name)) return refused(name, "shell", `the shell "${name}" is not read here`);
  const dialect = DIALECTS.get(name);
  if (dialect === undefined) return undefined;
  if (word.startsWith("-")) {
    return refused(name, "shell-login", "a shell name that starts with a dash is a login shell");
  }
  return posixUse(name, dialect, argv);
}

function refused(name: string, code: string, message: string, hint?: string): ShellUse {
  return {
    kind: "refused",
    name,
    refusal: refusal(code, message, hint === undefined ? {} : { hint }),
  };
}

interface Options {
  readonly letters: Set<string>;
  pipefail: boolean;
  /** Index of the first word that is no option. */
  next: number;
  unknown?: string;
}

/** Options may stand before and after the `c`; the script is the first word that is no option. */
function readOptions(argv: readonly string[]): Options {
  const options: Options = { letters: new Set(), pipefail: false, next: 1 };
  for (let word = argv[1]; word !== undefined && /^[-+]./.test(word); word = argv[options.next]) {
    options.next++;
    if (word === "--") break;
    if (word === "--login") options.letters.add("l");
    else if (!/^-[celuxo]+$/.test(word)) return { ...options, unknown: word };
    else {
      for (const letter of word.slice(1)) options.letters.add(letter);
      // The letter o takes the next word, wherever it stands in the cluster.
      if (!word.includes("o")) continue;
      const named = argv[options.next++] ?? "";
      if (named !== "pipefail" || /o.*o/.test(word)) {
        return { ...options, unknown: `${word} ${named}` };
      }
      options.pipefail = true;
    }
  }
  return options;
}

function posixUse(name: string, dialect: Dialect, argv: readonly string[]): ShellUse {
  const { letters, pipefail, next, unknown } = readOptions(argv);
  if (unknown !== undefined) {
    const hint = `use ${name} -c with the plain command`;
    return refused(name, "shell-option", `${name} is given the option "${unknown}"`, hint);
  }
  const operand = argv[next];
  const login = letters.has("l");
  if (letters.has("c")) {
    if (operand === undefined) return refused(name, "shell-empty", `${name} -c has no script`);
    if (letters.has("x")) {
      return refused(
        name,
        "shell-option",
        `${name} is given the option "-x"`,
        "leave out the trace",
      );
    }
    const stopOnError = letters.has("e");
    return { kind: "inline", name, dialect, script: operand, login, stopOnError, pipefail };
  }
  if (operand === undefined || operand === "-" || isInputPath(operand)) {
    return refused(name, "shell-stdin", `${name} would read commands from its input`);
  }
  if (login) {
    return refused(name, "shell-login", `${name} is a login shell, which runs profile files`);
  }
  return { kind: "file", name, operandIndex: next };
}

const POWERSHELL_DASH = /^[-/\u2013\u2014\u2015]{1,2}/;

/**
 * How PowerShell arguments carry code: `encoded`, `command`, `file` or `input`. Any unambiguous or ambiguous prefix
 * counts, with `-`, `/` or a typographic dash, and with `:value` attached (X40).
 */
export function powershellCarrier(
  args: readonly string[],
): "encoded" | "command" | "file" | "input" {
  for (const word of args) {
    if (!POWERSHELL_DASH.test(word)) return /\.ps1$/i.test(word) ? "file" : "command";
    const option = word.replace(POWERSHELL_DASH, "").split(":")[0]?.toLowerCase() ?? "";
    if (option === "") return "input";
    if (
      "encodedcommand".startsWith(option) || option === "ec" ||
      "encodedarguments".startsWith(option)
    ) return "encoded";
    if ("commandwithargs".startsWith(option) || option === "cwa") return "command";
    if ("file".startsWith(option)) return "file";
  }
  return "input";
}
