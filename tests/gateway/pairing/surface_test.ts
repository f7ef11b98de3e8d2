/** Command surfaces of nodes: growth, half-paired exec, admit's hash, going live without reconnect, takeover of a session. */
import { assert, assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import { admittedNode, NODE_COMMANDS, nodeOptions, openWorld, owner } from "../world.ts";

Deno.test("I09: a node whose device is approved and whose commands are not runs nothing", async () => {
  await using world = await openWorld();
  const operator = await owner(world);
  const knock = await world.connect(nodeOptions(1));
  const { requestId } = knock.hello.error.details;
  await operator.call("device.pair.approve", { requestId });
  const node = (await world.connect(nodeOptions(1))).expectHello();
  const run = {
    nodeId: node.id,
    command: "system.run",
    params: { command: ["/bin/true"] },
    idempotencyKey: "k",
  };
  const error = await operator.refusal("node.invoke", run);
  assertEquals([error.code, error.details.code], ["UNAVAILABLE", "PAIRING_CHANGED"]);
  assertMatch(error.message, /^node pairing changed while invocation was active/);
  const relay = await operator.refusal("exec.approvals.node.get", { nodeId: node.id });
  assertEquals(relay.details?.code, "PAIRING_CHANGED", JSON.stringify(relay));
  for (const method of ["node.pending.pull", "node.pending.drain"]) {
    assertEquals((await node.refusal(method)).details.code, "PAIRING_CHANGED");
  }
  const inventory = { protocolFeatures: [], workerHost: { enabled: false } };
  const waiting = await node.refusal("node.runnerInventory.update", inventory);
  assertMatch(waiting.message, /awaiting operator approval; run `openclaw nodes approve /);
  assertEquals(await node.call("node.skills.update", { skills: [] }), {
    nodeId: node.id,
    skills: [],
  });
  // Approval is felt by the live session.
  const [pending] = (await operator.call("node.pair.list")).pending;
  const approved = await operator.call("node.pair.approve", { requestId: pending.requestId });
  assertEquals(approved.node.commands, NODE_COMMANDS);
  assertEquals((await node.event("node.pair.resolved")).decision, "approved");
  const id = operator.send("node.invoke", run);
  await node.answerInvoke({ exitCode: 0, success: true });
  assertEquals((await operator.response(id)).ok, true);
});

Deno.test("I08: one more command keeps the old set live and queues a request for all of them", async () => {
  await using world = await openWorld();
  const operator = await owner(world);
  const node = await admittedNode(world, operator, nodeOptions(1));
  await node.close();
  const wider = nodeOptions(1, { commands: [...NODE_COMMANDS, "browser.proxy"] });
  const back = (await world.connect(wider)).expectHello();
  const requested = await operator.event("node.pair.requested");
  assertEquals(requested.commands, [...NODE_COMMANDS, "browser.proxy"]);
  const row = (await operator.call("node.list")).nodes[0];
  assertEquals(row.commands, [...NODE_COMMANDS].sort());
  assertEquals([row.approvalState, row.pendingRequestId], [
    "pending-approval",
    requested.requestId,
  ]);
  const call = { nodeId: back.id, idempotencyKey: "k", params: {} };
  const id = operator.send("node.invoke", { ...call, command: "system.which" });
  await back.answerInvoke({});
  assertEquals((await operator.response(id)).ok, true);
  const error = await operator.refusal("node.invoke", { ...call, command: "browser.proxy" });
  assertMatch(error.message, /declared command surface is pending approval/);
  // The same set again keeps the id; another one supersedes it.
  await back.close();
  const same = (await world.connect(wider)).expectHello();
  assertEquals((await operator.call("node.pair.list")).pending[0].requestId, requested.requestId);
  await same.close();
  const other = nodeOptions(1, { commands: [...NODE_COMMANDS, "browser.proxy", "fs.listDir"] });
  (await world.connect(other)).expectHello();
  const [next] = (await operator.call("node.pair.list")).pending;
  assertNotEquals(next.requestId, requested.requestId);
  const dead = await operator.refusal("node.pair.approve", { requestId: requested.requestId });
  assertEquals([dead.details.code, dead.details.replacedBy], [
    "REQUEST_SUPERSEDED",
    next.requestId,
  ]);
  assertEquals(dead.details.changed, ["+fs.listDir"]);
});

Deno.test("admit grants what was shown or nothing, and a different set at go-live waits on its own", async () => {
  await using world = await openWorld();
  const operator = await owner(world);
  const knock = await world.connect(nodeOptions(1));
  const { requestId } = knock.hello.error.details;
  const refused = await operator.refusal("device.pair.admit", {
    requestId,
    surfaceHash: "0".repeat(64),
  });
  assertEquals(refused.details.code, "SURFACE_CHANGED");
  await operator.call("device.pair.admit", {
    requestId,
    surfaceHash: refused.details.surfaceHash,
  });
  const more = nodeOptions(1, { commands: [...NODE_COMMANDS, "fs.listDir"] });
  (await world.connect(more)).expectHello();
  const row = (await operator.call("node.list")).nodes[0];
  assertEquals(row.commands, [...NODE_COMMANDS].sort());
  assertEquals(row.pendingDeclaredCommands, [...NODE_COMMANDS, "fs.listDir"].sort());
});

Deno.test("a denied command is not part of the surface, an allowed dangerous one is, and a change of the policy is felt", async () => {
  await using world = await openWorld({
    nodes: { commands: { allow: ["camera.snap"], deny: ["system.which"] } },
  });
  const operator = await owner(world);
  const commands = ["system.run", "system.which", "camera.snap", "screen.record", "bogus.cmd"];
  const node = await admittedNode(world, operator, nodeOptions(1, { commands }));
  const row = (await operator.call("node.list")).nodes[0];
  assertEquals(row.commands, ["camera.snap", "system.run"]);
  const call = (command: string) => ({ nodeId: node.id, command, params: {}, idempotencyKey: "k" });
  const message = async (command: string) =>
    (await operator.refusal("node.invoke", call(command))).message;
  assertEquals(
    await message("system.which"),
    `node command not allowed: "system.which" is blocked by gateway.nodes.commands.deny`,
  );
  assertEquals(
    await message("screen.record"),
    `node command not allowed: "screen.record" requires explicit gateway.nodes.commands.allow opt-in`,
  );
  assertEquals(
    await message("bogus.cmd"),
    `node command not allowed: "bogus.cmd" is not in the allowlist for platform "linux"`,
  );
  assertEquals(
    await message("fs.listDir"),
    `node command not allowed: the node (platform: linux) does not support "fs.listDir"`,
  );
});

Deno.test("F33, A21: a new session takes over, the old socket's answers and its late close change nothing", async () => {
  await using world = await openWorld();
  const operator = await owner(world);
  const old = await admittedNode(world, operator, nodeOptions(1));
  const call = { nodeId: old.id, command: "system.which", params: {}, timeoutMs: 20_000 };
  const first = operator.send("node.invoke", { ...call, idempotencyKey: "a" });
  const stale = await old.event("node.invoke.request");
  const fresh = (await world.connect(nodeOptions(1))).expectHello();
  const failed = await operator.response(first);
  assertEquals(failed.error.message, "DISCONNECTED: node disconnected (system.which)");
  const second = operator.send("node.invoke", { ...call, idempotencyKey: "b" });
  const live = await fresh.event("node.invoke.request");
  const answer = (id: string) => ({ id, nodeId: old.id, ok: true, payload: { from: "old" } });
  assertEquals(await old.call("node.invoke.result", answer(stale.id)), { ok: true, ignored: true });
  assertEquals(await old.call("node.invoke.result", answer(live.id)), { ok: true, ignored: true });
  await old.close();
  assertEquals((await operator.call("node.list")).nodes[0].connected, true);
  await fresh.call("node.invoke.result", { ...answer(live.id), payload: { from: "fresh" } });
  assertEquals((await operator.response(second)).payload.payload, { from: "fresh" });
  assert((await operator.call("node.describe", { nodeId: old.id })).connected);
});

Deno.test("a fresh v3 node gets the same two gates as a v4 one", async () => {
  await using world = await openWorld();
  const operator = await owner(world);
  const options = nodeOptions(2, {
    protocol: 3,
    client: { id: "node-host", platform: "linux", deviceFamily: undefined },
  });
  const node = await admittedNode(world, operator, options);
  const id = operator.send("node.invoke", {
    nodeId: node.id,
    command: "system.which",
    params: { bins: ["sh"] },
    idempotencyKey: "k",
  });
  await node.answerInvoke({ bins: {} });
  assertEquals((await operator.response(id)).ok, true);
});
