/** A live session over a real socket: dispatch, limits, hostile frames, events, slow readers. */
import { assert, assertEquals, assertLess, assertMatch } from "@std/assert";
import { METHODS } from "../../src/gateway/methods/mod.ts";
import { TOKEN, withGateway } from "../support/gateway.ts";
import {
  type Change,
  connectParams,
  nodeParams,
  signed,
  testKey,
  type Wire,
} from "../support/wire.ts";

type Gateway = Parameters<Parameters<typeof withGateway>[0]>[0];

/** A connected node: refused, approved by `admin`, connected. */
async function pairedNode({ open }: Gateway, admin: Wire, change: Change = {}): Promise<Wire> {
  const key = await testKey(32);
  const params = nodeParams({ auth: { token: TOKEN }, ...change });
  const first = await open();
  const { error } = await first.request(
    "connect",
    await signed(key, await first.challenge(), params),
  );
  const { requestId } = error!.details;
  assert((await admin.request("device.pair.approve", { requestId })).ok);
  const wire = await open();
  assert((await wire.request("connect", await signed(key, await wire.challenge(), params))).ok);
  return wire;
}

Deno.test("dispatch: method, role, scope, params are checked in this order", () =>
  withGateway(async ({ owner }) => {
    const reader = await owner({ scopes: ["operator.read"] });
    const message = async (method: string, params?: unknown) =>
      (await reader.request(method, params)).error?.message;
    assertEquals(await message("no.such.method"), "missing scope: operator.admin");
    assertEquals(
      await message("node.invoke.result", { nonsense: 1 }),
      "unauthorized role: operator",
    );
    assertEquals(await message("config.set", { nonsense: 1 }), "missing scope: operator.admin");
    assertEquals(
      await message("logs.tail", { nonsense: 1 }),
      "invalid logs.tail params: at root: unexpected property 'nonsense'",
    );
    assertEquals(await message("status"), undefined);
    const admin = await owner();
    assertEquals(
      (await admin.request("no.such.method")).error,
      { code: "INVALID_REQUEST", message: "unknown method: no.such.method" },
    );
  }));

Deno.test("a missing scope: FORBIDDEN with details on protocol 4, INVALID_REQUEST without on 3", () =>
  withGateway(async ({ owner }) => {
    const four = await owner({ scopes: [] });
    assertEquals((await four.request("status")).error, {
      code: "FORBIDDEN",
      message: "missing scope: operator.read",
      details: {
        code: "MISSING_SCOPE",
        missingScope: "operator.read",
        requiredScopes: ["operator.read"],
      },
    });
    const three = await owner({ minProtocol: 3, maxProtocol: 3, scopes: [] });
    assertEquals((await three.request("status")).error, {
      code: "INVALID_REQUEST",
      message: "missing scope: operator.read",
    });
  }));

Deno.test("a node may call node methods and health only, and is cut after ten tries of others", () =>
  withGateway(async (gateway) => {
    const node = await pairedNode(gateway, await gateway.owner());
    assert((await node.request("health")).ok);
    assertEquals((await node.request("skills.bins", {})).payload, { bins: [] });
    for (let n = 0; n < 11; n++) {
      assertEquals(
        (await node.request(n % 2 ? "node.list" : "no.such.method")).error?.message,
        "unauthorized role: node",
      );
    }
    assertEquals(await node.ended(), { code: 1008, reason: "repeated unauthorized calls" });
  }));

Deno.test("bad frames after hello are answered or ignored, and the connection stays", () =>
  withGateway(async ({ owner }) => {
    const wire = await owner();
    wire.sendText("garbage");
    wire.sendText(`{"type":"req","id":"nomethod"}`);
    wire.sendText(`{"type":"hello"}`);
    wire.sendText(`{"type":"req","id":"extra","method":"health","surprise":1}`);
    assertEquals((await wire.answer("nomethod")).error, {
      code: "INVALID_REQUEST",
      message: "invalid request frame: must have required property 'method'",
    });
    assertEquals(
      (await wire.answer("invalid")).error?.message,
      "invalid request frame: must have required property 'id'; at /type: must be equal to constant",
    );
    assertEquals(
      (await wire.answer("extra")).error?.message,
      "invalid request frame: at root: unexpected property 'surprise'",
    );
    assert((await wire.request("health")).ok);
  }));

