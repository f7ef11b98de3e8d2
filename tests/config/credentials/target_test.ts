/** Which gateway a command talks to, with which pin and which credentials; before anything is dialled. */
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import type { Env } from "../../../src/config/env.ts";
import { decideEndpoint } from "../../../src/config/credentials/endpoint.ts";
import { readEnv } from "../../../src/config/env.ts";
import { readConfig } from "../../../src/config/schema/schema.ts";
import {
  credentialConflict,
  decideTarget,
  explainCredentials,
  nodeCredentials,
  type TargetFlags,
} from "../../../src/config/credentials/target.ts";
import { makeCertificate } from "../../../src/identity/certificate.ts";
import { OpenclawError } from "../../../src/lib/errors.ts";
import { Secret } from "../../../src/lib/secret.ts";
import { inside, tempState } from "../temp_state.ts";

const PIN = "ab".repeat(32);
const OTHER_PIN = "cd".repeat(32);
const secret = (text: string) => new Secret(text);
const OWN = Deno.networkInterfaces()
  .find(({ family, address }) => family === "IPv4" && !address.startsWith("127."))?.address;

interface Case {
  readonly config?: unknown;
  readonly env?: Env;
  readonly flags?: TargetFlags;
  readonly probe?: "local" | "remote";
}

async function target({ config = {}, env = {}, flags = {}, probe }: Case) {
  await using state = await tempState(env, JSON.stringify(config));
  const loaded = await state.load();
  return await decideTarget({
    flags,
    env: state.env,
    loaded,
    paths: state.paths,
    ...(probe ? { probe } : {}),
  });
}

async function refused(of: Case, code: string): Promise<OpenclawError> {
  const error = await assertRejects(() => target(of), OpenclawError);
  assertEquals(error.code, code, error.message);
  return error;
}

const REMOTE = {
  gateway: {
    mode: "remote",
    remote: { url: "wss://g.example:1", token: "rt", tlsFingerprint: PIN },
  },
};

Deno.test("decideTarget() local: loopback, port from env over config, config credentials", async () => {
  const config = { gateway: { port: 1000, auth: { token: "at" } } };
  const local = await target({ config });
  assertEquals([local.url, local.sourceText, local.mode, local.bind], [
    "ws://127.0.0.1:1000",
    "local loopback",
    "local",
    "loopback",
  ]);
  assertEquals(local.credentials.token?.reveal(), "at");
  assertEquals(local.credentials.tokenSource, "auth");
  assertEquals(local.storedTokens, true);
  const env = { OPENCLAW_GATEWAY_PORT: "2000", OPENCLAW_GATEWAY_TOKEN: "et" };
  const moved = await target({ config, env });
  assertEquals([moved.url, moved.credentials.token?.reveal()], ["ws://127.0.0.1:2000", "et"]);
});

Deno.test("decideTarget() local with bind custom dials the address the gateway listens on", async () => {
  const custom = (customBindHost: string, env: Env = {}) =>
    target({ config: { gateway: { bind: "custom", customBindHost } }, env });
  const own = await custom("127.0.0.2");
  assertEquals([own.url, own.allowPrivatePlaintext], ["ws://127.0.0.2:18789", true]);
  const elsewhere = await custom("192.168.201.55");
  assertEquals(elsewhere.url, "ws://192.168.201.55:18789");
  // N25: a configuration copied from another machine must not send the token there in the clear.
  assertEquals(elsewhere.allowPrivatePlaintext, false);
  const optIn = { OPENCLAW_ALLOW_INSECURE_PRIVATE_WS: "1" };
  assertEquals((await custom("192.168.201.55", optIn)).allowPrivatePlaintext, true);
});

Deno.test("decideTarget() local on an own network address may stay plaintext", {
  ignore: OWN === undefined,
}, async () => {
  const config = { gateway: { bind: "custom", customBindHost: OWN } };
  assertEquals((await target({ config })).allowPrivatePlaintext, true);
});

