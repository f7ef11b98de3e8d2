// Over 300 lines: one reader with one cursor; a second file would have to share its state.
/**
 * POSIX shell text → list of pipelines of literal words. Owns the one reading of shell text: what it returns is what
 * gets executed, without a shell. It knows a small language and refuses, with position and reason, whatever needs a
 * real shell: expansion, globs, assignments, files, background, compound commands (patterns X02-X10).
 * Source: node-host.md 7.5, decisions.md 22.
 */
import { type Refusal, refusal } from "./facts.ts";
import type { Redirect } from "./redirects.ts";
import { checkCommandWords } from "./shell_words.ts";

/** Which shell the text was written for; they differ in corners, and a corner is a refusal. */
export type Dialect = "posix" | "bash" | "zsh" | "fish";

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

/** Longest script and most commands that are judged. */
const MAX_SCRIPT_LENGTH = 65_536;
const MAX_COMMANDS = 64;

/** Thrown inside this file only; {@linkcode parseShell} turns it into a value. */
class Refused extends Error {
  constructor(readonly refusal: Refusal) {
    super(refusal.message);
  }
}

/** Reads shell text. Never throws for any input. */
export function parseShell(script: string, dialect: Dialect = "posix"): ShellParse {
  try {
    return { ok: true, items: new Reader(script, dialect).list() };
  } catch (error) {
    if (error instanceof Refused) return { ok: false, refusal: error.refusal };
    throw error;
  }
}

const UNQUOTED_HINT = "put the word in single quotes if it is meant literally";
const UNQUOTED: Readonly<Record<string, string>> = {
  "$": "an expansion",
  "`": "a command substitution",
  "*": "a file name pattern",
  "?": "a file name pattern",
  "[": "a file name pattern",
  "(": "a group or function",
  ")": "a group or function",
};

class Reader {
  #at = 0;
  #count = 0;
  readonly #text: string;
  readonly #dialect: Dialect;

