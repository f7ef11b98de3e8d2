/** What a gateway runs with and every combination it refuses (config-and-credentials.md 5.5 and 8). */
import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import type { Env } from "../../../src/config/env.ts";
import { loadHostFacts } from "../../../src/config/server/host_facts.ts";
import {
  loadServerAuth,
  loadServerPlan,
  type ServerFlags,
} from "../../../src/config/server/server_plan.ts";
import { OpenclawError } from "../../../src/lib/errors.ts";
import { Secret } from "../../../src/lib/secret.ts";
import { tempState } from "../temp_state.ts";

const BARE = { inContainer: false, tailnetIpv4: undefined };
const TOKEN = { auth: { token: "at" } };
const PROXY = {
  auth: { mode: "trusted-proxy", trustedProxy: { userHeader: "x-user" } },
  trustedProxies: ["10.0.0.1"],
};

interface Case {
  readonly gateway?: Record<string, unknown>;
  readonly env?: Env;
  readonly flags?: ServerFlags;
  readonly host?: Partial<typeof BARE> | { tailnetIpv4: string };
}

async function plan({ gateway = {}, env = {}, flags = {}, host = {} }: Case) {
  await using state = await tempState(env, JSON.stringify({ gateway }));
  const loaded = await state.load();
  return await loadServerPlan({
    flags,
    env: state.env,
    paths: state.paths,
    loaded,
    host: { ...BARE, ...host },
  });
}

interface Refusal extends Case {
  readonly name: string;
  readonly starts: string;
}

const REFUSALS: readonly Refusal[] = [
  {
    name: "mode password without a password",
    gateway: { auth: { mode: "password" } },
    starts: "gateway auth mode is password, but no password was configured",
  },
  {
    name: "mode token whose placeholder has no variable",
    gateway: { auth: { token: "${NOPE_TOKEN}" } },
    starts: "gateway auth mode is token, but no token was configured",
  },
  {
    name: "mode trusted-proxy without trustedProxy",
    gateway: { auth: { mode: "trusted-proxy" }, trustedProxies: ["10.0.0.1"] },
    starts: "gateway auth mode is trusted-proxy, but gateway.auth.trustedProxy is not configured",
  },
  {
    name: "mode trusted-proxy with an empty userHeader",
    gateway: {
      auth: { mode: "trusted-proxy", trustedProxy: { userHeader: " " } },
      trustedProxies: ["10.0.0.1"],
    },
    starts: "gateway auth mode is trusted-proxy, but",
  },
  {
    name: "mode trusted-proxy with a token in the config",
    gateway: { ...PROXY, auth: { ...PROXY.auth, token: "t" } },
    starts: "gateway auth mode is trusted-proxy, but a token is also configured",
  },
  {
    name: "mode trusted-proxy with a token in the environment",
    gateway: PROXY,
    env: { OPENCLAW_GATEWAY_TOKEN: "t" },
    starts: "gateway auth mode is trusted-proxy, but a token is also configured",
  },
  {
    name: "mode trusted-proxy without trustedProxies",
    gateway: { auth: PROXY.auth },
    starts: "gateway auth mode=trusted-proxy requires gateway.trustedProxies",
  },
  {
    name: "a token no client can send",
    gateway: { auth: { token: "k".repeat(4097) } },
    starts: "gateway auth mode is token, but gateway.auth.token has 4097 characters",
  },
  {
    name: "bind custom without a host",
    gateway: { ...TOKEN, bind: "custom" },
    starts: "gateway.bind=custom requires gateway.customBindHost",
  },
  {
    name: "bind custom with a name",
    gateway: { ...TOKEN, bind: "custom", customBindHost: "gw.local" },
    starts: "gateway.bind=custom requires a valid IPv4 customBindHost",
  },
  {
    name: "bind custom with IPv6",
    gateway: { ...TOKEN, bind: "custom", customBindHost: "::1" },
    starts: "gateway.bind=custom requires a valid IPv4 customBindHost",
  },
  {
    name: "bind custom with a short form (N23)",
    gateway: { ...TOKEN, bind: "custom", customBindHost: "127.1" },
    starts: "gateway.bind=custom requires a valid IPv4 customBindHost",
  },
  {
    name: "bind lan with auth none",
    gateway: { bind: "lan", auth: { mode: "none" } },
    starts: "refusing to bind gateway to 0.0.0.0:18789 without auth",
  },
  {
    name: "bind tailnet with auth none",
    gateway: { bind: "tailnet", auth: { mode: "none" } },
    host: { tailnetIpv4: "100.64.0.9" },
    starts: "refusing to bind gateway to 100.64.0.9:18789 without auth",
  },
  {
    name: "auto in a container with auth none",
    gateway: { bind: "auto", auth: { mode: "none" } },
    host: { inContainer: true },
    starts: "refusing to bind gateway to 0.0.0.0:18789 without auth",
  },
  {
    name: "custom address with auth none",
    gateway: { bind: "custom", customBindHost: "192.168.1.2", auth: { mode: "none" } },
    starts: "refusing to bind gateway to 192.168.1.2:18789 without auth",
  },
  {
    name: "tailscale serve on lan",
    gateway: { ...TOKEN, bind: "lan", tailscale: { mode: "serve" } },
    starts: "tailscale serve/funnel requires gateway bind=loopback (127.0.0.1)",
  },
  {
    name: "tailscale funnel on lan",
    gateway: { auth: { password: "p" }, bind: "lan" },
    flags: { tailscale: "funnel" },
    starts: "tailscale serve/funnel requires gateway bind=loopback (127.0.0.1)",
  },
  {
    name: "tailscale funnel with a token",
    gateway: { ...TOKEN, tailscale: { mode: "funnel" } },
    starts: "tailscale funnel requires gateway auth mode=password",
  },
  { name: "mode remote", gateway: { ...TOKEN, mode: "remote" }, starts: "Gateway start blocked: " },
  { name: "an invalid configuration", gateway: { port: "x" }, starts: "Cannot use config" },
  {
    name: "an unresolved token reference",
    gateway: { auth: { token: { source: "env", id: "NOPE" } } },
    starts: "gateway.auth.token is a secret reference that is unavailable",
  },
];

