/** Edits in place: what changes, and that nothing else does. */
import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { parseJson5, parseJson5Tree } from "../../../src/config/text/json5.ts";
import { EditError, removeFromText, setInText } from "../../../src/config/text/json5_edit.ts";
import { sameValue, withoutValue, withValue } from "../../../src/config/text/json_value.ts";
import type { ConfigPath } from "../../../src/config/text/config_path.ts";
import { randomJson5, randomSource } from "./random_json5.ts";

const HAND_WRITTEN = `// my gateway
{
  // ports below 1024 need root
  gateway: {
    port: 18789, // the default
    'bind': "lan", /* everywhere */
    trustedProxies: ['10.0.0.1', "10.0.0.2"], // two
  },

  agents: { list: [ {id: 'main', x: 0x10 } ], }, // untouched
}
`;

Deno.test("setInText() replaces a value and leaves every other byte alone", () => {
  const text = setInText(HAND_WRITTEN, ["gateway", "port"], 19000);
  assertEquals(text, HAND_WRITTEN.replace("18789", "19000"));
});

Deno.test("setInText() keeps the quotes of the text it replaces", () => {
  const text = setInText(HAND_WRITTEN, ["gateway", "trustedProxies", 0], "it's");
  assertEquals(text, HAND_WRITTEN.replace("'10.0.0.1'", "'it\\'s'"));
});

Deno.test("setInText() adds a member behind the last one, its comma and its comment", () => {
  const text = setInText(HAND_WRITTEN, ["gateway", "mode"], "local");
  assertEquals(
    text,
    HAND_WRITTEN.replace("// two\n", '// two\n    mode: "local",\n'),
  );
});

Deno.test("setInText() adds a comma in front when the last member has none", () => {
  const text = '{\n  "a": 1 // one\n}\n';
  assertEquals(setInText(text, ["b"], 2), '{\n  "a": 1, // one\n  "b": 2\n}\n');
});

Deno.test("setInText() stays on the line of an object written on one line", () => {
  assertEquals(setInText("{a: 1}", ["b"], 2), "{a: 1, b: 2}");
  assertEquals(setInText("{a: 1, }", ["b"], 2), "{a: 1, b: 2, }");
  assertEquals(setInText("[1, 2]", [2], 3), "[1, 2, 3]");
});

Deno.test("setInText() creates parents in the style of the file", () => {
  assertEquals(
    setInText("{}\n", ["gateway", "auth", "mode"], "token"),
    '{\n  "gateway": {\n    "auth": {\n      "mode": "token"\n    }\n  }\n}\n',
  );
  assertEquals(
    setInText("{\n\ta: {\n\t},\n}\n", ["a", "b", "c-d"], true),
    '{\n\ta: {\n\t\tb: {\n\t\t\t"c-d": true\n\t\t}\n\t},\n}\n',
  );
});

Deno.test("setInText() puts a first member behind the comments of an empty object", () => {
  assertEquals(
    setInText("{\n  // nothing yet\n}\n", ["a"], 1),
    '{\n  // nothing yet\n  "a": 1\n}\n',
  );
});

Deno.test("setInText() keeps Windows line ends", () => {
  assertEquals(
    setInText('{\r\n  "a": 1\r\n}\r\n', ["b"], { c: 2 }),
    '{\r\n  "a": 1,\r\n  "b": {\r\n    "c": 2\r\n  }\r\n}\r\n',
  );
});

Deno.test("setInText() refuses parents that are no objects and gaps in lists", () => {
  assertThrows(() => setInText("{a: 1}", ["a", "b"], 2), EditError, "no object");
  assertThrows(() => setInText("{a: [1]}", ["a", 3], 2), EditError, "not the next");
  assertThrows(() => setInText("{}", ["a", 1], 2), EditError, "not the next");
  assertEquals(parseJson5(setInText("{}", ["a", 0], 2)), { a: [2] });
});

Deno.test("setInText() changes the last of two equal keys, the one that counts", () => {
  assertEquals(setInText("{a: 1, a: 2}", ["a"], 3), "{a: 1, a: 3}");
});

