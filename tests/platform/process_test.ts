import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { OpenclawError } from "../../src/lib/errors.ts";
import { isOwnProgram, runProgram, startProgram } from "../../src/platform/process/start.ts";
import { groupExists } from "../../src/platform/process/group.ts";
import { processRow } from "../../src/platform/process/table.ts";
import { DEFAULT_PATH } from "../../src/platform/os.ts";
import { withSpawner } from "./with_spawner.ts";

const posix = { ignore: Deno.build.os === "windows" };

/** The same test for both ways to start: the runtime's, and the C library's where it can be had. */
function bothWays(
  name: string,
  options: Omit<Deno.TestDefinition, "name" | "fn">,
  run: () => Promise<void>,
): void {
  Deno.test(name, options, run);
  const ignore = Deno.build.os !== "linux";
  Deno.test(`${name} (posix_spawn)`, { ...options, ignore }, () => withSpawner(run));
}

const env = { PATH: DEFAULT_PATH };
const sh = (script: string) => ({ file: "/bin/sh", args: ["-c", script], env, timeoutMs: 10_000 });

bothWays("runProgram() reports the exit code and keeps the outputs apart", posix, async () => {
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

bothWays("E11: a program gets exactly the given environment", posix, async () => {
  assert(Deno.env.has("PATH"), "of ours there is something to see");
  const result = await runProgram({
    file: "/usr/bin/env",
    env: { ONLY: "this" },
    timeoutMs: 10_000,
  });
  assertEquals(result.stdout, "ONLY=this\n");
  const own = await runProgram({
    file: "/bin/cat",
    args: ["/proc/self/environ"],
    env: { ONLY: "this" },
    timeoutMs: 10_000,
  });
  assertEquals(own.stdout, "ONLY=this\0");
});

bothWays("runProgram() stops the whole group when time is up", posix, async () => {
  const result = await runProgram({ ...sh("sleep 77 & echo $!; wait"), timeoutMs: 1_000 });
  assertEquals([result.timedOut, result.exitCode], [true, undefined]);
  assertEquals(result.signal, "SIGTERM");
  assert(!alive(Number(result.stdout)), "the grandchild is gone too");
});

bothWays("F40: a program that ignores TERM is killed soon after", posix, async () => {
  const result = await runProgram({
    ...sh("trap '' TERM; echo ready; while :; do sleep 1; done"),
    timeoutMs: 1_000,
  });
  assertEquals([result.timedOut, result.killed, result.signal], [true, true, "SIGKILL"]);
  assert(result.durationMs < 20_000, `took ${result.durationMs} ms`);
});

bothWays("runProgram() caps both outputs together and says so", posix, async () => {
  const result = await runProgram({ ...sh("head -c 100000 /dev/zero"), maxOutputBytes: 1000 });
  assertEquals([result.stdout.length, result.truncated, result.exitCode], [1000, true, 0]);
});

bothWays("runProgram() writes the input and closes it", posix, async () => {
  const result = await runProgram({ file: "/bin/cat", env, input: "hello", timeoutMs: 5000 });
  assertEquals(result.stdout, "hello");
});

bothWays("runProgram() survives a program that does not read its input", posix, async () => {
  const result = await runProgram({
    file: "/bin/true",
    env,
    input: "x".repeat(1e6),
    timeoutMs: 5000,
  });
  assertEquals(result.exitCode, 0);
});

bothWays("runProgram() is cancelled by its signal", posix, async () => {
  const result = await runProgram({ ...sh("sleep 60"), signal: AbortSignal.abort() });
  assertEquals([result.cancelled, result.timedOut], [true, false]);
});

bothWays("startProgram() tells a missing program from a missing folder", posix, async () => {
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

bothWays("startProgram() says that words are too long for the system", posix, async () => {
  const tooLong = await assertRejects(
    () => startProgram({ file: "/bin/true", args: ["x".repeat(1 << 22)], env }),
    OpenclawError,
  );
  assertStringIncludes(tooLong.message, "longer than the system takes (E2BIG)");
});

bothWays("startProgram() gives the program the wanted name", posix, async () => {
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

bothWays("F18: a named program's output is not read ahead of the reader", posix, async () => {
  const program = await startProgram({
    ...sh("head -c 3000000 /dev/zero"),
    argv0: "named",
    group: true,
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
  await program.ended;
});

bothWays("stop() reaches a member that ignores TERM after the leader obeyed", posix, async () => {
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

bothWays("a program leads a session and group of its own from its first moment", {
  ignore: Deno.build.os !== "linux",
}, async () => {
  const program = await startProgram({ ...sh("exec sleep 60"), group: true });
  const { pid } = program;
  const row = processRow(pid);
  assertEquals([row?.group, row?.session, row?.parent], [pid, pid, Deno.pid]);
  assert(isOwnProgram(pid) && program.signal("SIGKILL"));
  assertEquals(await program.ended, { signal: "SIGKILL" });
  assert(!isOwnProgram(pid) && !program.signal("SIGKILL"));
  await Promise.all([program.stdout.cancel(), program.stderr.cancel()]);
});

/** Signals 32 and 33 belong to the C library's threads; whoever started the tests may have left them ignored. */
const LIBRARY_SIGNALS = 0x180000000n;

bothWays("E11: a program gets no descriptor, no blocked and no ignored signal of ours", {
  ignore: Deno.build.os !== "linux",
}, async () => {
  using _file = await Deno.open("/etc/hostname");
  const listing = await runProgram({ ...sh("ls -l /proc/self/fd"), stdin: "null" });
  // What the tests themselves were given may be there; the runner closes even that (`tests/node/runner_test.ts`).
  assert(!/hostname|eventpoll|eventfd|pidfd/.test(listing.stdout), listing.stdout);
  const status = await runProgram({ ...sh("cat /proc/self/status"), stdin: "null" });
  const masks = [...status.stdout.matchAll(/^Sig(Blk|Ign):\s*(\w+)/gm)].map((found) =>
    BigInt(`0x${found[2]}`) & ~LIBRARY_SIGNALS
  );
  assertEquals(masks, [0n, 0n]);
});

bothWays("E11: a NUL or a name with = cannot smuggle in another word", posix, async () => {
  for (
    const trick of [
      { args: ["a\0b"] },
      { file: "/bin/ec\0ho" },
      { cwd: "/tmp\0x" },
      { env: { A: "1\0PATH=/evil" } },
    ]
  ) {
    const error = await assertRejects(
      () => startProgram({ file: "/bin/echo", env, group: true, ...trick }),
      OpenclawError,
    );
    assert(["PROGRAM_FAILED_TO_START", "CWD_MISSING"].includes(error.code), error.code);
  }
});

bothWays("a large output passes a reader that is slow, a large input one that reads late", {
  ...posix,
}, async () => {
  const size = 3_000_000;
  const program = await startProgram({
    ...sh("sleep 0.2; cat"),
    stdin: "pipe",
    stderr: "null",
    group: true,
  });
  const writer = program.stdin!.getWriter();
  const written = writer.write(new Uint8Array(size).fill(0x61)).then(() => writer.close());
  let total = 0;
  for await (const chunk of program.stdout) total += chunk.length;
  await written;
  assertEquals([total, (await program.ended).exitCode], [size, 0]);
});

bothWays("a program that is still open for writing is started once it was closed", {
  ignore: Deno.build.os !== "linux",
}, async () => {
  const path = await Deno.makeTempFile();
  try {
    await Deno.copyFile("/bin/true", path);
    await Deno.chmod(path, 0o700);
    const writer = await Deno.open(path, { append: true });
    setTimeout(() => writer.close(), 30);
    const done = await runProgram({ file: path, env, timeoutMs: 10_000, group: true });
    assertEquals(done.exitCode, 0);
    using busy = await Deno.open(path, { append: true });
    const refused = await assertRejects(
      () => runProgram({ file: path, env, timeoutMs: 10_000, group: true }),
      OpenclawError,
    );
    assertEquals(refused.code, "PROGRAM_FAILED_TO_START");
    assert(busy.statSync().isFile);
  } finally {
    await Deno.remove(path);
  }
});

Deno.test("input that is given up ends a write that waits (posix_spawn)", {
  ignore: Deno.build.os !== "linux",
}, () =>
  withSpawner(async () => {
    const program = await startProgram({
      ...sh("exec sleep 60"),
      stdin: "pipe",
      stdout: "null",
      stderr: "null",
      group: true,
    });
    const writer = program.stdin!.getWriter();
    writer.closed.catch(() => {});
    const written = writer.write(new Uint8Array(1_000_000)).then(() => "all", () => "given up");
    await writer.abort();
    assertEquals(await written, "given up");
    program.signal("SIGKILL");
    await program.ended;
  }));

bothWays(
  "a text without a first line runs as execvp runs it, one that may not run is refused",
  posix,
  async () => {
    const file = await Deno.makeTempFile({ prefix: "openclaw-not-a-program-" });
    try {
      await Deno.writeTextFile(file, 'echo "run by the shell: $1"\n');
      const start = () => startProgram({ file, env, group: true });
      const closed = await assertRejects(start, OpenclawError);
      assertEquals(closed.code, "PROGRAM_NOT_EXECUTABLE");
      await Deno.chmod(file, 0o755);
      const run = () => runProgram({ file, args: ["word"], env, timeoutMs: 5000 });
      assertEquals((await run()).stdout, "run by the shell: word\n");
      await Deno.writeTextFile(file, "#!/nonexistent/interpreter\n");
      assertEquals((await assertRejects(run, OpenclawError)).code, "PROGRAM_NOT_FOUND");
    } finally {
      await Deno.remove(file);
    }
  },
);

function alive(pid: number): boolean {
  try {
    const state = Deno.readTextFileSync(`/proc/${pid}/stat`).split(") ")[1]?.[0];
    return state !== "Z";
  } catch {
    return false;
  }
}
