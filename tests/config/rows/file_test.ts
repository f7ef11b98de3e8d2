/**
 * config-and-credentials.md 1, the tables of files and of validation messages, and the rules of the file's format. Modes
 * are looked at where real programs made the files, with a umask that would let everybody in.
 */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { ConfigReader } from "../../../src/node/files/policy_config.ts";
import { createLogger } from "../../../src/lib/log.ts";
import { cli } from "../../cli/support.ts";
import { command, freePort, Running, TempHome } from "../../e2e/program.ts";
import { inside, tempState } from "../temp_state.ts";

const posix = Deno.build.os !== "windows";

/** Files below the state directory and what may be done with them. */
async function modes(dir: string, path = ""): Promise<Record<string, string>> {
  const out: Record<string, string> = {};
  for await (const entry of Deno.readDir(join(dir, path))) {
    const name = join(path, entry.name);
    // A temporary file is gone as soon as it is renamed.
    const info = await Deno.lstat(join(dir, name)).catch(() => undefined);
    if (!info) continue;
    out[name] = ((info.mode ?? 0) & 0o777).toString(8);
    if (entry.isDirectory) Object.assign(out, await modes(dir, name));
  }
  return out;
}

/** Starts a program of ours under umask 0. */
function startOpen(words: readonly string[], env: Record<string, string>): Running {
  const { file, args } = command(words);
  const child = new Deno.Command("sh", {
    args: ["-c", 'umask 0; exec "$0" "$@"', file, ...args],
    env,
    clearEnv: true,
    detached: true,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  return new Running(child);
}

/** Rows: the files that must be there, by name below the state directory. */
const FILES: Readonly<Record<string, readonly string[]>> = {
  "openclaw.json 0600": ["openclaw.json"],
  "openclaw.json.bak 0600": ["openclaw.json.bak"],
  "gateway/tls/gateway-cert.pem, gateway-key.pem 0600": [
    "gateway/tls/gateway-cert.pem",
    "gateway/tls/gateway-key.pem",
  ],
  "node.json, exec-approvals.json, identity/*.json 0600": [
    "node.json",
    "exec-approvals.json",
    "identity/device.json",
  ],
  // Decision 25: the pairing stores of the reference are one database here.
  "devices/*, nodes/* 0600": ["gateway/gateway.sqlite"],
};

Deno.test("section 1 files: modes whatever the umask", { ignore: !posix }, async (t) => {
  await using home = await TempHome.make();
  const env = home.env("state", { OPENCLAW_GATEWAY_PORT: String(freePort()) });
  const state = env.OPENCLAW_STATE_DIR as string;
  const set = ["config", "set", "gateway.controlUi.enabled"];
  for (
    const words of [[...set, "false"], [...set, "true"], [
      "approvals",
      "allowlist",
      "add",
      "/bin/x",
    ]]
  ) {
    await using first = startOpen(words, env);
    assertEquals((await first.status).code, 0, first.said);
  }
  await using gateway = startOpen(["gateway", "run", "--tls"], env);
  await gateway.until(/ready/);
  const pin = gateway.said.match(/[0-9a-f]{64}/)?.[0] as string;
  const port = env.OPENCLAW_GATEWAY_PORT as string;
  await using node = startOpen(
    ["node", "run", "--host", "127.0.0.1", "--port", port, "--tls-fingerprint", pin],
    env,
  );
  await node.until(/pairing required/);
  const found = await modes(state);
  await t.step("State dir 0700", async () => {
    assertEquals(((await Deno.stat(state)).mode ?? 0) & 0o777, 0o700);
  });
  for (const [row, names] of Object.entries(FILES)) {
    await t.step(row, () => {
      for (const name of names) {
        assertEquals(found[name], "600", `${name} of ${JSON.stringify(found)}`);
      }
    });
  }
  await t.step("logs/ 0700", () => assertEquals(found.logs, "700"));
  await t.step("and nothing else that others could read", () => {
    const open = Object.entries(found).filter(([, mode]) => !/^[4-7]00$/.test(mode));
    assertEquals(open, []);
  });
  await gateway.end();
  await node.end();
});

Deno.test("section 1 rule: what was open before is closed at the next start, and said", {
  ignore: !posix,
}, async () => {
  await using home = await TempHome.make();
  const env = home.env("state", { OPENCLAW_GATEWAY_PORT: String(freePort()) });
  const state = env.OPENCLAW_STATE_DIR as string;
  await Deno.mkdir(state, { mode: 0o755 });
  await Deno.chmod(state, 0o755);
  await Deno.writeTextFile(`${state}/openclaw.json`, "{}", { mode: 0o644 });
  await Deno.chmod(`${state}/openclaw.json`, 0o644);
  await using gateway = startOpen(["gateway", "run"], env);
  await gateway.until(/ready/);
  const found = await modes(state);
  assertEquals(((await Deno.stat(state)).mode ?? 0) & 0o777, 0o700);
  assertEquals(found["openclaw.json"], "600");
  assertMatch(gateway.said, /openclaw\.json was readable by others; its mode is 0600 now/);
  assertMatch(gateway.said, /\/state was open to others; its mode is 0700 now/);
  await gateway.end();
});

/** Message behind `Config validation failed: `, and a change that gives it. */
const MESSAGES: Readonly<Record<string, readonly [words: string[], message: string]>> = {
  '<path>: Unrecognized key: "<k>"': [
    ["gateway.bogus", "1"],
    'gateway: Unrecognized key: "bogus"',
  ],
  '<path>: Invalid input (allowed: "a", "b")': [
    ["gateway.mode", "x"],
    'gateway.mode: Invalid input (allowed: "local", "remote")',
  ],
  "<path>: Invalid input: expected number, received string": [
    ["gateway.port", "abc"],
    "gateway.port: Invalid input: expected number, received string",
  ],
};

for (const [shape, [words, message]] of Object.entries(MESSAGES)) {
  Deno.test(`section 1 message ${shape}`, async () => {
    await using state = await tempState({}, "{}");
    const env = { ...state.env } as Record<string, string>;
    const { code, stderr } = await cli(["config", "set", ...words], { env });
    assertEquals([code, stderr.split("\n")[0]], [1, `error: Config validation failed: ${message}`]);
  });
}

/** The format: a text, and what becomes of it: `port`, a warning, or the first problem. */
const FORMATS: Readonly<Record<string, readonly [text: string, said: number | string]>> = {
  "comments": ["// a\n{/* b */ gateway: {port: 7} // c\n}", 7],
  "trailing commas": ["{gateway: {port: 7,},}", 7],
  "single quotes": ["{'gateway': {'port': 7}}", 7],
  "keys without quotes": ["{gateway: {port: 7}}", 7],
  "numbers of JSON5": ["{gateway: {port: +0x7}}", 7],
  "continued lines": ["{gateway: {port: 7, customBindHost: '10.\\\n0.0.1'}}", 7],
  "an empty file": ["", "Unexpected end of file"],
  "$include": ['{"$include": "./x"}', "$include is not supported"],
  "${NAME} set": ['{gateway: {port: 7, customBindHost: "${HOST}"}}', 7],
  "${NAME} not set, not a credential": [
    '{gateway: {customBindHost: "${NOPE}"}}',
    "Environment variable NOPE is not set",
  ],
  "${NAME} not set, a credential": ['{gateway: {port: 7, auth: {token: "${NOPE}"}}}', 7],
  "${NAME} in keys of the wider product": ['{gateway: {port: 7}, channels: {x: "${NOPE}"}}', 7],
};

for (const [name, [text, said]] of Object.entries(FORMATS)) {
  Deno.test(`section 1 format: ${name}`, async () => {
    await using state = await tempState({ HOST: "10.0.0.1" }, text);
    const { config, issues } = await state.load();
    if (typeof said === "number") assertEquals([config.gateway.port, issues], [said, []]);
    else assertStringIncludes(issues[0]?.message ?? "", said);
  });
}

Deno.test("section 1 format: a missing file is an empty configuration", async () => {
  await using state = await tempState();
  const loaded = await state.load();
  assertEquals([loaded.exists, loaded.valid, loaded.parsed], [false, true, {}]);
});

const FOREIGN = ["agents", "channels", "plugins", "models", "session", "meta", "wizard"];

for (const key of FOREIGN) {
  Deno.test(`section 1 unknown keys: ${key} of the wider product is kept byte for byte and never judged`, async () => {
    const text =
      `{\n  ${key}: {x:  [1,2 ,], /* theirs */ 'y': "\${NOT_SET}"}, // kept\n  gateway: {port: 1},\n}\n`;
    await using state = await tempState({}, text);
    const env = { ...state.env } as Record<string, string>;
    assertEquals((await cli(["config", "set", "gateway.port", "2"], { env })).code, 0);
    assertEquals(await state.read(), text.replace("port: 1", "port: 2"));
    const { stdout, stderr } = await cli(["config", "validate"], { env });
    assertEquals([stdout, stderr], [`Config valid: ${state.paths.configFile}\n`, ""]);
  });
}

Deno.test("section 1 unknown keys: gateway run refuses an invalid file with 78, read-only commands go on", async () => {
  await using state = await tempState({}, "{gateway: {port: 'x', customBindHost: '10.0.0.1'}}");
  const env = { ...state.env } as Record<string, string>;
  const run = await cli(["gateway", "run"], { env });
  assertEquals(run.code, 78);
  assertStringIncludes(run.stderr, "gateway.port: Invalid input: expected number, received string");
  const get = await cli(["config", "get", "gateway.customBindHost"], { env });
  assertEquals([get.code, get.stdout], [0, "10.0.0.1\n"]);
});

Deno.test(
  "decision 29: a node follows the target of a linked configuration",
  { ignore: !posix },
  async () => {
    await using state = await tempState();
    const target = inside(state, "dotfiles.json");
    const write = (security: string) =>
      Deno.writeTextFile(target, JSON.stringify({ tools: { exec: { security } } }), {
        mode: 0o600,
      });
    await write("full");
    await Deno.symlink(target, state.paths.configFile);
    const log = createLogger({ subsystem: "test", sink: () => {} });
    const reader = new ConfigReader({ paths: state.paths, env: state.env, log });
    assertEquals((await reader.policy()).exec.security, "full");
    await write("deny");
    assertEquals((await reader.policy()).exec.security, "deny");
    assert(!(await Deno.lstat(state.paths.configFile)).isFile);
  },
);