for (const { name, starts, ...of } of REFUSALS) {
  Deno.test(`loadServerPlan() refuses with exit code 78: ${name}`, async () => {
    const error = await assertRejects(() => plan(of), OpenclawError);
    assertEquals(error.message.slice(0, starts.length), starts);
    assertEquals(error.exitCode, 78);
    assert(error.hint !== undefined && error.hint !== "");
  });
}

interface BindRow extends Case {
  readonly name: string;
  readonly hosts: string;
}

const LOOPBACK = "127.0.0.1 ::1?";
const BINDS: readonly BindRow[] = [
  { name: "default is loopback", gateway: TOKEN, hosts: LOOPBACK },
  {
    name: "default in a container is loopback, too",
    gateway: TOKEN,
    host: { inContainer: true },
    hosts: LOOPBACK,
  },
  {
    name: "with tailscale serve loopback, also in a container",
    gateway: { ...TOKEN, tailscale: { mode: "serve" } },
    host: { inContainer: true },
    hosts: LOOPBACK,
  },
  {
    name: "loopback in a container stays loopback",
    gateway: { ...TOKEN, bind: "loopback" },
    host: { inContainer: true },
    hosts: LOOPBACK,
  },
  { name: "lan", gateway: { ...TOKEN, bind: "lan" }, hosts: "0.0.0.0" },
  {
    name: "auto outside a container is loopback",
    gateway: { ...TOKEN, bind: "auto" },
    hosts: LOOPBACK,
  },
  {
    name: "auto in a container is everywhere",
    gateway: { ...TOKEN, bind: "auto" },
    host: { inContainer: true },
    hosts: "0.0.0.0",
  },
  {
    name: "tailnet is its address and loopback",
    gateway: { ...TOKEN, bind: "tailnet" },
    host: { tailnetIpv4: "100.64.0.9" },
    hosts: "100.64.0.9 127.0.0.1",
  },
  {
    name: "tailnet without an address is loopback only",
    gateway: { ...TOKEN, bind: "tailnet" },
    hosts: LOOPBACK,
  },
  {
    name: "custom",
    gateway: { ...TOKEN, bind: "custom", customBindHost: "192.168.1.2" },
    hosts: "192.168.1.2",
  },
  {
    name: "--bind wins over the config",
    gateway: { ...TOKEN, bind: "lan" },
    flags: { bind: "loopback" },
    hosts: LOOPBACK,
  },
  {
    name: "a custom loopback address needs no auth",
    gateway: { auth: { mode: "none" }, bind: "custom", customBindHost: "127.0.0.2" },
    hosts: "127.0.0.2",
  },
];

