/** A15, N16: one requester that asks for more than anybody can read. */
import { assert, assertEquals } from "@std/assert";
import { admittedNode, nodeOptions, openWorld, owner } from "../../world.ts";
import { device } from "../devices.ts";
import { planOf } from "../../approval_plan.ts";
import { ask, requestOf } from "./asking.ts";

const REVIEWER = { caps: ["exec-approvals"] };
const MEAN = ["operator.approvals", "operator.write"];

Deno.test("A15 variant: one device fills neither the list nor everybody's places", async () => {
  await using world = await openWorld();
  const operator = await owner(world, REVIEWER);
  const flooder = await device(world, 30, MEAN);
  for (let n = 0; n < 64; n++) await ask(flooder);
  const twin = await device(world, 30, MEAN);
  for (const peer of [flooder, twin]) {
    const error = await peer.refusal("exec.approval.request", requestOf());
    assertEquals([error.code, error.retryable], ["UNAVAILABLE", true]);
    assertEquals(error.message, "too many approvals of this requester wait for a decision");
  }
  const { id } = await ask(await device(world, 31, MEAN));
  await operator.call("exec.approval.resolve", { id, decision: "deny" });
  const [first] = await operator.call("exec.approval.list");
  await operator.call("exec.approval.resolve", { id: first.id, decision: "deny" });
  await ask(flooder);
});

Deno.test("A15, N16 variant: what waits is bounded in size, one by one and together, and the list still fits a frame", async () => {
  await using world = await openWorld();
  const operator = await owner(world, REVIEWER);
  const text = "x".repeat(60_000);
  const tooLarge: readonly Record<string, unknown>[] = [
    { host: "gateway", command: "id", commandArgv: Array.from({ length: 9 }, () => text) },
    {
      host: "gateway",
      command: "id",
      env: Object.fromEntries(
        Array.from({ length: 150 }, (_, n) => [`${n}${text.slice(0, 4_000)}`, ""]),
      ),
    },
    { systemRunPlan: planOf(["/bin/true"], { commandPreview: "x".repeat(300_000) }) },
    { systemRunPlan: planOf(["/bin/true"], { policySnapshot: { x: "x".repeat(300_000) } }) },
    { systemRunPlan: planOf(["/bin/echo", "x".repeat(70_000)]) },
  ];
  for (const more of tooLarge) {
    const error = await operator.refusal("exec.approval.request", requestOf(more));
    assertEquals(error.code, "INVALID_REQUEST", error.message);
  }
  const plan = planOf(["/bin/true"], { policySnapshot: { x: "x".repeat(250_000) } });
  let filed = 0;
  for (const key of [30, 31, 32, 33, 34]) {
    const peer = await device(world, key, MEAN);
    for (let n = 0; n < 10; n++) {
      const call = peer.send("exec.approval.request", requestOf({ systemRunPlan: plan }));
      const { ok, error } = await peer.response(call);
      if (ok) filed++;
      else assertEquals(error.code, "UNAVAILABLE");
    }
  }
  const list = await operator.call("exec.approval.list");
  assertEquals(list.length, filed);
  assert(filed >= 20 && JSON.stringify(list).length < 10_000_000, `${filed}`);
});

Deno.test("A15 variant: asking in a loop takes away no answer that somebody else was given", async () => {
  await using world = await openWorld();
  const operator = await owner(world, REVIEWER);
  const node = await admittedNode(world, operator, nodeOptions(1));
  const asker = await owner(world, { key: 20 });
  const { id, call } = await ask(asker, { nodeId: node.id });
  await operator.call("exec.approval.resolve", { id, decision: "allow-once" });
  await asker.response(call);
  await operator.close();
  const flooder = await device(world, 30, MEAN);
  for (let n = 0; n < 600; n += 50) {
    // Nobody can answer: each ends at once, undecided.
    const calls = Array.from(
      { length: 50 },
      () => flooder.call("exec.approval.request", requestOf()),
    );
    for (const end of await Promise.all(calls)) assertEquals(end.decision, null);
  }
  const run = asker.send("node.invoke", {
    nodeId: node.id,
    command: "system.run",
    params: { command: ["/bin/true"], cwd: "/srv/app", approved: true, runId: id },
    idempotencyKey: "k",
  });
  await node.answerInvoke({ exitCode: 0 });
  assert((await asker.response(run)).ok);
});
