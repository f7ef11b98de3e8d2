/** Exec approvals over real sockets: asking, reviewing, who may answer, and what an answer lets run. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { planOf } from "./approval_plan.ts";
import {
  admittedNode,
  ALL,
  nodeOptions,
  openWorld,
  owner,
  type ScriptedPeer,
  type World,
} from "./world.ts";

const REVIEWER = { caps: ["exec-approvals"] };

interface Scene {
  readonly requester: ScriptedPeer;
  readonly reviewer: ScriptedPeer;
  readonly node: ScriptedPeer;
}

async function scene(world: World): Promise<Scene> {
  const reviewer = await owner(world, REVIEWER);
  const requester = await owner(world, { key: 20 });
  return { requester, reviewer, node: await admittedNode(world, reviewer, nodeOptions(1)) };
}

/** Asks and has it answered; returns the approval id. */
async function approved(
  { requester, reviewer, node }: Scene,
  plan: ReturnType<typeof planOf>,
  more: { decision?: string; env?: Record<string, string> } = {},
): Promise<string> {
  const id = requester.send("exec.approval.request", {
    host: "node",
    nodeId: node.id,
    systemRunPlan: plan,
    env: more.env ?? null,
    twoPhase: true,
    timeoutMs: 60_000,
  });
  const accepted = await requester.response(id);
  assertEquals(accepted.payload.status, "accepted");
  const decision = more.decision ?? "allow-once";
  await reviewer.call("exec.approval.resolve", { id: accepted.payload.id, decision });
  assertEquals((await requester.response(id)).payload.decision, decision);
  return accepted.payload.id;
}

function runOf(node: ScriptedPeer, params: Record<string, unknown>) {
  return {
    nodeId: node.id,
    command: "system.run",
    params: { cwd: "/srv/app", ...params },
    idempotencyKey: crypto.randomUUID(),
    timeoutMs: 10_000,
  };
}

Deno.test("A01: approval fields of the caller never reach the node", async () => {
  await using world = await openWorld();
  const { requester, node } = await scene(world);
  const injected = { command: ["/bin/true"], approved: true, approvalDecision: "allow-once" };
  const missing = await requester.refusal("node.invoke", runOf(node, injected));
  assertEquals(missing.details.code, "MISSING_RUN_ID");
  const unknown = await requester.refusal("node.invoke", runOf(node, { ...injected, runId: "x" }));
  assertEquals([unknown.details.code, unknown.message], [
    "UNKNOWN_APPROVAL_ID",
    "unknown or expired approval id",
  ]);
  const id = requester.send(
    "node.invoke",
    runOf(node, {
      command: ["/bin/true"],
      approved: false,
      approvalDecision: "deny",
      security: "full",
      ask: "off",
      evil: 1,
    }),
  );
  const sent = JSON.parse((await node.answerInvoke({ exitCode: 0 })).paramsJSON);
  assertEquals(Object.keys(sent).sort(), ["command", "cwd", "runId"]);
  await requester.response(id);
});

Deno.test("A02: policy files of a node are reached by no side door, and by their own only with admin (A13)", async () => {
  await using world = await openWorld();
  const { reviewer, node } = await scene(world);
  for (const command of ["system.execApprovals.set", "system.execApprovals.get"]) {
    const error = await reviewer.refusal("node.invoke", { ...runOf(node, {}), command });
    assertEquals(error.details, { command });
    assertMatch(error.message, /use exec\.approvals\.node\.\*/);
  }
  const scopes = ["operator.write", "operator.read", "operator.approvals", "operator.pairing"];
  const writer = await owner(world, { scopes });
  const file = { version: 1, defaults: { security: "full", ask: "off" } };
  for (
    const [method, params] of [
      ["exec.approvals.set", { file }],
      ["exec.approvals.get", {}],
      ["exec.approvals.node.set", { nodeId: node.id, file }],
      ["exec.approvals.node.get", { nodeId: node.id }],
      ["config.patch", { raw: "{tools:{exec:{security:'full'}}}" }],
    ] as const
  ) {
    assertEquals((await writer.refusal(method, params)).message, "missing scope: operator.admin");
  }
  assertEquals(node.seen("node.invoke.request"), []);
  const id = reviewer.send("exec.approvals.node.get", { nodeId: node.id });
  const request = await node.answerInvoke({ path: "/x", exists: false, hash: "h", file });
  assertEquals([request.command, request.timeoutMs], ["system.execApprovals.get", 30_000]);
  assertEquals((await reviewer.response(id)).payload.hash, "h");
});

