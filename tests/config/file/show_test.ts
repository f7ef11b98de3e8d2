/** What `config get`, `config schema` and `config validate --reference` show. */
import { assert, assertEquals } from "@std/assert";
import { issueText } from "../../../src/config/file/load.ts";
import {
  configJsonSchema,
  configUiHints,
  lookupConfig,
  lookupSchema,
  referenceRefusals,
} from "../../../src/config/file/show.ts";
import { tempState } from "../temp_state.ts";

Deno.test("lookupConfig() finds set values, defaults and nothing", async () => {
  await using state = await tempState(
    {},
    `{gateway: {port: 5, auth: {token: "tok"}, trustedProxies: ["a", "b"]}, agents: {list: [{id: "x"}], "k.k": 1}}`,
  );
  const loaded = await state.load();
  const rows: [string, string, unknown][] = [
    ["gateway.port", "set", 5],
    ["gateway.trustedProxies[1]", "set", "b"],
    ["agents.list[0].id", "set", "x"],
    ['agents["k.k"]', "set", 1],
    ["gateway.bind", "default", "loopback"],
    ["gateway.mode", "default", "local"],
    ["gateway.auth.mode", "default", "token"],
    ["gateway.auth.rateLimit.maxAttempts", "default", 10],
    ["gateway.remote.remotePort", "default", 5],
    ["gateway.remote.url", "unset", undefined],
    ["gateway.auth.rateLimit", "unset", undefined],
    ["gateway.nothing", "missing", undefined],
    ["nothing.at.all", "missing", undefined],
    ["gateway.trustedProxies[9]", "missing", undefined],
    ["gateway.toString", "missing", undefined],
  ];
  for (const [path, found, value] of rows) {
    const lookup = lookupConfig(loaded, path);
    assertEquals([lookup.found, lookup.value], [found, value], path);
  }
});

Deno.test("lookupConfig() gives a secret only for its exact path, parents stay redacted", async () => {
  await using state = await tempState(
    {},
    `{gateway: {auth: {token: "tok"}}, channels: {x: {botToken: "bot"}}}`,
  );
  const loaded = await state.load();
  const foreign = lookupConfig(loaded, "channels.x.botToken");
  assertEquals([foreign.secret, foreign.value, foreign.shown], [
    true,
    "bot",
    "__OPENCLAW_REDACTED__",
  ]);
  const exact = lookupConfig(loaded, "gateway.auth.token");
  assertEquals([exact.secret, exact.value, exact.shown], [true, "tok", "__OPENCLAW_REDACTED__"]);
  const parent = lookupConfig(loaded, "gateway.auth");
  assertEquals([parent.secret, parent.value], [false, { token: "__OPENCLAW_REDACTED__" }]);
});

Deno.test("configJsonSchema() describes every key with type, text and default", () => {
  const schema = configJsonSchema() as {
    properties: Record<string, { properties: Record<string, unknown> }>;
  };
  assertEquals(schema.properties.gateway?.properties.port, {
    type: "integer",
    minimum: 1,
    maximum: 65535,
    description: "Port of the gateway",
    default: 18789,
  });
  const hints = configUiHints() as Record<string, { sensitive: boolean; help: string }>;
  assertEquals(hints["gateway.auth.token"]?.sensitive, true);
  assert(Object.values(hints).every((hint) => hint.help.length > 5));
});

Deno.test("lookupSchema() gives a node with its children", () => {
  const found = lookupSchema("gateway.tls")!;
  assertEquals(found.children.map((child) => child.key), [
    "enabled",
    "autoGenerate",
    "certPath",
    "keyPath",
    "caPath",
  ]);
  assertEquals(lookupSchema("gateway.auth.mode")?.schema.enum, [
    "none",
    "token",
    "password",
    "trusted-proxy",
  ]);
  assertEquals(lookupSchema("gateway.nothing"), undefined);
});

Deno.test("referenceRefusals() lists what a release of the reference would refuse", async () => {
  await using state = await tempState(
    {},
    `{gateway: {bogus: 1, handshakeTimeoutMs: 5, reload: {mode: "hot"}, remote: {remotePort: 1}, port: 2}, nodeHost: {maxConcurrentRuns: 3}}`,
  );
  assertEquals(referenceRefusals(await state.load()).map(issueText), [
    'gateway: Unrecognized key: "bogus" (every release refuses it)',
    "gateway.handshakeTimeoutMs: 2026.9.6 (protocol 4) refuses this key",
    'gateway.reload.mode: 2026.9.6 (protocol 4) refuses the value "hot"',
    "gateway.remote.remotePort: 2026.4.29 (protocol 3) refuses this key",
    "nodeHost.maxConcurrentRuns: every release of the reference refuses this key",
  ]);
});
