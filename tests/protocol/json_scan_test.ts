import { assert, assertEquals, assertLess } from "@std/assert";
import { scanJson } from "../../src/protocol/json_scan.ts";

const nested = (depth: number) => "[".repeat(depth) + "]".repeat(depth);
const keys = (count: number) =>
  `{${Array.from({ length: count }, (_, n) => `"k${n}":0`).join(",")}}`;

/** More escaped quotes than are looked for one by one. */
const E = '\\"'.repeat(40);

const ROWS: readonly [name: string, text: string, problem: ReturnType<typeof scanJson>][] = [
  ["an ordinary frame", `{"type":"req","id":"1","method":"health","params":{}}`, undefined],
  ["64 levels", nested(64), undefined],
  ["N16: 65 levels", nested(65), "nested too deeply"],
  ["N16: 100,000 levels", nested(100_000), "nested too deeply"],
  ["50,000 keys", keys(50_000), undefined],
  ["N16: 1,000,000 keys", keys(1_000_000), "too many keys"],
  ["N16: 5 MB of digits", `{"a":${"9".repeat(5_000_000)}}`, "number too long"],
  ["a number of 400 characters", `[${"9".repeat(400)}]`, undefined],
  ["digits inside a string", `["${"9".repeat(5000)}"]`, undefined],
  ["brackets inside a string", `["${"[".repeat(500)}"]`, undefined],
  ["colons inside strings", `["a:b","c:d","a:b"]`, undefined],
  ["N17: a key given twice", `{"a":1,"b":2,"a":3}`, "duplicate key"],
  ["N17: a key given twice, once escaped", `{"a":1,"\\u0061":3}`, "duplicate key"],
  ["N17: a key given twice far apart", keys(40).slice(0, -1) + `,"k3":1}`, "duplicate key"],
  ["the same key in two objects", `[{"a":1},{"a":2},{"a":{"a":1}}]`, undefined],
  ["the same key after a nested object", `{"a":{"b":1},"b":2}`, undefined],
  ["N17: __proto__", `{"params":{"__proto__":{"x":1}}}`, "forbidden key"],
  ["N17: __proto__ escaped", `{"params":{"__pro\\u0074o__":{"x":1}}}`, "forbidden key"],
  ["constructor is an ordinary key", `{"constructor":1}`, undefined],
  ["__proto__ as a value", `{"a":"__proto__"}`, undefined],
  ["an escaped quote in a string", `{"a\\"b":1,"a":"\\\\"}`, undefined],
  ["a key of 4,096 characters", `{"${"k".repeat(4_096)}":1}`, undefined],
  ["N16 variant: a key of 4,097 characters", `{"${"k".repeat(4_097)}":1}`, "key too long"],
  [
    "N16 variant: 5 MB of keys that differ at their end",
    `{${Array.from({ length: 1_250 }, (_, n) => `"${"k".repeat(4_000)}${n}":0`)}}`,
    "too many keys",
  ],
  ["N17 variant: a key twice behind many escapes", `{"x":"${E}","b":1,"b":2}`, "duplicate key"],
  ["N17 variant: a key twice inside many escapes", `{"x":"${E},\\"b\\":1,\\"b\\":2"}`, undefined],
  ["a backslash that ends a text of many escapes", `{"x":"${E}\\\\","b":1}`, undefined],
  ["text without an end is left to the parser", `{"a":"`, undefined],
];

for (const [name, text, problem] of ROWS) {
  Deno.test(`scanJson(): ${name}`, () => {
    assertEquals(scanJson(text), problem);
  });
}

Deno.test("scanJson() lets every text through that JSON.stringify can make", () => {
  const random = mulberry(7);
  for (let n = 0; n < 3000; n++) {
    const text = JSON.stringify(randomValue(random, 4));
    assertEquals(scanJson(text), undefined, text);
  }
});

Deno.test("N16: 25 MiB of string content are looked through in well under the time to parse them", () => {
  const text = JSON.stringify({ id: "1", params: "x".repeat(25 * 1024 * 1024) });
  const start = performance.now();
  assertEquals(scanJson(text), undefined);
  assertLess(performance.now() - start, 50);
});

Deno.test("scanJson() ends for random bytes", () => {
  const random = mulberry(11);
  const alphabet = `{}[]",:\\0123456789eE+-. \nabc_pro`;
  for (let n = 0; n < 5000; n++) {
    let text = "";
    for (let i = 0; i < 60; i++) text += alphabet[Math.floor(random() * alphabet.length)];
    const problem = scanJson(text);
    assert(problem === undefined || typeof problem === "string");
  }
});

function mulberry(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

function randomValue(random: () => number, depth: number): unknown {
  const pick = Math.floor(random() * (depth > 0 ? 6 : 4));
  if (pick === 0) return Math.floor(random() * 1e9) / 7;
  if (pick === 1) return 'a"b\\c:\u{1f600},{[' + Math.floor(random() * 10);
  if (pick === 2) return random() < 0.5;
  if (pick === 3) return null;
  const size = Math.floor(random() * 30);
  if (pick === 4) return Array.from({ length: size }, () => randomValue(random, depth - 1));
  const entries = Array.from({ length: size }, (_, n) => [
    `key${n}"\\\n`.slice(0, 4 + Math.floor(random() * 5)) + n,
    randomValue(random, depth - 1),
  ]);
  return Object.fromEntries(entries);
}