for (const { name, hosts, ...of } of BINDS) {
  Deno.test(`loadServerPlan() bind: ${name}`, async () => {
    const { bind } = await plan(of);
    assertEquals(bind.addresses.map((a) => a.host + (a.required ? "" : "?")).join(" "), hosts);
  });
}

interface AuthRow extends Case {
  readonly name: string;
  /** mode, secret in force, its source */
  readonly auth: string;
}

const BOTH = { auth: { token: "at", password: "ap" } };
const AUTHS: readonly AuthRow[] = [
  { name: "a configured token", gateway: TOKEN, auth: "token at gateway.auth.token" },
  {
    name: "a configured password wins over a token",
    gateway: BOTH,
    auth: "password ap gateway.auth.password",
  },
  {
    name: "the configured mode wins over what is set",
    gateway: { auth: { ...BOTH.auth, mode: "token" } },
    auth: "token at gateway.auth.token",
  },
  {
    name: "--auth wins over the configured mode",
    gateway: { auth: { ...BOTH.auth, mode: "token" } },
    flags: { auth: "password" },
    auth: "password ap gateway.auth.password",
  },
  {
    name: "the config wins over the environment",
    gateway: TOKEN,
    env: { OPENCLAW_GATEWAY_TOKEN: "et" },
    auth: "token at gateway.auth.token",
  },
  {
    name: "the environment when the config is silent",
    env: { OPENCLAW_GATEWAY_TOKEN: "et" },
    auth: "token et OPENCLAW_GATEWAY_TOKEN",
  },
  {
    name: "a password in the environment makes mode password",
    env: { OPENCLAW_GATEWAY_PASSWORD: "ep" },
    auth: "password ep OPENCLAW_GATEWAY_PASSWORD",
  },
  {
    name: "--token wins over all",
    gateway: TOKEN,
    flags: { token: new Secret("ft") },
    auth: "token ft --token",
  },
  {
    name: "--password wins over all and makes mode password",
    gateway: TOKEN,
    flags: { password: new Secret("fp") },
    auth: "password fp --password",
  },
  {
    name: "gateway.remote never configures a server",
    gateway: { auth: { mode: "none" }, remote: { token: "rt", password: "rp" } },
    auth: "none - -",
  },
  {
    name: "a reference that the mode excludes is not fetched",
    gateway: { auth: { mode: "password", password: "ap", token: { source: "env", id: "NOPE" } } },
    auth: "password ap gateway.auth.password",
  },
  {
    name: "trusted-proxy keeps a password for local callers",
    gateway: { ...PROXY, auth: { ...PROXY.auth, password: "ap" } },
    auth: "trusted-proxy ap gateway.auth.password",
  },
];

