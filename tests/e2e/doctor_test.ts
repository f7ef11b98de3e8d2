/**
 * The doctor against injected faults: real gateways, nodes and broken servers. Every fault has its code, and every
 * diagnosis takes less than three seconds.
 */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { startGateway } from "../../src/gateway/server.ts";
import { DIAGNOSES } from "../../src/cli/doctor/table.ts";
import { makeCertificate } from "../../src/identity/certificate.ts";
import { systemClock } from "../../src/lib/clock.ts";
import { Secret } from "../../src/lib/secret.ts";
import { lockFile } from "../../src/platform/files.ts";
import { cli } from "../cli/support.ts";
import { type TempState, tempState } from "../config/temp_state.ts";
import {
  banner,
  httpAnswer,
  proxy,
  silentPort,
  tcpServer,
  webSocketServer,
} from "./doctor_faults.ts";
import { freePort, Pair, run, start } from "./program.ts";

const TOKEN = "tok-synthetic-doctor-0123456789abcdef";
const MAX_MS = 3_000;

interface Report {
  readonly ok: boolean;
  readonly hops: readonly { hop: string; state: string }[];
  readonly finding: { code: string; hop: string; cause: string; command?: string } | null;
  readonly notes: readonly string[];
}

/** Runs the doctor; fails when it took too long. */
async function examine(env: TempState["env"], args: readonly string[] = []): Promise<Report> {
  const before = performance.now();
  const done = await cli(["doctor", "--json", ...args], { env: env as Record<string, string> });
  const tookMs = performance.now() - before;
  assert(tookMs < MAX_MS, `took ${tookMs} ms`);
  const report: Report = JSON.parse(done.stdout);
  assertEquals(done.code, report.ok ? 0 : 1, done.stderr);
  return report;
}

/** Injects nothing more and expects this code; the broken hop is the last one looked at. */
async function expect(
  code: string,
  env: TempState["env"],
  args: readonly string[] = [],
): Promise<Report> {
  const report = await examine(env, args);
  assertEquals(report.finding?.code, code, JSON.stringify(report.finding));
  assert(report.finding?.cause, "no cause");
  const broken = report.hops.filter(({ state }) => state === "broken");
  assertEquals(broken.map(({ hop }) => hop), [report.finding?.hop]);
  for (const text of [TOKEN, "wrong-secret"]) assert(!JSON.stringify(report).includes(text));
  return report;
}

/** A client of a remote gateway. */
const remote = (url: string, more: Record<string, unknown> = {}) =>
  JSON.stringify({ gateway: { mode: "remote", remote: { url, token: TOKEN, ...more } } });

async function withClient(config: string, use: (state: TempState) => Promise<unknown>, env = {}) {
  await using state = await tempState(env, config);
  await use(state);
}

/** One fault in a client's own configuration or its target. */
function fault(title: string, code: string, config: string, env: Record<string, string> = {}) {
  Deno.test(`doctor: ${title} is ${code}`, () =>
    withClient(config, (state) => expect(code, state.env), env));
}

fault("a broken configuration file", "CONFIG_INVALID", "{ gateway: { port: ");
fault("a port that cannot be", "CONFIG_INVALID", '{"gateway":{"port":99999}}');
fault(
  "remote mode without an address",
  "GATEWAY_REMOTE_URL_MISSING",
  '{"gateway":{"mode":"remote"}}',
);
fault("an ftp address", "ENDPOINT_MALFORMED", remote("ftp://127.0.0.1:1"));
fault("N25: plaintext to another machine", "PLAINTEXT_REFUSED", remote("ws://192.0.2.1:18789"));
fault("F38: a name nobody knows", "DNS_FAILED", remote("wss://no-such-host.invalid:18789"));
fault(
  "a pin for a plaintext address",
  "TLS_PIN_WITHOUT_TLS",
  remote("ws://127.0.0.1:1", { tlsFingerprint: "a".repeat(64) }),
);
fault(
  "a pin that is none",
  "PIN_MALFORMED",
  remote("wss://127.0.0.1:1", { tlsFingerprint: "ab:cd" }),
);
fault("no gateway on this machine", "GATEWAY_NOT_RUNNING", "{}", {
  OPENCLAW_GATEWAY_PORT: String(freePort()),
});
fault(
  "N24: a URL by hand without its token",
  "GATEWAY_URL_CREDENTIALS_MISSING",
  remote("ws://127.0.0.1:1"),
  {
    OPENCLAW_GATEWAY_URL: "ws://127.0.0.1:1",
  },
);

