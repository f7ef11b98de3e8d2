/** F14 at the full count: 1,000 nodes, a gateway away for 10 s. About two minutes. */
import { assert } from "@std/assert";
import { crowdReturns } from "../e2e/stay_up/crowd_scene.ts";

const size = Number(Deno.env.get("OPENCLAW_SOAK_NODES") ?? "1000");

Deno.test(`F14 soak: ${size} nodes are back within 10 s of the gateway`, async () => {
  const back = await crowdReturns(size, 10_000);
  console.log(JSON.stringify({ ...back, problems: [...back.problems] }));
  assert(back.p99Ms <= 10_000, `p99 ${back.p99Ms} ms`);
  assert(!back.problems.has("HANDSHAKE_TIMEOUT"), "handshake time-outs");
  assert(back.differentWaits > size / 4, "no jitter");
  assert(back.gatewayMib <= 250, `${back.gatewayMib} MiB`);
});
