/** Changing the file: judged before written, under a lock, old version kept, comments kept. */
import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { fromFileUrl } from "@std/path";
import {
  changeEffect,
  editConfig,
  type ReloadMode,
  setConfigValue,
} from "../../../src/config/file/edit.ts";
import { parseConfigValue } from "../../../src/config/file/typed_value.ts";
import { parseConfigPath, renderConfigPath } from "../../../src/config/text/config_path.ts";
import { statePaths } from "../../../src/config/paths.ts";
import { OpenclawError } from "../../../src/lib/errors.ts";
import { inside, tempState } from "../temp_state.ts";

const posix = Deno.build.os !== "windows";
const COMMENTED = `// by hand
{
  gateway: { port: 18789 /* default */ }, // ours
  channels: { x: {token: 'keep',} }, // theirs
}
`;

Deno.test("setConfigValue() creates file, folder and parents, 0600 and 0700", async () => {
  await using state = await tempState();
  await Deno.remove(state.paths.stateDir);
  const { after, changedPaths } = await setConfigValue(state, "gateway.auth.mode", "token");
  assertEquals(
    await state.read(),
    '{\n  "gateway": {\n    "auth": {\n      "mode": "token"\n    }\n  }\n}\n',
  );
  assertEquals(after.valid, true);
  assertEquals(changedPaths.map(renderConfigPath), ["gateway.auth.mode"]);
  if (posix) {
    assertEquals((await Deno.stat(state.paths.configFile)).mode! & 0o777, 0o600);
    assertEquals((await Deno.stat(state.paths.stateDir)).mode! & 0o777, 0o700);
  }
});

Deno.test("set and unset keep comments and foreign keys byte for byte, and a .bak of the version before", async () => {
  await using state = await tempState({}, COMMENTED);
  await setConfigValue(state, "gateway.port", 19000);
  assertEquals(await state.read(), COMMENTED.replace("18789", "19000"));
  assertEquals(await Deno.readTextFile(state.paths.configBackupFile), COMMENTED);
  await editConfig(state, [{ op: "unset", path: parseConfigPath("gateway.port") }]);
  const text = await state.read();
  for (
    const part of [
      "// by hand",
      "/* default */",
      "// ours",
      "channels: { x: {token: 'keep',} }, // theirs",
    ]
  ) {
    assertStringIncludes(text, part);
  }
  if (posix) assertEquals((await Deno.stat(state.paths.configBackupFile)).mode! & 0o777, 0o600);
});

Deno.test("F07: unknown keys already in the file survive a set; a new one is refused with a suggestion", async () => {
  const text = "{gateway: {fromTheFuture: {a: [1]}, port: 1}}";
  await using state = await tempState({}, text);
  await setConfigValue(state, "gateway.port", 2);
  assertEquals(await state.read(), text.replace("port: 1", "port: 2"));
  const error = await assertRejects(() => setConfigValue(state, "gateway.prt", 2), OpenclawError);
  assertEquals(error.message, 'Config validation failed: gateway: Unrecognized key: "prt"');
  assertEquals(error.hint, "did you mean gateway.port?");
  assertEquals(await state.read(), text.replace("port: 1", "port: 2"));
});

Deno.test("an invalid value leaves the file untouched and names path and reason", async () => {
  await using state = await tempState({}, COMMENTED);
  const error = await assertRejects(
    () => setConfigValue(state, "gateway.port", "abc"),
    OpenclawError,
  );
  assertEquals(
    [error.code, error.message, error.exitCode],
    [
      "CONFIG_INVALID",
      "Config validation failed: gateway.port: Invalid input: expected number, received string",
      1,
    ],
  );
  assertEquals(await state.read(), COMMENTED);
});

Deno.test("F06: a damaged file is never written, whatever the change", async () => {
  for (const damaged of ["", "{gateway: {port: 1", "\0\0\0", "\ufeff{}", "not a config"]) {
    await using state = await tempState({}, damaged);
    const error = await assertRejects(
      () => setConfigValue(state, "gateway.port", 2),
      OpenclawError,
    );
    assertStringIncludes(error.message, "line 1, column");
    await assertRejects(
      () => editConfig(state, [{ op: "unset", path: parseConfigPath("gateway.port") }]),
      OpenclawError,
    );
    assertEquals(
      await Deno.readFile(state.paths.configFile),
      new TextEncoder().encode(damaged),
    );
  }
});