for (const { name, auth: expected, ...of } of AUTHS) {
  Deno.test(`loadServerPlan() auth: ${name}`, async () => {
    const { auth } = await plan(of);
    const value = (auth.token ?? auth.password)?.reveal() ?? "-";
    assertEquals(`${auth.mode} ${value} ${auth.secretSource ?? "-"}`, expected);
  });
}

Deno.test("loadServerPlan() makes a token of 48 hex digits and saves it for the next start", async () => {
  await using state = await tempState();
  const facts = { flags: {}, env: state.env, paths: state.paths, host: BARE };
  const first = await loadServerPlan({ ...facts, loaded: await state.load() });
  assertMatch(first.auth.token!.reveal(), /^[0-9a-f]{48}$/);
  assertEquals(first.generatedToken, "saved");
  const second = await loadServerPlan({ ...facts, loaded: await state.load() });
  assertEquals(second.auth.token!.reveal(), first.auth.token!.reveal());
  assertEquals(second.generatedToken, undefined);
  assert(!JSON.stringify(first).includes(first.auth.token!.reveal()), "never in text");
});

Deno.test("loadServerPlan() starts at the same time agree on one token", async () => {
  await using state = await tempState();
  const loaded = await state.load();
  const facts = { flags: {}, env: state.env, paths: state.paths, host: BARE, loaded };
  const plans = await Promise.all([1, 2, 3].map(() => loadServerPlan(facts)));
  const tokens = new Set(plans.map((p) => p.auth.token!.reveal()));
  assertEquals(tokens.size, 1);
  assertEquals((await state.load()).parsed, { gateway: { auth: { token: [...tokens][0] } } });
});

Deno.test("loadServerPlan() keeps a new token for this run when the file cannot be written", async () => {
  await using state = await tempState();
  // A folder in the place of the file: nothing can be renamed over it, and it reads as unset only before this test.
  const loaded = await state.load();
  await Deno.mkdir(state.paths.configFile);
  const found = await loadServerPlan({
    flags: {},
    env: state.env,
    paths: state.paths,
    loaded,
    host: BARE,
  });
  assertEquals(found.generatedToken, "this run only");
  assertStringIncludes(found.warnings.join(), "could not be saved");
  assert(!found.warnings.join().includes(found.auth.token!.reveal()));
});

Deno.test("loadServerPlan() mode token without a token starts where Tailscale identities are allowed", async () => {
  const auth = { token: "${NOPE_TOKEN}", allowTailscale: true };
  const found = await plan({ gateway: { auth, tailscale: { mode: "serve" } } });
  assertEquals([found.auth.mode, found.auth.token, found.auth.allowTailscale], [
    "token",
    undefined,
    true,
  ]);
});

Deno.test("loadServerPlan() port: flag, environment, config, default", async () => {
  const port = async (of: Case) => {
    const found = await plan({ ...of, gateway: { ...TOKEN, ...of.gateway } });
    return `${found.port} ${found.portSource}`;
  };
  const env = { OPENCLAW_GATEWAY_PORT: "2" };
  assertEquals(await port({ gateway: { port: 3 }, env, flags: { port: 1 } }), "1 flag");
  assertEquals(await port({ gateway: { port: 3 }, env }), "2 env");
  assertEquals(
    await port({ gateway: { port: 3 }, env: { OPENCLAW_GATEWAY_PORT: "x" } }),
    "3 config",
  );
  assertEquals(await port({}), "18789 default");
});

Deno.test("loadServerPlan() Tailscale identities are accepted with serve and token unless configured", async () => {
  const allow = async (gateway: Record<string, unknown>) =>
    (await plan({ gateway })).auth.allowTailscale;
  const serve = { tailscale: { mode: "serve" } };
  assertEquals(await allow({ ...TOKEN, ...serve }), true);
  assertEquals(await allow({ ...TOKEN }), false);
  assertEquals(await allow({ auth: { password: "p" }, ...serve }), false);
  assertEquals(await allow({ auth: { token: "t", allowTailscale: false }, ...serve }), false);
  assertEquals(await allow({ auth: { token: "t", allowTailscale: true } }), true);
});

