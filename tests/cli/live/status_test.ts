/**
 * `status`, `gateway status` and `gateway probe` against gateways, no gateways and other things in this process: a
 * gateway that does not run, one that refuses, and something that is no gateway have different words.
 */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { probeTargets } from "../../../src/cli/connect/probe_targets.ts";
import type { Io } from "../../../src/cli/terminal/io.ts";
import { type TempState, tempState } from "../../config/temp_state.ts";
import { TOKEN, withGateway } from "../../support/gateway.ts";
import { freePort } from "../../e2e/program.ts";
import { httpAnswer } from "../../e2e/doctor/servers.ts";
import { cli } from "../support.ts";

const run = (state: TempState, args: string[], env: Record<string, string> = {}) =>
  cli(args, { env: { ...state.env as Record<string, string>, ...env }, columns: 400 });

interface StatusReport {
  readonly gateway: {
    readonly reach: string;
    readonly reachable: boolean;
    readonly code: string | null;
    readonly url: string | null;
    readonly authMethod: string | null;
  };
  readonly credentials: readonly string[];
  readonly secretDiagnostics: readonly string[];
}

async function status(state: TempState, env = {}, args: string[] = []): Promise<StatusReport> {
  const done = await run(state, ["status", "--json", ...args], env);
  assertEquals(done.code, 0, done.stderr);
  return JSON.parse(done.stdout);
}

const remoteConfig = (url: string, more: Record<string, unknown> = {}) =>
  JSON.stringify({ gateway: { mode: "remote", remote: { url, ...more } } });

