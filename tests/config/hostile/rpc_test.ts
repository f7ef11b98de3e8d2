/** N16, N17, N19, N45: hostile parameters of `config.*` on a real gateway, and a caller who has not authenticated. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { type TestGateway, withGateway } from "../../support/gateway.ts";
import { Wire } from "../../support/wire.ts";

const CONFIG = {
  gateway: { trustedProxies: ["10.0.0.1"] },
  channels: { x: { token: "hunter2-synthetic" } },
};

/** `raw` of a write, and what is said. */
const RAWS: Readonly<Record<string, readonly [raw: unknown, said: RegExp]>> = {
  "no text": [5, /raw/],
  "an object": [{ gateway: {} }, /raw/],
  "longer than a million": [`{"a":"${"x".repeat(1_000_000)}"}`, /raw/],
  "empty": ["", /invalid config: Unexpected end of file/],
  "NUL": ["\u0000", /invalid config: /],
  "BOM": ["\ufeff{", /invalid config: /],
  "deep": ["[".repeat(100_000), /invalid config: Nested deeper than 64 levels/],
  "deep objects": ["{a:".repeat(100_000), /invalid config: Nested deeper than 64 levels/],
  "__proto__": ['{"gateway": {"__proto__": {"port": 1}}}', /Key "__proto__" is not allowed/],
  "a key named constructor": [
    '{"constructor": {"prototype": {"x": 1}}}',
    /is not allowed|Unrecognized key/,
  ],
  "a key twice": [
    '{"gateway": {"port": 1, "port": 2}}',
    /given twice|base hash required|must|invalid/,
  ],
  "wrong types": ['{"gateway": {"port": "1e9", "auth": []}}', /invalid config: gateway/],
  "huge numbers": ['{"gateway": {"port": 1e400}}', /invalid config: gateway\.port/],
  "a list": ["[]", /invalid config: /],
  "null": ["null", /invalid config: /],
  "an include": ['{"$include": "/etc/passwd"}', /\$include is not supported|Unrecognized/],
  "the placeholder for nothing": [
    '{"channels": {"new": {"a": [{"b": "__OPENCLAW_REDACTED__"}]}}}',
    /stands for no current value/,
  ],
};

async function refusal(
  wire: Wire,
  method: string,
  params: Record<string, unknown>,
): Promise<string> {
  const answer = await wire.request(method, params);
  assert(!answer.ok, `${method} ${JSON.stringify(params).slice(0, 200)}`);
  return String(answer.error?.message);
}

const writes = ["config.set", "config.apply", "config.patch"];

for (const [name, [raw, said]] of Object.entries(RAWS)) {
  Deno.test(`config.set, apply and patch with ${name}: refused in bounded words, nothing written`, () =>
    withGateway(async ({ owner, state }) => {
      const wire = await owner();
      const before = await state.read();
      for (const method of writes) {
        const { hash } = (await wire.request("config.get", {})).payload;
        const message = await refusal(wire, method, { raw, baseHash: hash });
        assertMatch(message, said, method);
        assert(message.length < 1_000, `${message.length} characters`);
        assert(!message.includes("hunter2"), message);
      }
      assertEquals(await state.read(), before);
      assert((await wire.request("health", {})).ok);
      assertEquals(({} as Record<string, unknown>).port, undefined);
    }, { config: CONFIG }));
}

Deno.test("config.patch of very many keys is refused before it is tried one by one", () =>
  withGateway(async ({ owner, state }) => {
    const wire = await owner();
    const before = await state.read();
    const keys = Array.from({ length: 40_000 }, (_, i) => `k${i}:1`);
    const { hash } = (await wire.request("config.get", {})).payload;
    const raw = `{channels: {${keys}}}`;
    assertMatch(
      await refusal(wire, "config.patch", { raw, baseHash: hash }),
      /Cannot make 40000 changes/,
    );
    assertEquals(await state.read(), before);
  }, { config: { ...CONFIG, ui: { note: "x".repeat(5_000) } } }));

