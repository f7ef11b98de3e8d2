/** node.invoke over real sockets: policy, answers, errors, deadlines, foreign and late results, live output, stdin, cancel. */
import { assertEquals, assertMatch } from "@std/assert";
import { admittedNode, nodeOptions, openWorld, owner, type World } from "./world.ts";

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

const which = (nodeId: string, more = {}) => ({
  nodeId,
  command: "system.which",
  params: {},
  idempotencyKey: crypto.randomUUID(),
  timeoutMs: 5_000,
  ...more,
});

Deno.test("a node's error, a payload object and text that is not JSON reach the caller as themselves", async () => {
  await using world = await openWorld();
  const operator = await owner(world);
  const v3 = await owner(world, { protocol: 3 });
  const node = await admittedNode(world, operator, nodeOptions(1));
  const answer = async (peer: typeof operator, result: Record<string, unknown>) => {
    const id = peer.send("node.invoke", which(node.id));
    const request = await node.event("node.invoke.request");
    await node.call("node.invoke.result", { id: request.id, nodeId: node.id, ...result });
    return await peer.response(id);
  };
  const failed = { ok: false, error: { code: "INVALID_REQUEST", message: "bins required" } };
  assertEquals((await answer(operator, failed)).error, {
    code: "UNAVAILABLE",
    message: "INVALID_REQUEST: bins required",
    details: {
      nodeError: { code: "INVALID_REQUEST", message: "bins required" },
      nodeCommandDispatched: true,
    },
  });
  assertEquals((await answer(v3, failed)).error.details, {
    nodeError: { code: "INVALID_REQUEST", message: "bins required" },
  });
  const plain = (await answer(operator, { ok: true, payload: { a: [1] } })).payload;
  assertEquals([plain.payload, plain.payloadJSON], [{ a: [1] }, null]);
  for (const payloadJSON of [`1},"ok":true,"x":{"y":1`, "{", "", "[".repeat(100_000)]) {
    const bad = await answer(operator, { ok: true, payloadJSON });
    assertEquals(bad.error.details.nodeError.code, "INVALID_RESULT");
  }
});

Deno.test("timeouts, vanished and unknown nodes end a call with their own error, and the node is told to stop", async () => {
  await using world = await openWorld();
  const operator = await owner(world);
  const v3 = await owner(world, { protocol: 3 });
  const node = await admittedNode(world, operator, nodeOptions(1));
  const late = await operator.raw("node.invoke", which(node.id, { timeoutMs: 120 }));
  assertEquals(late.error.message, "TIMEOUT: node invoke timed out");
  const request = await node.event("node.invoke.request");
  assertEquals((await node.event("node.invoke.cancel")).invokeId, request.id);
  const result = { id: request.id, nodeId: node.id, ok: true, payload: {} };
  assertEquals(await node.call("node.invoke.result", result), { ok: true, ignored: true });
  const running = operator.send("node.invoke", which(node.id));
  const runningV3 = v3.send("node.invoke", which(node.id));
  await node.event("node.invoke.request");
  await node.event("node.invoke.request");
  await node.close();
  assertEquals(
    (await operator.response(running)).error.message,
    "DISCONNECTED: node disconnected (system.which)",
  );
  assertEquals(
    (await v3.response(runningV3)).error,
    { code: "UNAVAILABLE", message: "Error: node disconnected (system.which)" },
  );
  assertEquals((await operator.refusal("node.invoke", which(node.id))).details, {
    code: "NOT_CONNECTED",
    nodeError: { code: "NOT_CONNECTED", message: "node not connected" },
    nodeCommandDispatched: false,
  });
  const unknown = await operator.refusal("node.invoke", which("nobody"));
  assertEquals(unknown.details.code, "PAIRING_CHANGED");
  const unknownV3 = await v3.refusal("node.invoke", which("nobody"));
  assertEquals(unknownV3.details, { code: "NOT_CONNECTED" });
});

