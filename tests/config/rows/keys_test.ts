/**
 * config-and-credentials.md 2, row by row: which keys a row names, the default a person sees, which releases know it and
 * how a running gateway takes a change. The table is written from the specification and must cover every key there is.
 */
import { assert, assertEquals } from "@std/assert";
import { changeEffect } from "../../../src/config/file/edit.ts";
import { judgeText } from "../../../src/config/file/load.ts";
import { configUiHints, lookupConfig, referenceRefusals } from "../../../src/config/file/show.ts";
import { keyAt } from "../../../src/config/schema/schema.ts";
import { parseConfigPath } from "../../../src/config/text/config_path.ts";
import { withValue } from "../../../src/config/text/json_value.ts";

type Era = "v3" | "v4" | "ours";
type Applied = "hot" | "listen" | "restart" | "client";

/** One row: its keys with the defaults `config get` shows (`undefined` = none). */
interface Row {
  readonly keys: Readonly<Record<string, unknown>>;
  /** Releases that know the key, when not all do. */
  readonly only?: Era;
  readonly applied: Applied;
}

const auth = (keys: Row["keys"]): Row => ({ keys, applied: "hot" });
const listen = (keys: Row["keys"], only?: Era): Row => ({
  keys,
  applied: "listen",
  ...(only ? { only } : {}),
});
const client = (keys: Row["keys"], only?: Era): Row => ({
  keys,
  applied: "client",
  ...(only ? { only } : {}),
});

const provider = (keys: Row["keys"], only?: Era): Row => ({
  keys: Object.fromEntries(
    Object.entries(keys).map(([name, value]) => [`secrets.providers.p.${name}`, value]),
  ),
  applied: "hot",
  ...(only ? { only } : {}),
});

const EXEC = {
  security: undefined,
  ask: undefined,
  node: undefined,
  strictInlineEval: undefined,
  safeBins: undefined,
  safeBinTrustedDirs: [],
  "safeBinProfiles.p.minPositional": undefined,
  "safeBinProfiles.p.maxPositional": undefined,
  "safeBinProfiles.p.allowedValueFlags": undefined,
  "safeBinProfiles.p.deniedFlags": undefined,
};
const under = (prefix: string, keys: Row["keys"]) =>
  Object.fromEntries(Object.entries(keys).map(([name, value]) => [`${prefix}.${name}`, value]));

