/** `config.*` of a running gateway, through a real connection (gateway-protocol.md 11.2). */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { loadConfig, type LoadedConfig } from "../../src/config/file/load.ts";
import { openWorld, type ScriptedPeer, TOKEN } from "../gateway/world.ts";

const CONFIG = `// by hand
{ gateway: { bind: "loopback", auth: { mode: "token", token: "${TOKEN}" }, trustedProxies: [] } }
`;

interface Scene {
  readonly path: string;
  readonly session: ScriptedPeer;
  /** Connects with another token and gives the code of the refusal; `undefined` when let in. */
  guess(token: string): Promise<string | undefined>;
  /** Messages of the gateway's log file. */
  log(): Promise<string>;
  write(text: string): Promise<void>;
  read(): Promise<string>;
  load(): Promise<LoadedConfig>;
}

interface SceneOptions {
  readonly protocol?: 3 | 4;
  readonly scopes?: readonly string[];
}

/** Runs `use` against a gateway whose configuration is `CONFIG`. */
async function withGateway(options: SceneOptions, use: (scene: Scene) => Promise<void>) {
  await using world = await openWorld({ bind: "loopback", trustedProxies: [] });
  const path = world.paths.configFile;
  const write = (text: string) => Deno.writeTextFile(path, text);
  const session = await world.connect({
    scopes: options.scopes ?? ["operator.admin", "operator.read"],
    protocol: options.protocol ?? 4,
    key: 7,
  });
  session.expectHello();
  await write(CONFIG);
  await session.event("config.changed");
  await use({
    path,
    session,
    write,
    guess: async (token) => (await world.connect({ token })).hello.error?.details?.code,
    log: () => Deno.readTextFile(`${world.paths.logsDir}/gateway.log`),
    read: () => Deno.readTextFile(path),
    load: () => loadConfig(world.paths, {}),
  });
}

// deno-lint-ignore no-explicit-any
type Answer = any;

const refused = (session: ScriptedPeer, method: string, params: unknown): Promise<Answer> =>
  session.refusal(method, params);

Deno.test("config.get redacts every copy and gives an opaque revision", async () => {
  await withGateway({}, async ({ session, ...state }) => {
    const got: Answer = await session.call("config.get", {});
    assert(!JSON.stringify(got).includes(TOKEN));
    assertEquals([got.path, got.exists, got.valid], [state.path, true, true]);
    assertEquals(got.config.gateway.auth.token, "__OPENCLAW_REDACTED__");
    assertStringIncludes(got.raw, "// by hand");
    assertMatch(got.hash, /^hmac-sha256:v1:[A-Za-z0-9_-]{43}$/);
    assertEquals([got.configRevisionHash, got.appliedConfigHash], [got.hash, got.hash]);
    assertEquals([got.issues, got.warnings, got.legacyIssues, got.includedPaths], [[], [], [], []]);
  });
});

Deno.test("config.patch needs the revision for keys of ours, applies hot and tells every reader", async () => {
  await withGateway({}, async ({ session, ...state }) => {
    const raw = '{"gateway":{"nodes":{"commands":{"deny":["camera.clip"]}}}}';
    const error = await refused(session, "config.patch", { raw });
    assertEquals(
      error.message,
      "config base hash required for gateway.nodes.commands.deny; re-run config.get and retry with baseHash",
    );
    const { hash }: Answer = await session.call("config.get", {});
    const done: Answer = await session.call("config.patch", { raw, baseHash: hash });
    assertEquals([done.ok, done.changedPaths], [true, ["gateway.nodes.commands.deny"]]);
    assertEquals(done.sentinel.payload.stats.requiresRestart, false);
    assert(!JSON.stringify(done).includes(TOKEN));
    const changed: Answer = await session.event("config.changed");
    assertEquals([changed.path, changed.hash], [state.path, done.hash]);
    assertStringIncludes(await state.read(), "// by hand");
    assertEquals((await state.load()).config.gateway.nodes.commands.deny, ["camera.clip"]);
    const stale = await refused(session, "config.set", { raw: "{}", baseHash: hash });
    assertEquals(stale.message, "config changed since last load; re-run config.get and retry");
  });
});

