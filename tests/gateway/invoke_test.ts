/** node.invoke over real sockets: policy, answers, errors, deadlines, foreign and late results, live output, stdin, cancel. */
import { assertEquals, assertMatch } from "@std/assert";
import { admittedNode, keyOf, nodeOptions, openWorld, owner } from "./world.ts";

Deno.test("one approval admits device and commands, and a call reaches the node and comes back", async () => {
  await using world = await openWorld();
  const operator = await owner(world);
  const node = await admittedNode(world, operator, nodeOptions(1));
  const id = operator.send("node.invoke", {
    nodeId: node.id,
    command: "system.which",
    params: { bins: ["sh"] },
    idempotencyKey: "k1",
    timeoutMs: 5_000,
  });
  const request = await node.answerInvoke({ bins: { sh: "/bin/sh" } });
  assertEquals(request.paramsJSON, `{"bins":["sh"]}`);
  assertEquals(request.idempotencyKey, "k1");
  const answer = await operator.response(id);
  assertEquals(answer.payload, {
    ok: true,
    nodeId: node.id,
    command: "system.which",
    payload: { bins: { sh: "/bin/sh" } },
    payloadJSON: `{"bins":{"sh":"/bin/sh"}}`,
  });
});