Deno.test("doctor: a configuration others can write is FILE_UNSAFE", {
  ignore: Deno.build.os === "windows",
}, () =>
  withClient("{}", async (state) => {
    await Deno.chmod(state.paths.configFile, 0o666);
    await expect("FILE_UNSAFE", state.env);
  }));

Deno.test("doctor: a state directory that cannot be written is told first", () =>
  withClient("{}", async (state) => {
    const file = `${state.home}/no-directory`;
    await Deno.writeTextFile(file, "");
    const report = await examine({ ...state.env, OPENCLAW_STATE_DIR: file });
    assertEquals(report.finding?.hop, "config");
    assertMatch(report.finding?.code ?? "", /^(FILE_UNSAFE|FILE_FAILED|STATE_READ_ONLY)$/);
  }));

Deno.test("doctor: half of a certificate pair is TLS_FILES_INCOMPLETE", () =>
  withClient("{}", async (state) => {
    await Deno.mkdir(state.paths.tlsDir, { recursive: true, mode: 0o700 });
    await Deno.writeTextFile(state.paths.tlsCertFile, "x", { mode: 0o600 });
    await expect("TLS_FILES_INCOMPLETE", state.env);
  }));

Deno.test("doctor: a held lock without a listener is GATEWAY_LOCK_HELD", () =>
  withClient("{}", async (state) => {
    await Deno.mkdir(state.paths.gatewayDir, { recursive: true, mode: 0o700 });
    const lock = await lockFile(state.paths.gatewayLockFile);
    const env = { ...state.env, OPENCLAW_GATEWAY_PORT: String(freePort()) };
    const { finding } = await expect("GATEWAY_LOCK_HELD", env);
    assertStringIncludes(finding?.command ?? "", state.paths.gatewayLockFile);
    lock.close();
  }));

Deno.test("doctor: a port behind a firewall that drops packets is CONNECT_TIMEOUT", async () => {
  await using silent = await silentPort();
  if (!silent) return console.log("not run: no perl for a port with a full queue");
  await withClient(
    remote(`ws://127.0.0.1:${silent.port}`),
    (state) => expect("CONNECT_TIMEOUT", state.env),
  );
});

/** One broken server and what is found when a client goes there. */
function wrongServer(
  title: string,
  code: string,
  make: () => AsyncDisposable & { port: number },
  scheme = "ws",
) {
  Deno.test(`doctor: ${title} is ${code}`, async () => {
    await using server = make();
    await withClient(
      remote(`${scheme}://127.0.0.1:${server.port}`),
      (state) => expect(code, state.env),
    );
  });
}

wrongServer("a port that says nothing", "PORT_SILENT", () => tcpServer(() => {}));
wrongServer("a port that says nothing to TLS", "PORT_SILENT", () => tcpServer(() => {}), "wss");
wrongServer("an ssh server", "NOT_A_GATEWAY", () => banner("SSH-2.0-OpenSSH_9.2\r\n"));
wrongServer("a web server", "HTTP_REFUSED", () => httpAnswer("404 Not Found"));
wrongServer("F39: 502 of a proxy", "PROXY_WITHOUT_GATEWAY", () => httpAnswer("502 Bad Gateway"));
wrongServer("a proxy's login", "PROXY_WANTS_LOGIN", () => httpAnswer("401 Unauthorized"));
wrongServer("503 on upgrade", "GATEWAY_BUSY", () => httpAnswer("503 Service Unavailable"));
wrongServer(
  "F39: a redirect on upgrade",
  "UPGRADE_REDIRECTED",
  () => httpAnswer("302 Found", "Location: http://127.0.0.1:1/\r\n"),
);
wrongServer("no challenge", "HANDSHAKE_TIMEOUT", () => webSocketServer());
wrongServer("plaintext where TLS is meant", "TLS_NOT_SPOKEN", () => httpAnswer("400 Bad"), "wss");

