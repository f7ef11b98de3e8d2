import { assertEquals } from "@std/assert";
import {
  bool,
  check,
  int,
  list,
  nullable,
  num,
  obj,
  oneOf,
  opt,
  problemText,
  record,
  str,
  union,
} from "../../src/lib/schema.ts";

const person = obj({ name: str({ min: 1 }), age: opt(int({ min: 0 })), tags: opt(list(str())) });

function textOf(schema: Parameters<typeof check>[0], value: unknown): string {
  const result = check(schema, value);
  return result.ok ? "ok" : problemText(result.problems);
}

const rows: [name: string, schema: Parameters<typeof check>[0], value: unknown, text: string][] = [
  ["a good object", person, { name: "a", age: 3 }, "ok"],
  ["a missing member at the root", person, {}, "must have required property 'name'"],
  ["an unknown member", person, { name: "a", x: 1 }, "at root: unexpected property 'x'"],
  ["a wrong type names its path", person, { name: 1 }, "at /name: must be string"],
  [
    "a wrong list entry names its index",
    person,
    { name: "a", tags: ["x", 2] },
    "at /tags/1: must be string",
  ],
  ["undefined counts as absent", person, { name: "a", age: undefined }, "ok"],
  ["N19: a negative time-out", int({ min: 0 }), -1, "at root: must be >= 0"],
  ["N19: infinity from 1e309", num(), JSON.parse("1e309"), "at root: must be number"],
  ["N19: a number as text", int(), "5", "at root: must be integer"],
  ["N19: beyond safe integers", int(), 2 ** 53, "at root: must be integer"],
  ["N19: not a number", num(), NaN, "at root: must be number"],
  [
    "an enum",
    oneOf("a", "b"),
    "c",
    'at root: must be equal to one of the allowed values: "a", "b"',
  ],
  ["null where allowed", nullable(bool()), null, "ok"],
  ["a union takes the second form", union(str(), int()), 4, "ok"],
  ["an array is no object", person, [], "at root: must be object"],
  [
    "too many entries",
    list(int(), { max: 2 }),
    [1, 2, 3],
    "at root: must NOT have more than 2 items",
  ],
];

for (const [name, schema, value, text] of rows) {
  Deno.test(`check() says of ${name}: ${text}`, () => assertEquals(textOf(schema, value), text));
}

Deno.test("N17: __proto__ is an unknown member of a closed object", () => {
  assertEquals(
    textOf(person, JSON.parse('{"name":"a","__proto__":{"age":1}}')),
    "at root: unexpected property '__proto__'",
  );
});

Deno.test("N17: a record keeps __proto__ as an ordinary key and changes no prototype", () => {
  const result = check(record(int()), JSON.parse('{"__proto__":1}'));
  assertEquals(result.ok && Object.keys(result.value), ["__proto__"]);
  assertEquals(({} as Record<string, unknown>)["1"], undefined);
});

Deno.test("N17: inherited members do not count as present", () => {
  assertEquals(textOf(obj({ toString: str() }), {}), "must have required property 'toString'");
});

Deno.test("obj() keeps unknown members when asked to", () => {
  const result = check(obj({ a: int() }, { unknown: "keep" }), { a: 1, b: 2 });
  assertEquals(result.ok && result.value as unknown, { a: 1, b: 2 });
});
