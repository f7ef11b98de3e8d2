/** F32: one identity on two machines does not flip-flop, and a session that is dead stands in nobody's way. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { Connection } from "../../../src/gateway/peers/connection.ts";
import { Registry } from "../../../src/gateway/peers/registry.ts";
import { Takeovers } from "../../../src/gateway/peers/takeovers.ts";
import type { ServerSocket } from "../../../src/net/socket.ts";
import { FakeClock } from "../../support/fake_clock.ts";
import { TOKEN, withGateway } from "../../support/gateway.ts";
import { nodeParams, signed, testKey } from "../../support/wire.ts";
import { fakePeer } from "../fake_peer.ts";
import { admittedNode, nodeOptions, openWorld, owner } from "../world.ts";

/** A live session of `node-1` whose other end answers pings or does not. */
function session(answers: () => boolean): Connection {
  const socket: ServerSocket = {
    remoteAddress: "192.0.2.1",
    bufferedBytes: 0,
    receivedBytes: 0,
    open: true,
    attach() {},
    send() {},
    ping: () => answers() && connection.onPong(),
    close() {},
    terminate() {},
    raiseLimit() {},
    markAuthenticated() {},
    hold() {},
    release() {},
  };
  const connection = new Connection(socket, { onFrame() {}, onEnded() {} });
  connection.goLive(fakePeer({ role: "node", deviceId: "node-1" }).principal, 0);
  return connection;
}

Deno.test("F32: a session that is alive is taken over at most once a minute, a dead one at any time", async () => {
  const clock = new FakeClock();
  const registry = new Registry();
  const takeovers = new Takeovers(clock, registry);
  let alive = true;
  registry.add(session(() => alive));
  assertEquals(await takeovers.waitMs("node-2"), 0, "nobody is there");
  assertEquals(await takeovers.waitMs("node-1"), 0, "the first takes over at once");
  clock.advance(10_000);
  for (let n = 0; n < 5; n++) assertEquals(await takeovers.waitMs("node-1"), 50_000);
  alive = false;
  const waiting = takeovers.waitMs("node-1");
  clock.advance(2_000);
  assertEquals(await waiting, 0, "no answer to a ping: half-open");
  alive = true;
  clock.advance(47_999);
  assertEquals(await takeovers.waitMs("node-1"), 1);
  clock.advance(1);
  assertEquals(await takeovers.waitMs("node-1"), 0, "a minute is over");
  assertEquals(await takeovers.waitMs("node-1"), 60_000);
  assertEquals(clock.pending, 0, "no timer stays");
});

Deno.test("F32: the end of the session in force frees whoever waits for it", async () => {
  const clock = new FakeClock();
  const registry = new Registry();
  const takeovers = new Takeovers(clock, registry);
  const holder = session(() => false);
  registry.add(holder);
  await takeovers.waitMs("node-1");
  const waiting = [takeovers.waitMs("node-1"), takeovers.waitMs("node-1")];
  holder.close(1000, "");
  assertEquals(await Promise.all(waiting), [0, 0]);
  assertEquals(clock.pending, 0);
});

Deno.test("F32: a copied node that reconnects in a tight loop is told, and the session in force keeps its work", async () => {
  await using world = await openWorld();
  const operator = await owner(world);
  await admittedNode(world, operator, nodeOptions(1));
  const holder = (await world.connect(nodeOptions(1))).expectHello();
  for (let n = 0; n < 20; n++) {
    const copy = await world.connect(nodeOptions(1));
    const { error } = copy.hello;
    assertEquals([error.code, error.retryable], ["UNAVAILABLE", true]);
    assertEquals(error.details.code, "NODE_IDENTITY_DUPLICATE");
    assertMatch(error.message, /connected from elsewhere/);
    assert(error.retryAfterMs > 30_000 && error.retryAfterMs <= 60_000, error.retryAfterMs);
    assertEquals((await copy.closed()).code, 1013);
  }
  const call = operator.send("node.invoke", {
    nodeId: holder.id,
    command: "system.which",
    idempotencyKey: "k",
  });
  await holder.answerInvoke({ found: 1 });
  assertEquals((await operator.response(call)).payload.payload, { found: 1 });
});

Deno.test("F32, F13: a node whose old socket went dead gets its entry back within seconds, again and again", () =>
  withGateway(async (gateway) => {
    const admin = await gateway.owner();
    const key = await testKey(32);
    const params = nodeParams({ auth: { token: TOKEN } });
    const connect = async () => {
      const wire = await gateway.open();
      return {
        wire,
        hello: await wire.request("connect", await signed(key, await wire.challenge(), params)),
      };
    };
    const { hello } = await connect();
    const { requestId } = hello.error!.details;
    assert((await admin.request("device.pair.approve", { requestId })).ok);
    for (let moves = 0; moves < 3; moves++) {
      const fromMs = performance.now();
      const { wire, hello } = await connect();
      assert(hello.ok, JSON.stringify(hello.error));
      assert(performance.now() - fromMs < 4_000);
      wire.pause(); // reads no ping any more, as behind a path that is gone
    }
  }));

Deno.test("F32: clean reconnects of one node are not slowed down", async () => {
  await using world = await openWorld();
  const operator = await owner(world);
  let node = await admittedNode(world, operator, nodeOptions(1));
  for (let n = 0; n < 30; n++) {
    await node.close();
    node = (await world.connect(nodeOptions(1))).expectHello();
  }
});