Deno.test("an approved run carries the stored plan, and allow-once is used exactly once under 50 parallel runs", async () => {
  await using world = await openWorld();
  const all = await scene(world);
  const { requester, node } = all;
  const plan = planOf(["/bin/echo", "hi there"]);
  const runId = await approved(all, plan);
  const ids = Array.from({ length: 50 }, () =>
    requester.send(
      "node.invoke",
      runOf(node, { command: plan.argv, runId, approved: true, approvalDecision: "allow-once" }),
    ));
  const sent = JSON.parse((await node.answerInvoke({ exitCode: 0 })).paramsJSON);
  assertEquals(sent, {
    command: plan.argv,
    rawCommand: plan.commandText,
    systemRunPlan: plan,
    cwd: "/srv/app",
    runId,
    approved: true,
    approvalDecision: "allow-once",
  });
  const answers = await Promise.all(ids.map((id) => requester.response(id)));
  assertEquals(answers.filter((a) => a.ok).length, 1);
  const codes = new Set(answers.filter((a) => !a.ok).map((a) => a.error.details.code));
  assertEquals([...codes], ["APPROVAL_REQUIRED"]);
  assertEquals(node.seen("node.invoke.request"), []);
});

Deno.test("A05: an approved run replayed with another cwd, environment, argv or stdin is refused", async () => {
  await using world = await openWorld();
  const all = await scene(world);
  const { requester, node } = all;
  const plan = planOf(["/bin/echo", "hi"]);
  const runId = await approved(all, plan, { decision: "allow-always", env: { A: "1" } });
  const base = { command: plan.argv, env: { A: "1" }, runId, approved: true };
  for (
    const [change, code] of [
      [{ cwd: "/srv/other" }, "APPROVAL_REQUEST_MISMATCH"],
      [{ command: ["/bin/echo", "ho"] }, "APPROVAL_REQUEST_MISMATCH"],
      [{ command: ["/bin/echo", "hi", ""] }, "APPROVAL_REQUEST_MISMATCH"],
      [{ env: { A: "2" } }, "APPROVAL_ENV_MISMATCH"],
      [{ env: {} }, "APPROVAL_ENV_MISMATCH"],
      [{ stdin: true }, "APPROVAL_REQUEST_MISMATCH"],
      [{ agentId: "other" }, "APPROVAL_REQUEST_MISMATCH"],
    ] as const
  ) {
    const error = await requester.refusal("node.invoke", runOf(node, { ...base, ...change }));
    assertEquals(error.details.code, code, JSON.stringify(change));
  }
  assertEquals(node.seen("node.invoke.request"), []);
});

Deno.test("A03: an approval for one node does nothing on another, nor for another device", async () => {
  await using world = await openWorld();
  const all = await scene(world);
  const { requester, reviewer } = all;
  const other = await admittedNode(world, reviewer, nodeOptions(2));
  const plan = planOf(["/bin/echo", "hi"]);
  const runId = await approved(all, plan, { decision: "allow-always" });
  const run = { command: plan.argv, runId, approved: true };
  const elsewhere = await requester.refusal("node.invoke", runOf(other, run));
  assertEquals(elsewhere.details.code, "APPROVAL_NODE_MISMATCH");
  const stranger = await owner(world, { key: 21 });
  const stolen = await stranger.refusal("node.invoke", runOf(all.node, run));
  assertEquals(stolen.details.code, "APPROVAL_DEVICE_MISMATCH");
  // The same device on a second connection may use it.
  const again = await owner(world, { key: 20 });
  const id = again.send("node.invoke", runOf(all.node, run));
  await all.node.answerInvoke({ exitCode: 0 });
  assertEquals((await again.response(id)).ok, true);
});

Deno.test("a denied, an undecided and a text-changing request let nothing run", async () => {
  await using world = await openWorld();
  const all = await scene(world);
  const { requester, node } = all;
  const plan = planOf(["/bin/echo", "hi"]);
  const denied = await approved(all, plan, { decision: "deny" });
  const run = { command: plan.argv, approved: true };
  const error = await requester.refusal("node.invoke", runOf(node, { ...run, runId: denied }));
  assertEquals(error.details.code, "APPROVAL_REQUIRED");
  const open = requester.send("exec.approval.request", {
    host: "node",
    nodeId: node.id,
    systemRunPlan: plan,
    twoPhase: true,
  });
  const { id: runId } = (await requester.response(open)).payload;
  const early = await requester.refusal("node.invoke", runOf(node, { ...run, runId }));
  assertEquals(early.details.code, "APPROVAL_REQUIRED");
  const lying = { ...plan, commandText: "/bin/echo harmless" };
  const refused = await requester.refusal("exec.approval.request", {
    host: "node",
    nodeId: node.id,
    systemRunPlan: lying,
  });
  assertEquals(refused.message, "systemRunPlan invalid");
});

