/** I06, I10, N12: what strangers can do to the list of waiting devices, and a paired device to itself. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { Budget } from "../../../../src/lib/budget.ts";
import { GatewayStore } from "../../../../src/store/gateway_store.ts";
import { fileRequest } from "../../../../src/gateway/pairing/requests.ts";
import type { PairingContext } from "../../../../src/gateway/pairing/context.ts";
import { SteppedClock } from "../../world.ts";
import { admittedNode, ALL, nodeOptions, openWorld, owner } from "../../world.ts";
import { device } from "../devices.ts";

/** Files requests as the handshake does, without a socket for each of hundreds of devices. */
async function withQueue(
  test: (
    knock: (device: string, remoteIp?: string) => Promise<string>,
    waiting: () => string[],
    fate: (requestId: string) => string | undefined,
  ) => Promise<void>,
): Promise<void> {
  const dir = await Deno.makeTempDir({ prefix: "openclaw-test-" });
  const store = await GatewayStore.open({ path: `${dir}/gateway.sqlite` });
  const clock = new SteppedClock();
  const asked = new Budget({ clock });
  const context = { store, clock, asked, emit: () => {} } as unknown as PairingContext;
  try {
    await test(
      async (deviceId, remoteIp) => {
        clock.step(1);
        const { requestId } = await fileRequest(context, {
          reason: "not-paired",
          record: undefined,
          surface: { caps: [], commands: [] },
          request: {
            device: { deviceId, publicKey: "k", clientId: "node-host", clientMode: "node" },
            role: "node",
            scopes: [],
            protocol: 4,
            owner: false,
            local: false,
            authMethod: "token",
            ...(remoteIp === undefined ? {} : { remoteIp }),
          },
        });
        return requestId;
      },
      () => [...store.requests.values()].map((request) => request.deviceId),
      (requestId) => store.answered.get(requestId)?.outcome,
    );
  } finally {
    await store.close();
    await Deno.remove(dir, { recursive: true });
  }
}

Deno.test("N12 variant: a flood of devices from one place does not keep others from knocking", () =>
  withQueue(async (knock, waiting, fate) => {
    await knock("first", "198.51.100.1");
    let last = "";
    for (let n = 0; n < 255; n++) {
      last = await knock(`flood ${n}`, n % 2 === 0 ? "192.0.2.1" : "::ffff:192.0.2.1");
    }
    await knock("flood more", "192.0.2.1").then(
      () => assert(false, "the flood gets no more"),
      (error) => assertMatch(error.message, /too many pairing requests/),
    );
    const second = await knock("second", "198.51.100.1");
    await knock("third", "2001:db8::1");
    await knock("local");
    assert(["first", "second", "third", "local"].every((id) => waiting().includes(id)));
    assertEquals([waiting().length, fate(last)], [256, "expired"], "the newest of the flood went");
    assert(waiting().includes("flood 0"));
    assertEquals(await knock("second", "198.51.100.1"), second, "who waits keeps his id");
  }));

Deno.test("N12 variant: walking through a /64 is one place", () =>
  withQueue(async (knock, waiting) => {
    for (let n = 0; n < 256; n++) await knock(`flood ${n}`, `2001:db8::${n.toString(16)}`);
    await knock("neighbour", "2001:db8:0:1::1");
    assertEquals(waiting().length, 256);
    assert(waiting().includes("neighbour") && !waiting().includes("flood 255"));
  }));

Deno.test("I06 variant: a device that asks for ever other scopes does not grow its request without end", async () => {
  await using world = await openWorld();
  const operator = await owner(world);
  const key = 40;
  await (await world.connect({ key, scopes: ["operator.read"] })).close();
  for (let round = 0; round < 5; round++) {
    const scopes = Array.from({ length: 60 }, (_, n) => `x.${round}.${n}.${"s".repeat(400)}`);
    await (await world.connect({ key, scopes })).close();
  }
  const { pending } = await operator.call("device.pair.list");
  assertEquals(pending.length, 1);
  assert(pending[0].scopes.length <= 64, `${pending[0].scopes.length} scopes`);
  assert(pending[0].scopes.every((scope: string) => scope.startsWith("x.4.")), "the newest ones");
  const text = await Deno.readFile(world.paths.gatewayDbFile + "-wal").catch(() =>
    new Uint8Array()
  );
  assert(text.length < 2_000_000);
});

