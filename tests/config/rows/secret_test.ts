/**
 * config-and-credentials.md 4, row by row: every way a provider fails, and the rules that nothing takes the place of a
 * reference without a value. Programs are real and count how often they are asked.
 */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { decideTarget, nodeCredentials } from "../../../src/config/credentials/target.ts";
import { judgeText } from "../../../src/config/file/load.ts";
import { loadServerPlan } from "../../../src/config/server/server_plan.ts";
import { OpenclawError } from "../../../src/lib/errors.ts";
import { Secret } from "../../../src/lib/secret.ts";
import { inside, type TempState, tempState } from "../temp_state.ts";

const posix = Deno.build.os !== "windows";
const root = posix && Deno.uid() === 0;

interface Scene {
  readonly state: TempState;
  /** A file with this content, mode 0600 unless told. */
  file(content: string, mode?: number): Promise<string>;
  /** A program that counts its calls. */
  program(body: string, mode?: number): Promise<string>;
  calls(): Promise<number>;
}

async function scene(state: TempState): Promise<Scene> {
  const counter = inside(state, "calls");
  await Deno.writeTextFile(counter, "");
  const file = async (content: string, mode = 0o600) => {
    const path = inside(state, `f-${crypto.randomUUID()}`);
    await Deno.writeTextFile(path, content);
    await Deno.chmod(path, mode);
    return path;
  };
  return {
    state,
    file,
    program: (body, mode = 0o700) => file(`#!/bin/sh\necho x >> ${counter}\n${body}\n`, mode),
    calls: async () => (await Deno.readTextFile(counter)).length / 2,
  };
}

type Provide = (scene: Scene) => Promise<Record<string, unknown>>;

/** A credential as configured, its provider, and why it has no value. */
interface Failure {
  readonly ref: Record<string, unknown>;
  readonly provider?: Provide;
  readonly env?: Record<string, string>;
  readonly reason: RegExp;
  readonly only?: boolean;
}

const env = (id = "SECRET", more = {}) => ({ source: "env", id, ...more });
const pointer = (id = "/a/b") => ({ source: "file", id });
const exec = { source: "exec", id: "db/main" };
const json = (content: string, mode?: number, more = {}): Provide => async (scene) => ({
  source: "file",
  path: await scene.file(content, mode),
  ...more,
});
const program = (body: string, more = {}): Provide => async (scene) => ({
  source: "exec",
  command: await scene.program(body),
  ...more,
});
const ANSWER = `echo '{"protocolVersion":1,"values":{"db/main":"topsecret"}}'`;

