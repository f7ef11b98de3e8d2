/** A20, A21, N16: calls to nodes with answers, keys and numbers nobody agreed on. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { admittedNode, nodeOptions, openWorld, owner, type ScriptedPeer } from "../../world.ts";

const call = (node: ScriptedPeer, more: Record<string, unknown> = {}) => ({
  nodeId: node.id,
  command: "system.which",
  params: { names: ["true"] },
  idempotencyKey: "same",
  timeoutMs: 5_000,
  ...more,
});

/** Sends a call; returns what the node got and the id of the answer to come. */
async function dispatched(
  operator: ScriptedPeer,
  node: ScriptedPeer,
  more: Record<string, unknown> = {},
) {
  const answer = operator.send("node.invoke", call(node, more));
  return { answer, request: await node.event("node.invoke.request") };
}

const IGNORED = { ok: true, ignored: true };

Deno.test("A21 variant: a result that comes twice, late, after a cancel or from another node counts for nothing", async () => {
  await using world = await openWorld();
  const operator = await owner(world);
  const node = await admittedNode(world, operator, nodeOptions(1));
  const other = await admittedNode(world, operator, nodeOptions(2));
  const result = (id: string, of: ScriptedPeer, value: unknown) => ({
    id,
    nodeId: of.id,
    ok: true,
    payloadJSON: JSON.stringify(value),
  });

  const { answer, request } = await dispatched(operator, node);
  assertEquals(
    await other.call("node.invoke.result", result(request.id, other, "forged")),
    IGNORED,
  );
  const claimed = await other.refusal("node.invoke.result", result(request.id, node, "forged"));
  assertEquals(claimed.message, "nodeId mismatch");
  for (const id of ["", request.id.toUpperCase(), `${request.id} `, request.id.slice(0, 8)]) {
    const frame = await node.raw("node.invoke.result", result(id, node, "near"));
    assert(!frame.ok || frame.payload.ignored, JSON.stringify(id));
  }
  assertEquals(await node.call("node.invoke.result", result(request.id, node, "right")), {
    ok: true,
  });
  assertEquals((await operator.response(answer)).payload.payload, "right");
  assertEquals(await node.call("node.invoke.result", result(request.id, node, "again")), IGNORED);

  const cancelled = await dispatched(operator, node, { idempotencyKey: "c" });
  await operator.call("node.invoke.cancel", { idempotencyKey: "c" });
  await node.event("node.invoke.cancel");
  await node.call("node.invoke.result", {
    id: cancelled.request.id,
    nodeId: node.id,
    ok: false,
    error: { code: "CANCELLED", message: "x" },
  });
  assertEquals((await operator.response(cancelled.answer)).ok, false);
  const late = result(cancelled.request.id, node, "late");
  assertEquals(await node.call("node.invoke.result", late), IGNORED);

  const timedOut = await dispatched(operator, node, { timeoutMs: 100 });
  assertMatch((await operator.response(timedOut.answer)).error.message, /TIMEOUT/);
  assertEquals(
    await node.call("node.invoke.result", result(timedOut.request.id, node, "late")),
    IGNORED,
  );
});

Deno.test("A21 variant: an idempotency key of somebody else reaches nothing; one key for two nodes mixes nothing up", async () => {
  await using world = await openWorld();
  const [operator, thief] = [await owner(world), await owner(world)];
  const node = await admittedNode(world, operator, nodeOptions(1));
  const other = await admittedNode(world, operator, nodeOptions(2));
  const one = await dispatched(operator, node);
  const two = await dispatched(operator, other);
  const three = await dispatched(thief, node);
  assertEquals(await thief.call("node.invoke.cancel", { idempotencyKey: "same " }), {
    ok: true,
    cancelled: false,
  });
  await thief.call("node.invoke.cancel", { idempotencyKey: "same" });
  const { invokeId } = await node.event("node.invoke.cancel");
  assertEquals(invokeId, three.request.id, "its own call of that key, nobody else's");
  for (const [peer, { request }, value] of [[other, two, "two"], [node, one, "one"]] as const) {
    await peer.call("node.invoke.result", {
      id: request.id,
      nodeId: peer.id,
      ok: true,
      payloadJSON: `"${value}"`,
    });
  }
  assertEquals((await operator.response(one.answer)).payload.payload, "one");
  assertEquals((await operator.response(two.answer)).payload.payload, "two");
});

Deno.test("N12 variant: hundreds of calls of one client wait within bounds, and others do not wait behind them", async () => {
  await using world = await openWorld();
  const [flooder, operator] = [await owner(world), await owner(world)];
  const node = await admittedNode(world, operator, nodeOptions(1));
  const sent = Array.from(
    { length: 600 },
    (_, n) =>
      flooder.send("node.invoke", call(node, { idempotencyKey: `k${n}`, timeoutMs: 2_000 })),
  );
  const busy = await Promise.all(sent.slice(256).map((id) => flooder.response(id)));
  for (const { error } of busy) assertEquals([error.code, error.retryable], ["UNAVAILABLE", true]);
  assert((await operator.call("health")).ok);
  const own = operator.send("node.invoke", call(node, { idempotencyKey: "own" }));
  const request = await node.event("node.invoke.request", (r) => r.idempotencyKey === "own");
  const payloadJSON = `"own"`;
  await node.call("node.invoke.result", { id: request.id, nodeId: node.id, ok: true, payloadJSON });
  assertEquals((await operator.response(own)).payload.payload, "own");
  await flooder.close();
  for (let n = 0; n < 256; n++) await node.event("node.invoke.cancel");
});

