/** Device pairing over real sockets: silent rule, requests and their memory, upgrades, pinning, who may approve what. */
import { assert, assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import { admittedNode, keyOf, nodeOptions, openWorld, owner, type World } from "../world.ts";

async function knock(world: World, key: number, more = {}) {
  const peer = await world.connect(nodeOptions(key, more));
  await peer.closed();
  return peer.hello.error;
}

Deno.test("an owner's device is paired silently; a node waits, also on loopback", async () => {
  await using world = await openWorld();
  const operator = await owner(world);
  const cli = await world.connect({ key: 7, scopes: ["operator.read"] });
  cli.expectHello();
  assertEquals(cli.hello.payload.auth.scopes, ["operator.read"]);
  assert(cli.hello.payload.auth.deviceToken.length === 43);
  assertEquals((await operator.event("device.pair.resolved")).decision, "approved");
  const error = await knock(world, 1);
  assertEquals(error.code, "NOT_PAIRED");
  assertEquals(error.message, "pairing required: device is not approved yet");
  const { requestId, deviceId, ...details } = error.details;
  assertEquals(details, {
    code: "PAIRING_REQUIRED",
    reason: "not-paired",
    remediationHint: "Approve this device from the pending pairing requests.",
    requestedRole: "node",
    retryAfterMs: 1_500,
    recommendedNextStep: "wait_then_retry",
    retryable: true,
    pauseReconnect: false,
  });
  const event = await operator.event("device.pair.requested");
  assertEquals([event.requestId, event.deviceId, event.silent], [requestId, deviceId, false]);
  assertEquals(event.commands, undefined);
});

Deno.test("autoApproveLocal true pairs a local node at once, its commands still wait (I09)", async () => {
  await using world = await openWorld({ nodes: { pairing: { autoApproveLocal: true } } });
  const operator = await owner(world);
  const node = (await world.connect(nodeOptions(1))).expectHello();
  const error = await operator.refusal("node.invoke", {
    nodeId: node.id,
    command: "system.run",
    params: { command: ["/bin/true"] },
    idempotencyKey: "k",
  });
  assertEquals([error.code, error.details.code], ["UNAVAILABLE", "PAIRING_CHANGED"]);
  assertEquals(node.seen("node.invoke.request"), []);
});

Deno.test("a waiting node keeps its request id; changed details supersede it and the old id says so", async () => {
  await using world = await openWorld();
  const operator = await owner(world);
  const first = (await knock(world, 1)).details.requestId;
  assertEquals((await knock(world, 1)).details.requestId, first);
  const second = (await knock(world, 1, { commands: ["system.which", "system.notify"] })).details
    .requestId;
  assertNotEquals(second, first);
  const resolved = await operator.event("device.pair.resolved", (p) => p.requestId === first);
  assertEquals(resolved.decision, "rejected");
  const error = await operator.refusal("device.pair.approve", { requestId: first });
  assertEquals(error.details.code, "REQUEST_SUPERSEDED");
  assertEquals(error.details.replacedBy, second);
  assertMatch(error.message, /was replaced by .*\+system\.notify/);
  assertEquals(
    (await operator.refusal("device.pair.approve", { requestId: "nope" })).message,
    "unknown requestId",
  );
});

Deno.test("approve, reject and remove work by id, and a used id tells what became of it", async () => {
  await using world = await openWorld();
  const operator = await owner(world);
  const a = (await knock(world, 1)).details.requestId;
  const approved = await operator.call("device.pair.approve", { requestId: a });
  assertEquals(approved.device.roles, ["node"]);
  assertEquals(approved.device.tokens[0].token, undefined);
  assertMatch(
    (await operator.refusal("device.pair.approve", { requestId: a })).message,
    /already approved/,
  );
  const b = (await knock(world, 2)).details;
  assertEquals(await operator.call("device.pair.reject", { requestId: b.requestId }), {
    requestId: b.requestId,
    deviceId: b.deviceId,
  });
  await operator.call("device.pair.remove", { deviceId: approved.device.deviceId });
  const { pending, paired } = await operator.call("device.pair.list");
  assertEquals([pending, paired], [[], []]);
});

Deno.test("a request survives a restart of the gateway, and so does an approval", async () => {
  await using world = await openWorld();
  const requestId = (await knock(world, 1)).details.requestId;
  await world.restart();
  const operator = await owner(world);
  await operator.call("device.pair.approve", { requestId });
  await world.restart();
  const node = (await world.connect(nodeOptions(1))).expectHello();
  assertEquals(node.hello.payload.auth.role, "node");
});

Deno.test("I07: an owner's read device that asks for admin files a request and keeps its old grant", async () => {
  await using world = await openWorld();
  const operator = await owner(world);
  (await world.connect({ key: 7, scopes: ["operator.read"] })).expectHello();
  const again = (await world.connect({ key: 7, scopes: ["operator.admin"] })).expectHello();
  const { pending, paired } = await operator.call("device.pair.list");
  assertEquals(pending.map((p: { reason: string }) => p.reason), ["scope-upgrade"]);
  assertEquals(pending[0].isRepair, true);
  assertEquals(paired[0].scopes, ["operator.read"]);
  assertEquals(paired[0].tokens[0].scopes, ["operator.read"]);
  // The token it was given opens no more than before.
  const token = again.hello.payload.auth.deviceToken;
  const byToken = await world.connect({
    key: 7,
    scopes: ["operator.admin"],
    auth: { deviceToken: token },
  });
  assertEquals(byToken.hello.error.details.code, "AUTH_SCOPE_MISMATCH");
});

Deno.test("I06: a low-scope operator approves neither an admin request nor a node, by any method", async () => {
  await using world = await openWorld();
  const admin = await owner(world);
  (await world.connect({ key: 8, scopes: ["operator.pairing", "operator.read"] })).expectHello();
  const device = (await admin.call("device.pair.list")).paired[0];
  const token = (await world.connect({ key: 8, scopes: ["operator.pairing", "operator.read"] }))
    .hello.payload.auth.deviceToken;
  const weak = (await world.connect({
    key: 8,
    scopes: ["operator.pairing", "operator.read"],
    auth: { deviceToken: token },
  })).expectHello();
  const node = (await knock(world, 1)).details.requestId;
  const rows = (await admin.call("device.pair.list")).pending;
  const { surfaceHash } = rows.find((r: { requestId: string }) => r.requestId === node);
  for (
    const [method, params] of [
      ["device.pair.approve", { requestId: node }],
      ["device.pair.admit", { requestId: node, surfaceHash }],
      ["device.pair.reject", { requestId: node }],
      ["device.pair.rename", { deviceId: "x".repeat(64), label: "mine" }],
    ] as const
  ) {
    const error = await weak.refusal(method, params);
    assertEquals(error.code, "INVALID_REQUEST", method);
  }
  const list = await weak.call("device.pair.list");
  assertEquals(list.pending, []);
  assertEquals(list.paired.map((d: { deviceId: string }) => d.deviceId), [device.deviceId]);
  assertEquals((await admin.call("device.pair.list")).paired.length, 1);
});

Deno.test("I06: pairing scope without admin does not approve an exec surface; an owner with pairing only does", async () => {
  await using world = await openWorld();
  const admin = await owner(world);
  const { requestId } = (await knock(world, 1)).details;
  const v3 = (await world.connect({ protocol: 3, scopes: ["operator.pairing"], key: 9 }))
    .expectHello();
  await v3.call("device.pair.approve", { requestId });
  (await world.connect(nodeOptions(1))).expectHello();
  const surface = (await admin.call("node.pair.list")).pending[0];
  assertEquals(surface.requiredApproveScopes, ["operator.pairing", "operator.admin"]);
  const token = v3.hello.payload.auth.deviceToken;
  const byToken = (await world.connect({
    protocol: 4,
    key: 9,
    scopes: ["operator.pairing"],
    auth: { deviceToken: token },
  })).expectHello();
  const error = await byToken.refusal("node.pair.approve", { requestId: surface.requestId });
  assertEquals(error.message, "unknown requestId", "it manages itself only");
  await v3.call("node.pair.approve", { requestId: surface.requestId });
});

Deno.test("I10: a paired phone that comes back as linux is pinned and must be approved again", async () => {
  await using world = await openWorld();
  const operator = await owner(world);
  const phone = { client: { id: "node-host", platform: "ios", deviceFamily: "iPhone" } };
  const options = nodeOptions(3, phone);
  await admittedNode(world, operator, options);
  const spoof = await knock(world, 3, { client: { id: "node-host", platform: "linux" } });
  assertEquals(spoof.details.reason, "metadata-upgrade");
  const record = (await operator.call("device.pair.list")).paired[0];
  assertEquals([record.platform, record.deviceFamily], ["ios", "iPhone"]);
});

Deno.test("F35: the two spellings of a platform are one, so an upgraded v3 node is not marooned", async () => {
  await using world = await openWorld();
  const operator = await owner(world);
  const v3 = nodeOptions(4, {
    protocol: 3,
    client: { id: "node-host", platform: "darwin", deviceFamily: undefined },
  });
  await admittedNode(world, operator, v3);
  const v4 = nodeOptions(4, {
    client: { id: "node-host", platform: "macos", deviceFamily: "Mac" },
  });
  (await world.connect(v4)).expectHello();
});

Deno.test("a device that asks for a second role keeps the first and waits for the other", async () => {
  await using world = await openWorld();
  const operator = await owner(world);
  (await world.connect({ key: 5, scopes: ["operator.read"] })).expectHello();
  const error = await knock(world, 5, { client: { id: "node-host", deviceFamily: undefined } });
  assertEquals(error.details.reason, "role-upgrade");
  assertEquals(error.details.approvedRoles, ["operator"]);
  await operator.call("device.pair.approve", { requestId: error.details.requestId });
  (await world.connect({ key: 5, scopes: ["operator.read"] })).expectHello();
});

Deno.test("a connected device asks for more scopes, waits, and is told", async () => {
  await using world = await openWorld();
  const operator = await owner(world);
  const cli = (await world.connect({ key: 5, scopes: ["operator.read"] })).expectHello();
  const asked = await cli.call("device.scopes.requestUpgrade", { scopes: ["operator.write"] });
  assertEquals(asked.status, "pending");
  const waiting = cli.call("device.scopes.waitUpgrade", { requestId: asked.requestId });
  await operator.event("device.pair.requested");
  await operator.call("device.pair.approve", { requestId: asked.requestId });
  assertEquals(await waiting, { requestId: asked.requestId, status: "approved" });
  const record = (await operator.call("device.pair.list")).paired[0];
  assertEquals(record.scopes, ["operator.read", "operator.write"]);
});

Deno.test("I22: a device id of another key is refused before anything else", async () => {
  await using world = await openWorld();
  const operator = await owner(world);
  await admittedNode(world, operator, nodeOptions(1));
  const [victim, attacker] = [await keyOf(1), await keyOf(2)];
  const peer = await world.connect(nodeOptions(2, {
    device: {
      id: victim.deviceId,
      publicKey: attacker.publicKey,
      signature: "A".repeat(86),
      signedAt: Date.now(),
      nonce: "n",
    },
  }));
  assertEquals(peer.hello.error.details.code, "DEVICE_AUTH_DEVICE_ID_MISMATCH");
  assertEquals((await operator.call("device.pair.list")).pending, []);
});

Deno.test("the label of an operator survives reconnects", async () => {
  await using world = await openWorld();
  const operator = await owner(world);
  const node = await admittedNode(world, operator, nodeOptions(1));
  await operator.call("device.pair.rename", { deviceId: node.id, label: "Ops label" });
  await operator.event("device.pair.changed");
  await node.close();
  (await world.connect(nodeOptions(1))).expectHello();
  const [row] = (await operator.call("device.pair.list")).paired;
  assertEquals([row.displayName, row.operatorLabel], ["Ops label", "Ops label"]);
  await operator.call("node.rename", { nodeId: node.id, displayName: "build-1" });
  assertEquals((await operator.call("node.list")).nodes[0].displayName, "build-1");
});