Deno.test("N17: removeFromText() takes a key that stands there twice away as a whole", () => {
  assertEquals(removeFromText("{a: 1, /* x */ b: 2, 'a': 3,}", ["a"]), "{ /* x */ b: 2,}");
  assertEquals(removeFromText('{"a":[1,1]}', ["a", 1]), '{"a":[1]}');
});

Deno.test("setInText() refuses what could not be read again", () => {
  const deep = Array.from({ length: 70 }, (_, i) => `k${i}`);
  assertThrows(() => setInText("{}", deep, 1), EditError, "Nested deeper than 64 levels");
});

Deno.test("removeFromText() takes the member and its line, and keeps every comment", () => {
  const text = removeFromText(HAND_WRITTEN, ["gateway", "port"])!;
  assertEquals(text, HAND_WRITTEN.replace("port: 18789, //", "//"));
  const other = removeFromText(HAND_WRITTEN, ["agents"])!;
  for (const comment of ["my gateway", "the default", "everywhere", "two", "untouched"]) {
    assertStringIncludes(other, comment);
  }
});

Deno.test("removeFromText() leaves strict JSON strict", () => {
  const text = '{\n  "a": 1,\n  "b": 2\n}\n';
  assertEquals(removeFromText(text, ["b"]), '{\n  "a": 1\n}\n');
  assertEquals(removeFromText(text, ["a"]), '{\n  "b": 2\n}\n');
  assertEquals(removeFromText('{"a":[1,2,3]}', ["a", 1]), '{"a":[1,3]}');
});

Deno.test("removeFromText() says when nothing is there", () => {
  assertEquals(removeFromText(HAND_WRITTEN, ["gateway", "nothing"]), undefined);
  assertEquals(removeFromText(HAND_WRITTEN, ["gateway", "port", "deeper"]), undefined);
  assertEquals(removeFromText(HAND_WRITTEN, ["gateway", "trustedProxies", 2]), undefined);
});

/** Every path of a value, containers included. */
function pathsOf(value: unknown, path: ConfigPath = []): ConfigPath[] {
  if (typeof value !== "object" || value === null) return [path];
  const entries: [string | number, unknown][] = Array.isArray(value)
    ? value.map((item, i) => [i, item])
    : Object.entries(value);
  return [path, ...entries.flatMap(([key, item]) => pathsOf(item, [...path, key]))];
}

const commentsOf = (text: string) => text.match(/\/\/ note|\/\* a,b:\{\} \*\//g)?.length ?? 0;

Deno.test("random edits read back as meant and lose no comment outside what they replace", () => {
  const values = [1, "text", "it's", null, true, { x: { y: [1, "2"] } }, [], {}];
  for (let seed = 1; seed <= 250; seed++) {
    const text = randomJson5(seed);
    const before = parseJson5(text);
    const random = randomSource(seed * 31);
    const paths = pathsOf(before).filter((path) => path.length > 0);
    const path = paths[Math.floor(random() * paths.length)]!;
    const value = values[Math.floor(random() * values.length)];
    const set = setInText(text, path, value);
    assert(sameValue(parseJson5(set), withValue(before, path, value)), `set ${path}: ${text}`);
    const added = setInText(text, ["new", "member"], value);
    assert(sameValue(parseJson5(added), withValue(before, ["new", "member"], value)), text);
    assertEquals(commentsOf(added), commentsOf(text), text);
    const removed = removeFromText(text, path)!;
    assert(sameValue(parseJson5(removed), withoutValue(before, path)), `remove ${path}: ${text}`);
    assertEquals(commentsOf(removed), commentsOf(text) - commentsOf(sourceAt(text, path)), text);
  }
});

/** The text of the member or item at a path, its key included. */
function sourceAt(text: string, path: ConfigPath): string {
  let node = parseJson5Tree(text);
  let start = 0;
  for (const step of path) {
    const member = node.members?.findLast((m) => m.key === step);
    node = member?.node ?? node.items![Number(step)]!;
    start = member?.start ?? node.start;
  }
  return text.slice(start, node.end);
}