Deno.test("decideTarget() pins the certificate file of the local gateway", async () => {
  const { certPem, fingerprint } = await makeCertificate({
    commonName: "openclaw-gateway",
    sans: ["localhost"],
    notBeforeMs: Date.now() - 1000,
    notAfterMs: Date.now() + 86_400_000,
  });
  await using state = await tempState({}, '{"gateway": {"tls": {"enabled": true}}}');
  await Deno.mkdir(state.paths.tlsDir, { recursive: true });
  await Deno.writeTextFile(state.paths.tlsCertFile, certPem, { mode: 0o600 });
  const facts = { flags: {}, env: state.env, loaded: await state.load(), paths: state.paths };
  const found = await decideTarget(facts);
  assertEquals([found.url, found.pin, found.pinSource], [
    "wss://127.0.0.1:18789",
    fingerprint,
    "local certificate",
  ]);
  const own = inside(state, "own.pem");
  await Deno.writeTextFile(own, certPem);
  await state.write(`{gateway: {tls: {enabled: true, certPath: ${JSON.stringify(own)}}}}`);
  assertEquals((await decideTarget({ ...facts, loaded: await state.load() })).pin, fingerprint);
  const byFlag = await decideTarget({ ...facts, flags: { tlsFingerprint: OTHER_PIN } });
  assertEquals([byFlag.pin as string, byFlag.pinSource], [OTHER_PIN, "--tls-fingerprint"]);
});

Deno.test("decideTarget() remote: URL, pin and credentials of gateway.remote", async () => {
  const remote = await target({ config: REMOTE, env: { OPENCLAW_GATEWAY_TOKEN: "et" } });
  assertEquals([remote.url, remote.sourceText, remote.pin as string], [
    "wss://g.example:1",
    "config gateway.remote.url",
    PIN,
  ]);
  assertEquals([remote.pinSource, remote.credentials.token?.reveal()], [
    "gateway.remote.tlsFingerprint",
    "rt",
  ]);
});

Deno.test("decideTarget() remote mode without URL and ssh target is an error with a command", async () => {
  const error = await refused(
    { config: { gateway: { mode: "remote" } } },
    "GATEWAY_REMOTE_URL_MISSING",
  );
  assertStringIncludes(error.hint!, "openclaw config set gateway.remote.url");
});

Deno.test("N24: --url without credentials is refused, whatever environment and config hold", async () => {
  const env = { OPENCLAW_GATEWAY_TOKEN: "et", OPENCLAW_GATEWAY_PASSWORD: "ep" };
  for (const url of ["wss://evil.example", "ws://127.0.0.1:18789", "wss://g.example:1"]) {
    const error = await refused(
      { config: REMOTE, env, flags: { url } },
      "GATEWAY_URL_CREDENTIALS_MISSING",
    );
    assert(error.message.startsWith("gateway url override requires explicit credentials"));
    assertStringIncludes(error.message, "missing credentials");
    assertStringIncludes(error.message, "openclaw.json");
    assertStringIncludes(error.hint!, "--token");
    assertEquals(error.exitCode, 1);
  }
});

Deno.test("N24: no spelling of the local or the configured gateway brings a stored secret out", async () => {
  const env = { OPENCLAW_GATEWAY_TOKEN: "et", OPENCLAW_GATEWAY_PASSWORD: "ep" };
  const spellings = [
    ...["ws://localhost:18789", "ws://LOCALHOST:18789/", "ws://[::1]:18789"],
    ...["ws://[::ffff:127.0.0.1]:18789", "ws://[::ffff:7f00:1]:18789", "http://127.0.0.1:18789"],
    ...["ws://127.0.0.2:18789", "ws://127.0.0.1:18789/", " ws://127.0.0.1:18789 "],
    ...["WSS://G.EXAMPLE:1", "https://g.example:1", "wss://g.example:1/", "wss://g.example:1/x"],
    ...["wss://g.example.:1", "wss://g.example:01"],
  ];
  for (const url of spellings) {
    await refused({ config: REMOTE, env, flags: { url } }, "GATEWAY_URL_CREDENTIALS_MISSING");
    const found = await target({ config: REMOTE, env, flags: { url, token: secret("ft") } });
    assertEquals(found.credentials.token?.reveal(), "ft");
    assertEquals([found.credentials.password, found.pin, found.storedTokens], [
      undefined,
      undefined,
      false,
    ], url);
    const fromEnv = { OPENCLAW_GATEWAY_URL: url };
    await refused({ config: REMOTE, env: fromEnv }, "GATEWAY_URL_CREDENTIALS_MISSING");
  }
});

