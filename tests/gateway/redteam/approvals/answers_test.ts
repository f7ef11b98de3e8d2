/** A05, A12, F21: who answers, when, and how often; and what of a run an answer covers. */
import { assert, assertEquals } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import { wait } from "../../../../src/lib/clock.ts";
import { mayAnswer } from "../../../../src/gateway/approvals/rules.ts";
import type { OpenApproval } from "../../../../src/gateway/approvals/types.ts";
import { fakePeer } from "../../fake_peer.ts";
import { admittedNode, ALL, nodeOptions, openWorld, owner } from "../../world.ts";
import { device } from "../devices.ts";
import { ask } from "./asking.ts";

const REVIEWER = { caps: ["exec-approvals"] };
const MEAN = ["operator.approvals", "operator.write"];

Deno.test("A12 variant: whoever asked does not answer on a second connection, in the older protocol, or without a device", async () => {
  await using world = await openWorld();
  const operator = await owner(world, REVIEWER);
  const asker = await device(world, 30, MEAN, REVIEWER);
  const { id } = await ask(asker);
  const auth = { deviceToken: asker.hello.payload.auth.deviceToken };
  const again = { key: 30, scopes: MEAN, auth, ...REVIEWER };
  for (const protocol of [3, 4] as const) {
    const twin = (await world.connect({ ...again, protocol })).expectHello();
    for (const decision of ["allow-once", "allow-always"]) {
      const error = await twin.refusal("exec.approval.resolve", { id, decision });
      assertEquals(error.details.reason, "OWN_REQUEST", `protocol ${protocol}`);
    }
  }
  assertEquals((await operator.call("exec.approval.list")).length, 1);
  // A session of a proxy has no device: nobody knows that it is not the requester's own second one.
  const approval = { requester: { connId: "first", name: "x" } } as OpenApproval;
  const session = { protocol: 3, scopes: MEAN, deviceId: undefined } as const;
  assertEquals(mayAnswer(fakePeer(session), approval), false);
  const admin = { deviceId: "d", deviceScopes: ["operator.admin"] };
  assertEquals(mayAnswer(fakePeer({ ...session, deviceId: "d" }), approval), false);
  assertEquals(mayAnswer(fakePeer({ ...session, ...admin }), approval), true);
  assertEquals(mayAnswer(fakePeer({ ...session, ...admin, protocol: 4 }), approval), false);
  assertEquals(mayAnswer(fakePeer({ ...session, scopes: ["operator.admin"] }), approval), true);
});

Deno.test("A12 variant: of many answers at once one counts, everybody hears that one, and the run follows it", async () => {
  await using world = await openWorld();
  const reviewers = [await owner(world, REVIEWER), await owner(world, REVIEWER)];
  const asker = await owner(world, { key: 20 });
  for (let round = 0; round < 10; round++) {
    const { id, call } = await ask(asker);
    const answers = await Promise.all(
      ["allow-once", "deny", "allow-always", "deny", "allow-once", "allow-always"].map(
        async (decision, n) => ({
          decision,
          frame: await (reviewers[(n + round) % 2] ?? asker).raw("exec.approval.resolve", {
            id,
            decision,
          }),
        }),
      ),
    );
    const final = (await asker.response(call)).payload.decision;
    for (const { decision, frame } of answers) {
      assertEquals(frame.ok, decision === final, `${decision} when ${final} won`);
    }
    for (const reviewer of reviewers) {
      const told = await reviewer.event("exec.approval.resolved", (event) => event.id === id);
      assertEquals(told.decision, final);
    }
  }
});

Deno.test("F21 variant: an answer that came in time counts though the disk takes it only after the end", async () => {
  await using world = await openWorld();
  const operator = await owner(world, REVIEWER);
  const asker = await owner(world, { key: 20 });
  const { id, call } = await ask(asker, { timeoutMs: 700 });
  const holder = new DatabaseSync(world.paths.gatewayDbFile);
  holder.exec("BEGIN IMMEDIATE");
  const answer = operator.send("exec.approval.resolve", { id, decision: "allow-once" });
  await wait(900); // past the end of the request
  holder.exec("ROLLBACK");
  holder.close();
  assertEquals((await operator.response(answer)).payload, { ok: true });
  assertEquals((await asker.response(call)).payload.decision, "allow-once");
  const late = await operator.refusal("exec.approval.resolve", { id, decision: "deny" });
  assertEquals(late.details.reason, "APPROVAL_ALREADY_RESOLVED");
});

