/** `config …` with hostile words and a hostile environment: every row ends in words and a known exit code. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { join } from "@std/path";
import { cli } from "../../cli/support.ts";
import { run } from "../../e2e/program.ts";
import { tempState } from "../temp_state.ts";

const CONFIG =
  '{\n  // kept\n  gateway: { port: 18790, trustedProxies: ["10.0.0.1"] },\n  agents: { list: [{ id: "a" }] },\n}\n';

/** Words behind `openclaw config`, the exit code, and what is said. */
type Row = readonly [words: readonly string[], code: number, said: RegExp];

const REFUSED: readonly Row[] = [
  ...[
    "gateway.",
    ".",
    "..",
    "gateway..port",
    ".gateway",
    "a[-1]",
    "a[999999999]",
    "a[1e3]",
    "a[",
    "a]",
    "a[x]",
    "",
    " ",
    'a["',
    "a b",
  ]
    .flatMap((path): Row[] => [
      [["set", path, "1"], 2, /Cannot read config path/],
      [["get", path], 2, /Cannot read config path/],
      [["unset", path], 2, /Cannot read config path/],
    ]),
  ...[
    "__proto__",
    "gateway.__proto__.x",
    "constructor.prototype.x",
    'a["__proto__"].b',
    "prototype",
  ]
    .flatMap((path): Row[] => [
      [["set", path, "1"], 2, /is not allowed/],
      [["unset", path], 2, /is not allowed/],
    ]),
  [["set", "gateway.trustedProxies[5]", "x"], 1, /has 1 entries, index 5 is not the next/],
  [["set", "gateway.trustedProxies.0x0", "x"], 1, /index 0x0 is not the next/],
  [["set", "gateway.trustedProxies.00", "x"], 1, /index 00 is not the next/],
  [["set", "gateway.trustedProxies.length", "0"], 1, /index length is not the next/],
  [["set", "gateway.port.x", "1"], 1, /its parent is no object/],
  [["set", "gateway", "null"], 1, /gateway: Invalid input: expected object, received null/],
  [["set", "gateway", "[]"], 1, /gateway: Invalid input/],
  [["set", "gateway.port", "NaN"], 1, /gateway.port: Invalid input/],
  [["set", "gateway.port", "Infinity"], 1, /gateway.port: Invalid input/],
  [["set", "gateway.port", "1e400"], 1, /gateway.port: Invalid input/],
  [["set", "gateway.port", "-0"], 2, /Unknown flag "-0"/],
  [["set", "gateway.port", "--", "-0"], 1, /gateway.port: Invalid input/],
  [["set", "gateway.port", "0x10000"], 1, /gateway.port: Invalid input/],
  [["set", "gateway.port", ""], 1, /gateway.port: Invalid input/],
  [["set", "channels.x", "{a: {b: 1, b: 2}}"], 2, /key "b" is given twice/],
  [["set", "gateway.auth", "[{a: 1, 'a': 2}]"], 2, /key "a" is given twice/],
  [["set", "gateway.auth.token", "__OPENCLAW_REDACTED__"], 1, /what is shown instead of a secret/],
  [
    ["set", "channels.x", '{"a": {"token": "__OPENCLAW_REDACTED__"}}'],
    1,
    /what is shown instead of a secret/,
  ],
  [["set", "gateway.port", "{a:", "--strict-json"], 2, /Cannot read the value as JSON/],
  [["set", "channels.x", '{"__proto__": {}}', "--strict-json"], 2, /Cannot read the value as JSON/],
  [
    ["set", "gateway.auth.token", "--ref-source", "vault", "--ref-id", "X"],
    1,
    /wanted env, file, exec/,
  ],
  [["set", "gateway.auth.token", "--ref-source", "env"], 2, /--ref-source needs --ref-id/],
  [
    ["set", "gateway.auth.token", "--ref-source", "env", "--ref-id", "a b"],
    1,
    /gateway.auth.token/,
  ],
  [
    ["set", "gateway.auth.token", "--ref-source", "exec", "--ref-id", "../x"],
    1,
    /gateway.auth.token/,
  ],
  [["set", "--batch-json", '[{"path": "gateway.port"}]', "x"], 2, /a batch takes no <path>/],
  [
    ["set", "--batch-json", '[{"path": "gateway.port", "value": 1, "more": 2}]'],
    2,
    /a batch is a JSON list/,
  ],
  [["set", "--batch-json", "{}"], 2, /a batch is a JSON list/],
  [
    [
      "set",
      "--batch-json",
      '[{"path": "gateway.port", "value": 5}, {"path": "gateway.port", "value": "x"}]',
    ],
    1,
    /gateway.port: Invalid input/,
  ],
  [["set", "--batch-file", "/nonexistent/batch.json"], 1, /batch\.json/],
  [["set", `channels${".k".repeat(70)}`, "1"], 1, /Nested deeper than 64 levels/],
  [["set"], 2, /<path> is missing/],
  [["set", "gateway.port"], 2, /<value> is missing/],
  [["get", "gateway.trustedProxies[9]"], 1, /Config path not found/],
  [["get", "gateway.toString"], 1, /Config path not found/],
  [["schema", "gateway.nothing"], 1, /Config path not found/],
];