const ENV_URLS: readonly [name: string, url: string, expect: string][] = [
  ["blanks around it", "  ws://127.0.0.1:5  ", "ws://127.0.0.1:5"],
  ["a line break at its end", "ws://127.0.0.1:5\n", "ws://127.0.0.1:5"],
  ["nothing but blanks: as if it were not set", " \n\t", "wss://g.example:1"],
  ["a blank in the middle", "ws://127.0.0.1:5 ws://evil:6", "ENDPOINT_MALFORMED"],
  ["a line break in the middle", "ws://127.0.0.1:5\nws://evil:6", "ENDPOINT_MALFORMED"],
  ["a line break in the path", "ws://127.0.0.1:5/a\r\nHost: evil", "ENDPOINT_MALFORMED"],
  ["a line break in the host", "ws://127.0.0.1\n.evil:5", "ENDPOINT_MALFORMED"],
  ["quotes of a shell", '"ws://127.0.0.1:5"', "ENDPOINT_MALFORMED"],
];
for (const [name, url, expected] of ENV_URLS) {
  Deno.test(`OPENCLAW_GATEWAY_URL with ${name}`, async () => {
    const env = { OPENCLAW_GATEWAY_URL: url, OPENCLAW_GATEWAY_TOKEN: "et" };
    const found = await target({ config: REMOTE, env }).then(({ url }) => url, ({ code }) => code);
    assertEquals(found, expected);
  });
}

Deno.test("a blank credential is none: flag, environment and configuration alike", async () => {
  const blanks = { OPENCLAW_GATEWAY_TOKEN: " \n", OPENCLAW_GATEWAY_PASSWORD: "" };
  const config = { gateway: { auth: { token: "  ", password: "" } } };
  const found = await target({ config, env: blanks });
  assertEquals([found.credentials.token, found.credentials.password], [undefined, undefined]);
  await refused(
    { env: { ...blanks, OPENCLAW_GATEWAY_URL: "ws://127.0.0.1:5" } },
    "GATEWAY_URL_CREDENTIALS_MISSING",
  );
});

Deno.test("N24: --url gets no pin from config, no stored device token and only the given credential", async () => {
  const env = { OPENCLAW_GATEWAY_PASSWORD: "ep" };
  const flags = { url: "wss://g.example:1", token: secret("ft") };
  const found = await target({ config: REMOTE, env, flags });
  assertEquals([found.pin, found.storedTokens, found.sourceText], [undefined, false, "cli --url"]);
  assertEquals([found.credentials.token?.reveal(), found.credentials.password], ["ft", undefined]);
});

Deno.test("OPENCLAW_GATEWAY_URL uses credentials of the environment only", async () => {
  const url = { OPENCLAW_GATEWAY_URL: "https://other.example" };
  await refused({ config: REMOTE, env: url }, "GATEWAY_URL_CREDENTIALS_MISSING");
  const found = await target({ config: REMOTE, env: { ...url, OPENCLAW_GATEWAY_PASSWORD: "ep" } });
  assertEquals([found.url, found.source, found.pin], ["wss://other.example:443", "env", undefined]);
  assertEquals([found.credentials.token, found.credentials.password?.reveal()], [undefined, "ep"]);
});

Deno.test("the pin of the configured URL also protects that URL when it comes from the environment", async () => {
  const env = { OPENCLAW_GATEWAY_URL: "wss://g.example:1/", OPENCLAW_GATEWAY_TOKEN: "et" };
  assertEquals((await target({ config: REMOTE, env })).pin as string, PIN);
});

Deno.test("--url wins over OPENCLAW_GATEWAY_URL, which wins over remote mode", async () => {
  const env = { OPENCLAW_GATEWAY_URL: "ws://127.0.0.1:5", OPENCLAW_GATEWAY_TOKEN: "et" };
  assertEquals((await target({ config: REMOTE, env })).source, "env");
  const flags = { url: "ws://127.0.0.1:6", token: secret("t") };
  assertEquals((await target({ config: REMOTE, env, flags })).url, "ws://127.0.0.1:6");
});

