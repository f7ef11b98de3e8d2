import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { OpenclawError } from "../../src/lib/errors.ts";
import { runProgram, startProgram } from "../../src/platform/process.ts";
import { groupExists } from "../../src/platform/process_group.ts";
import { DEFAULT_PATH } from "../../src/platform/os.ts";

const posix = { ignore: Deno.build.os === "windows" };
const env = { PATH: DEFAULT_PATH };
const sh = (script: string) => ({ file: "/bin/sh", args: ["-c", script], env, timeoutMs: 10_000 });

Deno.test("runProgram() reports the exit code and keeps the outputs apart", posix, async () => {
  const result = await runProgram(sh("echo out; echo err >&2; exit 3"));
  assertEquals(result.exitCode, 3);
  assertEquals([result.stdout, result.stderr], ["out\n", "err\n"]);
  assertEquals([result.timedOut, result.cancelled, result.truncated, result.killed], [
    false,
    false,
    false,
    false,
  ]);
});

Deno.test("E11: a program gets exactly the given environment", posix, async () => {
  Deno.env.set("OPENCLAW_GATEWAY_TOKEN", "must-not-be-seen");
  try {
    const result = await runProgram({
      file: "/usr/bin/env",
      env: { ONLY: "this" },
      timeoutMs: 5000,
    });
    assertEquals(result.stdout, "ONLY=this\n");
    const own = await runProgram({
      file: "/bin/cat",
      args: ["/proc/self/environ"],
      env: { ONLY: "this" },
      timeoutMs: 5000,
    });
    assertEquals(own.stdout, "ONLY=this\0");
  } finally {
    Deno.env.delete("OPENCLAW_GATEWAY_TOKEN");
  }
});

Deno.test("runProgram() stops the whole group when time is up", posix, async () => {
  const result = await runProgram({ ...sh("sleep 77 & echo $!; wait"), timeoutMs: 200 });
  assertEquals([result.timedOut, result.exitCode], [true, undefined]);
  assertEquals(result.signal, "SIGTERM");
  assert(!alive(Number(result.stdout)), "the grandchild is gone too");
});

Deno.test("F40: a program that ignores TERM is killed within 500 ms", posix, async () => {
  const result = await runProgram({
    ...sh("trap '' TERM; echo ready; while :; do sleep 1; done"),
    timeoutMs: 300,
  });
  assertEquals([result.timedOut, result.killed, result.signal], [true, true, "SIGKILL"]);
  assert(result.durationMs < 2500, `took ${result.durationMs} ms`);
});

Deno.test("F40: a pipe held by an escaped grandchild does not hold the result", {
  ...posix,
  sanitizeOps: false, // Deno 2.8 keeps the cancelled read until the grandchild ends
}, async () => {
  const result = await runProgram(sh("setsid sleep 3 & echo done"));
  assertEquals([result.exitCode, result.stdout, result.truncated], [0, "done\n", true]);
  assert(result.durationMs < 2000, `took ${result.durationMs} ms`);
});

Deno.test("runProgram() caps both outputs together and says so", posix, async () => {
  const result = await runProgram({ ...sh("head -c 100000 /dev/zero"), maxOutputBytes: 1000 });
  assertEquals([result.stdout.length, result.truncated, result.exitCode], [1000, true, 0]);
});

Deno.test("runProgram() writes the input and closes it", posix, async () => {
  const result = await runProgram({ file: "/bin/cat", env, input: "hello", timeoutMs: 5000 });
  assertEquals(result.stdout, "hello");
});

Deno.test("runProgram() survives a program that does not read its input", posix, async () => {
  const result = await runProgram({
    file: "/bin/true",
    env,
    input: "x".repeat(1e6),
    timeoutMs: 5000,
  });
  assertEquals(result.exitCode, 0);
});

Deno.test("runProgram() is cancelled by its signal", posix, async () => {
  const result = await runProgram({ ...sh("sleep 60"), signal: AbortSignal.abort() });
  assertEquals([result.cancelled, result.timedOut], [true, false]);
});

Deno.test("startProgram() tells a missing program from a missing folder", posix, async () => {
  const missing = await assertRejects(
    () => startProgram({ file: "/nonexistent/tool", env }),
    OpenclawError,
  );
  assertEquals(missing.code, "PROGRAM_NOT_FOUND");
  assertStringIncludes(missing.message, "ENOENT");
  const folder = await assertRejects(
    () => startProgram({ file: "/bin/true", env, cwd: "/nonexistent/dir" }),
    OpenclawError,
    "/nonexistent/dir",
  );
  assertEquals(folder.code, "CWD_MISSING");
});

Deno.test("startProgram() gives the program the wanted name", posix, async () => {
  const result = await runProgram({
    ...sh("tr '\\0' ' ' < /proc/$$/cmdline"),
    argv0: "other-name",
    args: ["-c", "tr '\\0' ' ' < /proc/$$/cmdline"],
  });
  assertStringIncludes(result.stdout, "other-name -c");
  const failed = await assertRejects(
    () => startProgram({ file: "/nonexistent/tool", argv0: "x", env }),
    OpenclawError,
  );
  assertEquals(failed.code, "PROGRAM_NOT_FOUND");
});

Deno.test("F18: a named program's output is not read ahead of the reader", posix, async () => {
  const program = await startProgram({
    ...sh("head -c 3000000 /dev/zero"),
    argv0: "named",
  });
  const reader = program.stdout.getReader();
  let total = (await reader.read()).value?.length ?? 0;
  const still = await Promise.race([
    program.ended.then(() => false),
    new Promise((resolve) => setTimeout(() => resolve(true), 100)),
  ]);
  assert(still, "the program waits for its reader");
  for (let chunk; !(chunk = await reader.read()).done;) total += chunk.value.length;
  assertEquals(total, 3_000_000);
  await program.stderr.cancel();
});

Deno.test("stop() reaches a member that ignores TERM after the leader obeyed", posix, async () => {
  const program = await startProgram({
    ...sh("sh -c 'trap \"\" TERM; echo up; while :; do sleep 1; done' & wait"),
    group: true,
  });
  const reader = program.stdout.getReader();
  await reader.read();
  assertEquals(await program.stop({ graceMs: 100 }), true);
  await program.ended;
  await reader.cancel();
  await program.stderr.cancel();
  while (groupExists(program.pid)) await new Promise((r) => setTimeout(r, 5));
});

function alive(pid: number): boolean {
  try {
    const state = Deno.readTextFileSync(`/proc/${pid}/stat`).split(") ")[1]?.[0];
    return state !== "Z";
  } catch {
    return false;
  }
}