Deno.test("config.patch replacePaths and config.schema.lookup take hostile paths as names of nothing", () =>
  withGateway(async ({ owner }) => {
    const wire = await owner();
    for (
      const path of [
        "__proto__",
        "..",
        "a[999999999]",
        "a[-1]",
        "gateway.",
        "\u0000",
        "x".repeat(500),
      ]
    ) {
      const answer = await wire.request("config.schema.lookup", { path });
      assert(!answer.ok && String(answer.error?.message).length < 1_000, path);
    }
    const { hash } = (await wire.request("config.get", {})).payload;
    const replacePaths = ["__proto__", "..", "channels"];
    const done = await wire.request("config.patch", {
      raw: "{channels: {y: 1}}",
      baseHash: hash,
      replacePaths,
    });
    assertEquals(done.payload.config.channels, { y: 1 });
  }, { config: CONFIG }));

Deno.test("config writes at the same time: one wins by its revision, the other is told to read again", () =>
  withGateway(async ({ owner, state }) => {
    const [one, two] = [await owner(), await owner()];
    const { hash } = (await one.request("config.get", {})).payload;
    const patch = (wire: Wire, port: number) =>
      wire.request("config.patch", {
        raw: `{gateway: {controlUi: {basePath: "/p${port}"}}}`,
        baseHash: hash,
      });
    const answers = await Promise.all([patch(one, 1), patch(two, 2)]);
    assertEquals(answers.map(({ ok }) => ok).toSorted(), [false, true]);
    const lost = answers.find(({ ok }) => !ok);
    assertMatch(String(lost?.error?.message), /config changed since last load/);
    const won = answers.findIndex(({ ok }) => ok) + 1;
    assertEquals((await state.load()).config.gateway.controlUi.basePath, `/p${won}`);
  }, { config: CONFIG }));

Deno.test("N45: before connect and after a refused connect no config method is reached", () =>
  withGateway(async ({ open, state }: TestGateway) => {
    const before = await state.read();
    for (const method of [...writes, "config.get", "config.schema"]) {
      const wire = await open();
      await wire.challenge();
      const params = { raw: "{gateway: {auth: {mode: 'none'}}}" };
      await wire.request(method, params).catch(() => undefined);
      assertEquals((await wire.ended()).code, 1008, method);
    }
    assertEquals(await state.read(), before);
  }, { config: CONFIG }));

Deno.test("config.get of a file that must not be read, or is broken, says so and goes on", {
  ignore: Deno.build.os === "windows",
}, () =>
  withGateway(async ({ owner, state }) => {
    const wire = await owner();
    const { configFile } = state.paths;
    await Deno.chmod(configFile, 0o666);
    const unsafe = await wire.request("config.get", {});
    assert(
      !unsafe.ok && /others can write it/.test(String(unsafe.error?.message)),
      JSON.stringify(unsafe),
    );
    await Deno.remove(configFile);
    await new Deno.Command("mkfifo", { args: ["-m", "600", configFile] }).output();
    assert(!(await wire.request("config.get", {})).ok);
    await Deno.remove(configFile);
    await state.write("{gateway: {auth: {token: 'hunter2-synthetic'");
    const broken = (await wire.request("config.get", {})).payload;
    assertEquals([broken.valid, broken.raw, JSON.stringify(broken).includes("hunter2")], [
      false,
      null,
      false,
    ]);
    assert(!(await wire.request("config.patch", { raw: "{ui: {}}", baseHash: broken.hash })).ok);
    const repaired = await wire.request("config.set", {
      raw: JSON.stringify({ gateway: {} }),
      baseHash: broken.hash,
    });
    assert(repaired.ok, "a whole new text repairs a broken file");
    assertEquals(
      await Deno.readTextFile(state.paths.configBackupFile),
      "{gateway: {auth: {token: 'hunter2-synthetic'",
    );
  }, { config: CONFIG }));
