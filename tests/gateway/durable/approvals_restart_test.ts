/** Exec approvals over the death of the gateway: what was acknowledged is there again, and is used no more than once. */
import { assert, assertEquals } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import { wait } from "../../../src/lib/clock.ts";
import { planOf } from "../approval_plan.ts";
import {
  admittedNode,
  ALL,
  type ConnectOptions,
  nodeOptions,
  openWorld,
  owner,
  type ScriptedPeer,
} from "../world.ts";
import { type KillableGateway, startKillable, withStateDir } from "./killable.ts";

const REVIEWER = { scopes: ALL, caps: ["exec-approvals"] };
const REQUESTER: ConnectOptions = { scopes: ALL, key: 20 };
const OTHER: ConnectOptions = { scopes: ALL, key: 21 };

/** Files a request and returns its id once it was acknowledged. */
async function ask(
  peer: ScriptedPeer,
  nodeId: string,
  more: Record<string, unknown> = {},
): Promise<string> {
  const request = peer.send("exec.approval.request", {
    host: "node",
    nodeId,
    systemRunPlan: planOf(["/bin/true"]),
    twoPhase: true,
    ...more,
  });
  const first = await peer.response(request);
  assertEquals(first.payload?.status, "accepted", JSON.stringify(first));
  return first.payload.id;
}

const runOf = (nodeId: string, runId: string) => ({
  nodeId,
  command: "system.run",
  params: { command: ["/bin/true"], cwd: "/srv/app", runId, approved: true },
  idempotencyKey: crypto.randomUUID(),
  timeoutMs: 10_000,
});

async function open(gateway: KillableGateway, options: ConnectOptions): Promise<ScriptedPeer> {
  return (await gateway.connect(options)).expectHello();
}

Deno.test("F01: an acknowledged exec approval survives kill -9, can be answered, and the answer survives too", async () => {
  await withStateDir(async (stateDir) => {
    let gateway = await startKillable(stateDir);
    const reviewer = await open(gateway, REVIEWER);
    const requester = await open(gateway, REQUESTER);
    const nodeId = "a".repeat(64);
    const byDevice = await ask(requester, nodeId);
    const byOther = await ask(await open(gateway, OTHER), nodeId, { timeoutMs: 3_600_000 });
    const before = await reviewer.call("exec.approval.list");
    await gateway.kill();

    gateway = await startKillable(stateDir);
    const again = await open(gateway, REVIEWER);
    const list = await again.call("exec.approval.list");
    assertEquals(new Set(list.map((a: { id: string }) => a.id)), new Set([byDevice, byOther]));
    assertEquals(
      list.find((a: { id: string }) => a.id === byDevice),
      before.find((a: { id: string }) => a.id === byDevice),
      "with the same request, binding and times",
    );
    assertEquals((await again.call("exec.approval.get", { id: byOther })).id, byOther);
    const asker = await open(gateway, REQUESTER);
    const waiting = asker.send("exec.approval.waitDecision", { id: byDevice });
    await again.call("exec.approval.resolve", { id: byDevice, decision: "allow-once" });
    assertEquals((await asker.response(waiting)).payload.decision, "allow-once");
    await again.call("exec.approval.resolve", { id: byOther, decision: "deny" });
    await gateway.kill();

    gateway = await startKillable(stateDir);
    const third = await open(gateway, REVIEWER);
    assertEquals(await third.call("exec.approval.list"), []);
    for (const [id, status] of [[byDevice, "allowed"], [byOther, "denied"]]) {
      assertEquals((await third.call("approval.get", { id })).approval.status, status);
    }
    const { items } = await third.call("approval.history", {});
    assertEquals(items.length, 2);
    await third.close();
    await gateway.kill();
  });
});

Deno.test("A03, F01: after kill -9 an allow-once is used by its device exactly once, also over another kill -9", async () => {
  await withStateDir(async (stateDir) => {
    let gateway = await startKillable(stateDir);
    const reviewer = await open(gateway, REVIEWER);
    const node = await admittedNode(gateway, reviewer, nodeOptions(1));
    const id = await ask(await open(gateway, REQUESTER), node.id);
    await reviewer.call("exec.approval.resolve", { id, decision: "allow-once" });
    await gateway.kill();

    gateway = await startKillable(stateDir);
    const back = await open(gateway, nodeOptions(1));
    const other = await open(gateway, REVIEWER);
    const stolen = await other.refusal("node.invoke", runOf(node.id, id));
    assertEquals(stolen.details.code, "APPROVAL_DEVICE_MISMATCH");
    const asker = await open(gateway, REQUESTER);
    asker.send("node.invoke", runOf(node.id, id));
    const request = await back.event("node.invoke.request");
    assertEquals(JSON.parse(request.paramsJSON).approvalDecision, "allow-once");
    await gateway.kill(); // the command is at the node: whatever became of it, it was the one use

    gateway = await startKillable(stateDir);
    await open(gateway, nodeOptions(1));
    const twice = await (await open(gateway, REQUESTER)).refusal(
      "node.invoke",
      runOf(node.id, id),
    );
    assertEquals(twice.details.code, "UNKNOWN_APPROVAL_ID");
    await gateway.kill();
  });
});