Deno.test("A12: answering needs the approvals scope by every method, and one's own request needs admin or owner", async () => {
  await using world = await openWorld();
  const { requester, reviewer, node } = await scene(world);
  const ask = (peer: ScriptedPeer) =>
    peer.send("exec.approval.request", {
      host: "node",
      nodeId: node.id,
      systemRunPlan: planOf(["/bin/true"]),
      twoPhase: true,
    });
  const { id } = (await requester.response(ask(requester))).payload;
  const writer = await owner(world, { scopes: ["operator.write", "operator.read"] });
  for (
    const [method, more] of [["exec.approval.resolve", {}], ["approval.resolve", {
      kind: "exec",
    }]] as const
  ) {
    const error = await writer.refusal(method, { id, decision: "allow-once", ...more });
    assertEquals(error.message, "missing scope: operator.approvals");
  }
  // A device with write and approvals, but neither owner nor admin, cannot approve what it asks.
  const scopes = ["operator.write", "operator.approvals"];
  const first = (await world.connect({ key: 30, scopes })).expectHello();
  const auth = { deviceToken: first.hello.payload.auth.deviceToken };
  const device = { key: 30, scopes, auth, caps: ["exec-approvals"] };
  const asker = (await world.connect(device)).expectHello();
  const own = (await asker.response(ask(asker))).payload.id;
  const twin = (await world.connect(device)).expectHello();
  for (const peer of [asker, twin]) {
    const error = await peer.refusal("exec.approval.resolve", { id: own, decision: "allow-once" });
    assertEquals([error.code, error.details.reason], ["FORBIDDEN", "OWN_REQUEST"]);
    // It does not even see what others ask.
    const foreign = await peer.refusal("exec.approval.resolve", { id, decision: "deny" });
    assertEquals(foreign.details.reason, "APPROVAL_NOT_FOUND");
    assertEquals((await peer.call("exec.approval.list")).map((a: { id: string }) => a.id), [own]);
  }
  await reviewer.call("exec.approval.resolve", { id: own, decision: "deny" });
});

Deno.test("decision 15: an owner answers its own request on the same connection, recorded as self-approved", async () => {
  await using world = await openWorld();
  const operator = await owner(world, REVIEWER);
  const node = await admittedNode(world, operator, nodeOptions(1));
  const id = operator.send("exec.approval.request", {
    host: "node",
    nodeId: node.id,
    systemRunPlan: planOf(["/bin/true"]),
    twoPhase: true,
  });
  const first = (await operator.response(id)).payload;
  assertEquals(first.deliveryRoute, "approval-client");
  await operator.event("exec.approval.requested");
  const answer = await operator.call("approval.resolve", {
    id: first.id,
    kind: "exec",
    decision: "allow-once",
  });
  assertEquals([answer.applied, answer.approval.status], [true, "allowed"]);
  assertEquals((await operator.response(id)).payload.decision, "allow-once");
  const items = (await operator.call("approval.history", { limit: 5 })).items;
  assertEquals([items[0].id, items[0].decision], [first.id, "allow-once"]);
});

Deno.test("without a reviewer a request ends undecided at once; with one it expires as a deny", async () => {
  await using world = await openWorld();
  const requester = await owner(world);
  const alone = await requester.call("exec.approval.request", { command: "id", twoPhase: true });
  assertEquals(alone.decision, null);
  const reviewer = await owner(world, REVIEWER);
  const id = requester.send("exec.approval.request", { command: "id", timeoutMs: 50 });
  const { id: approvalId } = await reviewer.event("exec.approval.requested");
  const resolved = await reviewer.event("exec.approval.resolved");
  assertEquals([resolved.id, resolved.decision, resolved.resolvedBy], [approvalId, "deny", null]);
  assertEquals((await requester.response(id)).payload.decision, null);
  const late = await reviewer.refusal("exec.approval.resolve", {
    id: approvalId,
    decision: "allow-once",
  });
  assertEquals(late.details.reason, "APPROVAL_NOT_FOUND");
});

