/** A node that waits for its approval over minutes, on a clock that only moves when told to. */
import { assert, assertEquals } from "@std/assert";
import { startNode } from "../../src/node/host.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { TestGateway } from "./support/gateway.ts";
import { withBench } from "./support/node.ts";
import { until } from "./support/runner.ts";

Deno.test({
  name: "decision 6: a waiting node asks all the time and logs at most one line a minute",
  ignore: Deno.build.os === "windows",
  fn: () =>
    withBench(async (bench) => {
      const clock = new FakeClock();
      const gateway = await TestGateway.start({
        answer: () => ({
          error: {
            code: "NOT_PAIRED",
            message: "pairing required: device is not approved yet",
            retryable: true,
            retryAfterMs: 1_500,
            details: {
              code: "PAIRING_REQUIRED",
              requestId: "req-7",
              recommendedNextStep: "wait_then_retry",
              pauseReconnect: false,
            },
          },
          close: [1008, "pairing required"],
        }),
      });
      const flags = { host: "127.0.0.1", port: gateway.port };
      const node = await startNode({ ...bench.options({ flags }), clock });
      const waiting = () => bench.lines.filter((line) => line.includes("pairing required"));
      try {
        for (let minute = 1; minute <= 3; minute++) {
          while (clock.monotonic() < minute * 60_000) {
            const seen = gateway.attempts;
            await until(() => {
              clock.advance(250);
              return gateway.attempts > seen;
            }, "asked again");
          }
          const lines = waiting().length;
          assert(lines >= 1 && lines <= minute + 1, `${lines} lines in ${minute} minutes`);
        }
        assert(gateway.attempts > 60, `${gateway.attempts} polls`);
        assert(waiting().length >= 3, "a word every minute, so that a person sees it still waits");
        assert(waiting().every((line) => line.includes("openclaw devices approve req-7")));
        assertEquals(bench.lines.filter((line) => /error/.test(line)), []);
      } finally {
        await node.stop({ force: true });
        await gateway.close();
      }
    }),
});
