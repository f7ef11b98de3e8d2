/** Reading the file: what is accepted, what is refused with its place, and that it is never written. */
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import {
  issueText,
  loadConfig,
  loadServerConfig,
  requireValid,
} from "../../../src/config/file/load.ts";
import { readConfig } from "../../../src/config/schema/schema.ts";
import { OpenclawError } from "../../../src/lib/errors.ts";
import { inside, tempState } from "../temp_state.ts";

const posix = Deno.build.os !== "windows";
const issuesOf = (value: unknown) => readConfig(value).report.issues.map(issueText);

Deno.test("loadConfig() reads a missing file as an empty configuration with defaults", async () => {
  await using state = await tempState();
  const loaded = await state.load();
  assertEquals([loaded.exists, loaded.valid, loaded.broken, loaded.raw], [false, true, false, ""]);
  assertEquals(loaded.config.gateway.port, 18789);
  assertEquals(loaded.config.gateway.mode, undefined);
  assertEquals(loaded.config.gateway.auth.rateLimit, {
    maxAttempts: 10,
    windowMs: 60_000,
    lockoutMs: 300_000,
    exemptLoopback: true,
  });
});

Deno.test("F06: a damaged file is refused with line and column and its bytes stay", async () => {
  const bytes = (...parts: (string | number[])[]) =>
    new Uint8Array(
      parts.flatMap((p) => typeof p === "string" ? [...new TextEncoder().encode(p)] : p),
    );
  const rows: [string, Uint8Array, string][] = [
    ["0 bytes", bytes(""), "line 1, column 1"],
    ["half", bytes("{\n  gateway: {\n    port: 18"), "line 3, column 13"],
    ["NUL block", bytes("{\n", new Array(512).fill(0)), "NUL byte at line 2, column 1"],
    ["BOM", bytes([0xef, 0xbb, 0xbf], "{}"), "byte order mark at line 1, column 1"],
    ["UTF-16", bytes([0xff, 0xfe, 0x7b, 0, 0x7d, 0]), "line 1, column"],
    ["bad UTF-8", bytes('{\n"a": "x', [0xc3, 0x28], '"}'), "not UTF-8 at line 2, column 8"],
    ["43-byte stub", bytes("Error: ENOSPC: no space left on device, wri"), "line 1, column 1"],
    ["garbage", bytes("\x7fELF\x02"), "line 1, column 1"],
  ];
  for (const [name, content, place] of rows) {
    await using state = await tempState();
    await state.write(content);
    const loaded = await state.load();
    assertEquals([loaded.valid, loaded.broken], [false, true], name);
    assertStringIncludes(issueText(loaded.issues[0]!), place, name);
    const error = await assertRejects(
      () => loadServerConfig(state.paths, state.env),
      OpenclawError,
    );
    assertEquals([error.code, error.exitCode], ["CONFIG_INVALID", 78], name);
    assertStringIncludes(error.message, place);
    assertEquals(
      await Deno.readFile(state.paths.configFile),
      content as Uint8Array<ArrayBuffer>,
      name,
    );
  }
});

Deno.test("F06: the hint for a broken file is the command that brings back the last good version", async () => {
  await using state = await tempState({}, "{gateway: {port: 1");
  const hint = async () => (await state.load()).repairHint;
  assertEquals(await hint(), "openclaw config validate");
  await Deno.writeTextFile(state.paths.configBackupFile, "{broken", { mode: 0o600 });
  assertEquals(await hint(), "openclaw config validate");
  await Deno.writeTextFile(state.paths.configBackupFile, "{gateway: {port: 1}}", { mode: 0o600 });
  const { configFile } = state.paths;
  assertStringIncludes(await hint(), `cp "${configFile}.bak" "${configFile}"`);
});

Deno.test("a replacement character that is really in the file is no bad UTF-8", async () => {
  await using state = await tempState({}, '{ui: {name: "\ufffd"}}');
  assertEquals((await state.load()).valid, true);
});

Deno.test("F07: unknown keys in our objects warn with a suggestion and are no error", async () => {
  await using state = await tempState({}, "{gateway: {bogus: 1, prt: 2}, gatway: {}}");
  const loaded = await state.load();
  assertEquals(loaded.valid, true);
  assertEquals(loaded.warnings.map(issueText), [
    'gateway: Unrecognized key: "bogus"',
    'gateway: Unrecognized key: "prt" (did you mean "port"?)',
    'Unrecognized key: "gatway" (did you mean "gateway"?)',
  ]);
});