Deno.test("config.patch of a foreign key needs no revision; a restart is announced when one is needed", async () => {
  await withGateway({}, async ({ session }) => {
    const done: Answer = await session.call("config.patch", { raw: "{session: {idle: 5}}" });
    assertEquals(done.changedPaths, ["session.idle"]);
    const port: Answer = await session.call("config.patch", {
      raw: "{gateway: {controlUi: {basePath: '/x'}}}",
      baseHash: done.hash,
    });
    assertEquals(port.sentinel.payload.stats.requiresRestart, true);
    assertStringIncludes(port.sentinel.payload.message, "gateway.controlUi.basePath");
  });
});

Deno.test("an invalid change is refused with its issues and nothing is written", async () => {
  await withGateway({}, async ({ session, ...state }) => {
    const { hash }: Answer = await session.call("config.get", {});
    const problem = "Invalid input: expected number, received string";
    const error = await refused(session, "config.patch", {
      raw: '{"gateway":{"port":"abc"}}',
      baseHash: hash,
    });
    assertEquals(error.message, `invalid config: gateway.port: ${problem}`);
    assertEquals(error.details?.issues, [{ path: "gateway.port", message: problem }]);
    for (const raw of ["{gateway: {bogus: 1}}", "{", "[]", '{"__proto__": {"x": 1}}']) {
      const other = await refused(session, "config.patch", { raw, baseHash: hash });
      assert(other.message.startsWith("invalid config: "), other.message);
    }
    assertEquals(await state.read(), CONFIG);
  });
});

Deno.test("the placeholder in config.set and config.apply keeps the current secret", async () => {
  await withGateway({}, async ({ session, ...state }) => {
    const { hash, raw }: Answer = await session.call("config.get", {});
    const changed = raw.replace("trustedProxies: []", "trustedProxies: ['10.0.0.1']");
    const set: Answer = await session.call("config.set", { raw: changed, baseHash: hash });
    assertEquals(set.config.gateway.auth.token, "__OPENCLAW_REDACTED__");
    const { parsed }: Answer = await state.load();
    assertEquals([parsed.gateway.auth.token, parsed.gateway.trustedProxies], [TOKEN, ["10.0.0.1"]]);
    const nothing = '{gateway: {remote: {token: "__OPENCLAW_REDACTED__"}}}';
    const error = await refused(session, "config.apply", { raw: nothing, baseHash: set.hash });
    assertStringIncludes(error.message, "stands for no current value");
  });
});

Deno.test("N45: programs and what they get are changed in the file only", async () => {
  await withGateway({}, async ({ session, ...state }) => {
    const { hash }: Answer = await session.call("config.get", {});
    for (
      const raw of [
        "{secrets: {providers: {x: {source: 'exec', command: '/tmp/evil'}}}}",
        "{secrets: {providers: {}}}",
        "{gateway: {remote: {sshIdentity: '/tmp/evil'}}}",
        "{gateway: {nodes: {pairing: {sshVerify: true}}}}",
        "{tools: {exec: {safeBins: ['bash']}}}",
        "{nodeHost: {env: {pass: ['LD_PRELOAD']}}}",
        "{mcp: {servers: {x: {command: '/tmp/evil'}}}}",
        "{hooks: {internal: {x: 1}}}",
        "{plugins: {load: {paths: ['/tmp/evil']}}}",
        "{env: {vars: {LD_PRELOAD: '/tmp/evil'}}}",
        "{browser: {executablePath: '/tmp/evil'}}",
        "{agents: {defaults: {cliBackends: {x: {command: '/tmp/evil'}}}}}",
      ]
    ) {
      const error = await refused(session, "config.patch", { raw, baseHash: hash });
      assertStringIncludes(error.message, "change it in the file on the gateway host", raw);
    }
    assertEquals(await state.read(), CONFIG);
  });
});

Deno.test("N45: config writes need operator.admin, reads operator.read", async () => {
  await withGateway({ scopes: ["operator.read"] }, async ({ session }) => {
    for (const method of ["config.set", "config.patch", "config.apply"]) {
      assertEquals(
        (await refused(session, method, { raw: "{}" })).message,
        "missing scope: operator.admin",
      );
    }
    await session.call("config.get", {});
  });
});