Deno.test("N16 variant: an answer too large for the caller's frame loses its copy, then is an error; the caller stays", async () => {
  await using world = await openWorld();
  const operator = await owner(world);
  const node = await admittedNode(world, operator, nodeOptions(1));
  const answerOf = async (chars: number) => {
    const { answer, request } = await dispatched(operator, node);
    await node.call("node.invoke.result", {
      id: request.id,
      nodeId: node.id,
      ok: true,
      payloadJSON: `"${"x".repeat(chars)}"`,
    });
    return await operator.response(answer);
  };
  const small = (await answerOf(100)).payload;
  assertEquals([small.payload.length, small.payloadJSON.length], [100, 102]);
  const large = (await answerOf(14 * 1024 * 1024)).payload;
  assertEquals([large.payload.length, large.payloadJSON], [14 * 1024 * 1024, null]);
  const { error } = await answerOf(25 * 1024 * 1024 - 400);
  assertMatch(error.message, /^RESULT_TOO_LARGE: /);
  assert((await operator.call("health")).ok);
});

Deno.test("N16, N17 variant: JSON inside an event of a node is looked through like the frame around it", async () => {
  await using world = await openWorld();
  const operator = await owner(world);
  const node = await admittedNode(world, operator, nodeOptions(1));
  const rows: readonly (readonly [payloadJSON: string, says: RegExp])[] = [
    ["[".repeat(100_000), /nested too deeply/],
    [`{"runId":"a","runId":"b"}`, /duplicate key/],
    [`{"__proto__":{"runId":"a"}}`, /forbidden key/],
    [`{"cpuCount":${"9".repeat(500)}}`, /number too long/],
    [`{"${"k".repeat(5_000)}":1}`, /key too long/],
    [`{"cpuCount":NaN}`, /not JSON/],
  ];
  for (const [payloadJSON, says] of rows) {
    const error = await node.refusal("node.event", { event: "node.host.stats", payloadJSON });
    assertMatch(error.message, says);
  }
});

Deno.test("A20, N32 variant: a node that forges events in a loop writes one line into the log", async () => {
  await using world = await openWorld();
  const operator = await owner(world);
  const node = await admittedNode(world, operator, nodeOptions(1));
  for (let n = 0; n < 200; n++) {
    const event = n % 2 === 0 ? "exec.started" : "exec.finished";
    const answer = await node.call("node.event", { event, payload: { runId: `forged ${n}` } });
    assertEquals(answer.reason, "unmatched_exec_event");
  }
  await world.gateway.stop({ drainMs: 0 });
  const log = await Deno.readTextFile(`${world.paths.logsDir}/gateway.log`);
  assertEquals(log.split("for a run it never had").length - 1, 1);
});

Deno.test("N16 variant: the audit keeps of a huge command what fits an answer of a thousand rows", async () => {
  await using world = await openWorld();
  const operator = await owner(world);
  const node = await admittedNode(world, operator, nodeOptions(1));
  const command = ["/bin/echo", ...Array.from({ length: 300 }, () => "\u202e".repeat(2_000))];
  const run = operator.send("node.invoke", {
    nodeId: node.id,
    command: "system.run",
    params: { command },
    idempotencyKey: "k",
  });
  await node.answerInvoke({ exitCode: 0 });
  await operator.response(run);
  const { rows } = await operator.call("audit.list");
  assertEquals([rows[0].argv[0], rows[0].argv.at(-1)], ["/bin/echo", "…"]);
  assert(JSON.stringify(rows[0]).length < 20_000);
});

Deno.test("A13 variant: of two who replace the approvals file with one hash the second is told that it changed", async () => {
  await using world = await openWorld();
  const operators = [await owner(world), await owner(world), await owner(world)];
  const file = { version: 1, defaults: { security: "deny" }, agents: {} };
  await operators[0]?.call("exec.approvals.set", { file });
  const { hash } = await operators[0]?.call("exec.approvals.get");
  const frames = await Promise.all(
    operators.map((operator, n) =>
      operator.raw("exec.approvals.set", {
        file: { ...file, defaults: { security: "deny", ask: n === 0 ? "always" : "on-miss" } },
        baseHash: hash,
      })
    ),
  );
  assertEquals(frames.filter((frame) => frame.ok).length, 1);
  for (const { ok, error } of frames) {
    if (!ok) assertMatch(error.message, /changed since last load/);
  }
});

Deno.test("A20 variant: codes of a node do not speak for the gateway: nobody runs a command twice because of them", async () => {
  await using world = await openWorld();
  const operator = await owner(world);
  const node = await admittedNode(world, operator, nodeOptions(1));
  for (const code of ["NOT_CONNECTED", "GATEWAY_STOPPING", "DISCONNECTED", "STORE_UNAVAILABLE"]) {
    const { answer, request } = await dispatched(operator, node);
    await node.call("node.invoke.result", {
      id: request.id,
      nodeId: node.id,
      ok: false,
      error: { code, message: "node not connected" },
    });
    const { error } = await operator.response(answer);
    assertEquals([error.code, error.retryable], ["UNAVAILABLE", undefined], code);
    assertEquals(error.message, `${code}: node not connected`);
    assertEquals(error.details, {
      nodeError: { code, message: "node not connected" },
      nodeCommandDispatched: true,
    });
  }
});
