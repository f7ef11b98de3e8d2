/** N16: a handler whose answer cannot be written fails its own call; the session, its budget and everybody else go on. */
import { assertEquals } from "@std/assert";
import { Dispatcher } from "../../../../src/gateway/dispatch.ts";
import { method } from "../../../../src/gateway/methods/define.ts";
import type { Connection } from "../../../../src/gateway/peers/connection.ts";
import type { GatewayServices } from "../../../../src/gateway/services/services.ts";
import { silentLogger } from "../../../../src/lib/log.ts";
import { ALL_SCOPES } from "../../../../src/protocol/scopes.ts";
import { fakePeer } from "../../fake_peer.ts";

/** As `JSON.stringify` does for an answer longer than the engine can hold. */
const TOO_LONG = {
  toJSON() {
    throw new RangeError("Invalid string length");
  },
};

Deno.test("N16 variant: an answer that cannot be written is an internal error of that call, at once or later", async () => {
  const dispatcher = new Dispatcher([
    method("now", { scope: "none", summary: "s" }, () => TOO_LONG),
    method("later", { scope: "none", summary: "s" }, () => Promise.resolve(TOO_LONG)),
    method("fine", { scope: "none", summary: "s" }, () => ({ ok: 1 })),
  ], { log: silentLogger } as unknown as GatewayServices);
  const peer = Object.assign(fakePeer({ scopes: ALL_SCOPES }), { running: 0 });
  for (const name of ["now", "later", "fine"]) {
    const frame = JSON.stringify({ type: "req", id: name, method: name });
    dispatcher.onFrame(peer as unknown as Connection, frame);
  }
  await new Promise((resolve) => setTimeout(resolve, 0));
  const answers = Object.fromEntries(
    peer.sent.map((answer) => [answer.id, answer.error?.message ?? "ok"]),
  );
  assertEquals(answers, { now: "internal error", later: "internal error", fine: "ok" });
  assertEquals(peer.running, 0);
});