Deno.test("a file with one wrong value can be repaired, and other keys can be changed meanwhile", async () => {
  await using state = await tempState({}, "{gateway: {port: 'x', bind: 'y'}}");
  await setConfigValue(state, "gateway.port", 5);
  await setConfigValue(state, "gateway.bind", "lan");
  assertEquals((await state.load()).valid, true);
});

Deno.test("unset of nothing is an error and writes nothing", async () => {
  await using state = await tempState({}, COMMENTED);
  const error = await assertRejects(
    () => editConfig(state, [{ op: "unset", path: parseConfigPath("gateway.nothing") }]),
    OpenclawError,
  );
  assertEquals([error.code, error.message], [
    "CONFIG_PATH_NOT_FOUND",
    "Config path not found: gateway.nothing",
  ]);
  assertEquals(await state.read(), COMMENTED);
});

Deno.test("dryRun judges without writing", async () => {
  await using state = await tempState({}, COMMENTED);
  const { after } = await setConfigValue(state, "gateway.port", 7, { dryRun: true });
  assertEquals(after.config.gateway.port, 7);
  assertEquals(await state.read(), COMMENTED);
  await assertRejects(
    () => setConfigValue(state, "gateway.port", "x", { dryRun: true }),
    OpenclawError,
  );
});

Deno.test("several changes are one write, all or nothing", async () => {
  await using state = await tempState({}, "{}");
  const change = (path: string, value: unknown) => ({
    op: "set" as const,
    path: parseConfigPath(path),
    value,
  });
  await editConfig(state, [change("gateway.port", 1), change("gateway.bind", "lan")]);
  assertEquals((await state.load()).config.gateway.bind, "lan");
  await assertRejects(
    () => editConfig(state, [change("gateway.port", 2), change("gateway.mode", "x")]),
    OpenclawError,
  );
  assertEquals((await state.load()).config.gateway.port, 1);
});

Deno.test("a merge patch merges objects, removes on null and replaces the rest", async () => {
  await using state = await tempState(
    {},
    "{gateway: {port: 1, bind: 'lan', /* why */ trustedProxies: ['10.0.0.1']}}",
  );
  const patch = {
    gateway: { port: 2, bind: null, trustedProxies: [], auth: { mode: "token", token: null } },
  };
  await editConfig(state, [{ op: "merge", patch }]);
  const { parsed, raw } = await state.load();
  assertEquals(parsed, { gateway: { port: 2, trustedProxies: [], auth: { mode: "token" } } });
  assertStringIncludes(raw, "/* why */");
  const replace = ["gateway.auth"];
  await editConfig(state, [{
    op: "merge",
    patch: { gateway: { auth: { password: "p" } } },
    replace,
  }]);
  assertEquals((await state.load()).parsed, {
    gateway: { port: 2, trustedProxies: [], auth: { password: "p" } },
  });
});

Deno.test("N17: paths and patches that reach a prototype are refused", async () => {
  await using state = await tempState({}, "{}");
  for (
    const path of [
      "__proto__.x",
      "gateway.__proto__.port",
      "constructor.prototype.x",
      'gateway["__proto__"]',
    ]
  ) {
    const error = await assertRejects(() => setConfigValue(state, path, 1), OpenclawError);
    assertEquals([error.code, error.exitCode], ["CONFIG_PATH_INVALID", 2], path);
  }
  const patch = JSON.parse('{"agents": {"__proto__": {"polluted": 1}}}');
  await assertRejects(() => editConfig(state, [{ op: "merge", patch }]));
  const nested = JSON.parse('{"agents": {"a": {"__proto__": {"polluted": 1}}}}');
  await assertRejects(() => editConfig(state, [{ op: "merge", patch: nested }]));
  assertEquals(({} as Record<string, unknown>).polluted, undefined);
  assertEquals(await state.read(), "{}");
});

Deno.test("the redaction placeholder is refused as input, also inside objects", async () => {
  await using state = await tempState({}, "{}");
  for (
    const [path, value] of [
      ["gateway.auth.token", "__OPENCLAW_REDACTED__"],
      ["gateway.auth", { token: "__OPENCLAW_REDACTED__" }],
      ["channels.x.token", "__OPENCLAW_REDACTED__"],
    ] as const
  ) {
    const error = await assertRejects(() => setConfigValue(state, path, value), OpenclawError);
    assertStringIncludes(error.message, "Config validation failed");
  }
});