Deno.test("keys of the wider product are neither judged nor warned about", async () => {
  await using state = await tempState(
    {},
    `{agents: {defaults: {x: "\${NOT_SET}"}, list: [{id: "a", anything: {b: 1}}]}, channels: 5, meta: {},
      plugins: [], session: null, gateway: {push: {}, roles: 1}, browser: {profiles: {}}, tools: {web: {}}}`,
  );
  const loaded = await state.load();
  assertEquals([loaded.issues, loaded.warnings], [[], []]);
});

Deno.test("readConfig() words enum, type and range problems as the reference does", () => {
  assertEquals(issuesOf({ gateway: { port: "abc" } }), [
    "gateway.port: Invalid input: expected number, received string",
  ]);
  assertEquals(issuesOf({ gateway: { mode: "x" } }), [
    'gateway.mode: Invalid input (allowed: "local", "remote")',
  ]);
  assertEquals(issuesOf({ gateway: { port: 70000 } }), [
    "gateway.port: Invalid input: must be <= 65535",
  ]);
  assertEquals(issuesOf({ gateway: { port: 1.5 } }), [
    "gateway.port: Invalid input: must be integer",
  ]);
  assertEquals(issuesOf({ gateway: [] }), [
    "gateway: Invalid input: expected object, received array",
  ]);
  assertEquals(issuesOf({ gateway: { trustedProxies: ["a", 1] } }), [
    "gateway.trustedProxies.1: Invalid input: expected string, received number",
  ]);
  assertEquals(issuesOf({ gateway: { auth: { token: 5 } } }), [
    "gateway.auth.token: Invalid input: expected text or a secret reference",
  ]);
  assertEquals(issuesOf({ tools: { exec: { security: "x" } } }), [
    'tools.exec.security: Invalid input (allowed: "deny", "allowlist", "full")',
  ]);
});

Deno.test("N17: keys named after prototypes are plain keys in maps and reach nothing", () => {
  const { config } = readConfig({
    secrets: { providers: JSON.parse('{"constructor": {"source": "env"}}') },
  });
  const providers = new Map(Object.entries(config.secrets.providers));
  assertEquals(providers.get("constructor")?.source, "env");
  assertEquals(readConfig({}).config.secrets.providers.toString, undefined);
});

Deno.test("N17: a key given twice in our objects is refused with both lines", async () => {
  await using state = await tempState(
    {},
    '{\n gateway: {\n  auth: {mode: "token"},\n  auth: {mode: "none"}\n }, agents: {a: 1, a: 2}\n}',
  );
  const loaded = await state.load();
  assertEquals(loaded.issues.map(issueText), [
    'gateway: Key "auth" is given twice, on lines 3 and 4',
  ]);
});

Deno.test("$include is refused, not skipped", async () => {
  await using state = await tempState({}, '{"$include": "./auth.json"}');
  assertStringIncludes(issueText((await state.load()).issues[0]!), "$include is not supported");
});

Deno.test("${NAME} is filled in; unresolved it is an error, and in a credential unset", async () => {
  const text =
    '{gateway: {customBindHost: "${HOST}", remote: {url: "ws://${HOST}:1", sshTarget: "${NOPE}"},' +
    ' auth: {token: "${MISSING_TOKEN}", password: "pre-${NOPE}"}, trustedProxies: ["$${HOST}"]}}';
  await using state = await tempState({ HOST: "10.0.0.1" }, text);
  const loaded = await state.load();
  assertEquals(loaded.config.gateway.customBindHost, "10.0.0.1");
  assertEquals(loaded.config.gateway.remote.url, "ws://10.0.0.1:1");
  assertEquals(loaded.config.gateway.trustedProxies, ["${HOST}"], "an escaped placeholder is text");
  assertEquals(loaded.issues.map(issueText), [
    "gateway.remote.sshTarget: Environment variable NOPE is not set",
  ]);
  assertEquals(loaded.config.gateway.auth.password, undefined);
  assert(
    loaded.config.gateway.auth.token?.kind === "ref" &&
      loaded.config.gateway.auth.token.placeholder,
  );
  assertEquals(loaded.raw, text, "the text itself is untouched");
});

Deno.test("the redaction placeholder as a credential is an error", async () => {
  await using state = await tempState({}, '{gateway: {auth: {token: "__OPENCLAW_REDACTED__"}}}');
  assertStringIncludes(issueText((await state.load()).issues[0]!), "not a secret");
});

