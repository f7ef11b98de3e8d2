/** Hostile texts as configuration: huge, deep, doubled, cut, with characters that mean something to a terminal. */
import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { editConfig } from "../../../src/config/file/edit.ts";
import { issueText, judgeText } from "../../../src/config/file/load.ts";
import { redactText } from "../../../src/config/file/redact.ts";
import { configUiHints } from "../../../src/config/file/show.ts";
import { keyAt, readConfig } from "../../../src/config/schema/schema.ts";
import { parseConfigPath, valueAt } from "../../../src/config/text/config_path.ts";
import { withValue } from "../../../src/config/text/json_value.ts";
import { parseSecretInput } from "../../../src/config/schema/secret_input.ts";
import { check } from "../../../src/lib/schema.ts";
import { OpenclawError } from "../../../src/lib/errors.ts";
import { tempState } from "../temp_state.ts";

const MANY = 300_000;
const many = (item: (i: number) => string) => Array.from({ length: MANY }, (_, i) => item(i));
const EIGHT_MB = 8 * 1024 * 1024 - 64;

/** A text and what is said about it: `ok`, or the beginning of the first problem. */
const TEXTS: Readonly<Record<string, readonly [text: string, said: string]>> = {
  "8 MB of blanks": [" ".repeat(EIGHT_MB) + "{}", "ok"],
  "8 MB in one line comment": ["//" + "x".repeat(EIGHT_MB) + "\n{}", "ok"],
  "8 MB in one block comment": ["/*" + "*".repeat(EIGHT_MB) + "*/{}", "ok"],
  "two million empty comments": ["/**/".repeat(2_000_000) + "{}", "ok"],
  "a comment that never ends": [
    "{}/*" + " /*".repeat(1_000_000),
    "Comment is not closed at line 1",
  ],
  "very many foreign keys": [`{channels:{${many((i) => `k${i}:1`)}}}`, "ok"],
  "very many unknown keys of ours": [`{gateway:{${many((i) => `k${i}:1`)}}}`, "ok"],
  "one key very many times": [
    `{gateway:{${many(() => "port:1")}}}`,
    'gateway: Key "port" is given twice',
  ],
  "very many entries of a list": [
    `{gateway:{trustedProxies:[${many(() => "1")}]}}`,
    "gateway.trustedProxies: ",
  ],
  "an unknown key of 5 MB": [`{${"a".repeat(5e6)}:1}`, "ok"],
  "a provider name of 5 MB": [
    `{secrets:{providers:{${"a".repeat(5e6)}:1}}}`,
    "secrets.providers.aaa",
  ],
  "a number of 5 million digits": [
    `{gateway:{port:${"9".repeat(5e6)}}}`,
    "gateway.port: Invalid input",
  ],
  "a text of a million escapes": [`{gateway:{customBindHost:"${"\\u0041".repeat(1e6)}"}}`, "ok"],
  "a million placeholders": [
    `{gateway:{customBindHost:"${"${A}".repeat(1e6)}"}}`,
    "gateway.customBindHost: ",
  ],
  "lists four million deep": ["[".repeat(4e6), "Nested deeper than 64 levels at line 1, column 66"],
  "objects four million deep": ["{a:".repeat(1.3e6), "Nested deeper than 64 levels at line 1"],
  "__proto__ as a key": [
    '{"__proto__": {"gateway": {}}}',
    'Key "__proto__" is not allowed at line 1',
  ],
  "__proto__ in escapes": [
    '{gateway: {"\\u005f_proto__": 1}}',
    'Key "__proto__" is not allowed at line 1',
  ],
  "constructor as a key": ["{gateway: {constructor: {prototype: {x: 1}}}}", "ok"],
  "CRLF line ends": ["{\r\n gateway: {\r\n  port: 1 }\r\n}\r\n", "ok"],
  "CR line ends": ["{\r gateway: {\r  port: x }\r}", "Unexpected"],
  "lone surrogates": ['{gateway: {customBindHost: "\\ud800", tls: {certPath: "\\udfff"}}}', "ok"],
  "NUL as an escape": ['{gateway: {customBindHost: "a\\u0000b"}}', "ok"],
  "nothing but a comment": ["// nothing", "Unexpected end of file"],
  "two documents": ["{}{}", 'Unexpected "{", expected end of file at line 1, column 3'],
  "a list": ["[]", "Invalid input: expected object"],
  "null": ["null", "Invalid input: expected object"],
  "numbers JSON does not have": [
    "{gateway: {port: NaN, handshakeTimeoutMs: Infinity}}",
    "gateway.port: Invalid input",
  ],
};

for (const [name, [text, said]] of Object.entries(TEXTS)) {
  Deno.test(`N16, N17: ${name}: told in bounded words, and a whole configuration comes out`, async () => {
    const judged = await judgeText("/c.json", text, {});
    const issue = judged.issues[0];
    assert((issue ? issueText(issue) : "ok").startsWith(said), issue && issueText(issue));
    const told = [...judged.issues, ...judged.warnings].map(issueText);
    assert(told.length <= 51 && told.every((line) => line.length < 1_000), `${told.length} lines`);
    assertEquals(typeof judged.config.gateway.port, "number");
    assertEquals(({} as Record<string, unknown>).gateway, undefined);
  });
}