Deno.test("decision 29: editing through a link of ours changes its target and keeps the link", {
  ignore: !posix,
}, async () => {
  await using state = await tempState();
  const target = inside(state, "dotfiles.json");
  await Deno.writeTextFile(target, COMMENTED, { mode: 0o600 });
  await Deno.symlink(target, state.paths.configFile);
  await setConfigValue(state, "gateway.port", 4);
  assertEquals((await Deno.lstat(state.paths.configFile)).isSymlink, true);
  assertStringIncludes(await Deno.readTextFile(target), "port: 4");
});

Deno.test(
  "a configuration elsewhere leaves the mode of its folder alone; a dry run creates nothing",
  {
    ignore: !posix,
  },
  async () => {
    await using home = await tempState();
    const folder = inside(home, "dotfiles");
    const env = { ...home.env, OPENCLAW_CONFIG_PATH: `${folder}/openclaw.json` };
    const place = { env, paths: statePaths(env) };
    await setConfigValue(place, "gateway.port", 1, { dryRun: true });
    await assertRejects(() => Deno.stat(folder), Deno.errors.NotFound);
    await Deno.mkdir(folder, { mode: 0o755 });
    await Deno.chmod(folder, 0o755);
    await setConfigValue(place, "gateway.port", 1);
    assertEquals((await Deno.stat(folder)).mode! & 0o777, 0o755);
  },
);

Deno.test("changeEffect() sorts changes by what each gateway.reload.mode applies while it runs", () => {
  const paths = [
    "gateway.port",
    "gateway.auth.token",
    "gateway.nodes.denyCommands",
    "gateway.remote.url",
    "channels.x",
    "gateway.tls.enabled",
    "gateway.controlUi.basePath",
  ];
  const effect = (mode: ReloadMode) => {
    const { hot, restart } = changeEffect(paths.map(parseConfigPath), mode);
    return `${hot.length} ${restart.join(" ")}`;
  };
  assertEquals(effect("hybrid"), "4 gateway.controlUi.basePath");
  assertEquals(effect("hot"), "2 gateway.port gateway.tls.enabled gateway.controlUi.basePath");
  for (const mode of ["restart", "off"] as const) assertMatch(effect(mode), /^0 gateway\.port /);
});

Deno.test("parseConfigValue() reads JSON5, else the text; strict only JSON", async () => {
  assertEquals(parseConfigValue("18789"), 18789);
  assertEquals(parseConfigValue("lan"), "lan");
  assertEquals(parseConfigValue("{a: 1,}"), { a: 1 });
  assertEquals(parseConfigValue("true"), true);
  assertEquals(parseConfigValue("10.0.0.1"), "10.0.0.1");
  assertEquals(parseConfigValue('["a"]', { strictJson: true }), ["a"]);
  for (const text of ["lan", "{a: 1}"]) {
    await assertRejects(
      async () => await parseConfigValue(text, { strictJson: true }),
      OpenclawError,
      "JSON",
    );
  }
});

Deno.test("parseConfigValue() keeps digits as text where a text belongs", () => {
  const token = parseConfigPath("gateway.auth.token");
  assertEquals(parseConfigValue("123456", { path: token }), "123456");
  assertEquals(parseConfigValue("true", { path: token }), "true");
  assertEquals(parseConfigValue("{source: 'env', id: 'X'}", { path: token }), {
    source: "env",
    id: "X",
  });
  assertEquals(parseConfigValue("18789", { path: parseConfigPath("gateway.port") }), 18789);
  assertEquals(parseConfigValue("5", { path: parseConfigPath("channels.x") }), 5);
});

Deno.test("parseConfigPath() reads dots, indexes and quoted keys and renders them back", () => {
  const rows: [string, (string | number)[], string?][] = [
    ["gateway.port", ["gateway", "port"]],
    ["agents.list[0].id", ["agents", "list", 0, "id"]],
    ['a["key.with.dot"].b', ["a", "key.with.dot", "b"]],
    ["a['x'].b", ["a", "x", "b"], "a.x.b"],
    ["[0]", [0]],
    ["a-b.c_d", ["a-b", "c_d"]],
  ];
  for (const [text, steps, rendered] of rows) {
    assertEquals(parseConfigPath(text), steps, text);
    assertEquals(renderConfigPath(steps), rendered ?? text);
  }
});

Deno.test("parseConfigPath() refuses malformed paths with exit code 2", async () => {
  for (const text of ["", " ", ".", "a.", "a..b", "a[", "a[x]", "a[-1]", 'a["b]', "a b", "a]"]) {
    const error = await assertRejects(async () => await parseConfigPath(text), OpenclawError);
    assertEquals(error.exitCode, 2, text);
  }
});

/** `.ci/run` sets 25. */
const ROUNDS = Number(Deno.env.get("OPENCLAW_CONFIG_ROUNDS") ?? "3");