Deno.test("status: a gateway that does not run is unreachable, and the hint starts it", async () => {
  await using state = await tempState({}, `{gateway: {port: ${freePort()}}}`);
  const { gateway } = await status(state);
  assertEquals([gateway.reach, gateway.reachable, gateway.code], [
    "unreachable",
    false,
    "CONNECTION_REFUSED",
  ]);
  const { stdout, stderr } = await run(state, ["status"]);
  assertMatch(stdout, /Gateway +│ local .* unreachable \(connection refused/);
  assertStringIncludes(stderr, "hint: openclaw gateway run");
});

Deno.test("status: a gateway that refuses was reached; another device with a wrong token", () =>
  withGateway(async ({ url }) => {
    await using state = await tempState({}, remoteConfig(url, { token: "wrong" }));
    const { gateway } = await status(state);
    assertEquals([gateway.reach, gateway.reachable, gateway.code], [
      "refused",
      false,
      "AUTH_TOKEN_MISMATCH",
    ]);
    const { stdout } = await run(state, ["status"]);
    assertMatch(stdout, /reached, but refused \(unauthorized: /);
  }));

Deno.test("status: a web server is not a gateway, and not unreachable either", async () => {
  await using server = httpAnswer("404 Not Found");
  const url = `ws://127.0.0.1:${server.port}`;
  await using state = await tempState({}, remoteConfig(url, { token: "t" }));
  assertEquals((await status(state)).gateway.reach, "no session");
  assertStringIncludes((await run(state, ["status"])).stdout, "something answers, but no session");
});

Deno.test("status: what may not be sent is not tried", async () => {
  await using state = await tempState({}, remoteConfig("ws://gateway.example:1", { token: "t" }));
  assertEquals((await status(state)).gateway.reach, "not tried");
  const { gateway } = await status(state, {}, ["--url", "ws://127.0.0.1:9"]);
  assertEquals([gateway.reach, gateway.code], ["not tried", "GATEWAY_URL_CREDENTIALS_MISSING"]);
});

Deno.test("status: a session names the way in, and when it was not the configured token", () =>
  withGateway(async ({ gateway, state }) => {
    const here = { OPENCLAW_GATEWAY_PORT: String(gateway.port) };
    const right = { ...here, OPENCLAW_GATEWAY_TOKEN: TOKEN };
    const first = await status(state, right);
    assertEquals([first.gateway.reach, first.gateway.authMethod], ["reachable", "token"]);
    assertEquals(first.credentials, ["OPENCLAW_GATEWAY_TOKEN is used"]);
    const wrong = await status(state, { ...here, OPENCLAW_GATEWAY_TOKEN: "wrong" });
    assertEquals(wrong.gateway.authMethod, "device-token");
    assertEquals(wrong.credentials, [
      "OPENCLAW_GATEWAY_TOKEN was refused; this machine's device token let it in",
    ]);
    const without = await status(state, here);
    assertEquals(without.credentials, ["this machine's device token let it in"]);
  }));

Deno.test("5.3: status of a remote gateway sends it no secret of the environment, and says who would", () =>
  withGateway(async ({ url }) => {
    await using state = await tempState({ OPENCLAW_GATEWAY_TOKEN: TOKEN }, remoteConfig(url));
    const { gateway, credentials } = await status(state);
    assertEquals([gateway.reach, gateway.code], ["refused", "AUTH_TOKEN_MISSING"]);
    assertEquals(credentials, [
      "none",
      "OPENCLAW_GATEWAY_TOKEN is ignored: only the remote gateway's own credentials are sent to it",
      "OPENCLAW_GATEWAY_TOKEN is used by other commands",
    ]);
  }));

Deno.test("section 4: a reference without a value is told by path; status goes on without it", () =>
  withGateway(async ({ url }) => {
    const token = { source: "env", provider: "default", id: "NOPE_TOKEN" };
    await using state = await tempState(
      { OPENCLAW_GATEWAY_TOKEN: TOKEN },
      remoteConfig(url, { token }),
    );
    const { gateway, credentials, secretDiagnostics } = await status(state);
    assertEquals(gateway.code, "AUTH_TOKEN_MISSING");
    assertEquals(secretDiagnostics.length, 1);
    assertMatch(secretDiagnostics[0] ?? "", /^gateway\.remote\.token: .*NOPE_TOKEN/);
    assertEquals(credentials[0], "gateway.remote.token has no value now");
  }));

Deno.test("status --all: the last log lines, no secret, whatever was logged", async () => {
  const config = { gateway: { port: freePort(), auth: { token: "tok-in-the-file-1" } } };
  await using state = await tempState(
    { OPENCLAW_GATEWAY_PASSWORD: "pw-in-the-env-2" },
    JSON.stringify(config),
  );
  await Deno.mkdir(state.paths.logsDir, { recursive: true });
  const lines = Array.from({ length: 40 }, (_, n) =>
    JSON.stringify({
      time: "2026-01-01T00:00:00Z",
      level: "info",
      subsystem: "gateway",
      message: `line ${n}`,
      seen: "tok-in-the-file-1 pw-in-the-env-2 \u001b[31m",
    }));
  await Deno.writeTextFile(join(state.paths.logsDir, "gateway.log"), lines.join("\n") + "\n");
  const { code, stdout } = await run(state, ["status", "--all"]);
  assertEquals(code, 0);
  for (const item of ["Config", "State", "Security", "Health", "Dashboard", "Tailscale"]) {
    assertMatch(stdout, new RegExp(`│ ${item} `), item);
  }
  assertStringIncludes(stdout, "2026-01-01T00:00:00Z info gateway line 39 seen=[secret] [secret]");
  assert(!stdout.includes("line 19 "), "twenty lines");
  assert(!/tok-in-the-file|pw-in-the-env|\u001b\[31m/.test(stdout), stdout);
});

Deno.test("status --deep: file modes and exposure, and that nothing was found", async () => {
  await using state = await tempState({}, `{gateway: {port: ${freePort()}}}`);
  const security = async () =>
    JSON.parse((await run(state, ["status", "--deep", "--json"])).stdout).security;
  assertEquals(await security(), []);
  assertMatch((await run(state, ["status", "--deep"])).stdout, /Security +│ nothing found/);
  await state.write(
    `{gateway: {port: ${freePort()}, bind: "lan", auth: {mode: "none"}, controlUi: {dangerouslyDisableDeviceAuth: true}}}`,
  );
  const text = (await security()).join("\n");
  for (const part of ["is lan without TLS", "auth.mode is none", "dangerouslyDisableDeviceAuth"]) {
    assertStringIncludes(text, part);
  }
});

Deno.test("gateway status: not running, refused and answering, with exit codes for --require-rpc", () =>
  withGateway(async ({ gateway, url }) => {
    await using idle = await tempState({}, `{gateway: {port: ${freePort()}}}`);
    const down = await run(idle, ["gateway", "status"]);
    assertEquals(down.code, 0);
    assertStringIncludes(down.stdout, "Connectivity probe: failed - Gateway not reachable");
    assertStringIncludes(down.stderr, "hint: openclaw gateway run");
    assertEquals((await run(idle, ["gateway", "status", "--require-rpc"])).code, 1);

    await using stranger = await tempState({}, remoteConfig(url, { token: "wrong" }));
    const refused = await run(stranger, ["gateway", "status", "--require-rpc"]);
    assertEquals(refused.code, 1);
    assertStringIncludes(refused.stdout, "Read probe: reached, but refused - ");
    assertStringIncludes(refused.stdout, "Gateway: none on this machine (gateway.mode is remote)");
    assert(!refused.stderr.includes("gateway run"), "it runs");

    await using owner = await tempState(
      { OPENCLAW_GATEWAY_TOKEN: TOKEN },
      `{gateway: {port: ${gateway.port}}}`,
    );
    const up = await run(owner, ["gateway", "status", "--require-rpc"]);
    assertEquals(up.code, 0, up.stdout);
    assertMatch(up.stdout, /Read probe: ok \(\d+ms\)\nCapability: admin-capable/);
    assertMatch(up.stdout, /Gateway: bind=loopback \(\S+\), port=\d+/);
    const { rpc, service, extraServices } = JSON.parse(
      (await run(owner, ["gateway", "status", "--json"])).stdout,
    );
    assertEquals([rpc.ok, rpc.reach, rpc.capability, rpc.auth.role], [
      true,
      "reachable",
      "admin_capable",
      "operator",
    ]);
    assertEquals([service.configAudit.ok, extraServices], [true, []]);
    const skipped = await run(owner, ["gateway", "status", "--no-probe"]);
    assertStringIncludes(skipped.stdout, "Connectivity probe: skipped");
  }));

Deno.test("gateway status: a start that would be refused, and a port somebody else holds", {
  ignore: Deno.build.os !== "linux",
}, async () => {
  await using state = await tempState({}, '{gateway: {bind: "lan", auth: {mode: "none"}}}');
  const { stdout } = await run(state, ["gateway", "status", "--no-probe"]);
  assertStringIncludes(stdout, "Gateway: would not start: refusing to bind gateway to 0.0.0.0");
  await using server = httpAnswer("404 Not Found");
  await state.write(`{gateway: {port: ${server.port}}}`);
  const held = await run(state, ["gateway", "status", "--no-probe"]);
  assertStringIncludes(
    held.stdout,
    `Listening: no gateway of this state directory; port ${server.port} is held by`,
  );
  const asked = await run(state, ["gateway", "status"]);
  assertStringIncludes(asked.stderr, "the port belongs to another program");
  await state.write(`{gateway: {port: ${freePort()}, auth: {mode: "password"}}}`);
  const refused = await run(state, ["gateway", "status"]);
  assertStringIncludes(refused.stdout, "would not start: gateway auth mode is password");
  assertStringIncludes(refused.stderr, "hint: openclaw doctor");
});

Deno.test("gateway probe: exit 1 and the reason when nothing is reachable, 0 and the gateway when one is", () =>
  withGateway(async ({ gateway, url }) => {
    await using idle = await tempState({}, `{gateway: {port: ${freePort()}}}`);
    const none = await run(idle, ["gateway", "probe", "--timeout", "1s"]);
    assertEquals(none.code, 1);
    assertMatch(none.stdout, /Reachable: no .*\n(.*\n)*Local loopback ws:\S+\n {2}Connect: failed/);

    await using stranger = await tempState(
      { OPENCLAW_GATEWAY_PORT: String(freePort()) },
      remoteConfig(url, { token: "wrong" }),
    );
    const refused = await run(stranger, ["gateway", "probe", "--timeout", "1s"]);
    assertEquals(refused.code, 1);
    assertMatch(refused.stdout, /Remote \(configured\) \S+\n {2}Connect: refused - .*mismatch/);

    await using owner = await tempState(
      { OPENCLAW_GATEWAY_TOKEN: TOKEN },
      `{gateway: {port: ${gateway.port}}}`,
    );
    const up = await run(owner, ["gateway", "probe", "--timeout", "2s"]);
    assertEquals(up.code, 0, up.stdout);
    assertMatch(up.stdout, /Connect: ok \(\d+ms\) · Capability: read-only · Read probe: ok/);
    assertMatch(up.stdout, /Gateway: \S+( \(\S+\))? · (linux|macos|windows) · app \S+/);
  }));

Deno.test("N28: a host that announced itself gets no credential of the configured gateway", async () => {
  const config = remoteConfig("ws://127.0.0.1:18789", { token: "rt", tlsFingerprint: "" });
  await using state = await tempState({}, config);
  const io = { env: state.env } as unknown as Io;
  const values = {
    ...{ url: undefined, token: undefined, password: undefined, tlsFingerprint: undefined },
    ...{ via: undefined, timeoutMs: 1_000, ssh: undefined, sshIdentity: undefined, sshAuto: true },
  };
  const beacon = { instanceName: "x", domain: "local.", host: "evil.local", wsUrl: "ws://evil:1" };
  const targets = await probeTargets(values, io, beacon as Parameters<typeof probeTargets>[2]);
  const ssh = targets.find(({ kind }) => kind === "sshTunnel");
  assertEquals([ssh?.tunnel?.sshTarget, ssh?.credentials.token], ["evil.local", undefined]);
  const own = targets.find(({ kind }) => kind === "configRemote");
  assertEquals(own?.credentials.token?.reveal(), "rt");
});
