/** Device tokens: rotation, revocation, removal while connected, self-service limits, the grace of the old token. */
import { assert, assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import { Secret } from "../../../src/lib/secret.ts";
import { GatewayStore } from "../../../src/store/gateway_store.ts";
import {
  newGrant,
  PREVIOUS_TOKEN_MS,
  revokeGrant,
  rotateGrant,
  Tokens,
  useGrant,
} from "../../../src/gateway/pairing/tokens.ts";
import { admittedNode, nodeOptions, openWorld, owner } from "../world.ts";

Deno.test("decision 7: the old token works until the new one was used once, at most ten minutes", async () => {
  const dir = await Deno.makeTempDir();
  const store = await GatewayStore.open({ path: `${dir}/g.sqlite` });
  const tokens = await Tokens.open(store);
  const first = newGrant("node", [], 1_000);
  const old = await tokens.issue("dev", first);
  const rotated = rotateGrant(first, [], 2_000);
  const next = await tokens.issue("dev", rotated);
  assertNotEquals(next.reveal(), old.reveal());
  assertEquals(await tokens.check("dev", rotated, old, 3_000), 1);
  assertEquals(await tokens.check("dev", rotated, old, 2_000 + PREVIOUS_TOKEN_MS), undefined);
  assertEquals(await tokens.check("dev", rotated, next, 3_000), 2);
  const used = useGrant(rotated, 2);
  assertEquals(await tokens.check("dev", used, old, 3_000), undefined);
  // Rotated twice before the device came by: what it holds still opens.
  const twice = rotateGrant(rotated, [], 4_000);
  assertEquals(await tokens.check("dev", twice, old, 5_000), 1);
  assertEquals(await tokens.check("dev", twice, next, 5_000), undefined);
  // Another device, another role, a revoked and a new grant: nothing carries over.
  assertEquals(await tokens.check("other", first, old, 3_000), undefined);
  assertEquals(await tokens.check("dev", { ...first, role: "operator" }, old, 3_000), undefined);
  assertEquals(await tokens.check("dev", newGrant("node", [], 1_000), old, 3_000), undefined);
  assert(revokeGrant(first, 9).revokedAtMs === 9);
  assertEquals(await tokens.check("dev", first, new Secret(""), 3_000), undefined);
  await store.close();
  // The key is part of the state: the same token after a restart.
  const again = await GatewayStore.open({ path: `${dir}/g.sqlite` });
  assertEquals((await (await Tokens.open(again)).issue("dev", first)).reveal(), old.reveal());
  await again.close();
  await Deno.remove(dir, { recursive: true });
});

Deno.test("rotation ends the sessions after the answer, withholds the token, and the node comes back with its old one", async () => {
  await using world = await openWorld();
  const operator = await owner(world);
  const node = await admittedNode(world, operator, nodeOptions(1));
  const token = node.hello.payload.auth.deviceToken;
  const answer = await operator.call("device.token.rotate", { deviceId: node.id, role: "node" });
  assertEquals([answer.tokenDelivery, answer.token], ["withheld-cross-device", undefined]);
  assertEquals(await node.closed(), { code: 4001, reason: "device removed" });
  const back = (await world.connect(nodeOptions(1, { auth: { deviceToken: token } })))
    .expectHello();
  const fresh = back.hello.payload.auth.deviceToken;
  assertNotEquals(fresh, token);
  (await world.connect(nodeOptions(1, { auth: { deviceToken: fresh } }))).expectHello();
  const late = await world.connect(nodeOptions(1, { auth: { deviceToken: token } }));
  assertEquals(late.hello.error.details.code, "AUTH_DEVICE_TOKEN_MISMATCH");
});

Deno.test("I12: revoke while connected closes within 1 s, the invoke in flight fails, the next connect asks", async () => {
  await using world = await openWorld();
  const operator = await owner(world);
  const node = await admittedNode(world, operator, nodeOptions(1));
  const id = operator.send("node.invoke", {
    nodeId: node.id,
    command: "system.which",
    params: {},
    idempotencyKey: "k",
    timeoutMs: 60_000,
  });
  await node.event("node.invoke.request");
  const startedMs = performance.now();
  await operator.call("device.token.revoke", { deviceId: node.id, role: "node" });
  await node.event("node.invoke.cancel");
  assertEquals((await node.closed()).code, 4001);
  const failed = await operator.response(id);
  assert(performance.now() - startedMs < 1_000);
  assertEquals(failed.error.message, "DISCONNECTED: node disconnected (system.which)");
  const again = await world.connect(nodeOptions(1));
  assertEquals(again.hello.error.details.reason, "role-upgrade");
});

Deno.test("I12: remove while connected closes the session and forgets the device", async () => {
  await using world = await openWorld();
  const operator = await owner(world);
  const node = await admittedNode(world, operator, nodeOptions(1));
  const token = node.hello.payload.auth.deviceToken;
  assertEquals(await operator.call("node.pair.remove", { nodeId: node.id }), { nodeId: node.id });
  assertEquals(await node.closed(), { code: 4001, reason: "device removed" });
  const event = await operator.event("node.pair.resolved", (p) => p.decision === "removed");
  assertEquals([event.requestId, event.nodeId], ["", node.id]);
  const again = await world.connect(nodeOptions(1, { auth: { deviceToken: token } }));
  assertEquals(again.hello.error.details.code, "AUTH_DEVICE_TOKEN_MISMATCH");
  // Paired again, the token of before stays dead.
  const back = await admittedNode(world, operator, nodeOptions(1));
  assertNotEquals(back.hello.payload.auth.deviceToken, token);
  const old = await world.connect(nodeOptions(1, { auth: { deviceToken: token } }));
  assertEquals(old.hello.ok, false);
});

Deno.test("I04: a pairing-scope caller rotates or revokes no admin device's token, and cannot widen its own", async () => {
  await using world = await openWorld();
  const admin = await owner(world);
  (await world.connect({ key: 5, scopes: ["operator.admin"] })).expectHello();
  const target = (await admin.call("device.pair.list")).paired[0].deviceId;
  const scopes = ["operator.pairing"];
  const first = (await world.connect({ key: 6, scopes })).expectHello();
  const auth = { deviceToken: first.hello.payload.auth.deviceToken };
  const weak = (await world.connect({ key: 6, scopes, auth })).expectHello();
  const rotate = { deviceId: target, role: "operator" };
  assertEquals(
    (await weak.refusal("device.token.rotate", rotate)).message,
    "device token rotation denied",
  );
  assertEquals(
    (await weak.refusal("device.token.revoke", rotate)).message,
    "device token revocation denied",
  );
  const widen = { deviceId: weak.id, role: "operator", scopes: ["operator.admin"] };
  assertEquals(
    (await weak.refusal("device.token.rotate", widen)).message,
    "device token rotation denied",
  );
  const own = await weak.call("device.token.rotate", { deviceId: weak.id, role: "operator" });
  assertEquals(own.tokenDelivery, "in-band");
  assertMatch(own.token, /^[A-Za-z0-9_-]{43}$/);
  assertEquals((await weak.closed()).code, 4001);
  (await world.connect({ key: 6, scopes, auth: { deviceToken: own.token } })).expectHello();
});

Deno.test("F16: a flapping node keeps its token and leaves nothing behind", async () => {
  await using world = await openWorld();
  const operator = await owner(world);
  const node = await admittedNode(world, operator, nodeOptions(1));
  const token = node.hello.payload.auth.deviceToken;
  await node.close();
  for (let round = 0; round < 20; round++) {
    const peer = await world.connect(nodeOptions(1, { auth: { deviceToken: token } }));
    assertEquals(peer.expectHello().hello.payload.auth.deviceToken, token);
    await peer.close();
  }
  for (;;) {
    const { nodes } = await operator.call("node.list");
    assertEquals(nodes.length, 1);
    if (!nodes[0].connected) break;
    await operator.event("presence");
  }
  assertEquals((await operator.call("device.pair.list")).pending, []);
});
