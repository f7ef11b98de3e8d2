/** I12: who asked is gone before the disk took what he asked for. */
import { assert, assertEquals } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import { eventually } from "../../../e2e/program.ts";
import { ask } from "../approvals/asking.ts";
import { device } from "../devices.ts";
import { admittedNode, nodeOptions, openWorld, owner } from "../../world.ts";

Deno.test("I12 variant: a run that waits for the disk does not start once its caller has left", async () => {
  await using world = await openWorld();
  const operator = await owner(world, { caps: ["exec-approvals"] });
  const node = await admittedNode(world, operator, nodeOptions(1));
  const asker = await device(world, 30, ["operator.write", "operator.approvals"]);
  const { id, call } = await ask(asker, { nodeId: node.id });
  await operator.call("exec.approval.resolve", { id, decision: "allow-once" });
  await asker.response(call);
  const other = new DatabaseSync(world.paths.gatewayDbFile);
  other.exec("PRAGMA busy_timeout=2000; BEGIN IMMEDIATE");
  asker.send("node.invoke", {
    nodeId: node.id,
    command: "system.run",
    params: { command: ["/bin/true"], cwd: "/srv/app", approved: true, runId: id },
    idempotencyKey: "k",
  });
  await asker.close();
  await eventually(
    "the end of the caller's session",
    async () => (await operator.call("status")).gateway.connections === 2,
  );
  other.exec("ROLLBACK");
  other.close();
  // One more write lies behind the one that the run waits for.
  await operator.raw("node.rename", { nodeId: node.id, displayName: "another" });
  const which = { nodeId: node.id, command: "system.which", params: {}, idempotencyKey: "w" };
  const sent = operator.send("node.invoke", which);
  const first = await node.answerInvoke({});
  assert((await operator.response(sent)).ok);
  assertEquals([first.command, node.seen("node.invoke.request")], ["system.which", []]);
});