  constructor(text: string, dialect: Dialect) {
    this.#text = text;
    this.#dialect = dialect;
    if (text.length > MAX_SCRIPT_LENGTH) {
      this.#refuse("too-long", `the script has ${text.length} characters`, { at: 0 });
    }
    const control = text.search(/\0|\r|[\ud800-\udfff]/u);
    if (control >= 0) {
      this.#refuse("control", "a NUL, carriage return or broken character", { at: control });
    }
    if (dialect === "fish" && text.includes("\\")) {
      this.#refuse("fish-escape", "a backslash, which fish reads differently", {
        at: text.indexOf("\\"),
      });
    }
  }

  list(): ShellItem[] {
    const items: ShellItem[] = [];
    let when: When = "always";
    for (;;) {
      const stages = this.#pipeline();
      items.push({ when, stages });
      const operator = this.#operator();
      if (operator === "") return items;
      if (operator === ";" && this.#atEnd()) return items;
      when = operator === "&&" ? "success" : operator === "||" ? "failure" : "always";
    }
  }

  #pipeline(): ShellCommand[] {
    const stages = [this.#command()];
    while (this.#peek() === "|" && this.#peek(1) !== "|") {
      if (this.#peek(1) === "&") this.#refuse("pipe-both", `"|&"`, { hint: "write 2>&1 |" });
      this.#at++;
      stages.push(this.#command());
    }
    this.#checkZshTee(stages);
    return stages;
  }

  #operator(): "" | "&&" | "||" | ";" {
    if (this.#peek() === "") return "";
    const two = this.#peek() + this.#peek(1);
    if (two === "&&" || two === "||") {
      this.#at += 2;
      return two;
    }
    if (this.#peek() === ";" && this.#peek(1) !== ";") {
      this.#at++;
      return ";";
    }
    const found = this.#peek();
    if (found === "&") {
      return this.#refuse("background", `"&", which starts a command in the background`);
    }
    return this.#refuse("operator", `"${two}", which is not a list operator known here`);
  }

  #command(): ShellCommand {
    this.#blanks();
    if (++this.#count > MAX_COMMANDS) {
      this.#refuse("too-many", `more than ${MAX_COMMANDS} commands`);
    }
    const start = this.#at;
    const words: string[] = [];
    const redirects: Redirect[] = [];
    while (!this.#commandEnds()) {
      const wordStart = this.#at;
      const word = this.#word();
      const next = this.#peek();
      if ((next === "<" || next === ">") && word.bare && /^\d*$/.test(word.value)) {
        redirects.push(this.#redirect(word.value));
      } else {
        words.push(word.value);
        if (words.length === 1) this.#checkFirst(word.value, wordStart);
      }
      this.#blanks();
    }
    if (words.length === 0) this.#refuse("empty-command", "an empty command");
    const problem = checkCommandWords(words, this.#dialect);
    if (problem) throw new Refused({ ...problem, at: start });
    return { words, redirects, text: this.#text.slice(start, this.#at).trim() };
  }

  #checkFirst(word: string, at: number): void {
    if (/^[A-Za-z_][A-Za-z0-9_]*\+?=/.test(word)) {
      this.#refuse("assignment", `the assignment "${word.split("=")[0]}="`, {
        at,
        hint: "pass it with the request's env, or run env in front with an approval",
      });
    }
  }

  #commandEnds(): boolean {
    const char = this.#peek();
    return char === "" || char === "|" || char === "&" || char === ";";
  }

  /** Skips blanks and a comment; a newline is never a blank here (X04). */
  #blanks(): void {
    while (this.#peek() === " " || this.#peek() === "\t") this.#at++;
    if (this.#peek() === "\n") {
      this.#refuse("newline", "a line break between commands", {
        hint: "join the commands with && or ;",
      });
    }
    const before = this.#text.charAt(this.#at - 1);
    if (
      this.#peek() === "#" &&
      (this.#at === 0 || before === " " || before === "\t" || /[|&;]/.test(before))
    ) {
      const rest = this.#text.indexOf("\n", this.#at);
      this.#at = rest < 0 ? this.#text.length : rest;
      if (rest >= 0) this.#refuse("newline", "a line break after a comment");
    }
  }

  #word(): { value: string; bare: boolean } {
    let value = "";
    let bare = true;
    for (;;) {
      const char = this.#peek();
      if (char === "'") [value, bare] = [value + this.#single(), false];
      else if (char === '"') [value, bare] = [value + this.#double(), false];
      else if (char === "\\") [value, bare] = [value + this.#escaped(), false];
      else if (char === "" || /[ \t\n|&;<>]/.test(char)) break;
      else value += this.#plain(char, value);
    }
    return { value, bare };
  }

  #plain(char: string, before: string): string {
    const what = UNQUOTED[char];
    if (what !== undefined) {
      this.#refuse("expansion", `an unquoted "${char}", ${what}`, { hint: UNQUOTED_HINT });
    }
    if (char === "~" && (before === "" || /[=:]$/.test(before) || this.#dialect === "zsh")) {
      this.#refuse("expansion", `an unquoted "~", a home directory`, {
        hint: "write the whole path",
      });
    }
    if (char === "{" || char === "}") return this.#brace();
    if (char === "=" && before === "" && this.#dialect === "zsh") {
      this.#refuse("expansion", `a word that starts with "=", which zsh expands`, {
        hint: UNQUOTED_HINT,
      });
    }
    this.#at++;
    return char;
  }

  /** `{}` and `@{0}` are literal everywhere but in fish; anything else could be a brace expansion or a group. */
  #brace(): string {
    const literal = /^\{\d*\}/.exec(this.#text.slice(this.#at, this.#at + 12))?.[0];
    if (literal === undefined || this.#dialect === "fish") {
      return this.#refuse("expansion", "an unquoted brace", { hint: UNQUOTED_HINT });
    }
    this.#at += literal.length;
    return literal;
  }

  #single(): string {
    const end = this.#text.indexOf("'", this.#at + 1);
    if (end < 0) return this.#refuse("unterminated", "a single quote that is never closed");
    const value = this.#text.slice(this.#at + 1, end);
    this.#at = end + 1;
    return value;
  }

  #double(): string {
    const start = this.#at++;
    let value = "";
    for (;;) {
      const char = this.#peek();
      if (char === "") {
        return this.#refuse("unterminated", "a double quote that is never closed", { at: start });
      }
      if (char === '"') break;
      value += this.#insideDouble(char);
    }
    this.#at++;
    return value;
  }

  #insideDouble(char: string): string {
    const next = this.#peek(1);
    if (char === "\n") this.#refuse("newline", "a line break inside double quotes");
    if (char === "`") {
      this.#refuse("expansion", "a command substitution inside double quotes", {
        hint: "use single quotes",
      });
    }
    if (char === "$" && !/["\s|)]/.test(next)) {
      this.#refuse("expansion", `"$" inside double quotes, an expansion`, {
        hint: "use single quotes",
      });
    }
    if (char === "\\") {
      if (next === "\n") this.#refuse("newline", "a line continuation");
      if (/[$`"\\]/.test(next)) {
        this.#at += 2;
        return next;
      }
    }
    this.#at++;
    return char;
  }

  #escaped(): string {
    const next = this.#peek(1);
    if (next === "\n") this.#refuse("newline", "a line continuation");
    if (next === "") this.#refuse("unterminated", "a backslash at the end");
    const char = String.fromCodePoint(this.#text.codePointAt(this.#at + 1) ?? 0);
    this.#at += 1 + char.length;
    return char;
  }

  #redirect(number: string): Redirect {
    const start = this.#at - number.length;
    const operator =
      /^(?:<<<|<<|<>|<&|<\(|<|>>|>&|>\||>\(|>)/.exec(this.#text.slice(this.#at, this.#at + 3))
        ?.[0] ?? "";
    const fd = number === "" ? (operator.startsWith("<") ? 0 : 1) : Number(number);
    this.#at += operator.length;
    if (operator.endsWith("(")) this.#refuse("expansion", "a process substitution", { at: start });
    if (operator === "<<" || operator === "<<<") {
      this.#refuse("heredoc", "a here-document", { at: start });
    }
    if (this.#peek() === " " || this.#peek() === "\t") this.#blanks();
    const target = this.#word();
    const toNull = target.value === "/dev/null";
    if (operator === ">&" && target.bare && /^[12]$/.test(target.value) && (fd === 1 || fd === 2)) {
      return { fd, to: target.value === "1" ? 1 : 2 };
    }
    if ((operator === ">" || operator === ">>") && toNull && (fd === 1 || fd === 2)) {
      return { fd, to: "null" };
    }
    if (operator === "<" && toNull && fd === 0) return { fd, to: "null" };
    return this.#refuse("redirection", `the redirection "${this.#text.slice(start, this.#at)}"`, {
      at: start,
      hint:
        "only 2>&1, >&2 and /dev/null are run without a shell; let the program write the file itself",
    });
  }

  /** zsh sends `cmd >/dev/null | next` to both places; other shells do not. */
  #checkZshTee(stages: readonly ShellCommand[]): void {
    if (this.#dialect !== "zsh") return;
    if (stages.slice(0, -1).some((stage) => stage.redirects.some((r) => r.fd === 1))) {
      this.#refuse("redirection", "a redirected stdout in a pipeline, which zsh duplicates");
    }
  }

  #atEnd(): boolean {
    this.#blanks();
    return this.#peek() === "";
  }

  #peek(offset = 0): string {
    return this.#text.charAt(this.#at + offset);
  }

  #refuse(code: string, found: string, more: { at?: number; hint?: string } = {}): never {
    const at = more.at ?? this.#at;
    throw new Refused(
      refusal(code, `the shell text has ${found} at offset ${at}`, { ...more, at }),
    );
  }
}
