/** Every key of config-and-credentials.md 2: that it is known, its default, and what it refuses. */
import { assert, assertEquals } from "@std/assert";
import { parseConfigPath, valueAt } from "../../../src/config/text/config_path.ts";
import { withValue } from "../../../src/config/text/json_value.ts";
import { issueText } from "../../../src/config/file/load.ts";
import { type Config, keyAt, readConfig, schemaAt } from "../../../src/config/schema/schema.ts";
import { configUiHints } from "../../../src/config/file/show.ts";
import { randomSource } from "../text/random_json5.ts";

/** Path, default, a value that is accepted, a value that is not. */
type Row = readonly [path: string, fallback: unknown, good: unknown, bad: unknown];

const ROWS: readonly Row[] = [
  ["gateway.mode", undefined, "remote", "hybrid"],
  ["gateway.port", 18789, 65535, 0],
  ["gateway.bind", undefined, "tailnet", "public"],
  ["gateway.customBindHost", undefined, "10.0.0.1", 5],
  ["gateway.auth.mode", undefined, "trusted-proxy", "basic"],
  ["gateway.auth.token", undefined, { source: "env", id: "X" }, { source: "env" }],
  ["gateway.auth.password", undefined, "text", 5],
  ["gateway.auth.allowTailscale", undefined, true, "yes"],
  ["gateway.auth.rateLimit.maxAttempts", 10, 1, 0],
  ["gateway.auth.rateLimit.windowMs", 60_000, 1.5, "1"],
  ["gateway.auth.rateLimit.lockoutMs", 300_000, 1, -1],
  ["gateway.auth.rateLimit.exemptLoopback", true, false, 0],
  ["gateway.auth.trustedProxy.userHeader", undefined, "x-user", []],
  ["gateway.auth.trustedProxy.requiredHeaders", [], ["a"], "a"],
  ["gateway.auth.trustedProxy.allowUsers", [], ["a"], [1]],
  ["gateway.auth.trustedProxy.allowLoopback", false, true, null],
  ["gateway.trustedProxies", [], ["10.0.0.0/8"], {}],
  ["gateway.allowRealIpFallback", false, true, 1],
  ["gateway.tls.enabled", false, true, "true"],
  ["gateway.tls.autoGenerate", true, false, "no"],
  ["gateway.tls.certPath", undefined, "/a", ""],
  ["gateway.tls.keyPath", undefined, "/a", 1],
  ["gateway.tls.caPath", undefined, "/a", []],
  ["gateway.remote.url", undefined, "wss://g", 1],
  ["gateway.remote.transport", undefined, "direct", "tcp"],
  ["gateway.remote.token", undefined, "t", true],
  ["gateway.remote.password", undefined, "p", []],
  ["gateway.remote.tlsFingerprint", undefined, "ab", 1],
  ["gateway.remote.sshTarget", undefined, "me@host", ""],
  ["gateway.remote.sshIdentity", undefined, "~/.ssh/id", 1],
  ["gateway.remote.remotePort", undefined, 1, 65536],
  ["gateway.remote.sshHostKeyPolicy", "strict", "openssh", "no"],
  ["gateway.remote.sshShareSeconds", 30, 0, 3601],
  ["gateway.nodes.allowCommands", [], ["x"], "x"],
  ["gateway.nodes.denyCommands", [], ["x"], [null]],
  ["gateway.nodes.commands.allow", [], ["x"], 1],
  ["gateway.nodes.commands.deny", [], ["x"], 1],
  ["gateway.nodes.browser.mode", "auto", "off", "on"],
  ["gateway.nodes.browser.node", undefined, "n", 1],
  ["gateway.nodes.pairing.autoApproveCidrs", [], ["10.0.0.0/8"], "10.0.0.0/8"],
  ["gateway.nodes.pairing.autoApproveLocal", undefined, true, "true"],
  ["gateway.nodes.pairing.sshVerify", false, { user: "u", timeoutMs: 5 }, { user: 1 }],
  ["gateway.tailscale.mode", "off", "serve", "on"],
  ["gateway.tailscale.resetOnExit", false, true, 1],
  ["gateway.controlUi.enabled", true, false, 1],
  ["gateway.controlUi.basePath", "", "/x", 1],
  ["gateway.controlUi.allowedOrigins", [], ["https://x"], "https://x"],
  ["gateway.controlUi.dangerouslyAllowHostHeaderOriginFallback", false, true, 1],
  ["gateway.controlUi.dangerouslyDisableDeviceAuth", false, true, 1],
  ["gateway.reload.mode", "hybrid", "off", "cold"],
  ["gateway.reload.debounceMs", 300, 0, -1],
  ["gateway.handshakeTimeoutMs", 15_000, 1, 0],
  ["gateway.http.securityHeaders.strictTransportSecurity", false, "max-age=1", true],
  ["nodeHost.browserProxy.enabled", true, false, 1],
  ["nodeHost.browserProxy.allowProfiles", [], ["p"], "p"],
  ["nodeHost.env.pass", [], ["CC"], ["A B"]],
  ["nodeHost.maxConcurrentRuns", 16, 1, 0],
  ["browser.enabled", true, false, "no"],
  ["tools.exec.security", undefined, "full", "some"],
  ["tools.exec.ask", undefined, "on-miss", "maybe"],
  ["tools.exec.node", undefined, "build-1", 1],
  ["tools.exec.strictInlineEval", undefined, true, 1],
  ["tools.exec.safeBins", undefined, ["jq"], "jq"],
  ["tools.exec.safeBinTrustedDirs", [], ["/bin"], "/bin"],
  ["tools.exec.safeBinProfiles.jq.maxPositional", undefined, 1, -1],
  ["discovery.mdns.mode", "minimal", "full", "on"],
  ["discovery.wideArea.enabled", undefined, true, 1],
  ["discovery.wideArea.domain", undefined, "x.", 1],
  ["secrets.providers.p.source", undefined, "exec", "vault"],
  ["secrets.providers.p.timeoutMs", 5_000, 1, 120_001],
  ["secrets.providers.p.maxBytes", 1_048_576, 1, 20_971_521],
  ["secrets.providers.p.maxOutputBytes", 1_048_576, 1, 0],
  ["secrets.providers.p.jsonOnly", true, false, 1],
  ["secrets.providers.p.args", [], ["a"], "a"],
  ["secrets.providers.p.passEnv", [], ["PATH"], ["lower"]],
  ["secrets.defaults.exec", undefined, "p", 1],
  ["secrets.resolution.maxProviderConcurrency", 4, 16, 17],
  ["secrets.resolution.maxRefsPerProvider", 512, 4096, 4097],
  ["secrets.resolution.maxBatchBytes", 262_144, 5_242_880, 5_242_881],
];