Deno.test("protocol 3: hex revision, always required, three writes a minute", async () => {
  await withGateway({ protocol: 3 }, async ({ session }) => {
    const got: Answer = await session.call("config.get", {});
    assertMatch(got.hash, /^[0-9a-f]{64}$/);
    assertEquals(got.configRevisionHash, undefined);
    const raw = "{session: {idle: 5}}";
    const missing = await refused(session, "config.patch", { raw });
    assertEquals(missing.message, "config base hash required; re-run config.get and retry");
    await session.call("config.patch", { raw, baseHash: got.hash });
    await refused(session, "config.patch", { raw, baseHash: got.hash });
    const limited = await refused(session, "config.patch", { raw, baseHash: got.hash });
    assertMatch(limited.message, /^rate limit exceeded for config\.patch; retry after \d+s$/);
    assertEquals([limited.code, limited.retryable], ["UNAVAILABLE", true]);
    assertEquals(limited.details, { method: "config.patch", limit: "3 per 60s" });
  });
});

Deno.test("config.schema and config.schema.lookup describe the keys", async () => {
  await withGateway({}, async ({ session }) => {
    const all: Answer = await session.call("config.schema", {});
    assertEquals(all.schema.properties.gateway.properties.port.default, 18789);
    assertEquals(all.uiHints["gateway.auth.token"].sensitive, true);
    const one: Answer = await session.call("config.schema.lookup", {
      path: "gateway.auth.mode",
    });
    assertEquals([one.path, one.hintPath, one.children], [
      "gateway.auth.mode",
      "gateway.auth.mode",
      [],
    ]);
    const none = await refused(session, "config.schema.lookup", { path: "gateway.nothing" });
    assertEquals(none.message, "config schema path not found");
  });
});

Deno.test("F09: a hand edit takes force and is announced; a broken one changes nothing", async () => {
  await withGateway({}, async ({ session, ...state }) => {
    await state.write(CONFIG.replace("trustedProxies: []", "trustedProxies: ['10.9.9.9']"));
    await session.event("config.changed");
    const good: Answer = await session.call("config.get", {});
    assertEquals(good.runtimeConfig.gateway.trustedProxies, ["10.9.9.9"]);
    await state.write("{gateway: {auth: {mode: 'none'");
    const broken: Answer = await session.call("config.get", {});
    assertEquals([broken.valid, broken.raw], [false, null]);
    assertEquals(broken.runtimeConfig.gateway.trustedProxies, ["10.9.9.9"]);
  });
});

Deno.test("a changed rate limit is in force at once; a changed token lets the new one in", async () => {
  await withGateway({}, async ({ session, guess }) => {
    const { hash }: Answer = await session.call("config.get");
    const limits =
      "{gateway: {auth: {rateLimit: {maxAttempts: 2, exemptLoopback: false, lockoutMs: 60000}}}}";
    const limited: Answer = await session.call("config.patch", { raw: limits, baseHash: hash });
    await session.event("config.changed");
    assertEquals(await guess("wrong-1"), "AUTH_TOKEN_MISMATCH");
    assertEquals(await guess("wrong-2"), "AUTH_TOKEN_MISMATCH");
    assertEquals(await guess(TOKEN), "AUTH_RATE_LIMITED");
    const off =
      "{gateway: {auth: {token: 'new-token-0123456789', rateLimit: {exemptLoopback: true}}}}";
    await session.call("config.patch", { raw: off, baseHash: limited.hash });
    assertEquals(await guess("new-token-0123456789"), undefined);
    assertEquals(await guess(TOKEN), "AUTH_TOKEN_MISMATCH");
  });
});

Deno.test("a reload says which changes need a restart", async () => {
  await withGateway({}, async ({ session, write, log }) => {
    await write(
      CONFIG.replace(
        "trustedProxies: []",
        "controlUi: {basePath: '/x'}, trustedProxies: ['10.0.0.1']",
      ),
    );
    await session.event("config.changed");
    const lines = await log();
    assertStringIncludes(lines, "restart the gateway to apply the rest");
    assertStringIncludes(lines, '"keys":"gateway.controlUi.basePath"');
    assert(!lines.includes(TOKEN));
  });
});