Deno.test("F21: an approval that ran out while the gateway was down is expired, by the wall clock", async () => {
  await withStateDir(async (stateDir) => {
    let gateway = await startKillable(stateDir);
    const requester = await open(gateway, REQUESTER);
    const more = { requireDeliveryRoute: false };
    const short = await ask(requester, "a".repeat(64), { timeoutMs: 300, ...more });
    const long = await ask(requester, "a".repeat(64), { timeoutMs: 2_500, ...more });
    const expiresAtMs = Date.now() + 2_500;
    await gateway.kill();
    await wait(400);
    gateway = await startKillable(stateDir);
    const again = await open(gateway, REVIEWER);
    assertEquals((await again.call("approval.get", { id: short })).approval.status, "expired");
    const late = await again.refusal("exec.approval.resolve", { id: short, decision: "deny" });
    assertEquals(late.details.reason, "APPROVAL_NOT_FOUND");
    if (Date.now() < expiresAtMs) {
      const ended = await again.event("exec.approval.resolved", (e) => e.id === long);
      assertEquals([ended.decision, ended.resolvedBy], ["deny", null]);
      assert(Math.abs(Date.now() - expiresAtMs) < 1_500, "at its old time, not from the start on");
    }
    assertEquals((await again.call("approval.get", { id: long })).approval.status, "expired");
    await again.close();
    await gateway.kill();
  });
});

Deno.test("a graceful restart keeps open approvals; a requester without a device that goes away takes its own along", async () => {
  await using world = await openWorld();
  const reviewer = await owner(world, REVIEWER);
  const requester = await owner(world, REQUESTER);
  const nodeId = "a".repeat(64);
  const kept = await ask(requester, nodeId);
  const passing = await owner(world);
  const gone = await ask(passing, nodeId);
  await passing.close();
  await reviewer.event("exec.approval.resolved", (e) => e.id === gone);
  await world.restart();
  const again = await owner(world, REVIEWER);
  const ids = (await again.call("exec.approval.list")).map((a: { id: string }) => a.id);
  assertEquals(ids, [kept]);
  const used = await again.refusal("exec.approval.request", { id: gone, command: "id" });
  assertEquals(used.message, "approval request unavailable", "an id is used once");
});

Deno.test("F01, A03: what a connection without a device asked ends with the gateway: nobody is left who could use the answer", async () => {
  await withStateDir(async (stateDir) => {
    let gateway = await startKillable(stateDir);
    const reviewer = await open(gateway, REVIEWER);
    const nodeId = "a".repeat(64);
    const waiting = await ask(reviewer, nodeId);
    const allowed = await ask(reviewer, nodeId);
    await reviewer.call("exec.approval.resolve", { id: allowed, decision: "allow-once" });
    await gateway.kill();

    gateway = await startKillable(stateDir);
    const again = await open(gateway, REVIEWER);
    assertEquals(await again.call("exec.approval.list"), []);
    const late = await again.refusal("exec.approval.resolve", {
      id: waiting,
      decision: "allow-once",
    });
    assertEquals(late.details.reason, "APPROVAL_NOT_FOUND");
    for (const [id, status] of [[waiting, "cancelled"], [allowed, "allowed"]]) {
      assertEquals((await again.call("approval.get", { id })).approval.status, status);
    }
    const taken = await again.refusal("exec.approval.request", { id: waiting, command: "id" });
    assertEquals(taken.message, "approval request unavailable", "an id is used once");
    await again.close();
    await gateway.kill();
  });
});

Deno.test("F04: an approval that cannot be saved is not acknowledged, an answer that cannot be saved is not given", async () => {
  await using world = await openWorld();
  const reviewer = await owner(world, REVIEWER);
  const requester = await owner(world, REQUESTER);
  const nodeId = "a".repeat(64);
  const id = await ask(requester, nodeId);
  // Somebody else holds the database: every write of ours runs into the lock.
  const holder = new DatabaseSync(world.paths.gatewayDbFile);
  holder.exec("BEGIN IMMEDIATE");
  try {
    const refused = await requester.refusal("exec.approval.request", {
      host: "node",
      nodeId,
      systemRunPlan: planOf(["/bin/true"]),
      twoPhase: true,
    });
    assertEquals([refused.code, refused.retryable], ["UNAVAILABLE", true]);
    assertEquals(refused.details.code, "STORE_UNAVAILABLE");
    const answer = await reviewer.refusal("exec.approval.resolve", { id, decision: "allow-once" });
    assertEquals(answer.details.code, "STORE_UNAVAILABLE");
  } finally {
    holder.exec("ROLLBACK");
    holder.close();
  }
  const open = await reviewer.call("exec.approval.list");
  assertEquals(open.map((a: { id: string }) => a.id), [id], "it waits on");
  assertEquals(
    await reviewer.call("exec.approval.resolve", { id, decision: "allow-once" }),
    { ok: true },
  );
});