/** A gateway in this process, on a free port. */
async function gatewayAt(state: TempState, flags = {}, skewMs = 0) {
  const clock = Object.create(systemClock, { now: { value: () => Date.now() + skewMs } });
  const gateway = await startGateway({
    paths: state.paths,
    env: state.env,
    clock,
    flags: { port: 0, bind: "loopback", token: new Secret(TOKEN), ...flags },
  });
  return Object.assign(gateway, {
    [Symbol.asyncDispose]: () => gateway.stop({ drainMs: 0 }),
  });
}

Deno.test("doctor: TLS and pins", async (t) => {
  await using state = await tempState();
  await using gateway = await gatewayAt(state, { tls: true });
  await using otherState = await tempState();
  await using other = await gatewayAt(otherState, { tls: true });
  const { url, port, fingerprint = "" } = gateway;
  await t.step(
    "no pin: TLS_UNTRUSTED, and the command names what was seen",
    () =>
      withClient(remote(url), async ({ env }) => {
        const { finding } = await expect("TLS_UNTRUSTED", env);
        assertStringIncludes(finding?.command ?? "", fingerprint);
      }),
  );
  await t.step("a wrong pin: TLS_PIN_MISMATCH", () =>
    withClient(
      remote(url, { tlsFingerprint: "a".repeat(64) }),
      ({ env }) => expect("TLS_PIN_MISMATCH", env),
    ));
  await t.step(
    "plaintext at a TLS port: TLS_REQUIRED",
    () =>
      withClient(remote(`ws://127.0.0.1:${port}`), async ({ env }) => {
        const { finding } = await expect("TLS_REQUIRED", env);
        assertStringIncludes(finding?.command ?? "", url);
      }),
  );
  await t.step("colons and capitals in a pin are fine", () =>
    withClient(
      remote(url, { tlsFingerprint: fingerprint.toUpperCase().match(/../g)?.join(":") }),
      async ({ env }) => assertEquals((await examine(env)).finding, null),
    ));
  await t.step(
    "a pin that was right before: TLS_CERTIFICATE_CHANGED",
    () =>
      withClient(remote(url, { tlsFingerprint: fingerprint }), async (client) => {
        assertEquals((await examine(client.env)).finding, null);
        await client.write(remote(other.url, { tlsFingerprint: fingerprint }));
        const { finding } = await expect("TLS_CERTIFICATE_CHANGED", client.env);
        assertStringIncludes(finding?.command ?? "", other.fingerprint ?? "");
      }),
  );
});

Deno.test("doctor: F23: an expired certificate with the right pin works and is noted", async () => {
  await using state = await tempState({}, "{}");
  const nowMs = Date.now();
  const made = await makeCertificate({
    commonName: "openclaw-gateway",
    sans: ["localhost", "127.0.0.1"],
    notBeforeMs: nowMs - 20 * 86_400_000,
    notAfterMs: nowMs - 86_400_000,
  });
  await Deno.mkdir(state.paths.tlsDir, { recursive: true, mode: 0o700 });
  await Deno.writeTextFile(state.paths.tlsCertFile, made.certPem, { mode: 0o600 });
  await Deno.writeTextFile(state.paths.tlsKeyFile, made.keyPem, { mode: 0o600 });
  await using gateway = await gatewayAt(state, { tls: true });
  await withClient(remote(gateway.url, { tlsFingerprint: made.fingerprint }), async ({ env }) => {
    assertEquals((await examine(env)).finding, null);
  });
  const here = await examine({
    ...state.env,
    OPENCLAW_GATEWAY_PORT: String(gateway.port),
    OPENCLAW_GATEWAY_TOKEN: TOKEN,
  });
  assert(here.notes.some((note) => /certificate expired/.test(note)), JSON.stringify(here));
});