/** What may stand where a value is wanted. */
const VALUES: readonly unknown[] = [
  NaN,
  Infinity,
  -Infinity,
  -1,
  -0,
  0.5,
  2 ** 53,
  1e308,
  "",
  " ",
  "x".repeat(1e6),
  "a\u0000b",
  "\ud800",
  "a\r\nb",
  "\u202e",
  "${",
  "${}",
  "${NOPE}",
  "__OPENCLAW_REDACTED__",
  true,
  null,
  [],
  [null],
  [[]],
  Array.from({ length: 20_000 }, () => "x"),
  {},
  JSON.parse('{"__proto__": {"polluted": 1}}'),
  { constructor: { prototype: { polluted: 1 } } },
  { source: "exec", id: "../../x" },
  { source: "env", id: "X", provider: "__proto__" },
  nested(60),
];

function nested(depth: number): unknown {
  return depth === 0 ? 1 : { a: nested(depth - 1) };
}

for (const name of Object.keys(configUiHints())) {
  // A free name in a map, the first entry of a list.
  const path = name.replace(/^agents\.list\.\*/, "agents.list[0]").replaceAll("*", "p");
  Deno.test(`N19: ${name}: a hostile value is taken as the schema says or falls back, and is not quoted`, () => {
    const steps = parseConfigPath(path);
    const key = keyAt(steps);
    assert(key, path);
    for (const value of VALUES) {
      const { config, report } = readConfig(withValue({}, steps, value));
      const found = valueAt(config, steps);
      const good = key.facts.secret
        ? typeof parseSecretInput(value) !== "string"
        : check(key.schema, value).ok;
      assertEquals(report.issues.length === 0, good, `${path} ${typeof value}`);
      if (!good) assertEquals(found, key.fallback);
      if (typeof found === "number") {
        assert(Number.isFinite(found) && found >= 0, `${path} ${found}`);
      }
      for (const issue of report.issues) assert(issueText(issue).length < 1_000, path);
    }
    assertEquals(({} as Record<string, unknown>).polluted, undefined);
  });
}

Deno.test("secrets: a refused credential is never quoted in the problem", () => {
  const secret = "hunter2-synthetic";
  for (
    const value of [[secret], { [secret]: 1 }, { source: secret }, { source: "env", id: secret }, {
      source: "env",
      id: "X",
      provider: secret.toUpperCase(),
    }]
  ) {
    const { report } = readConfig({ gateway: { auth: { token: value } } });
    const told = report.issues.map(issueText).join();
    assert(told !== "");
    // The name of a key is shown, a value is not.
    if (!Object.keys(value).includes(secret)) assert(!told.toLowerCase().includes(secret), told);
  }
});

Deno.test("secrets: a placeholder that cannot be a variable is no password of that text", async () => {
  const name = "A".repeat(129);
  const { config } = await judgeText("/c", `{gateway: {auth: {token: "\${${name}}"}}}`, {});
  assertEquals(config.gateway.auth.token, undefined);
});

Deno.test("${NAME}: values are put in once: no cycle, no nesting, escapes stay", async () => {
  const env = { A: "${B}", B: "${A}", NAME: "A", ESCAPED: "$${A}" };
  const rows: [string, string][] = [
    ["${A}", "${B}"],
    ["${A}${B}", "${B}${A}"],
    ["$${A}", "${A}"],
    ["$$${A}", "$${A}"],
    ["${${NAME}}", "${A}"],
    ["${ESCAPED}", "$${A}"],
    ["${a}", "${a}"],
    ["${A B}", "${A B}"],
    ["${A", "${A"],
    ["$A", "$A"],
    ["${}", "${}"],
  ];
  for (const [text, filled] of rows) {
    const judged = await judgeText(
      "/c",
      JSON.stringify({ gateway: { customBindHost: text } }),
      env,
    );
    assertEquals([judged.config.gateway.customBindHost, judged.issues], [filled, []], text);
  }
});

Deno.test("redactText() gives up where copies of secrets cannot be looked for, and shows nothing", () => {
  const text = `{x:{${Array.from({ length: 20_000 }, (_, i) => `k${i}token:'v${i}vvvvvvvv'`)}}}`;
  assertEquals(redactText(text), null);
});

Deno.test("F06: a change that would make the file unreadable is refused: too long, too many", async () => {
  await using state = await tempState({}, "{}");
  const long = { op: "set", path: ["channels"], value: "x".repeat(9_000_000) } as const;
  const tooLong = await assertRejects(() => editConfig(state, [long]), OpenclawError);
  assertMatch(tooLong.message, /longer than 8388608 bytes/);
  assertEquals(await state.read(), "{}");
  await state.write(`{ui: {note: "${"x".repeat(1_000_000)}"}, channels: {}}`);
  const patch = {
    channels: Object.fromEntries(many((i) => `k${i}`).slice(0, 5_000).map((k) => [k, 1])),
  };
  const tooMany = await assertRejects(
    () => editConfig(state, [{ op: "merge", patch }]),
    OpenclawError,
  );
  assertMatch(tooMany.message, /^Cannot make 5000 changes/);
});
