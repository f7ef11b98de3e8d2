/**
 * Shell text with a cursor: blanks, comments, and words in every kind of quoting. Owns which characters are literal and
 * which end the reading; lists, pipelines and redirections are `shell.ts`. Source: node-host.md 7.5.
 */
import { type Refusal, refusal } from "../../facts.ts";

/** Which shell the text was written for; they differ in corners, and a corner is a refusal. */
export type Dialect = "posix" | "bash" | "zsh" | "fish";

/** Longest script that is judged. */
const MAX_SCRIPT_LENGTH = 65_536;

/** Thrown while reading; `parseShell` turns it into a value. */
export class Refused extends Error {
  constructor(readonly refusal: Refusal) {
    super(refusal.message);
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

/** The text, where the reading stands, and how its words are read. */
export class ShellText {
  at = 0;

  constructor(readonly text: string, readonly dialect: Dialect) {
    if (text.length > MAX_SCRIPT_LENGTH) {
      this.refuse("too-long", `the script has ${text.length} characters`, { at: 0 });
    }
    const control = text.search(/\0|\r|[\ud800-\udfff]/u);
    if (control >= 0) {
      this.refuse("control", "a NUL, carriage return or broken character", { at: control });
    }
    if (dialect === "fish" && text.includes("\\")) {
      this.refuse("fish-escape", "a backslash, which fish reads differently", {
        at: text.indexOf("\\"),
      });
    }
  }

  /** Skips blanks and a comment; a newline is never a blank here (X04). */
  blanks(): void {
    while (this.peek() === " " || this.peek() === "\t") this.at++;
    if (this.peek() === "\n") {
      this.refuse("newline", "a line break between commands", {
        hint: "join the commands with && or ;",
      });
    }
    const before = this.text.charAt(this.at - 1);
    if (
      this.peek() === "#" &&
      (this.at === 0 || before === " " || before === "\t" || /[|&;]/.test(before))
    ) {
      const rest = this.text.indexOf("\n", this.at);
      this.at = rest < 0 ? this.text.length : rest;
      if (rest >= 0) this.refuse("newline", "a line break after a comment");
    }
  }

  /** The next word with its quotes taken off; `bare` when nothing in it was quoted. */
  word(): { value: string; bare: boolean } {
    let value = "";
    let bare = true;
    for (;;) {
      const char = this.peek();
      if (char === "'") [value, bare] = [value + this.#single(), false];
      else if (char === '"') [value, bare] = [value + this.#double(), false];
      else if (char === "\\") [value, bare] = [value + this.#escaped(), false];
      else if (char === "" || /[ \t\n|&;<>]/.test(char)) break;
      else value += this.#plain(char, value);
    }
    return { value, bare };
  }

  /** Skips blanks; whether nothing is left. */
  atEnd(): boolean {
    this.blanks();
    return this.peek() === "";
  }

  /** A character ahead; empty at the end. */
  peek(offset = 0): string {
    return this.text.charAt(this.at + offset);
  }

  /** Ends the reading. */
  refuse(code: string, found: string, more: { at?: number; hint?: string } = {}): never {
    const at = more.at ?? this.at;
    throw new Refused(
      refusal(code, `the shell text has ${found} at offset ${at}`, { ...more, at }),
    );
  }

  #plain(char: string, before: string): string {
    const what = UNQUOTED[char];
    if (char === "[" && before === "" && /\s/.test(this.peek(1))) {
      this.refuse("expansion", `"[", which shells run themselves`, {
        hint: "write test … for [ … ]",
      });
    }
    if (what !== undefined) {
      this.refuse("expansion", `an unquoted "${char}", ${what}`, { hint: UNQUOTED_HINT });
    }
    if (char === "~" && (before === "" || /[=:]$/.test(before) || this.dialect === "zsh")) {
      this.refuse("expansion", `an unquoted "~", a home directory`, {
        hint: "write the whole path",
      });
    }
    if (char === "{" || char === "}") return this.#brace();
    if (char === "=" && before === "" && this.dialect === "zsh") {
      this.refuse("expansion", `a word that starts with "=", which zsh expands`, {
        hint: UNQUOTED_HINT,
      });
    }
    this.at++;
    return char;
  }

  /** `{}` and `@{0}` are literal everywhere but in fish; anything else could be a brace expansion or a group. */
  #brace(): string {
    const literal = /^\{\d*\}/.exec(this.text.slice(this.at, this.at + 12))?.[0];
    if (literal === undefined || this.dialect === "fish") {
      return this.refuse("expansion", "an unquoted brace", { hint: UNQUOTED_HINT });
    }
    this.at += literal.length;
    return literal;
  }

  #single(): string {
    const end = this.text.indexOf("'", this.at + 1);
    if (end < 0) return this.refuse("unterminated", "a single quote that is never closed");
    const value = this.text.slice(this.at + 1, end);
    this.at = end + 1;
    return value;
  }

  #double(): string {
    const start = this.at++;
    let value = "";
    for (;;) {
      const char = this.peek();
      if (char === "") {
        return this.refuse("unterminated", "a double quote that is never closed", { at: start });
      }
      if (char === '"') break;
      value += this.#insideDouble(char);
    }
    this.at++;
    return value;
  }

  #insideDouble(char: string): string {
    const next = this.peek(1);
    if (char === "\n") this.refuse("newline", "a line break inside double quotes");
    if (char === "`") {
      this.refuse("expansion", "a command substitution inside double quotes", {
        hint: "use single quotes",
      });
    }
    if (char === "$" && !/["\s|)]/.test(next)) {
      this.refuse("expansion", `"$" inside double quotes, an expansion`, {
        hint: "use single quotes",
      });
    }
    if (char === "\\") {
      if (next === "\n") this.refuse("newline", "a line continuation");
      if (/[$`"\\]/.test(next)) {
        this.at += 2;
        return next;
      }
    }
    this.at++;
    return char;
  }

  #escaped(): string {
    const next = this.peek(1);
    if (next === "\n") this.refuse("newline", "a line continuation");
    if (next === "") this.refuse("unterminated", "a backslash at the end");
    const char = String.fromCodePoint(this.text.codePointAt(this.at + 1) ?? 0);
    this.at += 1 + char.length;
    return char;
  }
}
