import { assertEquals } from "@std/assert";
import { exitCodeOf, onStopSignals } from "../../src/platform/signals.ts";

Deno.test("onStopSignals() counts the requests and can be removed", {
  ignore: Deno.build.os === "windows",
}, async () => {
  const seen: unknown[] = [];
  const { promise, resolve } = Promise.withResolvers<void>();
  const remove = onStopSignals((signal, count) => {
    seen.push([signal, count]);
    if (count === 2) resolve();
  });
  Deno.kill(Deno.pid, "SIGTERM");
  const again = setInterval(() => seen.length === 1 && Deno.kill(Deno.pid, "SIGTERM"), 5);
  await promise;
  clearInterval(again);
  remove();
  assertEquals(seen.slice(0, 2), [["SIGTERM", 1], ["SIGTERM", 2]]);
  assertEquals(exitCodeOf("SIGTERM"), 143);
});
