import { assert, assertEquals } from "@std/assert";
import { runProgram, startProgram } from "../../../src/platform/process/start.ts";
import { groupExists } from "../../../src/platform/process/group.ts";
import { identityOf, ownIdentity, stillRuns } from "../../../src/platform/process/identity.ts";
import { taskkill } from "../../../src/platform/windows/group.ts";
import {
  activeIn,
  JobObject,
  killOnCloseLimits,
} from "../../../src/platform/windows/job_object.ts";
import { wideText } from "../../../src/platform/windows/kernel32.ts";
import { until } from "../../node/support/runner.ts";

const windows = { ignore: Deno.build.os !== "windows" };
const env = () => {
  const { SystemRoot, PATH } = { SystemRoot: "", PATH: "", ...Deno.env.toObject() };
  return { SystemRoot: SystemRoot || Deno.env.get("SystemRoot")!, PATH };
};
const cmd = () => Deno.env.get("ComSpec") ?? "C:\\Windows\\System32\\cmd.exe";
/** Wine is Windows for all of this but the children of taskkill. */
const isWine = () => {
  try {
    return Deno.statSync("C:\\windows\\system32\\winecfg.exe").isFile;
  } catch {
    return false;
  }
};
/** A program with a child that runs for minutes. */
const family = () => ({ file: cmd(), args: ["/d", "/c", "ping -n 300 127.0.0.1"], env: env() });

Deno.test("the limits of a job are laid out as Windows reads them", () => {
  const limits = killOnCloseLimits();
  assertEquals([limits.length, [...limits.slice(16, 20)]], [144, [0, 0x20, 0, 0]]);
  assertEquals(limits.reduce((sum, byte) => sum + byte, 0), 0x20, "no other limit is set");
  const accounting = new Uint8Array(48);
  accounting.set([3, 0, 0, 0], 40);
  assertEquals(activeIn(accounting), 3);
});

Deno.test("a path for Windows is UTF-16 with a zero behind it", () => {
  assertEquals([...wideText("aé")], [0x61, 0, 0xe9, 0, 0, 0]);
});

Deno.test("a job object says why it cannot be had", async () => {
  if (Deno.build.os !== "windows") {
    return assertEquals(JobObject.around(1), `not on ${Deno.build.os}`);
  }
  const program = await startProgram({ file: cmd(), args: ["/d", "/c", "exit 0"], env: env() });
  await Promise.all([program.ended, program.stdout.cancel(), program.stderr.cancel()]);
  assertEquals(typeof JobObject.around(program.pid), "string");
});

Deno.test("F40: what a stopped program started ends with it", windows, async () => {
  const program = await startProgram({ ...family(), group: true, stdout: "null", stderr: "null" });
  const inside = JobObject.around(program.pid) as JobObject; // a second one sees the same members
  await until(() => inside.active >= 2, "the child runs");
  assertEquals(await program.stop(), true);
  assertEquals((await program.ended).exitCode, 1);
  assertEquals([inside.active, groupExists(program.pid)], [0, false]);
  assertEquals(await program.stop(), false, "nothing is left to stop");
  inside.close();
});

Deno.test("F40: a child that outlives its program is still in the group", windows, async () => {
  const program = await startProgram({
    file: cmd(),
    args: ["/d", "/c", "start /b ping -n 300 127.0.0.1"],
    env: env(),
    group: true,
    stdout: "null",
    stderr: "null",
  });
  await program.ended;
  assertEquals(groupExists(program.pid), true);
  await program.stop();
  assertEquals(groupExists(program.pid), false);
});

Deno.test("F02: what a killed process started dies with it", windows, async () => {
  const code = `
    const { startProgram } = await import(${
    JSON.stringify(import.meta.resolve("../../../src/platform/process/start.ts"))
  });
    const program = await startProgram({ file: ${
    JSON.stringify(cmd())
  }, args: ["/d", "/c", "ping -n 300 127.0.0.1"],
      env: Deno.env.toObject(), group: true, stdout: "null", stderr: "null" });
    console.log(program.pid);
    await program.ended;`;
  const owner = new Deno.Command(Deno.execPath(), {
    args: ["eval", "--no-check", code],
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const reader = owner.stdout.getReader();
  const pid = Number(new TextDecoder().decode((await reader.read()).value));
  const identity = identityOf(pid);
  assert(stillRuns(identity));
  owner.kill("SIGKILL");
  await owner.status;
  await reader.cancel();
  await until(() => !stillRuns(identity), "the program of the killed process is gone");
});

Deno.test("runProgram() stops the whole tree when time is up", windows, async () => {
  const result = await runProgram({ ...family(), timeoutMs: 1000 });
  assertEquals([result.timedOut, result.killed, result.truncated], [true, true, false]);
  assert(result.durationMs < 5000, `took ${result.durationMs} ms`);
});

Deno.test("taskkill ends a program and its children where no job holds it", {
  ignore: Deno.build.os !== "windows" || isWine(),
}, async () => {
  const program = await startProgram({ ...family(), stdout: "null", stderr: "null" });
  assertEquals(await taskkill(program.pid), true);
  await program.ended;
});

Deno.test("F31: a process of Windows is known by its number and its start", windows, () => {
  const own = ownIdentity();
  assert(own.startTicks !== undefined && stillRuns(own));
  assertEquals(stillRuns({ ...own, startTicks: own.startTicks - 1 }), false);
});