for (const [path, fallback, good, bad] of ROWS) {
  Deno.test(`key ${path}: known, its default, a good and a bad value`, () => {
    const steps = parseConfigPath(path);
    const key = keyAt(steps);
    assert(key && schemaAt(steps) === key, "known");
    assertEquals(key.fallback, fallback);
    assertEquals(readConfig(withValue({}, steps, good)).report, { issues: [], unknown: [] });
    const { config, report } = readConfig(withValue({}, steps, bad));
    assertEquals(report.issues.length, 1, report.issues.map(issueText).join());
    assert(report.issues[0]!.path.startsWith(path), report.issues[0]!.path);
    assertEquals(valueAt(config, steps), fallback, "a bad value falls back to the default");
  });
}

Deno.test("the table above covers every key of the schema", () => {
  const tested = new Set(ROWS.map(([path]) => path.replace(".jq.", ".*.").replace(".p.", ".*.")));
  const untested = Object.keys(configUiHints()).filter((path) =>
    !tested.has(path) &&
    !/^(agents\.list|secrets\.(providers\.\*|defaults)|tools\.exec\.safeBinProfiles)\./.test(path)
  );
  assertEquals(untested, []);
});

Deno.test("agents.list[].tools.exec is read beside keys of the wider product", () => {
  const value = {
    agents: { list: [{ id: "a", model: { x: 1 }, tools: { web: 1, exec: { ask: "off" } } }] },
  };
  const { config, report } = readConfig(value);
  assertEquals(report, { issues: [], unknown: [] });
  assertEquals(config.agents.list[0]?.tools.exec.ask, "off");
});

Deno.test("readConfig() survives any JSON in any place and always gives a whole configuration", () => {
  const shape = (config: Config) =>
    Object.keys(config.gateway).concat(Object.keys(config.gateway.auth));
  const whole = shape(readConfig({}).config);
  const odd = [
    null,
    0,
    -1,
    1e308,
    "",
    "x",
    true,
    [],
    [[]],
    [null],
    {},
    { a: { b: [{}] } },
    "\u0000",
    { length: 5 },
  ];
  const paths = ROWS.flatMap(([path]) => {
    const steps = parseConfigPath(path);
    return steps.map((_, i) => steps.slice(0, i + 1));
  });
  for (let seed = 1; seed <= 400; seed++) {
    const random = randomSource(seed);
    let value: unknown = {};
    for (let n = 0; n < 4; n++) {
      const path = paths[Math.floor(random() * paths.length)]!;
      value = withValue(value, path, odd[Math.floor(random() * odd.length)]);
    }
    const { config } = readConfig(value);
    assertEquals(shape(config), whole, JSON.stringify(value));
    assertEquals(typeof config.gateway.port, "number");
    assert(Array.isArray(config.gateway.trustedProxies));
  }
});