for (const [words, code, said] of REFUSED) {
  Deno.test(`config ${JSON.stringify(words.join(" "))}: exit ${code}, in words, nothing written`, async () => {
    await using state = await tempState({}, CONFIG);
    const ran = await cli(["config", ...words], {
      env: { ...state.env } as Record<string, string>,
    });
    assertEquals([ran.code, ran.stdout], [code, ""], ran.stderr);
    assertMatch(ran.stderr, said);
    assertMatch(ran.stderr, /^error: /);
    assert(!ran.stderr.includes("    at "), ran.stderr);
    assertEquals(await state.read(), CONFIG);
    const left = [...Deno.readDirSync(state.paths.stateDir)].map(({ name }) => name);
    assert(left.every((name) => !name.endsWith(".tmp")), left.join());
  });
}

/** What is taken, and what stands in the file then. */
const TAKEN:
  readonly (readonly [words: readonly string[], value: readonly [path: string, value: unknown]])[] =
    [
      [["set", "gateway.trustedProxies[1]", "10.0.0.2"], ["gateway.trustedProxies", [
        "10.0.0.1",
        "10.0.0.2",
      ]]],
      [["set", "gateway.trustedProxies.0", "::1"], ["gateway.trustedProxies", ["::1"]]],
      [["set", "agents.list[0].id", "b"], ["agents.list", [{ id: "b" }]]],
      [["set", 'channels["a.b"]["c d"]', "x"], ["channels", { "a.b": { "c d": "x" } }]],
      [["set", "channels.x", "a\r\nb\u0000\u202e"], ["channels.x", "a\r\nb\u0000\u202e"]],
      [["set", "channels.x", "\ud800"], ["channels.x", "\ud800"]],
      [["set", "channels.x", '{"__proto__": {}}'], ["channels.x", '{"__proto__": {}}']],
      [["set", 'channels["\\u0000"]', "1"], ["channels", { "\u0000": 1 }]],
      [["set", "gateway.port", " 18791 "], ["gateway.port", 18791]],
      [["set", "gateway.auth.token", "123"], ["gateway.auth.token", "123"]],
      [["set", "gateway.auth.token", "--ref-source", "exec", "--ref-id", "db/main"], [
        "gateway.auth.token",
        { source: "exec", provider: "default", id: "db/main" },
      ]],
      [[
        "set",
        "gateway.auth.token",
        "--ref-source",
        "file",
        "--ref-provider",
        "vault",
        "--ref-id",
        "/a~1b",
      ], [
        "gateway.auth.token",
        { source: "file", provider: "vault", id: "/a~1b" },
      ]],
      [[
        "set",
        "--batch-json",
        '[{"path": "gateway.port", "value": 5}, {"path": "gateway.bind", "value": "lan"}]',
      ], ["gateway.bind", "lan"]],
    ];

for (const [words, [path, value]] of TAKEN) {
  Deno.test(`config ${JSON.stringify(words.join(" "))}: done, comments stay, read back as meant`, async () => {
    await using state = await tempState({}, CONFIG);
    const env = { ...state.env } as Record<string, string>;
    const ran = await cli(["config", ...words], { env });
    assertEquals(ran.code, 0, ran.stderr);
    assertMatch(await state.read(), /\/\/ kept/);
    const got = await cli(["config", "get", path, "--json", "--reveal"], { env });
    assertEquals(JSON.parse(got.stdout), value);
    // N32: nothing a terminal would act on.
    // deno-lint-ignore no-control-regex
    assert(!/[\u0000-\u0009\u000b-\u001f\u202e]/.test(ran.stdout + got.stdout), ran.stdout);
  });
}

