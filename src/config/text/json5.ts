/**
 * Reads JSON5 into values and the places they came from, so that an edit can change one value and leave every
 * other byte alone. Owns the grammar (https://spec.json5.org); editing is `json5_edit.ts`. Refuses what makes a
 * configuration mean two things: a `__proto__` key (N17) and nesting beyond {@linkcode MAX_DEPTH}.
 */

/** Deepest nesting that is read. */
export const MAX_DEPTH = 64;

/** A value and the half-open range of the text it stands in. */
export interface Json5Node {
  readonly start: number;
  readonly end: number;
  readonly value: unknown;
  /** Members of an object, in order of appearance; absent on other values. */
  readonly members?: readonly Json5Member[];
  /** Items of an array; absent on other values. */
  readonly items?: readonly Json5Node[];
}

/** One `key: value` of an object; `start`/`keyEnd` enclose the key as written. */
export interface Json5Member {
  readonly key: string;
  readonly start: number;
  readonly keyEnd: number;
  readonly node: Json5Node;
}

/** A text that is not JSON5. `line` and `column` count from 1. */
export class Json5Error extends SyntaxError {
  constructor(message: string, readonly line: number, readonly column: number) {
    super(`${message} at line ${line}, column ${column}`);
  }
}

/** The value of a JSON5 text. Throws {@linkcode Json5Error}. */
export function parseJson5(text: string): unknown {
  return parseJson5Tree(text).value;
}

/** The value of a JSON5 text with the places of everything in it. Throws {@linkcode Json5Error}. */
export function parseJson5Tree(text: string): Json5Node {
  const reader = new Reader(text);
  return reader.document();
}

/** The first key that an object in the text has twice, at any depth. */
export function doubledKey(node: Json5Node): Json5Member | undefined {
  const seen = new Set<string>();
  for (const member of node.members ?? []) {
    const found = seen.has(member.key) ? member : doubledKey(member.node);
    if (found) return found;
    seen.add(member.key);
  }
  for (const item of node.items ?? []) {
    const found = doubledKey(item);
    if (found) return found;
  }
  return undefined;
}

/** The value of a text in which every key stands once. Throws {@linkcode Json5Error} (N17: two readers, two values). */
export function parseUnambiguous(text: string): unknown {
  const tree = parseJson5Tree(text);
  const doubled = doubledKey(tree);
  if (!doubled) return tree.value;
  const { line, column } = positionOf(text, doubled.start);
  throw new Json5Error(`Key ${JSON.stringify(doubled.key)} is given twice`, line, column);
}

/** Line and column (from 1) of an offset. */
export function positionOf(text: string, offset: number): { line: number; column: number } {
  const before = text.slice(0, offset).split(/\r\n|[\n\r\u2028\u2029]/);
  return { line: before.length, column: (before.at(-1)?.length ?? 0) + 1 };
}

/** Offset just behind white space and comments that start at `offset`. */
export function skipBlank(text: string, offset: number): number {
  return new Reader(text, offset).blank();
}