Deno.test("A21: another node cannot answer a call, nor claim another node's id", async () => {
  await using world = await openWorld();
  const operator = await owner(world);
  const node = await admittedNode(world, operator, nodeOptions(1));
  const thief = await admittedNode(world, operator, nodeOptions(2));
  const id = operator.send("node.invoke", which(node.id));
  const request = await node.event("node.invoke.request");
  const forged = { id: request.id, ok: true, payload: { forged: true } };
  assertEquals(
    await thief.call("node.invoke.result", { ...forged, nodeId: thief.id }),
    { ok: true, ignored: true },
  );
  assertEquals(
    (await thief.refusal("node.invoke.result", { ...forged, nodeId: node.id })).message,
    "nodeId mismatch",
  );
  await node.call("node.invoke.result", { ...forged, nodeId: node.id, payload: { own: true } });
  assertEquals((await operator.response(id)).payload.payload, { own: true });
});

const LIVE = { caps: ["invoke-output"] };

async function liveRun(world: World) {
  const operator = await owner(world, LIVE);
  const options = nodeOptions(1, { caps: ["system", "invoke-output"] });
  const node = await admittedNode(world, operator, options);
  const id = operator.send("node.invoke", {
    nodeId: node.id,
    command: "system.run",
    params: { command: ["/bin/cat"], stdin: true },
    idempotencyKey: "live",
    timeoutMs: 60_000,
  });
  const request = await node.event("node.invoke.request");
  const progress = (seq: number, chunk: unknown) =>
    node.send("node.invoke.progress", {
      invokeId: request.id,
      nodeId: node.id,
      seq,
      chunk: JSON.stringify(chunk),
    });
  return { operator, node, id, request, progress };
}

Deno.test("live output reaches the caller chunk by chunk, and only as fast as the caller acknowledges", async () => {
  await using world = await openWorld();
  const { operator, node, id, request, progress } = await liveRun(world);
  const chunk = { s: "out", b64: btoa("x".repeat(12_000)) };
  const sent = Array.from({ length: 48 }, (_, i) => progress(i + 1, chunk));
  // 32 events go out, 16 requests wait for an acknowledgement.
  for (const frame of sent.slice(0, 32)) assertEquals((await node.response(frame)).ok, true);
  const first = await operator.event("node.invoke.output");
  assertEquals([first.idempotencyKey, first.nodeId, first.seq, first.stream], [
    "live",
    node.id,
    1,
    "out",
  ]);
  await operator.event("node.invoke.output", (p) => p.seq === 32);
  const over = progress(49, chunk);
  assertEquals((await node.response(over)).error.message.includes("16 unanswered"), true);
  await operator.call("node.invoke.output.ack", { idempotencyKey: "live", seq: 10 });
  for (const frame of sent.slice(32, 42)) assertEquals((await node.response(frame)).ok, true);
  await operator.event("node.invoke.output", (p) => p.seq === 42);
  assertEquals(operator.seen("node.invoke.output").some((p) => p.seq > 42), false);
  // What still waits goes out before the result, so that the output is complete.
  await node.call("node.invoke.result", { id: request.id, nodeId: node.id, ok: true, payload: {} });
  await operator.event("node.invoke.output", (p) => p.seq === 48);
  assertEquals((await operator.response(id)).ok, true);
});

Deno.test("stdin goes to the node in order and within its window; other peers are told it is not for them", async () => {
  await using world = await openWorld();
  const { operator, node, request, progress } = await liveRun(world);
  const input = (seq: number, eof = false) => ({
    idempotencyKey: "live",
    seq,
    b64: btoa(`line ${seq}`),
    eof,
  });
  for (let seq = 1; seq <= 16; seq++) await operator.call("node.invoke.input", input(seq));
  assertEquals(await node.event("node.invoke.input"), {
    invokeId: request.id,
    nodeId: node.id,
    seq: 1,
    b64: btoa("line 1"),
    eof: false,
  });
  assertMatch(
    (await operator.refusal("node.invoke.input", input(17))).message,
    /more than 16 stdin chunks/,
  );
  await node.response(progress(1, { s: "in", seq: 3 }));
  assertEquals((await operator.event("node.invoke.output")).inSeq, 3);
  await operator.call("node.invoke.input", input(17, true));
  assertMatch((await operator.refusal("node.invoke.input", input(18))).message, /already ended/);
  const other = await owner(world);
  const stranger = await other.refusal("node.invoke.input", input(1));
  assertEquals(stranger.details.code, "INVOKE_NOT_FOUND");
  other.send("node.invoke", { ...which(node.id), idempotencyKey: "plain" });
  await node.event("node.invoke.request");
  const plain = await other.refusal("node.invoke.input", { ...input(1), idempotencyKey: "plain" });
  assertEquals(plain.details.code, "STDIN_UNSUPPORTED");
});

