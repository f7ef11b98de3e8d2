/** The invoker and its deadlines on a fake clock. */
import { assert, assertEquals } from "@std/assert";
import { NodeInvoker } from "../../src/gateway/invoke/invoke.ts";
import { Deadlines, type Expiring } from "../../src/gateway/invoke/deadlines.ts";
import { TWIN_AFTER_MS } from "../../src/gateway/invoke/twins.ts";
import type { Peer } from "../../src/gateway/peers/peer.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { fakePeer } from "./fake_peer.ts";

function scene() {
  const clock = new FakeClock();
  const twins: [Peer, Peer][] = [];
  const invoker = new NodeInvoker({
    clock,
    surfaceOf: () => ({ caps: [], commands: ["system.which"] }),
    onTwins: (older, newer) => twins.push([older, newer]),
  });
  const node = () => fakePeer({ role: "node", deviceId: "node-1" });
  return { clock, invoker, node, twins };
}

const call = { nodeId: "node-1", command: "system.which", paramsJSON: "{}" };

Deno.test("deadlines expire in order, within 50 ms, and not when removed or stopped", () => {
  const clock = new FakeClock();
  const expired: number[] = [];
  const deadlines = new Deadlines<Expiring & { n: number }>(
    clock,
    (entry) => expired.push(entry.n),
  );
  const delays = Array.from({ length: 500 }, () => 1 + Math.floor(Math.random() * 10_000));
  const entries = delays.map((n) => ({ n, bucket: 0 }));
  for (const entry of entries) deadlines.set(entry, entry.n);
  for (const entry of entries.slice(0, 100)) deadlines.remove(entry);
  assert(clock.pending <= 1, "one timer for all");
  const due = delays.slice(100);
  for (let nowMs = 0; nowMs < 10_100; nowMs += 50) {
    clock.advance(50);
    const gone = expired.splice(0);
    for (const n of gone) assert(n > nowMs - 50 && n <= nowMs + 50, `${n} at ${nowMs}`);
    for (const n of gone) due.splice(due.indexOf(n), 1);
  }
  assertEquals(due, []);
  deadlines.set({ n: 1, bucket: 0 }, 10);
  deadlines.stop();
  clock.advance(1_000);
  assertEquals([expired, clock.pending], [[], 0]);
});

Deno.test("F19: a stepped wall clock neither ends nor extends a call", async () => {
  const { clock, invoker, node } = scene();
  invoker.nodeConnected(node());
  let outcome: unknown;
  void invoker.call({ ...call, timeoutMs: 1_000 }).then((o) => outcome = o);
  clock.stepWall(3_600_000);
  await Promise.resolve();
  assertEquals(outcome, undefined);
  clock.stepWall(-7_200_000);
  clock.advance(1_050);
  await Promise.resolve();
  assertEquals((outcome as { code: string }).code, "TIMEOUT");
  invoker.stop();
});

Deno.test("F32: a copied identity is noticed when both sessions stay alive, and told to both and the operator", () => {
  const { clock, invoker, node, twins } = scene();
  const [first, second] = [node(), node()];
  invoker.nodeConnected(first);
  invoker.nodeConnected(second);
  assertEquals(invoker.liveNode("node-1")?.peer, second);
  clock.advance(TWIN_AFTER_MS - 1);
  assertEquals(twins, []);
  clock.advance(1);
  assertEquals(twins, [[first, second]]);
  assertEquals(invoker.twins("node-1"), [first]);
  assertEquals(first.closedWith, undefined, "the older one is not thrown out: no flip-flop");
  invoker.disconnected(first);
  assertEquals(invoker.twins("node-1"), []);
  assertEquals(invoker.liveNode("node-1")?.peer, second, "F33");
  // A reconnect whose old socket was half-open is no copy.
  const third = node();
  invoker.nodeConnected(third);
  clock.advance(30_000);
  invoker.disconnected(second);
  clock.advance(60_000);
  assertEquals(twins.length, 1);
  invoker.stop();
});

Deno.test("F16: connecting and leaving for a long time leaves no timer, call or session", async () => {
  const { clock, invoker, node } = scene();
  for (let round = 0; round < 200; round++) {
    const peer = node();
    invoker.nodeConnected(peer);
    const outcome = invoker.call({ ...call, timeoutMs: 60_000, caller: fakePeer() });
    clock.advance(3_000);
    invoker.disconnected(peer);
    assertEquals(((await outcome) as { code: string }).code, "DISCONNECTED");
    clock.advance(3_000);
  }
  assertEquals([invoker.pending, invoker.liveNode("node-1"), invoker.twins("node-1")], [
    0,
    undefined,
    [],
  ]);
  clock.advance(60_000);
  assertEquals(clock.pending, 0);
});

Deno.test("F17, decision 13: a caller cut for slowness leaves its command running; another end cancels it", () => {
  const { invoker, node } = scene();
  const peer = node();
  invoker.nodeConnected(peer);
  const [slow, gone] = [fakePeer(), fakePeer()];
  void invoker.call({ ...call, caller: slow, idempotencyKey: "a" });
  void invoker.call({ ...call, caller: gone, idempotencyKey: "b" });
  invoker.disconnected(slow, { slow: true });
  invoker.disconnected(gone);
  const cancelled = peer.sent.filter((f) => f.event === "node.invoke.cancel");
  assertEquals(cancelled.map((f) => f.payload.invokeId), [peer.sent[1].payload.id]);
  assertEquals(invoker.pending, 2);
  invoker.stop();
  assertEquals(invoker.pending, 0);
});

Deno.test("a cancelled call of a node that reports no end, as the reference's, is over at once", async () => {
  const { clock, invoker, node } = scene();
  const peer = node();
  invoker.nodeConnected(peer);
  const caller = fakePeer();
  const answer = invoker.call({ ...call, caller, idempotencyKey: "a" });
  invoker.cancel({ peer: caller, idempotencyKey: "a" });
  assertEquals(peer.sent.at(-1)?.event, "node.invoke.cancel");
  clock.advance(50);
  const outcome = await answer;
  assert(!outcome.ok && outcome.code === "CANCELLED", JSON.stringify(outcome));
});