Deno.test("I10 variant: a device does not confirm its own changed platform from the session it still has", async () => {
  await using world = await openWorld();
  const operator = await owner(world);
  const scopes = ["operator.pairing", "operator.read"];
  const phone = { client: { platform: "ios", deviceFamily: "iPhone" } };
  const first = (await world.connect({ key: 41, scopes, ...phone })).expectHello();
  const auth = { deviceToken: first.hello.payload.auth.deviceToken };
  const session = (await world.connect({ key: 41, scopes, auth, ...phone })).expectHello();
  const changed = { client: { platform: "linux", deviceFamily: "Linux" } };
  const knock = await world.connect({ key: 41, scopes, auth, ...changed });
  const { reason, requestId } = knock.hello.error.details;
  assertEquals(reason, "metadata-upgrade");
  await knock.closed();
  const error = await session.refusal("device.pair.approve", { requestId });
  assertEquals(error.message, "device pairing approval denied");
  const admit = await session.refusal("device.pair.admit", {
    requestId,
    surfaceHash: "0".repeat(64),
  });
  assertEquals(admit.code, "INVALID_REQUEST");
  const third = { key: 41, scopes, auth, protocol: 3 as const, ...phone };
  const older = await world.connect(third);
  const refused = await older.expectHello().refusal("device.pair.approve", { requestId });
  assertEquals(refused.message, "missing scope: operator.admin");
  await operator.call("device.pair.approve", { requestId });
});

Deno.test("I06 variant: two operators and one request: approve and reject meet, one of them counts", async () => {
  await using world = await openWorld();
  const operators = [await owner(world), await owner(world)];
  for (let round = 0; round < 6; round++) {
    const knock = await world.connect(nodeOptions(50 + round));
    const { requestId } = knock.hello.error.details;
    await knock.closed();
    const acts = ["approve", "reject", "approve", "reject"];
    const answers = await Promise.all(
      acts.map((act, n) =>
        (operators[(n + round) % 2] ?? knock).raw(`device.pair.${act}`, { requestId })
      ),
    );
    assertEquals(answers.filter((answer) => answer.ok).length, 1);
    const done = acts[answers.findIndex((answer) => answer.ok)];
    for (const { ok, error } of answers) {
      if (!ok) assertMatch(error.message, done === "approve" ? /approved/ : /rejected/);
    }
    const { paired } = await (operators[0] ?? knock).call("device.pair.list");
    const isPaired = paired.some((row: { deviceId: string }) => row.deviceId === knock.id);
    assertEquals(isPaired, done === "approve");
  }
});

const NAMES = [
  "x".repeat(512),
  "\u202egnp.exe",
  "\x1b]52;c;aGk=\x07",
  "\u0000",
  "a\r\nb",
  "🏴\u{e0067}\u{e007f}",
  "\ud800",
];

Deno.test("A17, N32 variant: names of knocking nodes reach the list as they are, and the log escaped", async () => {
  await using world = await openWorld();
  const operator = await owner(world);
  for (const [n, displayName] of NAMES.entries()) {
    const knock = await world.connect(nodeOptions(60 + n, { client: { displayName } }));
    assertEquals(knock.hello.error.details.reason, "not-paired", JSON.stringify(displayName));
  }
  const { pending } = await operator.call("device.pair.list");
  const shown = new Set(pending.map((row: { displayName: string }) => row.displayName));
  assertEquals(shown.size, NAMES.length);
  const long = await world.connect(
    nodeOptions(80, { client: { displayName: "x".repeat(60_000) } }),
  );
  assertMatch(long.hello.error.message, /invalid connect params: .*displayName/);
  const log = await Deno.readTextFile(`${world.paths.logsDir}/gateway.log`);
  // deno-lint-ignore no-control-regex
  assert(!/[\u0000-\u0008\u000b-\u001f\u202e]/.test(log));
});

Deno.test("I12 variant: a token that is revoked, another device's, or one character off opens nothing, at once", async () => {
  await using world = await openWorld();
  const operator = await owner(world);
  const one = await device(world, 42, ["operator.read"]);
  const other = await device(world, 43, ALL);
  const token = one.hello.payload.auth.deviceToken as string;
  const foreign = other.hello.payload.auth.deviceToken as string;
  const second = token[1] === "A" ? "B" : "A";
  const tries: readonly (readonly [key: number, deviceToken: string])[] = [
    [42, foreign],
    [43, token],
    [42, token.slice(0, -1)],
    [42, (token[0] ?? "") + second + token.slice(2)],
    [42, token + "A"],
    [42, ` ${token}`],
    [42, token.toLowerCase()],
  ];
  for (const [key, deviceToken] of tries) {
    const peer = await world.connect({ key, scopes: ["operator.read"], auth: { deviceToken } });
    assertEquals(peer.hello.error?.details.code, "AUTH_DEVICE_TOKEN_MISMATCH", deviceToken);
    // The right one between them, so that the answers do not come ever later.
    const right = { key: 42, scopes: ["operator.read"], auth: { deviceToken: token } };
    (await world.connect(right)).expectHello();
  }
  await operator.call("device.token.revoke", { deviceId: one.id, role: "operator" });
  assertEquals((await one.closed()).code, 4001);
  const late = await world.connect({
    key: 42,
    scopes: ["operator.read"],
    auth: { deviceToken: token },
  });
  assertEquals(late.hello.ok, false);
});