const SPACE = /[\t\v\f \u00a0\ufeff\n\r\u2028\u2029\p{Zs}]/u;
const ID_START = /[$_\p{ID_Start}]/u;
const ID_PART = /[$_\u200c\u200d\p{ID_Continue}]/u;
const NUMBER =
  /[+-]?(?:Infinity|NaN|0[xX][0-9a-fA-F]+|(?:(?:0|[1-9]\d*)(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)/y;
const ESCAPES: Readonly<Record<string, string>> = {
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
  v: "\v",
};
const WORDS: ReadonlyMap<string, unknown> = new Map<string, unknown>([
  ["null", null],
  ["true", true],
  ["false", false],
]);

class Reader {
  constructor(readonly text: string, public at = 0) {}

  document(): Json5Node {
    this.blank();
    const node = this.value(0);
    this.blank();
    if (this.at < this.text.length) this.unexpected("end of file");
    return node;
  }

  blank(): number {
    for (;;) {
      const char = this.peek();
      if (char === "/" && this.text[this.at + 1] === "/") this.lineComment();
      else if (char === "/" && this.text[this.at + 1] === "*") this.blockComment();
      else if (char !== "" && SPACE.test(char)) this.at += char.length;
      else return this.at;
    }
  }

  private peek(): string {
    const code = this.text.codePointAt(this.at);
    return code === undefined ? "" : String.fromCodePoint(code);
  }

  private lineComment(): void {
    while (this.at < this.text.length && !/[\n\r\u2028\u2029]/.test(this.text[this.at] ?? "")) {
      this.at++;
    }
  }

  private blockComment(): void {
    const end = this.text.indexOf("*/", this.at + 2);
    if (end < 0) this.fail("Comment is not closed", this.at);
    this.at = end + 2;
  }

  private fail(message: string, at = this.at): never {
    const { line, column } = positionOf(this.text, at);
    throw new Json5Error(message, line, column);
  }

  private unexpected(wanted: string): never {
    const char = this.peek();
    this.fail(
      char === ""
        ? `Unexpected end of file, expected ${wanted}`
        : `Unexpected ${JSON.stringify(char)}, expected ${wanted}`,
    );
  }

  private value(depth: number): Json5Node {
    const char = this.peek();
    if (depth > MAX_DEPTH) this.fail(`Nested deeper than ${MAX_DEPTH} levels`);
    if (char === "{") return this.object(depth);
    if (char === "[") return this.array(depth);
    const start = this.at;
    if (char === '"' || char === "'") {
      const value = this.string(char);
      return { start, end: this.at, value };
    }
    NUMBER.lastIndex = this.at;
    const number = NUMBER.exec(this.text)?.[0];
    if (number !== undefined) return this.number(number);
    const word = /^[a-z]+/.exec(this.text.slice(this.at, this.at + 6))?.[0] ?? "";
    if (!WORDS.has(word) || ID_PART.test(this.text[this.at + word.length] ?? " ")) {
      this.unexpected("a value");
    }
    this.at += word.length;
    return { start, end: this.at, value: WORDS.get(word) };
  }

  private number(literal: string): Json5Node {
    const start = this.at;
    this.at += literal.length;
    // `012`, `1abc` and `0x` with nothing behind are not numbers.
    if (ID_PART.test(this.peek() || " ")) this.unexpected("end of number");
    const negative = literal.startsWith("-");
    const size = Number(literal.replace(/^[+-]/, ""));
    return { start, end: this.at, value: negative ? -size : size };
  }

  private object(depth: number): Json5Node {
    const start = this.at++;
    const members: Json5Member[] = [];
    const value: Record<string, unknown> = {};
    for (;;) {
      this.blank();
      if (this.peek() === "}") break;
      const member = this.member(depth);
      members.push(member);
      value[member.key] = member.node.value;
      this.blank();
      if (this.peek() === ",") this.at++;
      else if (this.peek() !== "}") this.unexpected('"," or "}"');
    }
    this.at++;
    return { start, end: this.at, value, members };
  }

  private member(depth: number): Json5Member {
    const start = this.at;
    const char = this.peek();
    const key = char === '"' || char === "'" ? this.string(char) : this.identifier();
    // N17: an object literal would change the prototype of what is built from this file.
    if (key === "__proto__") this.fail('Key "__proto__" is not allowed', start);
    const keyEnd = this.at;
    this.blank();
    if (this.peek() !== ":") this.unexpected('":"');
    this.at++;
    this.blank();
    return { key, start, keyEnd, node: this.value(depth + 1) };
  }

  private array(depth: number): Json5Node {
    const start = this.at++;
    const items: Json5Node[] = [];
    for (;;) {
      this.blank();
      if (this.peek() === "]") break;
      items.push(this.value(depth + 1));
      this.blank();
      if (this.peek() === ",") this.at++;
      else if (this.peek() !== "]") this.unexpected('"," or "]"');
    }
    this.at++;
    return { start, end: this.at, value: items.map((item) => item.value), items };
  }

  private identifier(): string {
    let out = "";
    for (;;) {
      const start = this.at;
      let char = this.peek();
      if (char === "\\") {
        if (this.text[this.at + 1] !== "u") this.fail("Only \\u escapes are allowed in a key");
        this.at += 2;
        char = String.fromCharCode(this.hex(4));
      } else this.at += char.length;
      if (char === "" || !(out === "" ? ID_START : ID_PART).test(char)) {
        this.at = start;
        if (out === "") this.unexpected("a key");
        return out;
      }
      out += char;
    }
  }

  private string(quote: string): string {
    const start = this.at++;
    let out = "";
    for (;;) {
      const char = this.text[this.at++];
      if (char === undefined || char === "\n" || char === "\r") {
        this.fail("Text is not closed", start);
      } else if (char === quote) return out;
      else if (char === "\\") out += this.escape();
      else out += char;
    }
  }

  private escape(): string {
    const char = this.text[this.at++] ?? "";
    if (char === "u") return String.fromCharCode(this.hex(4));
    if (char === "x") return String.fromCharCode(this.hex(2));
    if (char === "\r" && this.text[this.at] === "\n") this.at++;
    if (/[\n\r\u2028\u2029]/.test(char)) return "";
    if (char === "0" && !/\d/.test(this.text[this.at] ?? "")) return "\0";
    if (/\d/.test(char)) this.fail("Octal escapes are not allowed", this.at - 1);
    return ESCAPES[char] ?? char;
  }

  private hex(digits: number): number {
    const text = this.text.slice(this.at, this.at + digits);
    if (!new RegExp(`^[0-9a-fA-F]{${digits}}$`).test(text)) {
      this.fail(`Expected ${digits} hex digits`);
    }
    this.at += digits;
    return parseInt(text, 16);
  }
}