Deno.test("first answer wins, the same again is fine, another is refused; allow-always only when offered", async () => {
  await using world = await openWorld();
  const requester = await owner(world);
  const reviewer = await owner(world, REVIEWER);
  const id = requester.send("exec.approval.request", {
    command: "echo hello",
    commandArgv: ["echo"],
  });
  const asked = await reviewer.event("exec.approval.requested");
  assertEquals(asked.approvalKind, "exec");
  const waiting = requester.send("exec.approval.waitDecision", { id: asked.id });
  const get = await reviewer.call("exec.approval.get", { id: asked.id.slice(0, 8) });
  assertEquals([get.id, get.commandText], [asked.id, "echo hello"]);
  const resolve = (decision: string, approval = asked.id) => ({ id: approval, decision });
  assertEquals(
    (await reviewer.refusal("exec.approval.resolve", resolve("maybe"))).message,
    "invalid decision",
  );
  await reviewer.call("exec.approval.resolve", resolve("allow-once"));
  assertEquals((await requester.response(waiting)).payload.terminalReason, "user");
  assertEquals((await requester.response(id)).payload.decision, "allow-once");
  assertEquals((await reviewer.event("exec.approval.resolved")).resolvedBy, "cli");
  assertEquals(await reviewer.call("exec.approval.resolve", resolve("allow-once")), { ok: true });
  const other = await reviewer.refusal("exec.approval.resolve", resolve("deny"));
  assertEquals(other.details.reason, "APPROVAL_ALREADY_RESOLVED");
  requester.send("exec.approval.request", { command: "rm -rf /x", ask: "always" });
  const strict = await reviewer.event("exec.approval.requested");
  assertEquals(strict.request.allowedDecisions, ["allow-once", "deny"]);
  const always = await reviewer.refusal(
    "exec.approval.resolve",
    resolve("allow-always", strict.id),
  );
  assertEquals(always.details.reason, "APPROVAL_ALLOW_ALWAYS_UNAVAILABLE");
});

Deno.test("A15: hidden text: the whole command is reachable and hashed, an unreadable one is not offered", async () => {
  await using world = await openWorld();
  const requester = await owner(world);
  const reviewer = await owner(world, REVIEWER);
  const padded = `echo ok${" ".repeat(8_192)}; rm -rf /`;
  requester.send("exec.approval.request", { command: padded });
  const asked = await reviewer.event("exec.approval.requested");
  assertEquals(asked.request.command, padded);
  assertMatch(asked.request.warningText, /sha256 [0-9a-f]{64}/);
  assertEquals((await reviewer.call("exec.approval.get", { id: asked.id })).commandText, padded);
  const huge = await requester.refusal("exec.approval.request", { command: "a".repeat(100_000) });
  assertEquals(huge.details.code, "COMMAND_TOO_LONG");
});

Deno.test("an approval asked by a connection without a device dies with it", async () => {
  await using world = await openWorld();
  const reviewer = await owner(world, REVIEWER);
  const requester = await owner(world);
  requester.send("exec.approval.request", { command: "id" });
  const { id } = await reviewer.event("exec.approval.requested");
  await requester.close();
  assertEquals((await reviewer.event("exec.approval.resolved")).id, id);
  assertEquals(await reviewer.call("exec.approval.list"), []);
});

Deno.test("every run leaves an audit row", async () => {
  await using world = await openWorld();
  const all = await scene(world);
  const { requester, node } = all;
  const plan = planOf(["/bin/echo", "hi"]);
  const runId = await approved(all, plan);
  const id = requester.send(
    "node.invoke",
    runOf(node, { command: plan.argv, runId, approved: true }),
  );
  await node.answerInvoke({ exitCode: 3, success: false, durationMs: 12, outputBytes: 3 });
  await requester.response(id);
  const { rows } = await requester.call("audit.list", {});
  const { id: _row, atMs, ...row } = rows[0];
  assert(Math.abs(atMs - Date.now()) < 60_000);
  assertEquals(row, {
    requester: requester.id,
    nodeId: node.id,
    command: "system.run",
    argv: ["/bin/echo", "hi"],
    cwd: "/srv/app",
    decision: "allow-once",
    rule: `approval ${runId}`,
    ok: false,
    exitCode: 3,
    durationMs: 12,
    outputBytes: 3,
  });
});

Deno.test("the gateway host's approvals file is replaced only with the hash of what was read", async () => {
  await using world = await openWorld();
  const admin = await owner(world, { scopes: ALL });
  const before = await admin.call("exec.approvals.get");
  assertEquals(before.exists, false);
  const file = { version: 1, defaults: { security: "allowlist", ask: "on-miss" }, agents: {} };
  const set = await admin.call("exec.approvals.set", { file });
  assertEquals([set.exists, set.file.defaults], [true, file.defaults]);
  const without = await admin.refusal("exec.approvals.set", { file });
  assertMatch(without.message, /base hash required/);
  const stale = await admin.refusal("exec.approvals.set", { file, baseHash: before.hash });
  assertMatch(stale.message, /changed since last load/);
  await admin.call("exec.approvals.set", { file, baseHash: set.hash });
  await Deno.writeTextFile(world.paths.approvalsFile, "{ half a file");
  const broken = await admin.call("exec.approvals.get");
  assertEquals([broken.raw, typeof broken.error], ["{ half a file", "string"]);
  const repaired = await admin.call("exec.approvals.set", { file, baseHash: broken.hash });
  assertEquals(repaired.error, undefined);
});