Deno.test("a probe of one gateway ignores overrides and sends nothing that is not its own", async () => {
  const env = { OPENCLAW_GATEWAY_URL: "ws://x:1", OPENCLAW_GATEWAY_TOKEN: "et" };
  const remote = await target({ config: REMOTE, env, probe: "remote" });
  assertEquals([remote.url, remote.credentials.token?.reveal()], ["wss://g.example:1", "rt"]);
  const local = await target({ config: REMOTE, env, probe: "local" });
  assertEquals([local.url, local.credentials.token?.reveal()], ["ws://127.0.0.1:18789", "et"]);
});

Deno.test("a fingerprint for a ws:// URL is an error", async () => {
  const flags = { url: "ws://127.0.0.1:1", token: secret("t"), tlsFingerprint: PIN };
  const error = await refused({ flags }, "TLS_PIN_WITHOUT_TLS");
  assertStringIncludes(error.hint!, "wss://127.0.0.1:1");
});

Deno.test("a malformed fingerprint is refused before anything is dialled", async () => {
  for (const tlsFingerprint of ["abc", "", "zz".repeat(32), PIN + "00"]) {
    await refused({ config: REMOTE, flags: { tlsFingerprint } }, "PIN_MALFORMED");
  }
  const colons = PIN.toUpperCase().match(/../g)!.join(":");
  assertEquals(
    (await target({ config: REMOTE, flags: { tlsFingerprint: `sha256:${colons}` } })).pin as string,
    PIN,
  );
});

Deno.test("an unresolved reference stops the command and nothing takes its place", async () => {
  const config = {
    gateway: { auth: { token: { source: "env", id: "NOPE" } }, remote: { token: "rt" } },
  };
  const error = await refused({ config }, "GATEWAY_SECRET_REF_UNAVAILABLE");
  assertStringIncludes(
    error.message,
    "gateway.auth.token is a secret reference that is unavailable",
  );
  assertStringIncludes(error.hint!, "config set gateway.auth.token");
  const env = { OPENCLAW_GATEWAY_TOKEN: "et" };
  assertEquals(
    (await target({ config, env })).credentials.token?.reveal(),
    "et",
    "inactive reference",
  );
  const flags = { token: secret("ft") };
  assertEquals((await target({ config, flags })).credentials.token?.reveal(), "ft");
});

Deno.test("a strict probe with an unresolved reference warns and goes without", async () => {
  const remote = { url: "wss://g.example:1", token: { source: "env", id: "NOPE" } };
  const config = { gateway: { mode: "remote", remote, auth: { token: "at" } } };
  const env = { OPENCLAW_GATEWAY_TOKEN: "et" };
  const { credentials } = await target({ config, env, probe: "remote" });
  assertEquals(credentials.token, undefined);
  assertEquals(credentials.unavailable.map((u) => [u.code, u.path]), [
    ["auth_secretref_unresolved", "gateway.remote.token"],
  ]);
});

Deno.test("a reference of the environment kind is fetched", async () => {
  const config = { gateway: { auth: { password: { source: "env", id: "PW" } } } };
  const found = await target({ config, env: { PW: "pw" } });
  assertEquals([found.credentials.password?.reveal(), found.credentials.passwordSource], [
    "pw",
    "auth",
  ]);
});

Deno.test("a configuration that is no JSON5 decides nothing", async () => {
  await using state = await tempState({}, "{gateway: {mode: 'remote'");
  const facts = { flags: {}, env: state.env, loaded: await state.load(), paths: state.paths };
  const error = await assertRejects(() => decideTarget(facts), OpenclawError);
  assertEquals(error.code, "CONFIG_INVALID");
});

Deno.test("N21, N22, N23: a URL with user info, query, fragment or an odd host is refused", async () => {
  for (
    const url of [
      "wss://user:hunter2@g.example",
      "wss://g.example?token=hunter2",
      "wss://g.example/#token=hunter2",
      "file:///etc/passwd",
      "javascript:alert(1)",
      "ws://127.1:5",
      "ws://0x7f.1:5",
      "ws://2130706433:5",
      "",
      "wss://",
    ]
  ) {
    const error = await refused({ flags: { url, token: secret("t") } }, "ENDPOINT_MALFORMED");
    assert(!error.message.includes("hunter2"), error.message);
    await refused({ env: { OPENCLAW_GATEWAY_URL: url || "x:" } }, "ENDPOINT_MALFORMED");
    const config = { gateway: { mode: "remote", remote: { url: url || "x:" } } };
    await refused({ config }, "ENDPOINT_MALFORMED");
  }
});