Deno.test("loadServerPlan() --allow-unconfigured starts in mode remote, --tls turns TLS on", async () => {
  const found = await plan({
    gateway: { ...TOKEN, mode: "remote" },
    flags: { allowUnconfigured: true, tls: true },
  });
  assertEquals(found.tls.enabled, true);
  assert(found.tls.certPath.endsWith("gateway-cert.pem"));
});

Deno.test("loadServerPlan() warns about plaintext on the network and secrets in the process list", async () => {
  const flags = { token: new Secret("hunter2"), bind: "lan" as const };
  const { warnings } = await plan({ flags });
  assertStringIncludes(warnings.join("\n"), "plaintext on 0.0.0.0");
  assertStringIncludes(warnings.join("\n"), "--token is visible in process lists");
  assert(!warnings.join().includes("hunter2"));
  const tailnet = { gateway: { ...TOKEN, bind: "tailnet" } };
  assertStringIncludes((await plan(tailnet)).warnings.join(), "has no tailnet address");
  const there = await plan({ ...tailnet, host: { tailnetIpv4: "100.64.0.9" } });
  assert(!there.warnings.join().includes("tailnet"));
  assertEquals(
    (await plan({ gateway: { ...TOKEN, bind: "lan", tls: { enabled: true } } })).warnings,
    [],
  );
});

const UNSAFE: readonly [name: string, gateway: Record<string, unknown>, says: string][] = [
  [
    "dangerouslyDisableDeviceAuth, which does nothing here",
    { controlUi: { dangerouslyDisableDeviceAuth: true } },
    "dangerouslyDisableDeviceAuth has no effect",
  ],
  [
    "dangerouslyAllowHostHeaderOriginFallback",
    { controlUi: { dangerouslyAllowHostHeaderOriginFallback: true } },
    "dangerouslyAllowHostHeaderOriginFallback is on",
  ],
  ["origins of everybody", { controlUi: { allowedOrigins: ["*"] } }, 'allowedOrigins has "*"'],
  [
    "proxies of everybody, IPv6",
    { trustedProxies: ["10.0.0.1", "::/0"] },
    "gateway.trustedProxies holds every address",
  ],
  [
    "a proxy given by its name",
    { trustedProxies: ["10.0.0.1", "proxy.local", "10.0.0.0/33"] },
    '"proxy.local", "10.0.0.0/33" is no address and no range',
  ],
  [
    "proxies of everybody, IPv4",
    { trustedProxies: ["0.0.0.0/0"] },
    "gateway.trustedProxies holds every address",
  ],
];
for (const [name, gateway, says] of UNSAFE) {
  Deno.test(`loadServerPlan() warns at every start about ${name}`, async () => {
    const { warnings } = await plan({ gateway: { ...TOKEN, ...gateway } });
    assertEquals(warnings.length, 1, warnings.join("\n"));
    assertStringIncludes(warnings[0] ?? "", says);
  });
}

Deno.test("loadServerAuth() on reload makes no token and fails closed", async () => {
  await using state = await tempState(
    {},
    "{gateway: {auth: {token: {source: 'env', id: 'NOPE'}}}}",
  );
  const facts = { flags: {}, env: state.env, loaded: await state.load() };
  await assertRejects(() => loadServerAuth(facts), OpenclawError, "unavailable");
  const { auth } = await loadServerAuth({ ...facts, env: { ...state.env, NOPE: "now" } });
  assertEquals(auth.token?.reveal(), "now");
});

Deno.test("loadHostFacts() looks at this machine without failing", () => {
  const { inContainer, tailnetIpv4 } = loadHostFacts();
  assertEquals(typeof inContainer, "boolean");
  if (tailnetIpv4 !== undefined) assertMatch(tailnetIpv4, /^100\./);
});