const FAILURES: Readonly<Record<string, Failure>> = {
  "env: not allowlisted": {
    ref: env(),
    provider: () => Promise.resolve({ source: "env", allowlist: ["OTHER"] }),
    env: { SECRET: "topsecret" },
    reason: /SECRET is not in the provider's allowlist/,
  },
  "env: unset": { ref: env(), reason: /SECRET is not set/ },
  "env: empty": { ref: env(), env: { SECRET: "" }, reason: /SECRET is not set/ },
  "env: blank": { ref: env(), env: { SECRET: "  " }, reason: /the value is empty/ },
  "env: an alias without an entry": {
    ref: env("SECRET", { provider: "vault" }),
    env: { SECRET: "topsecret" },
    reason: /secrets\.providers\.vault is not configured/,
  },
  "an alias of another source": {
    ref: pointer(),
    provider: () => Promise.resolve({ source: "env" }),
    reason: /is a provider of env, not of file/,
  },
  "file: not absolute": {
    ref: pointer(),
    provider: () => Promise.resolve({ source: "file", path: "secrets.json" }),
    reason: /is not absolute/,
  },
  "file: missing": {
    ref: pointer(),
    provider: () => Promise.resolve({ source: "file", path: "/nonexistent/s.json" }),
    reason: /does not exist/,
  },
  "file: not owned by us or root": {
    ref: pointer(),
    provider: async (scene) => {
      const path = await scene.file('{"a": {"b": "topsecret"}}');
      await Deno.chown(path, 12345, 12345);
      return { source: "file", path };
    },
    reason: /belongs to user 12345/,
    only: root,
  },
  "file: readable by a group": { ref: pointer(), provider: json("{}", 0o640), reason: /mode 0640/ },
  "file: readable by the world": {
    ref: pointer(),
    provider: json("{}", 0o604),
    reason: /mode 0604/,
  },
  "file: writable by a group": { ref: pointer(), provider: json("{}", 0o620), reason: /mode 0620/ },
  "file: writable by the world": {
    ref: pointer(),
    provider: json("{}", 0o602),
    reason: /mode 0602/,
  },
  "file: a symlink": {
    ref: pointer(),
    provider: async (scene) => {
      const path = await scene.file('{"a": {"b": "topsecret"}}');
      await Deno.symlink(path, `${path}-link`);
      return { source: "file", path: `${path}-link` };
    },
    reason: /is a symbolic link/,
  },
  "file: a FIFO": {
    ref: pointer(),
    provider: async (scene) => {
      const path = inside(scene.state, "fifo");
      await new Deno.Command("mkfifo", { args: ["-m", "600", path] }).output();
      return { source: "file", path, allowInsecurePath: true };
    },
    reason: /is no file/,
  },
  "file: no JSON": { ref: pointer(), provider: json("topsecret"), reason: /the file is not JSON/ },
  "file: no JSON object": {
    ref: pointer(),
    provider: json('["topsecret"]'),
    reason: /no JSON object/,
  },
  "file: pointer missing": {
    ref: pointer(),
    provider: json('{"a": {"c": "topsecret"}}'),
    reason: /the file has nothing at \/a\/b/,
  },
  "file: pointer to a prototype": {
    ref: pointer("/constructor/name"),
    provider: json("{}"),
    reason: /the file has nothing at/,
  },
  "file: not a string": { ref: pointer(), provider: json('{"a": {"b": 5}}'), reason: /is no text/ },
  "file: empty": {
    ref: pointer(),
    provider: json('{"a": {"b": ""}}'),
    reason: /the value is empty/,
  },
  "file: larger than maxBytes": {
    ref: pointer(),
    provider: json(`{"a": {"b": "${"x".repeat(100)}"}}`, 0o600, { maxBytes: 50 }),
    reason: /longer than 50 bytes/,
  },
  "file: another id than value in single-value mode": {
    ref: pointer(),
    provider: json("topsecret", 0o600, { mode: "singleValue" }),
    reason: /the id must be "value"/,
  },
  "file: not UTF-8": {
    ref: pointer("value"),
    provider: async (scene) => {
      const path = await scene.file("");
      await Deno.writeFile(path, new Uint8Array([0x74, 0x6f, 0xe9, 0x70]));
      return { source: "file", path, mode: "singleValue" };
    },
    reason: /is not UTF-8 text/,
  },
  "file: not UTF-8, where others may read it": {
    ref: pointer("value"),
    provider: async (scene) => {
      const path = await scene.file("", 0o644);
      await Deno.writeFile(path, new Uint8Array([0x74, 0x6f, 0xe9, 0x70]));
      return { source: "file", path, mode: "singleValue", allowInsecurePath: true };
    },
    reason: /is not UTF-8 text/,
  },
  "exec: not UTF-8": {
    ref: exec,
    provider: program("printf 'topsecret\\351x'", { jsonOnly: false }),
    reason: /the output is not UTF-8 text/,
  },
  "exec: cut off in the middle of a character": {
    ref: exec,
    provider: program("printf 'topsecret\\303'", { jsonOnly: false }),
    reason: /the output is not UTF-8 text/,
  },
  "exec: exit code": { ref: exec, provider: program(`${ANSWER}; exit 3`), reason: /exit code 3/ },
  "exec: killed": { ref: exec, provider: program("kill -9 $$"), reason: /SIGKILL/ },
  "exec: timeout": {
    ref: exec,
    provider: program(`${ANSWER}; exec sleep 60`, { timeoutMs: 150 }),
    reason: /no answer within 150 ms/,
  },
  "exec: silence": {
    ref: exec,
    provider: program("exec sleep 60", { timeoutMs: 20_000, noOutputTimeoutMs: 100 }),
    reason: /no output for 100 ms/,
  },
  "exec: no output": { ref: exec, provider: program("true"), reason: /wrote nothing/ },
  "exec: too much output": {
    ref: exec,
    provider: program("while :; do echo topsecret; done", { maxOutputBytes: 500 }),
    reason: /more than 500 bytes of output/,
  },
  "exec: too much on stderr": {
    ref: exec,
    provider: program("while :; do echo topsecret >&2; done", { maxOutputBytes: 500 }),
    reason: /more than 500 bytes of output/,
  },
  "exec: bad JSON": {
    ref: exec,
    provider: program("echo topsecret"),
    reason: /the answer is not JSON/,
  },
  "exec: wrong protocolVersion": {
    ref: exec,
    provider: program(`echo '{"protocolVersion":2,"values":{"db/main":"topsecret"}}'`),
    reason: /another protocolVersion than 1/,
  },
  "exec: id missing": {
    ref: exec,
    provider: program(`echo '{"protocolVersion":1,"values":{"other":"topsecret"}}'`),
    reason: /the answer does not have it/,
  },
  "exec: id of a prototype": {
    ref: { source: "exec", id: "constructor" },
    provider: program(`echo '{"protocolVersion":1,"values":{}}'`),
    reason: /the answer does not have it/,
  },
  "exec: an error for it": {
    ref: exec,
    provider: program(
      `echo '{"protocolVersion":1,"values":{},"errors":{"db/main":{"message":"topsecret"}}}'`,
    ),
    reason: /reports an error for it/,
  },
  "exec: not a string": {
    ref: exec,
    provider: program(`echo '{"protocolVersion":1,"values":{"db/main":["topsecret"]}}'`),
    reason: /empty or not text/,
  },
  "exec: command not absolute": {
    ref: exec,
    provider: () => Promise.resolve({ source: "exec", command: "helper" }),
    reason: /is not an absolute path/,
  },
  "exec: command missing": {
    ref: exec,
    provider: () => Promise.resolve({ source: "exec", command: "/nonexistent/helper" }),
    reason: /does not exist/,
  },
  "exec: command not executable": {
    ref: exec,
    provider: async (scene) => ({ source: "exec", command: await scene.program(ANSWER, 0o600) }),
    reason: /./,
  },
  "exec: command writable by others": {
    ref: exec,
    provider: async (scene) => ({ source: "exec", command: await scene.program(ANSWER, 0o702) }),
    reason: /others can write it/,
  },
  "exec: command is a link": {
    ref: exec,
    provider: async (scene) => {
      const path = await scene.program(ANSWER);
      await Deno.symlink(path, `${path}-link`);
      return { source: "exec", command: `${path}-link` };
    },
    reason: /is a symbolic link/,
  },
  "exec: command outside trustedDirs": {
    ref: exec,
    provider: program(ANSWER, { trustedDirs: ["/usr/lib"] }),
    reason: /in none of trustedDirs/,
  },
};