const frame = (params: string) => `{"type":"req","id":"h","method":"health","params":${params}}`;
const HOSTILE: readonly [string, string, string | number][] = [
  ["JSON 100,000 deep", frame("[".repeat(100_000) + "]".repeat(100_000)), "nested too deeply"],
  ["half a megabyte of digits", frame(`{"a":${"9".repeat(500_000)}}`), "number too long"],
  [
    "60,000 keys",
    frame(`{${Array.from({ length: 60_000 }, (_, n) => `"${n}":0`).join(",")}}`),
    "too many keys",
  ],
  ["5 MB of digits", frame(`{"a":${"9".repeat(5_000_000)}}`), 1009],
  [
    "1,000,000 keys",
    frame(`{${Array.from({ length: 1_000_000 }, (_, n) => `"k${n}":0`).join(",")}}`),
    1009,
  ],
  ["1 MiB and one character of another method", frame(`{"a":"${"x".repeat(1024 * 1024)}"}`), 1009],
  ["the maximum and one byte", frame(`{"a":"${"x".repeat(26_214_400)}"}`), 1009],
  [
    "5 MB of digits in node.invoke",
    `{"type":"req","id":"h","method":"node.invoke","params":{"a":${"9".repeat(5_000_000)}}}`,
    "number too long",
  ],
  [
    "1,000,000 keys in node.invoke",
    `{"type":"req","id":"h","method":"node.invoke","params":{${
      Array.from({ length: 1_000_000 }, (_, n) => `"k${n}":0`).join(",")
    }}}`,
    "too many keys",
  ],
  [
    "a large frame that only pretends to be node.invoke",
    `{"type":"req","id":"\\"method\\":\\"node.invoke\\"","method":"health","params":{"a":"${
      "x".repeat(1024 * 1024)
    }"}}`,
    1009,
  ],
];
for (const [name, text, wanted] of HOSTILE) {
  Deno.test(`N16: ${name} is refused at once and blocks nobody`, () =>
    withGateway(async ({ owner }) => {
      const wire = await owner();
      const other = await owner();
      const start = performance.now();
      wire.sendText(text);
      if (typeof wanted === "number") {
        assertEquals((await wire.ended()).code, wanted);
      } else {
        const { error } = await wire.find((f) => f.type === "res" && f.id === "invalid");
        assertEquals(error?.message, `invalid request frame: ${wanted}`);
      }
      assert((await other.request("health")).ok);
      // Not a bench: only that nothing hangs. The scan itself is measured in json_scan_test.
      assertLess(performance.now() - start, 5_000);
    }));
}

Deno.test("N17: __proto__ and keys given twice are refused, nothing global changes", () =>
  withGateway(async ({ owner }) => {
    const wire = await owner();
    const ask = async (text: string) => {
      const from = wire.frames.length;
      wire.sendText(text);
      return await wire.find((f) => f.type === "res", from);
    };
    assertEquals(
      (await ask(frame(`{"__proto__":{"probe":true}}`))).error?.message,
      "invalid request frame: forbidden key",
    );
    assertEquals(
      (await ask(frame(`{"probe":true,"probe":false}`))).error?.message,
      "invalid request frame: duplicate key",
    );
    const params = `{"constructor":{"prototype":{"polluted":1}}}`;
    const refused = await ask(`{"type":"req","id":"c","method":"logs.tail","params":${params}}`);
    assertMatch(refused.error!.message, /unexpected property 'constructor'/);
    assertEquals(({} as Record<string, unknown>).polluted, undefined);
    assertEquals(({} as Record<string, unknown>).probe, undefined);
  }));

const NUMBERS = ["-1", "0", "1e309", `"5"`, "9007199254740992", "1.5", "null", "true"];
for (const value of NUMBERS) {
  Deno.test(`N19: ${value} as a limit is refused by the schema`, () =>
    withGateway(async ({ owner }) => {
      const wire = await owner();
      wire.sendText(`{"type":"req","id":"n","method":"logs.tail","params":{"limit":${value}}}`);
      assertMatch(
        (await wire.answer("n")).error!.message,
        /^invalid logs\.tail params: at \/limit:/,
      );
    }));
}