Deno.test("I08, N16 variant: what a node declares and publishes is bounded", async () => {
  await using world = await openWorld();
  const operator = await owner(world);
  const node = await admittedNode(world, operator, nodeOptions(1));
  const big = "x".repeat(1_000);
  for (
    const [method, key] of [["node.skills.update", "skills"], ["node.pluginTools.update", "tools"]]
  ) {
    const wide = Array.from({ length: 513 }, () => ({}));
    const heavy = Array.from({ length: 300 }, () => ({ text: big }));
    for (const list of [wide, heavy, [{ text: "x".repeat(300_000) }], null, {}, "x"]) {
      const error = await node.refusal(method ?? "", { [key ?? ""]: list });
      assertEquals(error.code, "INVALID_REQUEST");
    }
    await node.call(method ?? "", { [key ?? ""]: [{ name: "ok" }] });
  }
  const listed = await operator.call("node.list");
  assert(JSON.stringify(listed).length < 20_000);
  for (
    const more of [
      { caps: Array.from({ length: 257 }, (_, n) => `c${n}`) },
      { commands: Array.from({ length: 1_025 }, (_, n) => `c${n}`) },
      { commands: ["x".repeat(513)] },
      { permissions: Object.fromEntries(Array.from({ length: 257 }, (_, n) => [`p${n}`, true])) },
    ]
  ) {
    const peer = await world.connect(nodeOptions(1, more));
    assertMatch(peer.hello.error.message, /^invalid connect params/);
  }
});

Deno.test("I10 variant: a paired node does not take the name of another one, nor pass for it by its instance id", async () => {
  await using world = await openWorld();
  const operator = await owner(world);
  const named = (key: number, displayName: string, instanceId: string = crypto.randomUUID()) =>
    nodeOptions(key, { client: { displayName, instanceId } });
  const victim = await admittedNode(world, operator, named(1, "prod"));
  await (await admittedNode(world, operator, named(2, "scratch"))).close();
  const shown = async () => {
    const { nodes } = await operator.call("node.list");
    return nodes.find((row: { nodeId: string }) => row.nodeId !== victim.id);
  };
  for (const name of ["prod", "PROD", " prod ", "prod!", "\u200bprod", victim.id]) {
    const peer = (await world.connect(named(2, name, "prod"))).expectHello();
    const row = await shown();
    assertEquals([row.displayName, row.instanceId, row.connected], ["scratch", undefined, true]);
    await peer.close();
  }
  await operator.call("device.pair.rename", { deviceId: victim.id, label: "The Big One" });
  await (await world.connect(named(2, "the big one"))).expectHello().close();
  assertEquals((await shown()).displayName, "scratch");
  await (await world.connect(named(2, "another"))).expectHello().close();
  assertEquals((await shown()).displayName, "another", "any other name is its own affair");
});

Deno.test("I24, N12 variant: a device that asks for something else with every knock is told to wait, and no request is lost", async () => {
  await using world = await openWorld();
  const operator = await owner(world);
  const other = await device(world, 31, ["operator.read"]);
  const mean = await device(world, 30, ["operator.read"]);
  let last;
  for (let n = 0; n < 40; n++) {
    last = await mean.raw("device.scopes.requestUpgrade", { scopes: [`x.${n}`] });
  }
  assertEquals([last?.error.code, last?.error.retryable], ["UNAVAILABLE", true]);
  assertEquals(operator.seen("device.pair.requested").length, 30);
  const auth = { deviceToken: mean.hello.payload.auth.deviceToken };
  const knock = await world.connect({ key: 30, scopes: ["operator.write"], auth });
  assertEquals(
    [knock.hello.ok, knock.hello.error.code],
    [false, "INVALID_REQUEST"],
    "its token covers less",
  );
  await other.call("device.scopes.requestUpgrade", { scopes: ["operator.write"] });
  const { pending } = await operator.call("device.pair.list");
  assertEquals(pending.length, 2);
  await mean.call("health");
});

Deno.test("I08, I24 variant: a node that declares another surface with every connect leaves its request answerable", async () => {
  await using world = await openWorld();
  const operator = await owner(world);
  const node = (n: number) => nodeOptions(1, { caps: [`c${n}`], commands: ["system.which"] });
  await (await admittedNode(world, operator, node(0))).close();
  let error;
  for (let n = 1; n < 60 && error === undefined; n++) {
    const peer = await world.connect(node(n));
    error = peer.hello.error;
    await peer.close();
  }
  assertEquals([error?.code, error?.retryable], ["UNAVAILABLE", true]);
  assert(error.retryAfterMs > 0 && error.retryAfterMs <= 60_000);
  const { pending: [{ requestId }] } = await operator.call("node.pair.list");
  await operator.call("node.pair.approve", { requestId });
  // As it was approved it is welcome at once.
  const row = (await operator.call("node.list")).nodes[0];
  (await world.connect(nodeOptions(1, { caps: row.caps, commands: ["system.which"] })))
    .expectHello();
});
