/** What only the older generation calls: answered from the one store, unknown to newer peers. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { admittedNode, ALL, nodeOptions, openWorld, owner } from "../world.ts";

const OLDER = ["node.pair.request", "node.pair.verify", "node.canvas.capability.refresh"];

Deno.test("the older methods are announced to protocol 3 and unknown on protocol 4", async () => {
  await using world = await openWorld();
  const older = await owner(world, { protocol: 3 });
  const newer = await owner(world);
  const node = await admittedNode(world, newer, nodeOptions(1));
  for (const name of OLDER) {
    assert(older.hello.payload.features.methods.includes(name), name);
    assert(!newer.hello.payload.features.methods.includes(name), name);
  }
  for (const name of OLDER.slice(0, 2)) {
    assertEquals((await newer.refusal(name, { nodeId: "a" })).message, `unknown method: ${name}`);
  }
  assertEquals((await node.refusal(OLDER[2]!)).message, "unauthorized role: node");
});

Deno.test("v3 node.pair.request files what a paired node lacks, once, and says so when it lacks nothing", async () => {
  await using world = await openWorld();
  const operator = await owner(world, { protocol: 3 });
  const node = await admittedNode(
    world,
    await owner(world),
    nodeOptions(1, { commands: ["system.which"] }),
  );
  const nothing = await operator.call("node.pair.request", { nodeId: node.id });
  assertEquals([nothing.status, nothing.created], ["approved", false]);
  const wish = { nodeId: node.id, commands: ["system.which", "system.run"] };
  const first = await operator.call("node.pair.request", wish);
  assertEquals([first.status, first.created], ["pending", true]);
  assertEquals(first.request.commands, ["system.which", "system.run"]);
  const told = await operator.event("node.pair.requested");
  assertEquals(told.requestId, first.request.requestId);
  const again = await operator.call("node.pair.request", wish);
  assertEquals([again.created, again.request.requestId], [false, first.request.requestId]);
  const wider = await operator.call("node.pair.request", {
    nodeId: node.id,
    commands: ["system.which", "system.run", "browser.proxy"],
  });
  assert(wider.request.requestId !== first.request.requestId);
  const dead = await operator.refusal("node.pair.approve", { requestId: first.request.requestId });
  assertMatch(dead.message, new RegExp(`was replaced by ${wider.request.requestId}`));
  // It is a request only: the node may do no more than before.
  assertEquals((await operator.call("node.describe", { nodeId: node.id })).commands, [
    "system.which",
  ]);
  const unknown = await operator.refusal("node.pair.request", { nodeId: "abc" });
  assertMatch(unknown.message, /^unknown nodeId/);
});

Deno.test("v3 node.pair.verify knows a node's token now, and tells nothing else", async () => {
  await using world = await openWorld();
  const operator = await owner(world, { protocol: 3 });
  const node = await admittedNode(world, await owner(world), nodeOptions(1));
  const token = node.hello.payload.auth.deviceToken;
  const right = await operator.call("node.pair.verify", { nodeId: node.id, token });
  assertEquals([right.ok, right.node.nodeId], [true, node.id]);
  assertEquals(JSON.stringify(right).includes(token), false);
  const no = { ok: false };
  assertEquals(await operator.call("node.pair.verify", { nodeId: node.id, token: "x" }), no);
  assertEquals(await operator.call("node.pair.verify", { nodeId: "abc", token }), no);
  await operator.call("device.token.revoke", { deviceId: node.id, role: "node" });
  assertEquals(await operator.call("node.pair.verify", { nodeId: node.id, token }), no);
  // A device that manages only itself learns nothing about others.
  const scopes = ["operator.pairing"];
  const first = (await world.connect({ key: 30, scopes })).expectHello();
  const auth = { deviceToken: first.hello.payload.auth.deviceToken };
  const self = (await world.connect({ key: 30, scopes, auth, protocol: 3 })).expectHello();
  assertEquals(await self.call("node.pair.verify", { nodeId: node.id, token }), no);
  assertMatch(
    (await self.refusal("node.pair.request", { nodeId: node.id })).message,
    /^unknown nodeId/,
  );
  const weak = await owner(world, { protocol: 3, scopes: ALL.filter((s) => s.endsWith("read")) });
  assertEquals(
    (await weak.refusal("node.pair.verify", { nodeId: node.id, token })).message,
    "missing scope: operator.pairing",
  );
});

Deno.test("v3 node.canvas.capability.refresh says that there is no canvas", async () => {
  await using world = await openWorld();
  const node = await admittedNode(world, await owner(world), nodeOptions(1, { protocol: 3 }));
  const error = await node.refusal("node.canvas.capability.refresh");
  assertEquals([error.code, error.message], [
    "UNAVAILABLE",
    "canvas host unavailable for this node session",
  ]);
});

Deno.test("approvals of plugins: none waits, so none can be answered", async () => {
  await using world = await openWorld();
  const operator = await owner(world);
  assertEquals(await operator.call("plugin.approval.list"), []);
  const resolve = { id: "plugin:1", decision: "deny" };
  const error = await operator.refusal("plugin.approval.resolve", resolve);
  assertEquals(error.details.reason, "APPROVAL_NOT_FOUND");
  assertEquals(
    (await operator.refusal("plugin.approval.waitDecision", { id: "plugin:1" })).message,
    "approval expired or not found",
  );
});

Deno.test("standing grants of automations: none is listed, none can be revoked", async () => {
  await using world = await openWorld();
  const operator = await owner(world);
  assertEquals(await operator.call("exec.approval.grants.list"), { grants: [] });
  assertEquals(await operator.call("exec.approval.grants.revoke", { grantId: "g-1" }), {
    outcome: "not-found",
  });
});
