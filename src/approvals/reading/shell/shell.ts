/**
 * POSIX shell text → list of pipelines of literal words. Owns the one reading of shell text: what it returns is what
 * gets executed, without a shell. It knows a small language and refuses, with position and reason, whatever needs a
 * real shell: expansion, globs, assignments, files, background, compound commands (patterns X02-X10).
 * Source: node-host.md 7.5, decisions.md 22.
 */
import type { Refusal } from "../../facts.ts";
import type { Redirect } from "./redirects.ts";
import { type Dialect, Refused, ShellText } from "./text.ts";
import { checkCommandWords } from "./words.ts";

/** When an item runs: first or after `;`, after `&&`, after `||`. */
export type When = "always" | "success" | "failure";

/** One simple command: literal words and harmless redirections. */
export interface ShellCommand {
  readonly words: readonly string[];
  readonly redirects: readonly Redirect[];
  /** Source text of the command, trimmed. */
  readonly text: string;
}

/** One pipeline of a list. */
export interface ShellItem {
  readonly when: When;
  readonly stages: readonly ShellCommand[];
}

/** Outcome of {@linkcode parseShell}. */
export type ShellParse = { readonly ok: true; readonly items: readonly ShellItem[] } | {
  readonly ok: false;
  readonly refusal: Refusal;
};

const IN_A_SCRIPT = "put it into a script and allow that file: sh <file>";

/** Most commands that are judged. */
const MAX_COMMANDS = 64;

/** Reads shell text. Never throws for any input. */
export function parseShell(script: string, dialect: Dialect = "posix"): ShellParse {
  try {
    return { ok: true, items: new Reader(script, dialect).list() };
  } catch (error) {
    if (error instanceof Refused) return { ok: false, refusal: error.refusal };
    throw error;
  }
}

class Reader {
  #count = 0;
  readonly #in: ShellText;

  constructor(text: string, dialect: Dialect) {
    this.#in = new ShellText(text, dialect);
  }

  list(): ShellItem[] {
    const items: ShellItem[] = [];
    let when: When = "always";
    for (;;) {
      const stages = this.#pipeline();
      items.push({ when, stages });
      const operator = this.#operator();
      if (operator === "") return items;
      if (operator === ";" && this.#in.atEnd()) return items;
      when = operator === "&&" ? "success" : operator === "||" ? "failure" : "always";
    }
  }

  #pipeline(): ShellCommand[] {
    const stages = [this.#command()];
    while (this.#in.peek() === "|" && this.#in.peek(1) !== "|") {
      if (this.#in.peek(1) === "&") this.#in.refuse("pipe-both", `"|&"`, { hint: "write 2>&1 |" });
      this.#in.at++;
      stages.push(this.#command());
    }
    this.#checkZshTee(stages);
    return stages;
  }

  #operator(): "" | "&&" | "||" | ";" {
    if (this.#in.peek() === "") return "";
    const two = this.#in.peek() + this.#in.peek(1);
    if (two === "&&" || two === "||") {
      this.#in.at += 2;
      return two;
    }
    if (this.#in.peek() === ";" && this.#in.peek(1) !== ";") {
      this.#in.at++;
      return ";";
    }
    const found = this.#in.peek();
    if (found === "&") {
      return this.#in.refuse("background", `"&", which starts a command in the background`);
    }
    return this.#in.refuse("operator", `"${two}", which is not a list operator known here`);
  }

  #command(): ShellCommand {
    this.#in.blanks();
    if (++this.#count > MAX_COMMANDS) {
      this.#in.refuse("too-many", `more than ${MAX_COMMANDS} commands`);
    }
    const start = this.#in.at;
    const words: string[] = [];
    const redirects: Redirect[] = [];
    while (!this.#commandEnds()) {
      const wordStart = this.#in.at;
      const word = this.#in.word();
      const next = this.#in.peek();
      if ((next === "<" || next === ">") && word.bare && /^\d*$/.test(word.value)) {
        redirects.push(this.#redirect(word.value));
      } else {
        words.push(word.value);
        if (words.length === 1) this.#checkFirst(word.value, wordStart);
      }
      this.#in.blanks();
    }
    if (words.length === 0) this.#in.refuse("empty-command", "an empty command");
    const problem = checkCommandWords(words, this.#in.dialect);
    if (problem) throw new Refused({ ...problem, at: start });
    return { words, redirects, text: this.#in.text.slice(start, this.#in.at).trim() };
  }

  #checkFirst(word: string, at: number): void {
    if (/^[A-Za-z_][A-Za-z0-9_]*\+?=/.test(word)) {
      this.#in.refuse("assignment", `the assignment "${word.split("=")[0]}="`, {
        at,
        hint: "leave the shell out and give --env NAME=value, or run env in front with an approval",
      });
    }
  }

  #commandEnds(): boolean {
    const char = this.#in.peek();
    return char === "" || char === "|" || char === "&" || char === ";";
  }

  #redirect(number: string): Redirect {
    const start = this.#in.at - number.length;
    const operator = /^(?:<<<|<<|<>|<&|<\(|<|>>|>&|>\||>\(|>)/.exec(
      this.#in.text.slice(this.#in.at, this.#in.at + 3),
    )
      ?.[0] ?? "";
    const fd = number === "" ? (operator.startsWith("<") ? 0 : 1) : Number(number);
    this.#in.at += operator.length;
    if (operator.endsWith("(")) {
      this.#in.refuse("expansion", "a process substitution", { at: start, hint: IN_A_SCRIPT });
    }
    if (operator === "<<" || operator === "<<<") {
      this.#in.refuse("heredoc", "a here-document", { at: start, hint: IN_A_SCRIPT });
    }
    if (this.#in.peek() === " " || this.#in.peek() === "\t") this.#in.blanks();
    const target = this.#in.word();
    const toNull = target.value === "/dev/null";
    if (operator === ">&" && target.bare && /^[12]$/.test(target.value) && (fd === 1 || fd === 2)) {
      return { fd, to: target.value === "1" ? 1 : 2 };
    }
    if ((operator === ">" || operator === ">>") && toNull && (fd === 1 || fd === 2)) {
      return { fd, to: "null" };
    }
    if (operator === "<" && toNull && fd === 0) return { fd, to: "null" };
    return this.#in.refuse(
      "redirection",
      `the redirection "${this.#in.text.slice(start, this.#in.at)}"`,
      {
        at: start,
        hint: operator.startsWith("<")
          ? "read the file through a pipe: cat <file> | …"
          : "only 2>&1, >&2 and /dev/null are run without a shell; write a file through tee: … | tee <file>",
      },
    );
  }

  /** zsh sends `cmd >/dev/null | next` to both places; other shells do not. */
  #checkZshTee(stages: readonly ShellCommand[]): void {
    if (this.#in.dialect !== "zsh") return;
    if (stages.slice(0, -1).some((stage) => stage.redirects.some((r) => r.fd === 1))) {
      this.#in.refuse("redirection", "a redirected stdout in a pipeline, which zsh duplicates");
    }
  }
}
