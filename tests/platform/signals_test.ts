import { assertEquals } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { exitCodeOf } from "../../src/platform/signals.ts";

const WORKER = fromFileUrl(new URL("signals_worker.ts", import.meta.url));

Deno.test("onStopSignals() counts the requests and can be removed", {
  ignore: Deno.build.os === "windows",
}, async () => {
  const { stdout, signal } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", WORKER],
  }).output();
  const seen = JSON.parse(new TextDecoder().decode(stdout));
  assertEquals(seen, [["SIGTERM", 1], ["SIGTERM", 2]]);
  assertEquals(signal, "SIGTERM");
  assertEquals(exitCodeOf("SIGTERM"), 143);
});