Deno.test("decision 34: when a managed tunnel is opened", () => {
  const rows: [string, Record<string, unknown>, string | undefined][] = [
    ["URL only", { url: "wss://g:1" }, undefined],
    ["manual tunnel on loopback", { url: "ws://127.0.0.1:18789", transport: "ssh" }, undefined],
    ["sshTarget", { url: "ws://g:1", sshTarget: "me@g" }, "me@g"],
    ["sshTarget without URL", { sshTarget: "gw" }, "gw"],
    ["explicit ssh: host of the URL", { url: "ws://g.example:1", transport: "ssh" }, "g.example"],
    ["explicit direct", { url: "wss://g:1", sshTarget: "gw", transport: "direct" }, undefined],
  ];
  for (const [name, remote, sshTarget] of rows) {
    const { config } = readConfig({ gateway: { mode: "remote", port: 7, remote } });
    const endpoint = decideEndpoint({ env: readEnv({}), config });
    assertEquals(endpoint.tunnel?.sshTarget, sshTarget, name);
    if (sshTarget) assertEquals(endpoint.tunnel?.remotePort, 7);
  }
});

Deno.test("decision 33: direct transport to a private literal address opts into plaintext, names do not", () => {
  const allowed = (url: string, transport?: string, env: Env = {}) => {
    const remote = { url, ...(transport ? { transport } : {}) };
    const { config } = readConfig({ gateway: { mode: "remote", remote } });
    return decideEndpoint({ env: readEnv(env), config }).allowPrivatePlaintext;
  };
  assertEquals(allowed("ws://192.168.1.2:1", "direct"), true);
  assertEquals(allowed("ws://100.100.1.1:1", "direct"), true);
  assertEquals(allowed("ws://192.168.1.2:1"), false);
  assertEquals(allowed("ws://gw.local:1", "direct"), false);
  assertEquals(allowed("ws://8.8.8.8:1", "direct"), false);
  assertEquals(
    allowed("ws://gw.local:1", undefined, { OPENCLAW_ALLOW_INSECURE_PRIVATE_WS: "1" }),
    true,
  );
});

Deno.test("credentialConflict() names both sources when they differ, and nothing when they agree", async () => {
  await using state = await tempState(
    { OPENCLAW_GATEWAY_TOKEN: "et" },
    '{"gateway": {"auth": {"token": "at"}}}',
  );
  const facts = { env: state.env, loaded: await state.load() };
  const hint = await credentialConflict(facts, "token");
  assertStringIncludes(hint!, "OPENCLAW_GATEWAY_TOKEN and gateway.auth.token differ");
  assert(!hint!.includes('"et"') && !hint!.includes('"at"'));
  assertEquals(await credentialConflict(facts, "password"), undefined);
  await state.write('{"gateway": {"auth": {"token": "et"}}}');
  assertEquals(
    await credentialConflict({ ...facts, loaded: await state.load() }, "token"),
    undefined,
  );
});

Deno.test("explainCredentials() tells winner and losers by name", async () => {
  await using state = await tempState(
    { OPENCLAW_GATEWAY_TOKEN: "et" },
    '{"gateway": {"auth": {"token": "at"}}}',
  );
  const facts = { flags: {}, env: state.env, loaded: await state.load(), paths: state.paths };
  const { token, ignored } = explainCredentials(facts);
  assertEquals([token?.name, ignored.map((i) => i.name)], ["OPENCLAW_GATEWAY_TOKEN", [
    "gateway.auth.token",
  ]]);
});

Deno.test("5.4: nodeCredentials() ignores gateway.remote locally and config with a stored device token", async () => {
  await using state = await tempState(
    {},
    '{"gateway": {"auth": {"token": "at"}, "remote": {"token": "rt"}}}',
  );
  const facts = { env: state.env, loaded: await state.load(), savedDeviceToken: false };
  assertEquals((await nodeCredentials(facts)).token?.reveal(), "at");
  assertEquals((await nodeCredentials({ ...facts, savedDeviceToken: true })).token, undefined);
  const env = { ...state.env, OPENCLAW_GATEWAY_TOKEN: "et", OPENCLAW_GATEWAY_URL: "ws://x:1" };
  assertEquals(
    (await nodeCredentials({ ...facts, env, savedDeviceToken: true })).token?.reveal(),
    "et",
  );
});