/** Named as in the specification. */
const ROWS: Readonly<Record<string, Row>> = {
  "gateway.mode": { keys: { "gateway.mode": "local" }, applied: "restart" },
  "gateway.port": listen({ "gateway.port": 18789 }),
  "gateway.bind": listen({ "gateway.bind": "loopback" }),
  "gateway.customBindHost": listen({ "gateway.customBindHost": undefined }),
  "gateway.auth.mode": auth({ "gateway.auth.mode": "token" }),
  "gateway.auth.token, .password": auth({
    "gateway.auth.token": undefined,
    "gateway.auth.password": undefined,
  }),
  "gateway.auth.allowTailscale": auth({ "gateway.auth.allowTailscale": false }),
  "gateway.auth.rateLimit.*": auth(under("gateway.auth.rateLimit", {
    maxAttempts: 10,
    windowMs: 60_000,
    lockoutMs: 300_000,
    exemptLoopback: true,
  })),
  "gateway.auth.trustedProxy.*": auth(under("gateway.auth.trustedProxy", {
    userHeader: undefined,
    requiredHeaders: [],
    allowUsers: [],
    allowLoopback: false,
  })),
  "gateway.trustedProxies": auth({ "gateway.trustedProxies": [] }),
  "gateway.allowRealIpFallback": auth({ "gateway.allowRealIpFallback": false }),
  "gateway.tls.*": listen(under("gateway.tls", {
    enabled: false,
    autoGenerate: true,
    certPath: undefined,
    keyPath: undefined,
    caPath: undefined,
  })),
  "gateway.remote.url": client({ "gateway.remote.url": undefined }),
  "gateway.remote.transport": client({ "gateway.remote.transport": "ssh" }),
  "gateway.remote.token, .password": client({
    "gateway.remote.token": undefined,
    "gateway.remote.password": undefined,
  }),
  "gateway.remote.tlsFingerprint": client({ "gateway.remote.tlsFingerprint": undefined }),
  "gateway.remote.sshTarget, .sshIdentity": client({
    "gateway.remote.sshTarget": undefined,
    "gateway.remote.sshIdentity": undefined,
  }),
  "gateway.remote.remotePort": client({ "gateway.remote.remotePort": 18789 }, "v4"),
  "gateway.remote.sshHostKeyPolicy": client({ "gateway.remote.sshHostKeyPolicy": "strict" }, "v4"),
  "gateway.remote.sshShareSeconds (ours)": client({ "gateway.remote.sshShareSeconds": 30 }, "ours"),
  "gateway.nodes.allowCommands, .denyCommands": {
    keys: { "gateway.nodes.allowCommands": [], "gateway.nodes.denyCommands": [] },
    only: "v3",
    applied: "hot",
  },
  "gateway.nodes.commands.allow|deny (v4 names)": {
    keys: { "gateway.nodes.commands.allow": [], "gateway.nodes.commands.deny": [] },
    only: "v4",
    applied: "hot",
  },
  "gateway.nodes.browser.{mode,node}": auth({
    "gateway.nodes.browser.mode": "auto",
    "gateway.nodes.browser.node": undefined,
  }),
  "gateway.nodes.pairing.autoApproveCidrs": auth({ "gateway.nodes.pairing.autoApproveCidrs": [] }),
  // Decision 2: for nodes off unless set.
  "gateway.nodes.pairing.autoApproveLocal": {
    keys: { "gateway.nodes.pairing.autoApproveLocal": undefined },
    only: "v4",
    applied: "hot",
  },
  "gateway.nodes.pairing.sshVerify": {
    keys: { "gateway.nodes.pairing.sshVerify": false },
    only: "v4",
    applied: "hot",
  },
  "gateway.tailscale.mode": listen({ "gateway.tailscale.mode": "off" }),
  "gateway.tailscale.resetOnExit": listen({ "gateway.tailscale.resetOnExit": false }, "v3"),
  "gateway.controlUi.{enabled,allowedOrigins,dangerously*}": auth(under("gateway.controlUi", {
    enabled: true,
    allowedOrigins: [],
    dangerouslyAllowHostHeaderOriginFallback: false,
    dangerouslyDisableDeviceAuth: false,
  })),
  "gateway.controlUi.basePath": { keys: { "gateway.controlUi.basePath": "" }, applied: "restart" },
  // The next edit is judged by it.
  "gateway.reload.mode": { keys: { "gateway.reload.mode": "hybrid" }, applied: "hot" },
  "gateway.reload.debounceMs": {
    keys: { "gateway.reload.debounceMs": 300 },
    only: "v3",
    applied: "restart",
  },
  "gateway.handshakeTimeoutMs": listen({ "gateway.handshakeTimeoutMs": 15_000 }, "v3"),
  "gateway.http.securityHeaders.strictTransportSecurity": auth({
    "gateway.http.securityHeaders.strictTransportSecurity": false,
  }),
  "nodeHost.browserProxy.*": client({
    "nodeHost.browserProxy.enabled": true,
    "nodeHost.browserProxy.allowProfiles": [],
  }),
  "nodeHost.env.pass, nodeHost.maxConcurrentRuns (ours)": client({
    "nodeHost.env.pass": [],
    "nodeHost.maxConcurrentRuns": 16,
  }, "ours"),
  "browser.enabled": client({ "browser.enabled": true }),
  "tools.exec.*": client(under("tools.exec", EXEC)),
  "agents.list[].tools.exec": client(
    under("agents.list[0]", { id: undefined, ...under("tools.exec", EXEC) }),
  ),
  "discovery.mdns.mode": listen({ "discovery.mdns.mode": "minimal" }),
  "discovery.wideArea.enabled": listen({ "discovery.wideArea.enabled": undefined }, "v3"),
  "discovery.wideArea.domain": listen({ "discovery.wideArea.domain": undefined }),
  "secrets.providers: env": provider({ source: undefined, allowlist: undefined }),
  "secrets.providers: file": provider({
    path: undefined,
    mode: undefined,
    timeoutMs: 5_000,
    maxBytes: 1_048_576,
  }),
  "secrets.providers: exec": provider({
    command: undefined,
    args: [],
    env: {},
    passEnv: [],
    trustedDirs: [],
    jsonOnly: true,
    noOutputTimeoutMs: undefined,
    maxOutputBytes: 1_048_576,
  }),
  "secrets.providers: what checks are skipped": provider({
    allowSymlinkCommand: false,
    allowInsecurePath: false,
  }, "v3"),
  "secrets.defaults": auth({
    "secrets.defaults.env": undefined,
    "secrets.defaults.file": undefined,
    "secrets.defaults.exec": undefined,
  }),
  "secrets.resolution": {
    keys: under("secrets.resolution", {
      maxProviderConcurrency: 4,
      maxRefsPerProvider: 512,
      maxBatchBytes: 262_144,
    }),
    only: "v3",
    applied: "hot",
  },
};