Deno.test("doctor: credentials", async (t) => {
  await using state = await tempState();
  await using gateway = await gatewayAt(state);
  const local = { OPENCLAW_GATEWAY_PORT: String(gateway.port) };
  await t.step("a wrong token: AUTH_TOKEN_MISMATCH", () =>
    withClient(
      remote(gateway.url, { token: "wrong-secret" }),
      ({ env }) => expect("AUTH_TOKEN_MISMATCH", env),
    ));
  await t.step(
    "none: AUTH_TOKEN_MISSING",
    () => withClient("{}", ({ env }) => expect("AUTH_TOKEN_MISSING", env), local),
  );
  await t.step(
    "a blank one: AUTH_TOKEN_EMPTY",
    () =>
      withClient("{}", ({ env }) => expect("AUTH_TOKEN_EMPTY", env), {
        ...local,
        OPENCLAW_GATEWAY_TOKEN: "  ",
      }),
  );
  await t.step("the environment beats the configuration: AUTH_WRONG_SOURCE", () =>
    withClient(
      JSON.stringify({ gateway: { auth: { mode: "token", token: TOKEN } } }),
      async ({ env }) => {
        const { finding } = await expect("AUTH_WRONG_SOURCE", env);
        assertEquals(finding?.command, "unset OPENCLAW_GATEWAY_TOKEN");
      },
      { ...local, OPENCLAW_GATEWAY_TOKEN: "wrong-secret" },
    ));
  await t.step("a proxy nobody trusts: PROXY_NOT_TRUSTED", async () => {
    await using between = proxy(gateway.port, "X-Forwarded-For: 192.0.2.9");
    await withClient(
      remote(`ws://127.0.0.1:${between.port}`),
      ({ env }) => expect("PROXY_NOT_TRUSTED", env),
    );
  });
});

Deno.test("doctor: a token for a gateway that wants a password is AUTH_PASSWORD_MISMATCH", async () => {
  await using state = await tempState({}, '{"gateway":{"auth":{"mode":"password"}}}');
  await using gateway = await gatewayAt(state, {
    token: undefined,
    auth: "password",
    password: new Secret("pw-synthetic-0123456789"),
  });
  await withClient(remote(gateway.url), ({ env }) => expect("AUTH_PASSWORD_MISMATCH", env));
});

Deno.test("doctor: too many guesses are AUTH_RATE_LIMITED; an unknown device is PAIRING_REQUIRED", async () => {
  await using state = await tempState(
    {},
    JSON.stringify({
      gateway: { trustedProxies: ["127.0.0.1"], auth: { rateLimit: { maxAttempts: 2 } } },
    }),
  );
  await using gateway = await gatewayAt(state);
  await using between = proxy(gateway.port, "X-Forwarded-For: 192.0.2.9");
  const url = `ws://127.0.0.1:${between.port}`;
  await withClient(remote(url), async ({ env }) => {
    const { finding } = await expect("PAIRING_REQUIRED", env);
    assertMatch(finding?.command ?? "", /^openclaw devices approve [0-9a-f-]{36} /);
  });
  await withClient(remote(url, { token: "wrong-secret" }), async ({ env }) => {
    for (let n = 0; n < 2; n++) await expect("AUTH_TOKEN_MISMATCH", env);
    await expect("AUTH_RATE_LIMITED", env);
  });
});

