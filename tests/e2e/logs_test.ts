/** `logs --follow` with real processes: across a restart, a crash and a start that comes later. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { eventually, freePort, run, start, TempHome } from "./program.ts";

/** Makes the gateway log that an operator connected. */
async function makeLine(home: TempHome) {
  const args = ["gateway", "call", "devices.nothing", "--json"];
  const done = await run(args, { env: home.env("g") });
  assertEquals(done.code, 1, done.stderr);
}

const connectsIn = (text: string) => text.split("\n").filter((l) => /operator connected/.test(l));

for (const json of [false, true]) {
  Deno.test(`logs --follow${json ? " --json" : ""} goes on across a gateway restart and a crash`, async () => {
    await using home = await TempHome.make();
    const env = home.env("g");
    const flags = ["gateway", "run", "--tls", "--port", String(freePort())];
    const first = start(flags, { env });
    await first.until(/ready \(Ctrl-C stops\)/);
    const follow = ["logs", "--follow", "--interval", "50ms", ...(json ? ["--json"] : [])];
    await using watch = start(follow, { env });
    await watch.until(/gateway listening/);
    const pids = [first.pid];
    let running = first;
    for (const signal of ["SIGTERM", "SIGKILL"] as const) {
      await running.end(signal);
      const times = pids.length;
      await watch.until(new RegExp(`(trying again[^]*){${times}}`));
      running = start(flags, { env });
      await running.until(/ready \(Ctrl-C stops\)/);
      pids.push(running.pid);
      await watch.until(new RegExp(`gateway listening.*pid\\\\?"?[=:]${running.pid}\\b`, "s"));
    }
    await makeLine(home);
    await eventually("a line of the last gateway", () => connectsIn(watch.said).length > 0);
    watch.signal("SIGINT");
    assertEquals((await watch.status).code, 130);
    await running.end();
    // Nothing twice, nothing lost: each start is told once.
    const starts = watch.said.split("\n").filter((l) => /gateway listening/.test(l));
    assertEquals(starts.length, pids.length, watch.said);
    for (const [i, pid] of pids.entries()) assertStringIncludes(starts[i] as string, String(pid));
    if (json) {
      const lines = watch.said.trim().split("\n").map((l) => JSON.parse(l));
      assertEquals(lines.filter(({ type }) => type === "meta").length, 1);
      assert(lines.some(({ type }) => type === "notice"));
    }
  });
}

Deno.test("logs --follow waits for a gateway that is not started yet", async () => {
  await using home = await TempHome.make();
  const port = String(freePort());
  const env = home.env("g", { OPENCLAW_GATEWAY_PORT: port });
  await using watch = start(["logs", "--follow", "--interval", "50ms"], { env });
  await watch.until(/not reachable at .*; trying again/);
  await using gateway = start(["gateway", "run"], { env });
  await gateway.until(/ready \(Ctrl-C stops\)/);
  await watch.until(/gateway listening/);
  assertMatch(watch.said, new RegExp(`pid=${gateway.pid}\\b`));
});

Deno.test("logs without a gateway shows its last log file, and says so", async () => {
  await using home = await TempHome.make();
  const env = home.env("g", { OPENCLAW_GATEWAY_PORT: String(freePort()) });
  const nothing = await run(["logs"], { env });
  assertEquals(nothing.code, 1);
  assertStringIncludes(nothing.stderr, "hint: openclaw gateway run");
  await using gateway = start(["gateway", "run"], { env });
  await gateway.until(/ready \(Ctrl-C stops\)/);
  await gateway.end();
  const done = await run(["logs"], { env });
  assertEquals(done.code, 0, done.stderr);
  assertStringIncludes(done.stderr, "The gateway is not running; this is its log file.");
  assertMatch(done.stdout, /^Log file: .*\n.*gateway listening/);
  assertMatch(done.stdout, /gateway stopped\n$/);
});