const GOOD: Readonly<Record<string, unknown>> = {
  integer: 1,
  number: 1,
  boolean: true,
  array: [],
  object: {},
  string: "x",
};

/** Some value the key takes, to see what is said about it. */
function goodValue(path: string): unknown {
  const json = keyAt(parseConfigPath(path))?.schema.json ?? {};
  if (Array.isArray(json.enum)) return json.enum[0];
  return typeof json.type === "string" ? GOOD[json.type] : "x";
}

const SEEN_BY: Readonly<Record<Era, RegExp>> = {
  v3: /2026\.9\.6 \(protocol 4\) refuses this key/,
  v4: /2026\.4\.29 \(protocol 3\) refuses this key/,
  ours: /every release of the reference refuses this key/,
};

for (const [name, { keys, only, applied }] of Object.entries(ROWS)) {
  Deno.test(`section 2 row ${name}: default, releases that know it, how a change applies`, async () => {
    for (const [path, fallback] of Object.entries(keys)) {
      const empty = await judgeText("/c", "{}", {});
      const { found, value } = lookupConfig(empty, path);
      assertEquals([found, value], [fallback === undefined ? "unset" : "default", fallback], path);
      const set = withValue({}, parseConfigPath(path), goodValue(path));
      const loaded = await judgeText("/c", JSON.stringify(set), {});
      const refusals = referenceRefusals(loaded).map(({ message }) => message);
      assertEquals(refusals.length, only ? 1 : 0, `${path}: ${refusals}`);
      if (only) assert(SEEN_BY[only].test(refusals[0] ?? ""), `${path}: ${refusals}`);
      const steps = [parseConfigPath(path)];
      const effect = { hybrid: changeEffect(steps, "hybrid"), hot: changeEffect(steps, "hot") };
      const sorted = Object.fromEntries(
        Object.entries(effect).map((
          [mode, { hot, restart }],
        ) => [mode, [hot.length, restart.length]]),
      );
      assertEquals(
        sorted,
        {
          hot: { hybrid: [1, 0], hot: [1, 0] },
          listen: { hybrid: [1, 0], hot: [0, 1] },
          restart: { hybrid: [0, 1], hot: [0, 1] },
          client: { hybrid: [0, 0], hot: [0, 0] },
        }[applied],
        path,
      );
    }
  });
}

Deno.test("section 2: the rows name every key of the schema, and no other", () => {
  const plain = (path: string) =>
    path.replace("agents.list[0]", "agents.list.*").replace(/\.p(?=\.)/g, ".*");
  const named = Object.values(ROWS).flatMap(({ keys }) => Object.keys(keys)).map(plain);
  assertEquals(named.toSorted(), Object.keys(configUiHints()).toSorted());
  assertEquals(new Set(named).size, named.length, "each once");
});

Deno.test("section 2: secret and command-valued keys are marked as such", () => {
  const marked = (fact: "secret" | "fileOnly") =>
    Object.values(ROWS).flatMap(({ keys }) => Object.keys(keys)).filter((path) =>
      keyAt(parseConfigPath(path))?.facts[fact]
    );
  assertEquals(marked("secret"), [
    "gateway.auth.token",
    "gateway.auth.password",
    "gateway.remote.token",
    "gateway.remote.password",
  ]);
  // N45: everything that names a program, its arguments, its environment or a key file.
  const programs = marked("fileOnly");
  for (const path of Object.values(ROWS).flatMap(({ keys }) => Object.keys(keys))) {
    const names = /^secrets\.providers|safeBin|sshIdentity|sshVerify|env\.pass$/.test(path);
    assertEquals(programs.includes(path), names, path);
  }
});
