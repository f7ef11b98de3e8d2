/** The JSON5 reader against an independent one, and its errors with line and column. */
import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import JSON5 from "json5";
import {
  Json5Error,
  MAX_DEPTH,
  parseJson5,
  parseJson5Tree,
} from "../../../src/config/text/json5.ts";
import { randomJson5 } from "./random_json5.ts";

function fails(text: string): Json5Error {
  return assertThrows(() => parseJson5(text), Json5Error);
}

Deno.test("parseJson5 reads every kind of value as the json5 package does", () => {
  const texts = [
    "{}",
    "[]",
    "null",
    ' // c\n { a: 1, \'b\': "x", "c": [1, 2,], } /* end */',
    "[+1, -1, .5, 5., 0x1F, -0x10, 1e3, 1E-2, Infinity, -Infinity, 0]",
    "{ $id_1: true, ünï: false, \\u0061b: null }",
    "'it\\'s \\x41\\u0042\\n\\\nnext \\0 \\v\\q'",
    '"line \u2028 separator"',
    "\u00a0\ufeff{\u2003a\t:\v1\f}",
    "{a:{b:{c:[{d:1}]}}}",
    "{constructor: 1, prototype: 2}",
  ];
  for (const text of texts) assertEquals(parseJson5(text), JSON5.parse(text), text);
});

Deno.test("parseJson5 agrees with the json5 package on 300 random texts and on their broken variants", () => {
  for (let seed = 1; seed <= 300; seed++) {
    const text = randomJson5(seed);
    assertEquals(parseJson5(text), JSON5.parse(text), `seed ${seed}: ${text}`);
    const cut = text.slice(0, (seed * 7919) % (text.length + 1));
    assertEquals(outcome(() => parseJson5(cut)), outcome(() => JSON5.parse(cut)), `cut ${cut}`);
  }
});

function outcome(run: () => unknown): unknown {
  try {
    return { value: run() };
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return "refused";
  }
}

Deno.test("parseJson5 refuses what is not JSON5 and says where", () => {
  const rows: [string, number, number, string][] = [
    ["", 1, 1, "Unexpected end of file"],
    ["{", 1, 2, "Unexpected end of file"],
    ["{a: 1\n b: 2}", 2, 2, '"," or "}"'],
    ["{a: 1,\r\n  b: }", 2, 6, "a value"],
    ["[1 2]", 1, 4, '"," or "]"'],
    ["'abc", 1, 1, "Text is not closed"],
    ["{a: 'x\ny'}", 1, 5, "Text is not closed"],
    ["/* open", 1, 1, "Comment is not closed"],
    ["{} {}", 1, 4, "end of file"],
    ["012", 1, 2, "end of number"],
    ["truely", 1, 1, "a value"],
    ["{a: 1\u2028b}", 2, 1, '"," or "}"'],
    ["'\\07'", 1, 3, "Octal"],
    ["'\\u12'", 1, 4, "hex digits"],
    ["{1a: 2}", 1, 2, "a key"],
  ];
  for (const [text, line, column, message] of rows) {
    const error = fails(text);
    assertEquals([error.line, error.column], [line, column], JSON.stringify(text));
    assertStringIncludes(error.message, message);
    assertStringIncludes(error.message, `line ${line}, column ${column}`);
  }
});

Deno.test("N17: parseJson5 refuses a __proto__ key in every spelling", () => {
  for (const key of ["__proto__", '"__proto__"', "'__proto__'", "\\u005f_proto__"]) {
    assertStringIncludes(fails(`{a: {${key}: {polluted: true}}}`).message, "__proto__");
  }
  assertEquals(({} as Record<string, unknown>).polluted, undefined);
});

Deno.test("parseJson5 refuses nesting beyond its limit", () => {
  const nested = (depth: number) => "[".repeat(depth) + "]".repeat(depth);
  parseJson5(nested(MAX_DEPTH));
  assertStringIncludes(fails(nested(MAX_DEPTH + 2)).message, "Nested deeper");
  assertStringIncludes(fails("[".repeat(100_000)).message, "Nested deeper");
});

Deno.test("parseJson5Tree gives the range of every value", () => {
  const text = "{ a: [1, 'two'], /* c */ b: {} }";
  const root = parseJson5Tree(text);
  const ranges = [root, ...root.members!.map((m) => m.node), ...root.members![0]!.node.items!]
    .map((node) => text.slice(node.start, node.end));
  assertEquals(ranges, [text, "[1, 'two']", "{}", "1", "'two'"]);
});