Deno.test("cancel stops the command and its result still arrives; so does the end of the caller", async () => {
  await using world = await openWorld();
  const { operator, node, id, request } = await liveRun(world);
  assertEquals(await operator.call("node.invoke.cancel", { idempotencyKey: "nothing" }), {
    ok: true,
    cancelled: false,
  });
  await operator.call("node.invoke.cancel", { idempotencyKey: "live" });
  assertEquals(await node.event("node.invoke.cancel"), { invokeId: request.id, nodeId: node.id });
  const result = { id: request.id, nodeId: node.id, ok: true, payload: { exitCode: null } };
  await node.call("node.invoke.result", result);
  assertEquals((await operator.response(id)).payload.payload, { exitCode: null });
  operator.send("node.invoke", which(node.id));
  const next = await node.event("node.invoke.request");
  await operator.close();
  assertEquals((await node.event("node.invoke.cancel")).invokeId, next.id);
});

Deno.test("progress of a call that is not live, over, or another node's is taken and dropped", async () => {
  await using world = await openWorld();
  const operator = await owner(world);
  const node = await admittedNode(world, operator, nodeOptions(1));
  const thief = await admittedNode(world, operator, nodeOptions(2));
  operator.send("node.invoke", which(node.id));
  const { id } = await node.event("node.invoke.request");
  const params = { invokeId: id, nodeId: node.id, seq: 1, chunk: "plain text" };
  assertEquals(await node.call("node.invoke.progress", params), { ok: true });
  const foreign = { ...params, nodeId: thief.id };
  assertEquals(await thief.call("node.invoke.progress", foreign), { ok: true, ignored: true });
  assertEquals(operator.seen("node.invoke.output"), []);
});

Deno.test("A20: events of runs a node never had are dropped and counted", async () => {
  await using world = await openWorld();
  const operator = await owner(world);
  const node = await admittedNode(world, operator, nodeOptions(1));
  const event = (runId: string) => ({
    event: "exec.finished",
    payloadJSON: JSON.stringify({ runId, exitCode: 0, success: true }),
  });
  assertEquals(await node.call("node.event", event("forged")), {
    ok: true,
    event: "exec.finished",
    handled: false,
    reason: "unmatched_exec_event",
  });
  const run = { ...which(node.id), command: "system.run", params: { command: ["/bin/true"] } };
  const id = operator.send("node.invoke", run);
  const { runId } = JSON.parse((await node.event("node.invoke.request")).paramsJSON);
  assertEquals(await node.call("node.event", event(runId)), {
    ok: true,
    event: "exec.finished",
    handled: true,
  });
  const other = await admittedNode(world, operator, nodeOptions(2));
  assertEquals((await other.call("node.event", event(runId))).handled, false);
  await node.close();
  await operator.response(id);
});

Deno.test("a stopping gateway lets a running call finish and refuses new ones", async () => {
  const world = await openWorld();
  const operator = await owner(world);
  const node = await admittedNode(world, operator, nodeOptions(1));
  const id = operator.send("node.invoke", which(node.id));
  const request = await node.event("node.invoke.request");
  const stopped = world.gateway.stop({ drainMs: 5_000 });
  await operator.event("shutdown");
  const refused = await operator.refusal("node.invoke", which(node.id));
  assertEquals([refused.code, refused.retryable], ["UNAVAILABLE", true]);
  await node.call("node.invoke.result", { id: request.id, nodeId: node.id, ok: true, payload: {} });
  assertEquals((await operator.response(id)).ok, true);
  await stopped;
  assertEquals((await operator.closed()).code, 1012);
  await world[Symbol.asyncDispose]();
});