Deno.test("N19: NaN text is no JSON and ignored", () =>
  withGateway(async ({ owner }) => {
    const wire = await owner();
    wire.sendText(`{"type":"req","id":"n","method":"logs.tail","params":{"limit":NaN}}`);
    assert((await wire.request("health")).ok);
    assertEquals(wire.frames.some((f) => f.id === "n"), false);
  }));

/** Garbage for every method: the answer is a coded refusal, never a crash. Derived from the list of definitions. */
const GARBAGE: readonly unknown[] = [null, 1, "x", [], { "": 0 }, { constructor: 1 }, { id: {} }, {
  nodeId: 7,
  requestId: [],
}];
Deno.test("every method takes garbage with a coded refusal and without an internal error", () =>
  withGateway(async ({ owner, logs }) => {
    const wire = await owner();
    for (const { name, role } of METHODS) {
      if (role === "node") continue;
      for (const params of GARBAGE) {
        const answer = await wire.request(name, params);
        if (answer.ok) continue;
        assertMatch(
          answer.error!.code,
          /^(INVALID_REQUEST|UNAVAILABLE|FORBIDDEN|NOT_PAIRED)$/,
          name,
        );
        assert(answer.error!.message !== "internal error", `${name} ${JSON.stringify(params)}`);
      }
    }
    assertEquals(logs.filter((record) => record.message === "method failed"), []);
  }));

Deno.test("every method has a summary and an own name", () => {
  assertEquals(new Set(METHODS.map((m) => m.name)).size, METHODS.length);
  for (const { name, summary } of METHODS) assert(summary.length > 5, name);
});

Deno.test("the status family answers what real command lines read", () =>
  withGateway(async ({ owner }) => {
    const wire = await owner();
    const ask = async (method: string, params?: unknown) =>
      (await wire.request(method, params)).payload;
    const health = await ask("health", { probe: true });
    assertEquals([health.ok, health.defaultAgentId, health.channels], [true, "main", {}]);
    const status = await ask("status", {
      includeChannelSummary: false,
      includeCliProjection: true,
    });
    assertEquals(status.sessions.defaults, { model: null, contextTokens: null });
    assert(Array.isArray(status.sessions.byAgent) && Array.isArray(status.queuedSystemEvents));
    assertEquals(status.heartbeat.defaultAgentId, "main");
    const presence = await ask("system-presence");
    assertEquals([presence[0].mode, presence[0].reason], ["gateway", "self"]);
    assertEquals(await ask("last-heartbeat", {}), null);
    assertEquals(await ask("set-heartbeats", { enabled: true }), { ok: true, enabled: true });
    const identity = await ask("gateway.identity.get", {});
    assertMatch(identity.deviceId, /^[0-9a-f]{64}$/);
    assertMatch(identity.publicKey, /^[A-Za-z0-9_-]{43}$/);
    assertEquals((await ask("tools.catalog", {})).groups, []);
    assertEquals((await ask("agents.list", {})).defaultId, "main");
    assertEquals((await ask("update.status", {})).sentinel, null);
    assertEquals((await ask("gateway.restart.preflight", {})).safe, true);
    assertEquals((await ask("system.info", {})).pid, Deno.pid);
    assertEquals(await ask("plugin.approval.list", {}), []);
    assertEquals(await ask("openclaw.approval.list", {}), []);
  }));

Deno.test("logs.tail: a line is what the file holds, and what the reference's command lines show of it", () =>
  withGateway(async (gateway) => {
    const admin = await gateway.owner();
    const { lines } = (await admin.request("logs.tail", { limit: 100 })).payload;
    const line = lines.find((line: string) => line.includes('"message":"operator connected"'));
    const { time, level, subsystem, 0: text, _meta, ...fields } = JSON.parse(line);
    assertEquals([level, subsystem], ["info", "gateway"]);
    assertEquals(_meta, { logLevelName: "INFO", name: '{"subsystem":"gateway"}' });
    assertEquals(new Date(time).toISOString(), time);
    assertMatch(text, /^operator connected conn=[0-9a-f-]{36} client=cli\/cli /);
    assertMatch(fields.conn, /^[0-9a-f-]{36}$/);
  }));

