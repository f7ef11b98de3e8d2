/** The real clock: no wait is so long that it ends at once. */
import { assertEquals } from "@std/assert";
import { systemClock } from "../../src/lib/clock.ts";
import { cli } from "../cli/support.ts";
import { tempState } from "../config/temp_state.ts";
import { tcpServer } from "../e2e/doctor/servers.ts";

Deno.test("systemClock.after(): a wait of months does not end before one of a moment", async () => {
  const order: string[] = [];
  const done = Promise.withResolvers<void>();
  const cancel = systemClock.after(90 * 86_400_000, () => order.push("months"));
  systemClock.after(20, () => {
    order.push("moment");
    done.resolve();
  });
  await done.promise;
  cancel();
  assertEquals(order, ["moment"]);
});

Deno.test("health --timeout 60d waits for a gateway that is slow to answer, and tells what came", async () => {
  await using slow = tcpServer(async (conn) => {
    await conn.read(new Uint8Array(4096));
    await conn.write(new TextEncoder().encode("HTTP/1.1 502 Bad Gateway\r\n\r\n"));
    conn.close();
  });
  await using state = await tempState({
    OPENCLAW_GATEWAY_PORT: String(slow.port),
    OPENCLAW_GATEWAY_TOKEN: "tok-synthetic-clock-0123456789abcdef",
  });
  const env = state.env as Record<string, string>;
  const done = await cli(["health", "--timeout", "60d"], { env });
  assertEquals([done.code, /timeout/.test(done.stderr)], [1, false], done.stderr);
});
