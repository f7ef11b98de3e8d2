/** N12, N43: one known device that takes all it can get. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { Connection } from "../../../../src/gateway/peers/connection.ts";
import { Outgoing } from "../../../../src/gateway/peers/outgoing.ts";
import { Slots } from "../../../../src/net/listen/slots.ts";
import { eventually } from "../../../e2e/program.ts";
import { fakePeer } from "../../fake_peer.ts";
import { device } from "../devices.ts";
import { openWorld, owner, type ScriptedPeer } from "../../world.ts";

/** A frame as it may be: what is sent here is held against the published schema, too. */
const FRAME = '{"type":"event","event":"tick","payload":{"ts":1}}';

Deno.test("N12 variant: a device has so many sessions and no more; others and the owner get in, and so does it when one ends", async () => {
  await using world = await openWorld();
  const first = await device(world, 30, ["operator.read"]);
  const auth = { deviceToken: first.hello.payload.auth.deviceToken };
  const again = () => world.connect({ key: 30, scopes: ["operator.read"], auth });
  const open: ScriptedPeer[] = [first];
  while (open.length < 128) open.push((await again()).expectHello());
  const refused = await again();
  assertEquals([refused.hello.error.code, refused.hello.error.retryable], ["UNAVAILABLE", true]);
  assertEquals(refused.hello.error.message, "too many sessions of this device are open");
  assertEquals((await refused.closed()).code, 1013);
  await device(world, 31, ["operator.read"]);
  const operator = await owner(world, { key: 30, scopes: ["operator.read"] });
  // The pairing sessions that were closed meanwhile leave in their own time.
  await eventually(
    "the sessions that stay",
    async () => (await operator.call("status")).gateway.connections === 130,
  );
  for (const peer of [operator, ...open.splice(0, 2)]) await peer.close();
  await eventually("a place that was given back", async () => (await again()).hello.ok === true);
});

const MIB = 1024 * 1024;

function reader(bytes: number, cuts: string[], name: string) {
  return { bufferedBytes: bytes, cut: () => void cuts.push(name) };
}

Deno.test("N43 variant: when slow readers together hold too much, whoever holds most is cut, and nobody else", () => {
  const outgoing = new Outgoing();
  const cuts: string[] = [];
  for (let n = 0; n < 9; n++) outgoing.sent(reader(25 * MIB, cuts, `slow ${n}`));
  for (let n = 0; n < 1_000; n++) outgoing.sent(reader(MIB - 1, cuts, `quick ${n}`));
  outgoing.sent(reader(2 * MIB, cuts, "a little slow"));
  assertEquals(cuts, []);
  outgoing.sent(reader(40 * MIB, cuts, "slowest"));
  assertEquals(cuts, ["slowest"]);
});

Deno.test("N43 variant: who read meanwhile, or left, is not counted any more", () => {
  const outgoing = new Outgoing();
  const cuts: string[] = [];
  const holders = Array.from({ length: 6 }, (_, n) => reader(40 * MIB, cuts, `${n}`));
  for (const holder of holders) outgoing.sent(holder);
  for (const holder of holders.slice(0, 3)) holder.bufferedBytes = 0;
  outgoing.sent(reader(40 * MIB, cuts, "late"));
  assertEquals(cuts, []);
  for (const holder of holders.slice(3)) outgoing.forget(holder);
  for (let n = 0; n < 5; n++) outgoing.sent(reader(40 * MIB, cuts, `later ${n}`));
  assertEquals(cuts, []);
});

Deno.test("N43 variant: connections that do not read are cut before they hold too much together, far below the cap of each", () => {
  const outgoing = new Outgoing();
  const ends: string[] = [];
  const connections = Array.from({ length: 20 }, (_, n) => {
    const socket = {
      remoteAddress: "127.0.0.1",
      bufferedBytes: n === 0 ? 0 : (20 + n % 3) * MIB,
      open: true,
      receivedBytes: 0,
      attach() {},
      send() {},
      close: (code: number, reason: string) => void ends.push(`${n} ${code} ${reason}`),
      terminate() {},
      raiseLimit() {},
      markAuthenticated() {},
      hold() {},
      release() {},
    };
    const connection = new Connection(socket, { outgoing, onFrame() {}, onEnded() {} });
    connection.goLive(fakePeer().principal, 0);
    return connection;
  });
  const sent = connections.map((connection) => connection.sendText(FRAME));
  // 256 MiB hold twelve of them; the one that reads is among those that stay.
  assertEquals([ends.length, sent[0]], [7, true]);
  for (const end of ends) assertMatch(end, /^\d+ 1008 slow consumer$/);
  assertEquals(connections.filter((connection) => connection.sendText(FRAME)).length, 13);
  assert(connections[0]?.live);
});

Deno.test("N12 variant: a crowd from a thousand addresses fills every place, and the programs of this machine get in", () => {
  const slots = new Slots({ perAddress: 32, total: 512 });
  let taken = 0;
  for (let n = 0; n < 1_000; n++) if (slots.take(`203.0.${n >> 8}.${n & 255}`)) taken++;
  assertEquals([taken, slots.take("2001:db8::1"), slots.take("198.51.100.1")], [512, false, false]);
  const local = ["127.0.0.1", "::1", "::ffff:127.0.0.1"];
  for (const address of local) assert(slots.take(address), address);
  while (slots.take("127.0.0.1")) taken++;
  assert(taken < 512 + 32, "they keep to their own limit");
  for (const address of local) slots.free(address);
  slots.free("203.0.0.0");
  assertEquals([slots.take("198.51.100.1"), slots.take("198.51.100.2")], [true, false]);
});
