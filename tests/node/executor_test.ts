import { assertEquals } from "@std/assert";
import type { Clock } from "../../src/lib/clock.ts";
import { runningTimer } from "../../src/node/runner/executor.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { item, job, sh, until, withRunner } from "./support/runner.ts";

Deno.test("runningTimer() fires after the running time and not when cancelled", () => {
  const clock = new FakeClock();
  let fired = 0;
  runningTimer(1800, () => fired++, clock);
  const cancel = runningTimer(1800, () => fired += 100, clock);
  clock.advance(1700);
  cancel();
  assertEquals(fired, 0);
  clock.advance(100);
  assertEquals([fired, clock.pending], [1, 0]);
});

Deno.test("F20: ten minutes in which the process was frozen count as one second", () => {
  let nowMs = 0;
  let due: (() => void) | undefined;
  const clock: Clock = {
    now: () => nowMs,
    monotonic: () => nowMs,
    after: (_delayMs, run) => {
      due = run;
      return () => due = undefined;
    },
  };
  let fired = false;
  runningTimer(3000, () => fired = true, clock);
  nowMs += 600_000;
  due?.();
  assertEquals(fired, false);
  for (let i = 0; i < 4; i++) {
    nowMs += 500;
    due?.();
  }
  assertEquals(fired, true);
});

Deno.test("F20: a command frozen with its runner is not timed out when both go on", {
  ignore: Deno.build.os !== "linux",
}, () =>
  withRunner(async (link) => {
    let text = "";
    const running = link.run(
      job([item("always", sh("echo $$ $PPID; sleep 0.3; echo done"))], { timeoutMs: 1700 }),
      { onOutput: (_, bytes) => text += new TextDecoder().decode(bytes) },
    );
    await until(() => text.includes("\n"), "started");
    const pids = text.trim().split(" ").map(Number);
    for (const pid of pids) Deno.kill(pid, "SIGSTOP");
    const thawed = performance.now() + 2500;
    await until(() => performance.now() > thawed, "frozen long enough");
    for (const pid of pids) Deno.kill(pid, "SIGCONT");
    const end = await running.ended;
    assertEquals([end.timedOut, end.exitCode], [false, 0]);
    assertEquals(text.endsWith("done\n"), true);
  }));
