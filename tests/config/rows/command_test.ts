/** cli.md 7, the table of `config` commands: each row as text and as JSON, with its exit code. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { cli } from "../../cli/support.ts";
import { type TempState, tempState } from "../temp_state.ts";

const CONFIG =
  '{\n  // kept\n  gateway: { port: 18790, trustedProxies: ["10.0.0.1"] },\n  agents: { list: [{ id: "a" }], "key.with.dot": 1 },\n}\n';
const INVALID = "{gateway: {port: 'x', bogus: 1}}";

interface Row {
  readonly words: readonly string[];
  readonly config?: string;
  readonly code?: number;
  /** Whole stdout; `$FILE` is the path of the configuration. */
  readonly stdout?: string | RegExp;
  readonly json?: unknown;
  /** First line of stderr. */
  readonly stderr?: string | RegExp;
  /** The file behind it, when it changes. */
  readonly file?: (before: string) => string;
}

const ROWS: Readonly<Record<string, Row>> = {
  "file: the absolute path": { words: ["file"], stdout: "$FILE\n", json: { path: "$FILE" } },
  "get: a scalar as text": { words: ["get", "gateway.port"], stdout: "18790\n", json: 18790 },
  "get: an object as JSON": {
    words: ["get", "gateway"],
    stdout: /^\{\n {2}"port": 18790,\n/,
    json: { port: 18790, trustedProxies: ["10.0.0.1"] },
  },
  "get: an index": {
    words: ["get", "gateway.trustedProxies[0]"],
    stdout: "10.0.0.1\n",
    json: "10.0.0.1",
  },
  "get: dots and [n]": { words: ["get", "agents.list[0].id"], stdout: "a\n", json: "a" },
  'get: ["key.with.dot"]': { words: ["get", 'agents["key.with.dot"]'], stdout: "1\n", json: 1 },
  "get: a known key that is unset: the default, with a note": {
    words: ["get", "gateway.bind"],
    stdout: "loopback\n",
    stderr: "gateway.bind is not set; this is the default",
  },
  "get: missing": {
    words: ["get", "gateway.nope"],
    code: 1,
    stdout: "",
    stderr: "error: Config path not found: gateway.nope",
  },
  "get: an invalid file is read as well as it can be": {
    words: ["get", "gateway.bogus"],
    config: INVALID,
    stdout: "1\n",
  },
  "set: JSON5, else the text": {
    words: ["set", "gateway.port", "0x4a"],
    stdout: "Updated gateway.port.\n",
    json: {
      ok: true,
      dryRun: false,
      changedPaths: ["gateway.port"],
      hot: ["gateway.port"],
      restart: [],
    },
    file: (text) => text.replace("18790", "74"),
  },
  "set: a text": {
    words: ["set", "gateway.bind", "lan"],
    stdout: "Updated gateway.bind.\n",
    file: (text) => text.replace('["10.0.0.1"] }', '["10.0.0.1"], bind: "lan" }'),
  },
  "set: a number in a text": {
    words: ["set", "gateway.port", "18791"],
    file: (text) => text.replace("18790", "18791"),
  },
  "set: a quoted number is no number": {
    words: ["set", "gateway.port", '"18791"'],
    code: 1,
    stderr:
      "error: Config validation failed: gateway.port: Invalid input: expected number, received string",
  },
  "set: --strict-json takes JSON": {
    words: ["set", "gateway.port", "18791", "--strict-json"],
    file: (text) => text.replace("18790", "18791"),
  },
  "set: --strict-json has no fallback": {
    words: ["set", "gateway.bind", "lan", "--strict-json"],
    code: 2,
    stderr: "error: Cannot read the value as JSON",
  },
  "set: --dry-run judges and writes nothing": {
    words: ["set", "gateway.port", "5", "--dry-run"],
    stdout: "Valid, not written: gateway.port.\n",
    json: {
      ok: true,
      dryRun: true,
      changedPaths: ["gateway.port"],
      hot: ["gateway.port"],
      restart: [],
    },
  },
  "set: --dry-run refuses what a write would refuse": {
    words: ["set", "gateway.port", "x", "--dry-run"],
    code: 1,
    stderr: /^error: Config validation failed: gateway\.port: /,
  },
  "set: --ref-source --ref-provider --ref-id write a SecretRef": {
    words: [
      "set",
      "gateway.auth.token",
      "--ref-source",
      "exec",
      "--ref-provider",
      "vault",
      "--ref-id",
      "a/b",
    ],
    stdout: "Updated gateway.auth.token.\n",
    file: (text) =>
      text.replace(
        '["10.0.0.1"] }',
        '["10.0.0.1"], auth: {\n    token: {\n      source: "exec",\n      provider: "vault",\n      id: "a/b"\n    }\n  } }',
      ),
  },
  "set: --batch-json, all in one write": {
    words: [
      "set",
      "--batch-json",
      '[{"path":"gateway.port","value":5},{"path":"agents.list[0].id","value":"b"}]',
    ],
    stdout: "Updated gateway.port.\nUpdated agents.list[0].id.\n",
    file: (text) => text.replace("18790", "5").replace('"a"', '"b"'),
  },
  "set: creates parents": {
    words: ["set", "channels.x.y", "1"],
    file: (text) =>
      text.replace(": 1 },\n}", ": 1 },\n  channels: {\n    x: {\n      y: 1\n    }\n  },\n}"),
  },
  "set: validates the whole file, a mistyped key gets a suggestion": {
    words: ["set", "gateway.prot", "5"],
    code: 1,
    stderr: 'error: Config validation failed: gateway: Unrecognized key: "prot"',
  },
  "unset": {
    words: ["unset", "gateway.port"],
    stdout: "Removed gateway.port.\n",
    file: (text) => text.replace("port: 18790, ", ""),
  },
  "unset: missing": {
    words: ["unset", "gateway.bind"],
    code: 1,
    stderr: "error: Config path not found: gateway.bind",
  },
  "validate: valid": {
    words: ["validate"],
    stdout: "Config valid: $FILE\n",
    json: { valid: true, path: "$FILE", issues: [], warnings: [] },
  },
  "validate: issues and warnings": {
    words: ["validate"],
    config: INVALID,
    code: 1,
    stdout:
      "Config invalid: $FILE\n- gateway.port: Invalid input: expected number, received string\n",
    stderr: /gateway: Unrecognized key: "bogus"/,
    json: {
      valid: false,
      path: "$FILE",
      issues: [{
        path: "gateway.port",
        message: "Invalid input: expected number, received string",
      }],
      warnings: [{ path: "gateway", message: 'Unrecognized key: "bogus"' }],
    },
  },
  "validate: no JSON5 at all, with the place": {
    words: ["validate"],
    config: "{\n  gateway: {",
    code: 1,
    stdout:
      "Config invalid: $FILE\n- Unexpected end of file, expected a key at line 2, column 13\n",
  },
  "schema of a key": { words: ["schema", "gateway.port"], stdout: /"maximum": 65535/ },
};

async function run(state: TempState, row: Row, more: readonly string[] = []) {
  const env = { ...state.env } as Record<string, string>;
  const ran = await cli(["config", ...row.words, ...more], { env });
  const named = (text: string) => text.replaceAll(state.paths.configFile, "$FILE");
  return { code: ran.code, stdout: named(ran.stdout), stderr: named(ran.stderr) };
}

function matches(actual: string, wanted: string | RegExp, what: string): void {
  if (typeof wanted === "string") assertEquals(actual, wanted, what);
  else assertMatch(actual, wanted, what);
}

for (const [name, row] of Object.entries(ROWS)) {
  Deno.test(`cli.md 7 config ${name}`, async () => {
    const before = row.config ?? CONFIG;
    await using state = await tempState({}, before);
    const { code, stdout, stderr } = await run(state, row);
    assertEquals(code, row.code ?? 0, stderr);
    if (row.stdout !== undefined) matches(stdout, row.stdout, "stdout");
    if (row.stderr !== undefined) {
      const [first = ""] = stderr.split("\n");
      matches(typeof row.stderr === "string" ? first : stderr, row.stderr, "stderr");
    }
    assertEquals(await state.read(), row.file ? row.file(before) : before);
    if (row.json === undefined) return;
    await state.write(before);
    const asJson = await run(state, row, ["--json"]);
    assertEquals([asJson.code, JSON.parse(asJson.stdout)], [row.code ?? 0, row.json]);
    assert(asJson.stdout.endsWith("\n"));
  });
}

Deno.test("cli.md 7 config schema: the whole, as JSON Schema", async () => {
  await using state = await tempState();
  const { code, stdout } = await run(state, { words: ["schema"] });
  const schema = JSON.parse(stdout);
  assertEquals([code, schema.properties.gateway.properties.port.default], [0, 18789]);
});
