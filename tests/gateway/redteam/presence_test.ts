/** N12: what a crowd of connections without a device does to what operators are shown. */
import { assert, assertEquals } from "@std/assert";
import { Presence } from "../../../src/gateway/peers/presence.ts";
import { systemClock } from "../../../src/lib/clock.ts";
import { fakePeer } from "../fake_peer.ts";

Deno.test("N12 variant: a crowd without devices, and those who left, make room in the presence list before any node does", () => {
  const self = { host: "gateway", reason: "self", text: "gateway", ts: 0 };
  const presence = new Presence(systemClock, () => self, () => {});
  const node = (n: number) => fakePeer({ role: "node", clientMode: "node", deviceId: `node ${n}` });
  const page = () => fakePeer({ clientMode: "webchat", displayName: "crowd" });
  for (let n = 0; n < 50; n++) presence.connected(`n${n}`, node(n).principal);
  presence.disconnected("n0", node(0).principal);
  for (let n = 0; n < 500; n++) presence.connected(`c${n}`, page().principal);
  const shown = presence.list().map((entry) => entry.deviceId);
  assertEquals(shown.filter((id) => id !== undefined).length, 49);
  assert(!shown.includes("node 0"), "it left");
  for (let n = 100; n < 400; n++) presence.connected(`n${n}`, node(n).principal);
  assertEquals(presence.list().length, 201, "the gateway itself and 200 more");
  presence.stop();
});