Deno.test("presence shows nodes and interfaces, hides short calls, and keeps who left", () =>
  withGateway(async (gateway) => {
    const admin = await gateway.owner();
    const node = await pairedNode(gateway, admin);
    const list = async () => (await admin.request("system-presence")).payload;
    const [, entry, ...rest] = await list();
    assertEquals([entry.host, entry.mode, entry.reason, entry.roles], [
      "Test Node",
      "node",
      "connect",
      ["node"],
    ]);
    assertEquals(rest, [], "the command line itself is hidden");
    const before = admin.frames.length;
    await node.close();
    const { payload } = await admin.event("presence", before);
    assertEquals(payload.presence[1].reason, "disconnect");
    assertEquals((await list())[1].reason, "disconnect");
  }));

Deno.test("broadcast events are numbered from 1 per connection", () =>
  withGateway(async (gateway) => {
    const early = await gateway.owner();
    await pairedNode(gateway, early);
    await early.event("presence");
    const late = await gateway.owner();
    const from = early.frames.length;
    await gateway.owner({ client: { id: "test", mode: "ui", version: "1", platform: "x" } });
    await early.event("presence", from);
    await late.event("presence");
    for (const wire of [early, late]) {
      const numbers = wire.frames.filter((f) => f.seq !== undefined).map((f) => f.seq);
      assertEquals(numbers, numbers.map((_, n) => n + 1));
      assert(numbers.length > 0);
    }
    assertEquals(early.frames[0]?.seq, undefined, "the challenge has no number");
  }));

Deno.test("N43, F17: a connection that does not read is cut at the cap, others are unaffected", () =>
  withGateway(async ({ owner, gateway, logs }) => {
    const slow = await owner();
    const other = await owner();
    slow.pause();
    const id = `${"i".repeat(250)}`;
    // Every answer is about a kilobyte; asking much and reading nothing fills the outgoing buffer.
    const ask = JSON.stringify({
      type: "req",
      id,
      method: "tools.catalog",
      params: { agentId: "a".repeat(256) },
    });
    const tail = JSON.stringify({ type: "req", id, method: "health" });
    let isCut = false;
    const cut = slow.closed.then(() => isCut = true);
    const deadline = performance.now() + 30_000;
    while (!isCut && !logs.some((r) => r.fields.reason === "slow consumer")) {
      for (let n = 0; n < 2000; n++) slow.sendText(n % 2 ? ask : tail);
      assert((await other.request("health")).ok);
      assertLess(performance.now(), deadline);
    }
    slow.resume();
    await cut;
    assert((await other.request("health")).ok);
    assert(gateway.port > 0);
  }));

Deno.test("200 requests at once on one connection are all answered", () =>
  withGateway(async ({ owner }) => {
    const wire = await owner();
    const ids = Array.from({ length: 200 }, () => wire.send("logs.tail", { limit: 1 }));
    for (const id of ids) assert((await wire.answer(id)).ok);
  }));

Deno.test("N20: nothing over HTTP reaches a method", () =>
  withGateway(async ({ http, logs }) => {
    const tries: [string, RequestInit][] = [
      ["/node.invoke?command=system.run", {}],
      ["/rpc", { method: "POST", body: "{}" }],
      ["/tools/invoke?tool=exec", {}],
      ["/tools/invoke", {
        method: "POST",
        body: "tool=exec",
        headers: { "content-type": "application/x-www-form-urlencoded" },
      }],
      [
        "/tools/invoke",
        {
          method: "POST",
          body: JSON.stringify({ tool: "nodes", args: { command: "system.run" } }),
          headers: { authorization: `Bearer ${TOKEN}`, "content-type": "application/json" },
        },
      ],
    ];
    for (const [path, init] of tries) {
      const response = await fetch(http + path, init);
      await response.body?.cancel();
      assert([401, 404, 405].includes(response.status), `${path} ${response.status}`);
    }
    assertEquals(logs.filter((r) => r.message.includes("connected")), []);
  }));

Deno.test("connect params that are not ours stay out of the principal", () =>
  withGateway(async ({ open }) => {
    const wire = await open();
    await wire.challenge();
    const params = connectParams({
      auth: { token: TOKEN },
      computerUse: { x: 1 },
      modelCatalog: [],
    });
    assert((await wire.request("connect", params)).ok);
  }));