Deno.test(`F08: ${ROUNDS} rounds of 20 edits at once lose none`, async () => {
  await using state = await tempState({}, COMMENTED);
  for (let round = 0; round < ROUNDS; round++) {
    const edits = Array.from(
      { length: 20 },
      (_, i) => setConfigValue(state, `channels.r${round}.k${i}`, i, { waitMs: 60_000 }),
    );
    await Promise.all(edits);
  }
  const channels = (await state.load()).parsed.channels as Record<string, Record<string, number>>;
  const wanted = Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`k${i}`, i]));
  for (let round = 0; round < ROUNDS; round++) assertEquals(channels[`r${round}`], wanted);
});

const WORKER = fromFileUrl(new URL("./edit_worker.ts", import.meta.url));

async function setInProcess(home: string, path: string, value: number): Promise<boolean> {
  const { success } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", WORKER, home, path, String(value)],
    stdout: "null",
  }).output();
  return success;
}

Deno.test("F08: 20 processes setting 20 keys at once leave all 20 in the file", async () => {
  await using state = await tempState({}, COMMENTED);
  const keys = Array.from({ length: 20 }, (_, i) => `channels.k${i}`);
  const done = await Promise.all(keys.map((key, i) => setInProcess(state.home, key, i)));
  assertEquals(done, keys.map(() => true));
  const { parsed, raw } = await state.load();
  const channels = parsed.channels as Record<string, unknown>;
  assertEquals(keys.map((_, i) => channels[`k${i}`]), keys.map((_, i) => i));
  assertStringIncludes(raw, "// by hand");
  const left = [...Deno.readDirSync(state.paths.stateDir)].map((entry) => entry.name);
  assert(left.every((name) => !name.endsWith(".tmp")), left.join(" "));
});

Deno.test("F08: 20 edits at once through a link that leads nowhere yet lose none", {
  ignore: !posix,
}, async () => {
  await using state = await tempState();
  await Deno.symlink(inside(state, "dotfiles.json"), state.paths.configFile);
  const keys = Array.from({ length: 20 }, (_, i) => `channels.k${i}`);
  await Promise.all(keys.map((key, i) => setConfigValue(state, key, i, { waitMs: 60_000 })));
  const { channels } = (await state.load()).parsed;
  assertEquals(channels, Object.fromEntries(keys.map((key, i) => [key.slice(9), i])));
});

Deno.test(
  "F08: a lock whose owner was killed does not stop the next edit",
  { ignore: !posix },
  async () => {
    await using state = await tempState({}, COMMENTED);
    const child = new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--no-check", WORKER, state.home, "hold"],
      stdout: "piped",
    }).spawn();
    const reader = child.stdout.getReader();
    await reader.read(); // says "held"
    await assertRejects(
      () => setConfigValue(state, "gateway.port", 3, { waitMs: 50 }),
      OpenclawError,
    );
    child.kill("SIGKILL");
    await child.status;
    await reader.cancel();
    await setConfigValue(state, "gateway.port", 3);
    assertEquals((await state.load()).config.gateway.port, 3);
  },
);

const CRASHER = fromFileUrl(new URL("./edit_crash_worker.ts", import.meta.url));

/** Runs the worker until it acknowledged `count` edits, kills it, and gives the last number it acknowledged. */
async function killAfter(home: string, from: number, count: number): Promise<number> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", CRASHER, home, String(from)],
    stdout: "piped",
  }).spawn();
  let text = "";
  let killed = false;
  for await (const part of child.stdout.pipeThrough(new TextDecoderStream())) {
    text += part;
    // Acknowledgements go on while this one is read, so the kill falls anywhere in an edit.
    if (killed || text.split("\n").length <= count) continue;
    child.kill("SIGKILL");
    killed = true;
  }
  await child.status;
  return Number(text.trim().split("\n").at(-1));
}

Deno.test("F01: a kill at any moment leaves a whole file with everything that was acknowledged", async () => {
  await using state = await tempState({}, COMMENTED);
  let last = 0;
  for (let round = 1; round <= 6; round++) {
    last = await killAfter(state.home, last + 1, round);
    const { parsed, valid, raw } = await state.load();
    const n = (parsed.channels as { n: number }).n;
    assert(valid && (n === last || n === last + 1), `acknowledged ${last}, found ${n}`);
    assertStringIncludes(raw, "// by hand");
  }
  await setConfigValue(state, "gateway.port", 77);
  assertEquals((await state.load()).config.gateway.port, 77);
});