/** A configuration whose token is a reference, with the provider of its source. */
async function configOf({ ref, provider }: Pick<Failure, "ref" | "provider">, at: Scene) {
  const providers = provider ? { default: await provider(at) } : {};
  return { gateway: { auth: { token: ref } }, secrets: { providers } };
}

for (const [name, failure] of Object.entries(FAILURES)) {
  Deno.test(`section 4 row ${name}: no value, no other source, no word of the secret`, {
    ignore: !(failure.only ?? posix),
  }, async () => {
    await using state = await tempState(failure.env ?? {});
    const at = await scene(state);
    const config = await configOf(failure, at);
    const text = JSON.stringify({
      ...config,
      gateway: { ...config.gateway, remote: { token: "remote-token" } },
    });
    const loaded = await judgeText(state.paths.configFile, text, state.env);
    const { paths } = state;
    const ways = {
      "a command": () => decideTarget({ flags: {}, env: state.env, loaded, paths }),
      "a node": () => nodeCredentials({ env: state.env, loaded, savedDeviceToken: false }),
      "a gateway": () => loadServerPlan({ flags: {}, env: state.env, paths, loaded }),
    };
    for (const [way, go] of Object.entries(ways)) {
      const error = await assertRejects(go, OpenclawError);
      assertEquals(error.code, "GATEWAY_SECRET_REF_UNAVAILABLE", `${way}: ${error.message}`);
      assert(
        /^gateway\.auth\.token is a secret reference that is unavailable: /.test(error.message),
      );
      assert(failure.reason.test(error.message), error.message);
      assert(!`${error.message} ${error.hint}`.includes("topsecret"), error.message);
      assert(error.hint?.includes("openclaw config set gateway.auth.token"), error.hint);
      assertEquals(error.exitCode, way === "a gateway" ? 78 : 1);
    }
    assertEquals(state.paths.configFile, loaded.path);
    const left = await Deno.stat(state.paths.configFile).then(() => true, () => false);
    assertEquals(left, false, "no token was made in place of the reference");
  });
}

/** References that cannot win are not asked for: a counting program, and what is configured around it. */
const INACTIVE: Readonly<
  Record<string, {
    readonly gateway: (ref: unknown) => Record<string, unknown>;
    readonly env?: Record<string, string>;
    readonly token?: string;
  }>