Deno.test("A05 variant: an environment or a run id that is not text is refused before anything is compared or remembered", async () => {
  await using world = await openWorld();
  const operator = await owner(world, REVIEWER);
  const asker = await owner(world, { key: 20 });
  const node = await admittedNode(world, operator, nodeOptions(1));
  const { id, call } = await ask(asker, { nodeId: node.id, env: { A: "1" } });
  await operator.call("exec.approval.resolve", { id, decision: "allow-once" });
  await asker.response(call);
  const run = (more: Record<string, unknown>) => ({
    nodeId: node.id,
    command: "system.run",
    params: { command: ["/bin/true"], cwd: "/srv/app", approved: true, runId: id, ...more },
    idempotencyKey: crypto.randomUUID(),
  });
  for (
    const more of [
      { env: { A: "1", LD_PRELOAD: ["/tmp/x.so"] } },
      { env: { A: "1", LD_PRELOAD: null } },
      { env: { A: "1", LD_PRELOAD: { toString: "x" } } },
      { env: [["A", "1"]] },
      { env: "A=1" },
      { runId: [id] },
      { runId: { id } },
      { runId: "r".repeat(257), approved: false },
      { runId: 7, approved: false },
    ]
  ) {
    const error = await asker.refusal("node.invoke", run(more));
    assertEquals(error.code, "INVALID_REQUEST", JSON.stringify(more));
  }
  assertEquals(node.seen("node.invoke.request"), []);
  const used = asker.send("node.invoke", run({ env: { A: "1" } }));
  assertEquals(JSON.parse((await node.answerInvoke({})).paramsJSON).env, { A: "1" });
  assert((await asker.response(used)).ok, "the approval was not used up by the attempts");
});

Deno.test("I12 variant: a device that is removed or revoked leaves no answer behind that it could use when it is paired again", async () => {
  await using world = await openWorld();
  const operator = await owner(world, REVIEWER);
  const node = await admittedNode(world, operator, nodeOptions(1));
  const ends: readonly ((deviceId: string) => Promise<unknown>)[] = [
    (deviceId) => operator.call("device.pair.remove", { deviceId }),
    (deviceId) => operator.call("device.token.revoke", { deviceId, role: "operator" }),
  ];
  for (const [n, end] of ends.entries()) {
    const asker = await owner(world, { key: 20 + n });
    const waiting = await ask(asker, { nodeId: node.id });
    const { id, call } = await ask(asker, { nodeId: node.id });
    await operator.call("exec.approval.resolve", { id, decision: "allow-always" });
    await asker.response(call);
    await end(asker.id);
    await operator.event("exec.approval.resolved", (event) => event.id === waiting.id);
    assertEquals(await operator.call("exec.approval.list"), []);
    const knock = await world.connect({ key: 20 + n, scopes: ALL });
    if (!knock.hello.ok) {
      const { requestId } = knock.hello.error.details;
      await operator.call("device.pair.approve", { requestId });
    }
    const back = await owner(world, { key: 20 + n });
    const error = await back.refusal("node.invoke", {
      nodeId: node.id,
      command: "system.run",
      params: { command: ["/bin/true"], cwd: "/srv/app", approved: true, runId: id },
      idempotencyKey: "k",
    });
    assertEquals(error.details.code, "APPROVAL_REQUIRED");
  }
  assertEquals(node.seen("node.invoke.request"), []);
});

Deno.test("A12, A13 variant: the older protocol gives nobody more: two devices with write and approvals do not approve for each other", async () => {
  await using world = await openWorld();
  const operator = await owner(world, REVIEWER);
  const [one, other] = [await device(world, 30, MEAN), await device(world, 31, MEAN)];
  const { id } = await ask(one);
  const auth = { deviceToken: other.hello.payload.auth.deviceToken };
  const older = await world.connect({ key: 31, scopes: MEAN, auth, ...REVIEWER, protocol: 3 });
  older.expectHello();
  for (const method of ["exec.approval.resolve", "approval.resolve"]) {
    const kind = method.startsWith("exec") ? {} : { kind: "exec" };
    const error = await older.refusal(method, { id, decision: "allow-once", ...kind });
    assertEquals(error.details.reason, "APPROVAL_NOT_FOUND", method);
  }
  assertEquals(await older.call("exec.approval.list"), []);
  assertEquals((await older.call("approval.history")).items, []);
  assertEquals(older.seen("exec.approval.requested"), []);
  // A device that was approved for admin reviews with the older command line, which asks for little.
  const reviewer = await device(world, 32, ALL, {
    scopes: ["operator.approvals"],
    protocol: 3,
    ...REVIEWER,
  });
  assertEquals((await reviewer.call("exec.approval.list")).length, 1);
  await reviewer.call("exec.approval.resolve", { id, decision: "deny" });
  await operator.event("exec.approval.resolved", (event) => event.id === id);
});