Deno.test("doctor: F19: a clock an hour off is noted and hinders nothing", async () => {
  await using state = await tempState();
  await using gateway = await gatewayAt(state, {}, 3_600_000);
  await withClient(remote(gateway.url), async ({ env }) => {
    const { finding, notes } = await examine(env);
    assertEquals(finding, null);
    assertMatch(notes.join("\n"), /CLOCK_SKEW: the gateway's clock is 3\d\d\d s ahead/);
  });
});

Deno.test("doctor --node: from the gateway to a node and its policy", {
  ignore: Deno.build.os === "windows",
}, async (t) => {
  await using pair = await Pair.make();
  const env = pair.home.env("gateway");
  const nodeEnv = pair.home.env("node");
  const node = ["--node", "build-1"];
  const given = ["--url", `wss://127.0.0.1:${pair.facts.port}`, "--token", pair.facts.token]
    .concat(["--tls-fingerprint", pair.facts.pin]);
  await t.step("nothing is wrong: exit 0, all hops ok, also as a real process", async () => {
    const done = await run(["doctor", "--json", ...node], { env });
    assertEquals(done.code, 0, done.stdout);
    const { hops } = JSON.parse(done.stdout) as Report;
    assertEquals(hops.map(({ state }) => state), Array(13).fill("ok"));
  });
  await t.step("wrong port: GATEWAY_OTHER_PORT names the right one", async () => {
    const at = ["--url", `ws://127.0.0.1:${freePort()}`, "--token", pair.facts.token];
    const { finding } = await expect("GATEWAY_OTHER_PORT", env, at);
    assertStringIncludes(finding?.command ?? "", `wss://127.0.0.1:${pair.facts.port}`);
  });
  await t.step("an unknown node: NODE_UNKNOWN", async () => {
    await expect("NODE_UNKNOWN", env, ["--node", "nobody"]);
  });
  await t.step("security=deny: POLICY_DENIES", async () => {
    await pair.policy("deny", "off");
    await expect("POLICY_DENIES", env, node);
  });
  await t.step("not on the list and nobody asked: ALLOWLIST_MISS", async () => {
    await pair.policy("allowlist", "off");
    const { finding } = await expect("ALLOWLIST_MISS", env, [...node, "--", "uname", "-a"]);
    assertEquals(finding?.command, "openclaw approvals explain --node build-1 -- uname -a");
  });
  await t.step("a broken approvals file: APPROVALS_UNREADABLE", async () => {
    await Deno.writeTextFile(`${pair.home.path}/node/exec-approvals.json`, "{ broken");
    await expect("APPROVALS_UNREADABLE", env, node);
    await pair.policy("full", "off");
    assertEquals((await examine(env, node)).finding, null);
  });
  await t.step("it talks to another gateway: NODE_OTHER_GATEWAY", async () => {
    await using state = await tempState();
    await using other = await gatewayAt(state);
    await expect("NODE_OTHER_GATEWAY", nodeEnv, [...node, "--url", other.url, "--token", TOKEN]);
  });
  await t.step("it waits to be let in, then for its commands", async () => {
    const second = pair.home.env("second", { OPENCLAW_GATEWAY_TOKEN: pair.facts.token });
    const at = ["--host", "127.0.0.1", "--port", String(pair.facts.port), "--tls-fingerprint"];
    await using waiting = start(
      ["node", "run", ...at, pair.facts.pin, "--display-name", "build-2"],
      { env: second },
    );
    const id = (await waiting.until(/requestId: ([0-9a-f-]{36})/))[1] as string;
    const { finding } = await expect("NODE_NOT_PAIRED", env, ["--node", "build-2"]);
    assertEquals(finding?.command, `openclaw devices approve ${id}`);
    const params = JSON.stringify({ requestId: id });
    const approved = await pair.cli(["gateway", "call", "device.pair.approve", "--params", params]);
    assertEquals(approved.code, 0, approved.stderr);
    await waiting.until(/Connected to gateway/);
    await expect("NODE_SURFACE_PENDING", env, ["--node", "build-2"]);
  });
  await t.step("stopped: NODE_OFFLINE", async () => {
    await pair.node.end();
    await expect("NODE_OFFLINE", env, [...node, ...given]);
  });
});

Deno.test("README: every code of Troubleshooting is one of the doctor's and has its fault here", async () => {
  const readme = await Deno.readTextFile(new URL("../../README.md", import.meta.url));
  const section = readme.split("\n## ").find((part) => part.startsWith("Troubleshooting")) ?? "";
  const codes = [...section.matchAll(/\| `([A-Z_]+)` \|/g)].map((match) => match[1] as string);
  assert(codes.length >= 12, `${codes}`);
  const own = await Deno.readTextFile(new URL(import.meta.url));
  for (const code of codes) {
    assert(DIAGNOSES[code], `${code} is not in the table`);
    assertStringIncludes(own, `"${code}"`);
  }
});