> = {
  "the environment has a token": {
    gateway: (token) => ({ auth: { token } }),
    env: { OPENCLAW_GATEWAY_TOKEN: "env-token" },
  },
  "--token is given": { gateway: (token) => ({ auth: { token } }), token: "flag-token" },
  "a token reference under mode password": {
    gateway: (token) => ({ auth: { mode: "password", token, password: "pw" } }),
  },
  "a token reference under mode none": { gateway: (token) => ({ auth: { mode: "none", token } }) },
  "a token reference under mode trusted-proxy": {
    gateway: (token) => ({ auth: { mode: "trusted-proxy", token } }),
  },
  "a password reference under mode token": {
    gateway: (password) => ({ auth: { mode: "token", token: "t", password } }),
  },
  "a password reference under mode none": {
    gateway: (password) => ({ auth: { mode: "none", password } }),
  },
  "a reference of gateway.remote behind gateway.auth": {
    gateway: (token) => ({ auth: { token: "t" }, remote: { token } }),
  },
};

for (const [name, { gateway, env, token }] of Object.entries(INACTIVE)) {
  Deno.test(
    `section 4 rule: not asked for, and no error: ${name}`,
    { ignore: !posix },
    async () => {
      await using state = await tempState(env ?? {});
      const at = await scene(state);
      const command = await at.program("exit 9");
      const text = JSON.stringify({
        gateway: gateway(exec),
        secrets: { providers: { default: { source: "exec", command } } },
      });
      const loaded = await judgeText(state.paths.configFile, text, state.env);
      assertEquals(loaded.issues, []);
      const flags = token === undefined ? {} : { token: new Secret(token) };
      await decideTarget({ flags, env: state.env, loaded, paths: state.paths });
      assertEquals(await at.calls(), 0);
    },
  );
}

Deno.test(
  "section 4 rule: a strict probe of the remote warns and goes without, never with another",
  {
    ignore: !posix,
  },
  async () => {
    await using state = await tempState({ OPENCLAW_GATEWAY_TOKEN: "env-token" });
    const at = await scene(state);
    const command = await at.program("exit 9");
    const text = JSON.stringify({
      gateway: {
        mode: "remote",
        auth: { token: "local-token" },
        remote: { url: "wss://g.example:1", transport: "direct", token: exec },
      },
      secrets: { providers: { default: { source: "exec", command } } },
    });
    const loaded = await judgeText(state.paths.configFile, text, state.env);
    const { credentials } = await decideTarget({
      flags: {},
      env: state.env,
      loaded,
      paths: state.paths,
      probe: "remote",
    });
    assertEquals([credentials.token, credentials.password], [undefined, undefined]);
    assertEquals(credentials.unavailable.map(({ code, path }) => [code, path]), [
      ["auth_secretref_unresolved", "gateway.remote.token"],
    ]);
    assertEquals(await at.calls(), 1);
  },
);

Deno.test("section 4: the plain text ${NAME} is a reference to the environment", async () => {
  await using state = await tempState({ MY_TOKEN: "from-env" });
  const loaded = await judgeText(
    "/c",
    '{"gateway": {"auth": {"token": "${MY_TOKEN}"}}}',
    state.env,
  );
  const { credentials } = await decideTarget({
    flags: {},
    env: state.env,
    loaded,
    paths: state.paths,
  });
  assertEquals(credentials.token?.reveal(), "from-env");
});

Deno.test("section 4: aliases and ids: exactly the patterns of the table", () => {
  const rows: [unknown, boolean][] = [
    [env("A"), true],
    [env(`A${"B".repeat(127)}`), true],
    [env(`A${"B".repeat(128)}`), false],
    [env("a"), false],
    [env("1A"), false],
    [env("A-B"), false],
    [env("A", { provider: "a" }), true],
    [env("A", { provider: `a${"-".repeat(63)}` }), true],
    [env("A", { provider: `a${"-".repeat(64)}` }), false],
    [env("A", { provider: "1a" }), false],
    [env("A", { provider: "A" }), false],
    [env("A", { provider: "" }), false],
    [pointer("/"), true],
    [pointer("/a~0b~1c"), true],
    [pointer("/a~2"), false],
    [pointer("a"), false],
    [pointer("value"), true],
    [pointer(""), false],
    [{ source: "exec", id: "a" }, true],
    [{ source: "exec", id: `a${"b".repeat(255)}` }, true],
    [{ source: "exec", id: `a${"b".repeat(256)}` }, false],
    [{ source: "exec", id: "a.b:c/d-e_f" }, true],
    [{ source: "exec", id: "a/./b" }, false],
    [{ source: "exec", id: "a/.." }, false],
    [{ source: "exec", id: "-a" }, false],
    [{ source: "exec", id: "a b" }, false],
    [{ source: "exec", id: "a\n" }, false],
    [{ source: "vault", id: "a" }, false],
  ];
  return Promise.all(rows.map(async ([token, good]) => {
    const { issues } = await judgeText("/c", JSON.stringify({ gateway: { auth: { token } } }), {});
    assertEquals(issues.length === 0, good, JSON.stringify(token));
  })).then(() => {});
});
