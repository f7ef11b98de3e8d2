/** F36 on a real gateway: few descriptors, many peers at the same moment. */
import { assert, assertEquals } from "@std/assert";
import { requireFingerprint } from "../../../src/identity/fingerprint.ts";
import { parseJoinLine } from "../../../src/protocol/setup_code.ts";
import { Crowd } from "../../support/crowd.ts";
import { eventually, freePort, run, type Running, start, TempHome } from "../program.ts";

/** A gateway that may open 64 descriptors and not one more. */
function startNarrow(env: Record<string, string>): Running {
  const through = ["sh", "-c", 'ulimit -n 64; exec "$0" "$@"'];
  return start(["gateway", "run", "--tls"], { env, through });
}

/** Opens `count` connections at the same moment; those that were refused are `undefined`. */
async function burst(port: number, count: number): Promise<(Deno.Conn | undefined)[]> {
  const dials = Array.from(
    { length: count },
    () => Deno.connect({ hostname: "127.0.0.1", port }).catch(() => undefined),
  );
  return await Promise.all(dials);
}

Deno.test({
  name:
    "F36: a gateway with 64 descriptors outlives bursts of 200 connections and lets peers in again",
  ignore: Deno.build.os !== "linux",
  async fn() {
    await using home = await TempHome.make();
    const port = freePort();
    const env = home.env("gateway", { OPENCLAW_GATEWAY_PORT: String(port) });
    await using gateway = startNarrow(env);
    await gateway.until(/ready/);
    const url = `wss://127.0.0.1:${port}`;
    const pin = requireFingerprint((gateway.said.match(/[0-9a-f]{64}/) ?? [])[0] ?? "", "test");
    const line = await run(["devices", "join-code", "--public-url", url], { env });
    assertEquals(line.code, 0, line.stderr);
    const { bootstrapToken } = parseJoinLine(line.stdout.trim());
    const crowd = new Crowd({ size: 1, url, pin, bootstrapToken, dir: home.path });
    try {
      await crowd.until(1, 15_000);
      // Each burst meets the accept queue in another state; the runtime's loop does not survive every one of them.
      for (let round = 0; round < 3; round++) {
        const peers = await burst(port, 200);
        assert(peers.some((peer) => peer !== undefined), "nobody was let in");
        for (const peer of peers) peer?.close();
        await eventually("a paired operator is let in", async () => {
          const asked = await run(["health", "--timeout", "2000"], { env, timeoutMs: 10_000 });
          return asked.code === 0;
        }, 15_000);
        await crowd.until(1, 15_000);
      }
    } finally {
      await crowd.close();
    }
    assertEquals((await gateway.end()).code, 0, gateway.said);
  },
});