/** A hostile environment; every row: where the state is, below the home. */
const ENVIRONMENTS: Readonly<Record<string, readonly [env: Record<string, string>, file: string]>> =
  {
    "blanks around": [{ OPENCLAW_STATE_DIR: "  ~/s  " }, "s/openclaw.json"],
    "blanks inside": [{ OPENCLAW_STATE_DIR: "~/a b" }, "a b/openclaw.json"],
    "a line break inside": [{ OPENCLAW_STATE_DIR: "~/a\nb" }, "a\nb/openclaw.json"],
    "terminal escapes inside": [{ OPENCLAW_CONFIG_PATH: "~/\u001b[2Jx.json" }, "\u001b[2Jx.json"],
    "dots": [{ OPENCLAW_CONFIG_PATH: "~/a/../b/./c.json" }, "b/c.json"],
    "empty": [
      { OPENCLAW_STATE_DIR: "", OPENCLAW_CONFIG_PATH: " ", OPENCLAW_PROFILE: "" },
      ".openclaw/openclaw.json",
    ],
    "another user's home": [{ OPENCLAW_CONFIG_PATH: "~root/x.json" }, "~root/x.json"],
    "very long port, secrets and limits": [
      {
        OPENCLAW_GATEWAY_PORT: "9".repeat(100_000),
        OPENCLAW_GATEWAY_TOKEN: "x".repeat(100_000),
        OPENCLAW_HANDSHAKE_TIMEOUT_MS: "9".repeat(400),
        OPENCLAW_GATEWAY_URL: "\n",
      },
      ".openclaw/openclaw.json",
    ],
  };

for (const [name, [more, file]] of Object.entries(ENVIRONMENTS)) {
  Deno.test(
    `section 1: variables with ${name}`,
    { ignore: Deno.build.os === "windows" },
    async () => {
      await using state = await tempState();
      // Processes of their own: "~root" is a name like any other, below where they stand.
      const cache = Deno.env.get("DENO_DIR") ?? `${Deno.env.get("HOME")}/.cache/deno`;
      const own = { PATH: Deno.env.get("PATH") ?? "", DENO_DIR: cache };
      const options = { env: { ...own, HOME: state.home, ...more }, cwd: state.home };
      const ran = await run(["config", "set", "gateway.port", "5"], options);
      assertEquals(ran.code, 0, ran.stderr);
      assertMatch(await Deno.readTextFile(join(state.home, file)), /"port": 5/);
      const shown = await run(["config", "file"], options);
      // deno-lint-ignore no-control-regex
      assert(!/[\u0000-\u0009\u000b-\u001f]/.test(shown.stdout), JSON.stringify(shown.stdout));
    },
  );
}

for (const profile of ["../x", "a/b", ".", "-a", "a".repeat(65), "a\nb", "ä", "a b"]) {
  Deno.test(`section 1: profile ${JSON.stringify(profile.slice(0, 9))} is refused with exit code 2`, async () => {
    await using state = await tempState();
    const env = { HOME: state.home, OPENCLAW_PROFILE: profile };
    const ran = await cli(["config", "set", "gateway.port", "5"], { env });
    assertEquals([ran.code, ran.stdout], [2, ""]);
    assertMatch(ran.stderr, /^error: Cannot use profile /);
    assertEquals([...Deno.readDirSync(state.home)].map((entry) => entry.name), [".openclaw"]);
  });
}

Deno.test(
  "section 1: without HOME the user database says where the state is, not the root folder",
  {
    ignore: Deno.build.os !== "linux",
  },
  async () => {
    const { stdout } = await new Deno.Command("getent", { args: ["passwd", String(Deno.uid())] })
      .output();
    const home = new TextDecoder().decode(stdout).split(":")[5];
    const shown = await cli(["config", "file"], { env: {} });
    assertEquals(shown.stdout, `${home}/.openclaw/openclaw.json\n`);
  },
);