Deno.test(
  "N40: a file readable by others is tightened and said so",
  { ignore: !posix },
  async () => {
    await using state = await tempState({}, "{}");
    await Deno.chmod(state.paths.configFile, 0o644);
    const loaded = await state.load();
    assertStringIncludes(issueText(loaded.warnings[0]!), "was readable by others");
    assertEquals((await Deno.stat(state.paths.configFile)).mode! & 0o777, 0o600);
  },
);

Deno.test("N40: a file writable by others is refused", { ignore: !posix }, async () => {
  await using state = await tempState({}, "{}");
  await Deno.chmod(state.paths.configFile, 0o666);
  await assertRejects(() => state.load(), OpenclawError);
  const error = await assertRejects(() => loadServerConfig(state.paths, state.env), OpenclawError);
  assertEquals(error.exitCode, 78);
});

Deno.test("N40: a file of another user is refused", {
  ignore: !posix || Deno.uid() !== 0,
}, async () => {
  await using state = await tempState({}, "{}");
  await Deno.chown(state.paths.configFile, 12345, 12345);
  const error = await assertRejects(() => state.load(), OpenclawError);
  assertEquals(error.code, "FILE_UNSAFE");
});

Deno.test("N40: a FIFO is refused without waiting for a writer", { ignore: !posix }, async () => {
  await using state = await tempState();
  await new Deno.Command("mkfifo", { args: [state.paths.configFile] }).output();
  await assertRejects(() => state.load(), OpenclawError);
});

Deno.test("decision 29: a link of ours is followed, a link to a file of others is not", {
  ignore: !posix,
}, async () => {
  await using state = await tempState();
  const target = inside(state, "dotfiles.json");
  await Deno.writeTextFile(target, "{gateway: {port: 1234}}", { mode: 0o600 });
  await Deno.symlink(target, state.paths.configFile);
  assertEquals((await state.load()).config.gateway.port, 1234);
  if (Deno.uid() !== 0) {
    await Deno.remove(state.paths.configFile);
    await Deno.symlink("/etc/hostname", state.paths.configFile);
    await assertRejects(() => state.load(), OpenclawError);
  }
});

Deno.test("requireValid() lets read-only commands go on with wrong values, not with a broken text", async () => {
  await using state = await tempState({}, "{gateway: {port: 'x', bind: 'lan'}}");
  const loaded = await state.load();
  assertEquals(requireValid(loaded, { readable: true }).config.gateway.bind, "lan");
  assertEquals(loaded.config.gateway.port, 18789);
  await assertRejects(async () => requireValid(await state.load()), OpenclawError, "gateway.port");
});

Deno.test("two profiles of one host do not see each other", async () => {
  await using one = await tempState({ OPENCLAW_PROFILE: "one" }, "{gateway: {port: 1001}}");
  const { statePaths } = await import("../../../src/config/paths.ts");
  const two = statePaths({ ...one.env, OPENCLAW_PROFILE: "two" });
  assertEquals((await loadConfig(two, one.env)).exists, false);
  assertEquals((await one.load()).config.gateway.port, 1001);
});

Deno.test("a reference to a provider that is not there is told by validate, and is no error", async () => {
  const secrets = `{providers: {files: {source: "file", path: "/x"}}, defaults: {exec: "files"}}`;
  const rows: [string, string | undefined][] = [
    ['{source: "env", id: "X"}', undefined],
    ['"${X}"', undefined],
    ['{source: "file", provider: "files", id: "/x"}', undefined],
    ['{source: "file", provider: "vault", id: "/x"}', "secrets.providers.vault is not configured"],
    ['{source: "file", id: "/x"}', "secrets.providers.default is not configured"],
    ['{source: "exec", id: "x"}', "secrets.providers.files is a provider of file, not of exec"],
    ['{source: "env", provider: "toString", id: "X"}', undefined],
  ];
  for (const [token, warning] of rows) {
    await using state = await tempState(
      {},
      `{gateway: {remote: {token: ${token}}}, secrets: ${secrets}}`,
    );
    const { warnings, issues } = await state.load();
    const refused = token.includes("toString"); // an alias is in lower case
    assertEquals(issues.length, refused ? 1 : 0, token);
    assertEquals(
      warnings.map(issueText),
      warning === undefined ? [] : [`gateway.remote.token: ${warning}`],
    );
  }
});
