/** I04, I06, I10: a device that came by its own right alone, and what it tries with others. */
import { assertEquals } from "@std/assert";
import { fromBase64 } from "../../../../src/lib/bytes.ts";
import { device } from "../devices.ts";
import { admittedNode, nodeOptions, openWorld, owner } from "../../world.ts";

const SCOPES = ["operator.pairing", "operator.read"];

Deno.test("I04, I06 variant: the first session of a join code manages its own device and no other", async () => {
  await using world = await openWorld();
  const operator = await owner(world, { key: 20 });
  const node = await admittedNode(world, operator, nodeOptions(1));
  const knock = await world.connect(nodeOptions(2));
  const { requestId } = knock.hello.error.details;
  const { setupCode } = await operator.call("device.pair.setupCode", {
    publicUrl: "ws://gateway.example:1",
    bootstrapProfile: "operator",
    scopes: SCOPES,
  });
  const { bootstrapToken } = JSON.parse(new TextDecoder().decode(fromBase64(setupCode)));
  const joined = await world.connect({ key: 30, scopes: SCOPES, auth: { bootstrapToken } });
  assertEquals(joined.expectHello().hello.payload.auth.method, "bootstrap-token");
  const { pending, paired } = await joined.call("device.pair.list");
  assertEquals([pending, paired.map((row: { deviceId: string }) => row.deviceId)], [[], [
    joined.id,
  ]]);
  const others: readonly (readonly [string, Record<string, unknown>])[] = [
    ["device.pair.approve", { requestId }],
    ["device.pair.reject", { requestId }],
    ["device.pair.remove", { deviceId: node.id }],
    ["device.pair.remove", { deviceId: operator.id }],
    ["device.pair.rename", { deviceId: node.id, label: "mine" }],
    ["device.token.rotate", { deviceId: node.id, role: "node" }],
    ["device.token.revoke", { deviceId: node.id, role: "node" }],
    ["node.pair.remove", { nodeId: node.id }],
    ["node.rename", { nodeId: node.id, displayName: "mine" }],
  ];
  for (const [method, params] of others) {
    assertEquals((await joined.refusal(method, params)).code, "INVALID_REQUEST", method);
  }
  assertEquals((await operator.call("device.pair.list")).pending.length, 1);
  await joined.call("device.pair.rename", { deviceId: joined.id, label: "a name of its own" });
});

Deno.test("I10 variant: nobody without admin gives a device the name of another, in any spelling", async () => {
  await using world = await openWorld();
  const operator = await owner(world, { key: 20 });
  const node = await admittedNode(world, operator, nodeOptions(1));
  const self = await device(world, 30, SCOPES);
  for (const label of ["node 1", "NODE-1", "node_1 ", operator.id, node.id]) {
    const error = await self.refusal("device.pair.rename", { deviceId: self.id, label });
    assertEquals(error.message, "another device goes by this name", label);
  }
  await self.call("device.pair.rename", { deviceId: self.id, label: "node 10" });
  await operator.call("device.pair.rename", { deviceId: self.id, label: "node 1" });
});
