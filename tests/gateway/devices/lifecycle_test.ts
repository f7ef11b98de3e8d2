/** The life of pairing requests and paired devices: expiry, events, upgrades beside a live grant, repair, pinning. */
import { assert, assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import {
  admittedNode,
  type ConnectOptions,
  nodeOptions,
  openWorld,
  owner,
  type ScriptedPeer,
  SteppedClock,
  type World,
} from "../world.ts";

async function knock(world: World, options: ConnectOptions) {
  const peer = await world.connect(options);
  await peer.closed();
  return peer.hello.error.details;
}

/** A paired operator device that comes with its own token: no owner. */
async function device(world: World, key: number, scopes: readonly string[]) {
  const first = (await world.connect({ key, scopes })).expectHello();
  const auth = { deviceToken: first.hello.payload.auth.deviceToken };
  await first.close();
  return { key, scopes, auth };
}

const ids = (rows: readonly { requestId: string }[]) => rows.map((row) => row.requestId);

Deno.test("F21: a request expires after five minutes of silence, says so, and comes back under a new id", async () => {
  const clock = new SteppedClock();
  await using world = await openWorld({}, clock);
  const operator = await owner(world);
  const { requestId } = await knock(world, nodeOptions(1));
  for (let n = 0; n < 3; n++) {
    clock.step(200_000);
    assertEquals((await knock(world, nodeOptions(1))).requestId, requestId, "kept up by knocking");
  }
  clock.step(299_000);
  assertEquals(ids((await operator.call("device.pair.list")).pending), [requestId]);
  clock.step(2_000);
  assertEquals((await operator.call("device.pair.list")).pending, []);
  for (const method of ["device.pair.approve", "device.pair.reject"]) {
    const error = await operator.refusal(method, { requestId });
    assertEquals(error.details.code, "REQUEST_EXPIRED");
    assertMatch(
      error.message,
      /^unknown requestId: .* expired at 20\d\d-.*`openclaw devices list`$/,
    );
  }
  const fresh = (await knock(world, nodeOptions(1))).requestId;
  assertNotEquals(fresh, requestId);
  assertEquals(
    (await operator.refusal("device.pair.approve", { requestId })).details.code,
    "REQUEST_EXPIRED",
  );
  await operator.call("device.pair.approve", { requestId: fresh });
});

Deno.test("a command surface that waits does not expire", async () => {
  const clock = new SteppedClock();
  await using world = await openWorld({}, clock);
  const operator = await owner(world);
  const { requestId } = await knock(world, nodeOptions(1));
  await operator.call("device.pair.approve", { requestId });
  const node = (await world.connect(nodeOptions(1))).expectHello();
  const [waiting] = (await operator.call("node.pair.list")).pending;
  clock.step(30 * 24 * 3_600_000);
  await operator.call("node.pair.approve", { requestId: waiting.requestId });
  const told = await node.event("node.pair.resolved");
  assertEquals([told.requestId, told.decision], [waiting.requestId, "approved"]);
});

Deno.test("events of pairing: each change once, to those with the pairing scope only", async () => {
  await using world = await openWorld();
  const operator = await owner(world);
  const reader = await owner(world, { scopes: ["operator.read", "operator.write"] });
  const { requestId } = await knock(world, nodeOptions(1));
  const asked = await operator.event("device.pair.requested");
  assertEquals(Object.keys(asked).sort(), [
    "clientId",
    "clientMode",
    "deviceFamily",
    "deviceId",
    "displayName",
    "isRepair",
    "platform",
    "publicKey",
    "requestId",
    "role",
    "roles",
    "scopes",
    "silent",
    "ts",
  ]);
  await knock(world, nodeOptions(1));
  assertEquals(operator.seen("device.pair.requested"), [], "a refresh is no new request");
  await operator.call("device.pair.approve", { requestId });
  const approved = await operator.event("device.pair.resolved");
  assertEquals([approved.requestId, approved.decision], [requestId, "approved"]);
  const node = (await world.connect(nodeOptions(1))).expectHello();
  const surface = await operator.event("node.pair.requested");
  assertEquals(surface.nodeId, node.id);
  await operator.call("node.pair.reject", { requestId: surface.requestId });
  assertEquals((await operator.event("node.pair.resolved")).decision, "rejected");
  const second = (await knock(world, nodeOptions(2))).requestId;
  await operator.call("device.pair.reject", { requestId: second });
  assertEquals((await operator.event("device.pair.resolved")).decision, "rejected");
  for (
    const name of [
      "device.pair.requested",
      "device.pair.resolved",
      "node.pair.requested",
      "node.pair.resolved",
      "device.pair.changed",
    ]
  ) {
    assertEquals(reader.seen(name), [], name);
  }
});

Deno.test("a rejected device may ask again, under a new id; a rejected surface leaves what was approved", async () => {
  await using world = await openWorld();
  const operator = await owner(world);
  const first = (await knock(world, nodeOptions(1))).requestId;
  await operator.call("device.pair.reject", { requestId: first });
  const second = (await knock(world, nodeOptions(1))).requestId;
  assertNotEquals(first, second);
  const error = await operator.refusal("device.pair.approve", { requestId: first });
  assertMatch(error.message, /was already rejected/);
  const narrow = nodeOptions(1, { commands: ["system.which"] });
  const node = await admittedNode(world, operator, narrow);
  await node.close();
  await world.connect(nodeOptions(1, { commands: ["system.which", "system.run"] }));
  const [wider] = (await operator.call("node.pair.list")).pending;
  await operator.call("node.pair.reject", { requestId: wider.requestId });
  const row = await operator.call("node.describe", { nodeId: node.id });
  assertEquals([row.commands, row.approvalState], [["system.which"], "approved"]);
});

Deno.test("I07: while an upgrade waits the old grant works, and approving it does not end the device's token", async () => {
  await using world = await openWorld();
  const operator = await owner(world);
  const known = await device(world, 5, ["operator.read"]);
  const live = (await world.connect(known)).expectHello();
  const { requestId, status } = await live.call("device.scopes.requestUpgrade", {
    scopes: ["operator.write"],
  });
  assertEquals(status, "pending");
  assertEquals((await live.refusal("node.invoke", {})).message, "missing scope: operator.write");
  assert((await live.call("node.list")).nodes);
  (await world.connect(known)).expectHello();
  await operator.call("device.pair.approve", { requestId });
  const same = (await world.connect(known)).expectHello();
  assertEquals(same.hello.payload.auth.deviceToken, known.auth.deviceToken);
  const wider = await world.connect({ ...known, scopes: ["operator.read", "operator.write"] });
  assertEquals(wider.expectHello().hello.payload.auth.scopes, ["operator.read", "operator.write"]);
});

Deno.test("an upgrade that asks for yet more replaces the first, and who waits for that one is told", async () => {
  await using world = await openWorld();
  const operator = await owner(world);
  const live = (await world.connect(await device(world, 5, ["operator.read"]))).expectHello();
  const ask = (scopes: string[]) => live.call("device.scopes.requestUpgrade", { scopes });
  const first = await ask(["operator.write"]);
  const waiting = live.call("device.scopes.waitUpgrade", { requestId: first.requestId });
  assertEquals((await ask(["operator.write"])).requestId, first.requestId, "the same wish, one id");
  const second = await ask(["operator.pairing"]);
  assertEquals(await waiting, { requestId: first.requestId, status: "superseded" });
  const [row] = (await operator.call("device.pair.list")).pending;
  assertEquals([row.requestId, row.scopes], [
    second.requestId,
    ["operator.write", "operator.pairing"],
  ]);
  assertEquals((await ask(["operator.read"])).status, "approved", "nothing to ask for");
});

Deno.test("a scope upgrade asked at connect is refused with what is approved, and the old scopes still connect", async () => {
  await using world = await openWorld();
  await owner(world);
  const known = await device(world, 5, ["operator.read"]);
  const wide = await world.connect({ ...known, scopes: ["operator.admin"] });
  assertEquals(wide.hello.error.details.code, "AUTH_SCOPE_MISMATCH");
  const old = await world.connect({ ...known, scopes: ["operator.admin"], protocol: 3 });
  assertEquals(old.hello.error.details.code, "AUTH_DEVICE_TOKEN_MISMATCH");
  (await world.connect(known)).expectHello();
});

Deno.test("repair: after a revocation the device asks again as a repair, and only a new token works", async () => {
  await using world = await openWorld();
  const operator = await owner(world);
  const node = await admittedNode(world, operator, nodeOptions(1));
  const old = node.hello.payload.auth.deviceToken;
  await operator.call("device.token.revoke", { deviceId: node.id, role: "node" });
  assertEquals(
    (await world.connect(nodeOptions(1, { auth: { deviceToken: old } }))).hello.ok,
    false,
  );
  const { requestId, reason } = await knock(world, nodeOptions(1));
  assertEquals(reason, "role-upgrade");
  const [row] = (await operator.call("device.pair.list")).pending;
  assertEquals([row.isRepair, row.deviceId], [true, node.id]);
  await operator.call("device.pair.approve", { requestId });
  const back = (await world.connect(nodeOptions(1))).expectHello();
  assertNotEquals(back.hello.payload.auth.deviceToken, old);
  const stale = await world.connect(nodeOptions(1, { auth: { deviceToken: old } }));
  assertEquals(stale.hello.error.details.code, "AUTH_DEVICE_TOKEN_MISMATCH");
  assertEquals(
    (await operator.call("node.describe", { nodeId: node.id })).approvalState,
    "approved",
    "its commands were never taken away",
  );
});

Deno.test("I10: while changed details wait for approval, the device as it was approved still gets in", async () => {
  await using world = await openWorld();
  const operator = await owner(world);
  await (await admittedNode(world, operator, nodeOptions(1))).close();
  for (
    const client of [{ id: "node-host", deviceFamily: "iPhone" }, {
      id: "node-host",
      platform: "windows",
      deviceFamily: "Windows",
    }]
  ) {
    const refused = await knock(world, nodeOptions(1, { client }));
    assertEquals(refused.reason, "metadata-upgrade");
    await (await world.connect(nodeOptions(1))).expectHello().close();
  }
  const [row] = (await operator.call("device.pair.list")).pending;
  assertEquals([row.reason, row.isRepair, row.platform], ["metadata-upgrade", true, "windows"]);
  await operator.call("device.pair.approve", { requestId: row.requestId });
  const changed = { client: { id: "node-host", platform: "windows", deviceFamily: "Windows" } };
  (await world.connect(nodeOptions(1, changed))).expectHello();
  assertEquals((await knock(world, nodeOptions(1))).reason, "metadata-upgrade", "pinned anew");
});

Deno.test("remove ends everything of a device: sessions, tokens, waiting requests, the node's entry", async () => {
  await using world = await openWorld();
  const operator = await owner(world);
  const node = await admittedNode(world, operator, nodeOptions(1));
  const { requestId } = await knock(
    world,
    nodeOptions(1, { client: { id: "node-host", platform: "ios" } }),
  );
  assertEquals(await operator.call("device.pair.remove", { deviceId: node.id }), {
    deviceId: node.id,
  });
  assertEquals((await node.closed()).reason, "device removed");
  assertEquals(await operator.call("device.pair.list"), { pending: [], paired: [] });
  assertEquals((await operator.call("node.list")).nodes, []);
  assertEquals(await operator.call("node.pair.list"), { pending: [], paired: [] });
  const dead = await operator.refusal("device.pair.approve", { requestId });
  assertEquals(dead.details.code, "REQUEST_REMOVED");
  for (
    const [method, params] of [["device.pair.remove", { deviceId: node.id }], [
      "device.pair.rename",
      { deviceId: node.id, label: "x" },
    ]] as const
  ) {
    assertEquals((await operator.refusal(method, params)).message, "unknown deviceId");
  }
});

Deno.test("a device with both roles keeps the other when the node role is removed", async () => {
  await using world = await openWorld();
  const operator = await owner(world);
  const both: ConnectOptions = { client: { id: "node-host", deviceFamily: undefined } };
  const cli = (await world.connect({ key: 5, scopes: ["operator.read"] })).expectHello();
  const node = await admittedNode(world, operator, nodeOptions(5, both));
  await operator.call("node.pair.remove", { nodeId: node.id });
  assertEquals((await node.closed()).code, 4001);
  assertEquals((await cli.call("node.list")).nodes, [], "the operator session goes on");
  const [row] = (await operator.call("device.pair.list")).paired;
  assertEquals([row.roles, row.tokens.length], [["operator"], 1]);
  assertEquals((await knock(world, nodeOptions(5, both))).reason, "role-upgrade");
});

/** What a device that holds only its token and the pairing scope may not do to another one. */
const OTHERS: readonly (readonly [string, (other: ScriptedPeer) => unknown, RegExp])[] = [
  ["device.pair.remove", ({ id }) => ({ deviceId: id }), /^unknown deviceId/],
  ["device.pair.rename", ({ id }) => ({ deviceId: id, label: "mine" }), /^unknown deviceId/],
  [
    "device.token.rotate",
    ({ id }) => ({ deviceId: id, role: "node" }),
    /^device token rotation denied/,
  ],
  [
    "device.token.revoke",
    ({ id }) => ({ deviceId: id, role: "node" }),
    /^device token revocation denied/,
  ],
  ["node.pair.remove", ({ id }) => ({ nodeId: id }), /^unknown nodeId/],
  ["node.rename", ({ id }) => ({ nodeId: id, displayName: "mine" }), /^unknown nodeId/],
  ["device.pair.approve", () => ({ requestId: "R" }), /^unknown requestId/],
  ["device.pair.reject", () => ({ requestId: "R" }), /^unknown requestId/],
  ["node.pair.approve", () => ({ requestId: "S" }), /^unknown requestId/],
  ["node.pair.reject", () => ({ requestId: "S" }), /^unknown requestId/],
];

Deno.test("I04, I06: a device with its token and the pairing scope sees and changes itself only, by every method", async () => {
  await using world = await openWorld();
  const admin = await owner(world);
  const node = await admittedNode(world, admin, nodeOptions(1));
  await world.connect(
    nodeOptions(1, { commands: ["system.run", "system.which", "browser.proxy"] }),
  );
  const surface = (await admin.call("node.pair.list")).pending[0];
  const request = await knock(world, nodeOptions(2));
  const self = (await world.connect(await device(world, 6, ["operator.pairing", "operator.read"])))
    .expectHello();
  for (const [method, params, message] of OTHERS) {
    const text = JSON.stringify(params(node)).replace('"R"', JSON.stringify(request.requestId))
      .replace('"S"', JSON.stringify(surface.requestId));
    assertMatch((await self.refusal(method, JSON.parse(text))).message, message, method);
  }
  const { pending, paired } = await self.call("device.pair.list");
  assertEquals([pending, paired.map((d: { deviceId: string }) => d.deviceId)], [[], [self.id]]);
  const surfaces = await self.call("node.pair.list");
  assertEquals(surfaces, { pending: [], paired: [] });
  // Itself it may name, and leave.
  await self.call("device.pair.rename", { deviceId: self.id, label: "laptop" });
  await self.call("device.pair.remove", { deviceId: self.id });
  assertEquals((await self.closed()).code, 4001);
  assertEquals((await admin.call("device.pair.list")).pending.length, 1, "nothing else changed");
});

Deno.test("I04: a device whose token was narrowed cannot widen it again by rotating it itself", async () => {
  await using world = await openWorld();
  const admin = await owner(world);
  const wide = ["operator.admin", "operator.pairing"];
  const first = (await world.connect({ key: 6, scopes: wide })).expectHello();
  const scopes = ["operator.pairing"];
  await admin.call("device.token.rotate", { deviceId: first.id, role: "operator", scopes });
  await first.closed();
  const auth = { deviceToken: first.hello.payload.auth.deviceToken };
  const narrow = (await world.connect({ key: 6, scopes, auth })).expectHello();
  const mine = { deviceId: narrow.id, role: "operator" };
  for (const more of [wide, ["operator.admin"], ["operator.read"]]) {
    const error = await narrow.refusal("device.token.rotate", { ...mine, scopes: more });
    assertEquals(error.message, "device token rotation denied");
  }
  assertEquals((await narrow.call("device.token.rotate", mine)).scopes, scopes);
});

Deno.test("rename takes labels of 1 to 64 characters and nothing else", async () => {
  await using world = await openWorld();
  const operator = await owner(world);
  const node = await admittedNode(world, operator, nodeOptions(1));
  const rename = { deviceId: node.id };
  for (const label of ["", "x".repeat(65), 1, null, undefined, ["a"]]) {
    assertMatch(
      (await operator.refusal("device.pair.rename", { ...rename, label })).message,
      /^invalid device.pair.rename params/,
    );
  }
  assertEquals(
    (await operator.call("device.pair.rename", { ...rename, label: "x".repeat(64) })).label.length,
    64,
  );
});
