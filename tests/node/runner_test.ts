import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { sha256Hex } from "../../src/lib/bytes.ts";
import {
  alive,
  item,
  job,
  newLink,
  runJob,
  sh,
  stage,
  until,
  withRunner,
} from "./support/runner.ts";

const linux = { ignore: Deno.build.os !== "linux" };

Deno.test("a command's outputs and exit code come back", linux, () =>
  withRunner(async (link) => {
    const end = await runJob(link, job([item("always", sh("echo a; echo b >&2; exit 4"))]));
    assertEquals([end.out, end.err, end.exitCode], ["a\n", "b\n", 4]);
    assertEquals([end.timedOut, end.cancelled, end.killed, end.truncated], [
      false,
      false,
      false,
      false,
    ]);
  }));

Deno.test("lists and pipelines run without a shell", linux, () =>
  withRunner(async (link) => {
    const run = async (...items: Parameters<typeof job>[0]) => {
      const end = await runJob(link, job(items));
      return [end.out, end.exitCode];
    };
    const echo = (text: string) => stage("/bin/echo", text);
    const [yes, no] = [stage("/bin/true"), stage("/bin/false")];
    assertEquals(await run(item("always", yes), item("success", echo("and"))), ["and\n", 0]);
    assertEquals(await run(item("always", no), item("success", echo("and"))), ["", 1]);
    assertEquals(await run(item("always", no), item("failure", echo("or"))), ["or\n", 0]);
    assertEquals(await run(item("always", yes), item("failure", echo("or"))), ["", 0]);
    assertEquals(await run(item("always", no), item("always", echo("then"))), ["then\n", 0]);
    const skipped = [item("always", no), item("success", echo("b")), item("failure", echo("c"))];
    assertEquals(await run(...skipped), ["c\n", 0]);
    assertEquals(
      await run(
        item("always", echo("b\na"), stage("/usr/bin/sort"), stage("/usr/bin/head", "-n1")),
      ),
      ["a\n", 0],
    );
    assertEquals(await run(item("always", stage("/usr/bin/yes"), stage("/usr/bin/head", "-n1"))), [
      "y\n",
      0,
    ]);
    assertEquals(await run(item("always", no, yes)), ["", 0]);
    assertEquals(await run(item("always", echo("lost"), no)), ["", 1]);
  }));

Deno.test("2>&1, >&2 and /dev/null go where they should", linux, () =>
  withRunner(async (link) => {
    const both = sh("echo o; echo e >&2");
    const run = async (stdio: Partial<typeof both.stdio>) => {
      const one = { ...both, stdio: { ...both.stdio, ...stdio } };
      const end = await runJob(link, job([item("always", one)]));
      return [end.out.split("").sort().join("").trim(), end.err.trim()];
    };
    assertEquals(await run({ stderr: "out" }), ["eo", ""]);
    assertEquals(await run({ stderr: "null" }), ["o", ""]);
    assertEquals(await run({ stdout: "null" }), ["", "e"]);
    assertEquals((await run({ stdout: "err", stderr: "null" }))[0], "");
    const merged = { ...both, stdio: { ...both.stdio, stderr: "out" as const } };
    const piped = await runJob(link, job([item("always", merged, stage("/usr/bin/wc", "-l"))]));
    assertEquals(piped.out.trim(), "2");
  }));

Deno.test(
  "a missing program is ENOENT alone and 127 in a list",
  linux,
  () =>
    withRunner(async (link) => {
      const lost = { ...stage("/nonexistent/x"), file: undefined, argv0: "nope" };
      const alone = await runJob(link, job([item("always", lost)]));
      assertEquals(alone.exitCode, undefined);
      assertMatch(alone.error?.message ?? "", /nope.*ENOENT/);
      const list = await runJob(
        link,
        job([item("always", lost), item("failure", stage("/bin/echo", "go on"))]),
      );
      assertEquals([list.out, list.exitCode], ["go on\n", 0]);
      assertStringIncludes(list.err, "ENOENT");
      const folder = await runJob(link, job([item("always", { ...sh("pwd"), cwd: "/no/such" })]));
      assertStringIncludes(folder.error?.message ?? "", "/no/such");
    }),
);

Deno.test(
  "E11: a child sees the given environment, no secret of the node, no foreign descriptor",
  linux,
  async () => {
    const link = newLink({ env: { OPENCLAW_GATEWAY_TOKEN: "must-not-be-seen" } });
    try {
      const spec = job([
        item("always", sh("tr '\\0' '\\n' < /proc/self/environ; ls /proc/self/fd")),
      ]);
      const { out } = await runJob(link, spec);
      const names = out.split("\n").filter((line) => line.includes("=")).map((l) =>
        l.split("=")[0]
      );
      assertEquals(names.sort(), ["OPENCLAW_RUN_MARK", "PATH", "PWD"]);
      const fds = out.trim().split("\n").filter((line) => /^\d+$/.test(line));
      assertEquals(fds, ["0", "1", "2", "3"]);
      const parent = await runJob(link, job([item("always", sh("cat /proc/$PPID/environ"))]));
      assert(!parent.out.includes("must-not-be-seen"), "the runner's own environment is clean");
      assertStringIncludes(parent.out, "PATH=");
    } finally {
      await link.close();
    }
  },
);

Deno.test(
  "F18: without credit the program waits, with it everything arrives",
  linux,
  () =>
    withRunner(async (link) => {
      let received = 0;
      const more = Promise.withResolvers<void>();
      const running = link.run(
        job([item("always", stage("/usr/bin/head", "-c", "3000000", "/dev/zero"))], {
          credit: 1000,
        }),
        {
          onOutput: (_, bytes) => {
            received += bytes.length;
            more.resolve();
          },
        },
      );
      await more.promise;
      assertEquals(received, 1000);
      running.addCredit(10_000_000);
      const end = await running.ended;
      assertEquals([received, end.outputBytes, end.exitCode], [3_000_000, 3_000_000, 0]);
    }),
);

Deno.test(
  "F18: the loop of the node stays free while a child floods",
  linux,
  () =>
    withRunner(async (link) => {
      await runJob(link, job([item("always", stage("/bin/true"))]));
      let worstMs = 0;
      let lastMs = performance.now();
      const probe = setInterval(() => {
        worstMs = Math.max(worstMs, performance.now() - lastMs - 5);
        lastMs = performance.now();
      }, 5);
      const end = await runJob(
        link,
        job([item("always", stage("/usr/bin/yes"))], { timeoutMs: 700, keepBytes: 200_000 }),
      );
      clearInterval(probe);
      assert(end.outputBytes > 10_000_000, `only ${end.outputBytes} bytes`);
      assertEquals([end.out.length, end.truncated, end.timedOut], [200_000, true, true]);
      assert(worstMs <= 50, `the loop was blocked for ${worstMs} ms`);
    }),
);

Deno.test(
  "input reaches the program, is acknowledged and ends",
  linux,
  () =>
    withRunner(async (link) => {
      let taken = 0;
      let out = "";
      const running = link.run(job([item("always", stage("/usr/bin/sort"))], { stdin: true }), {
        onOutput: (_, bytes) => out += new TextDecoder().decode(bytes),
        onInputTaken: () => taken++,
      });
      running.input(new TextEncoder().encode("b\n"));
      running.input(new TextEncoder().encode("a\n"));
      running.input(new Uint8Array());
      await running.ended;
      assertEquals([out, taken], ["a\nb\n", 2]);
    }),
);

for (
  const [name, script] of Object.entries({
    "children of what escaped": `(setsid sh -c 'sh -c "sleep 97.1; :"; :' &); sleep 97.1`,
    "an emptied environment":
      `(env -i setsid /bin/sh -c 'trap "" TERM; /bin/sleep 97.1; :' >/dev/null 2>&1 &); sleep 97.1`,
    "an emptied environment below an escaped process":
      `(setsid sh -c 'env -i /bin/sh -c "/bin/sleep 97.1; :"; :' &); sleep 97.1`,
    "a storm of new sessions":
      `(setsid sh -c 'while :; do setsid sleep 97.1 & sleep 0.01; done' &); sleep 97.1`,
  })
) {
  Deno.test(
    `F40: time-out kills ${name}, and leaves what an earlier job left`,
    linux,
    () =>
      withRunner(async (link) => {
        const before = await runJob(
          link,
          job([item("always", sh("setsid env -i /bin/sleep 96.1 >&- 2>&- &"))]),
        );
        assertEquals(before.exitCode, 0);
        const end = await runJob(link, job([item("always", sh(script))], { timeoutMs: 300 }));
        assertEquals(end.timedOut, true);
        assert((end.escaped ?? []).length > 0);
        await until(() => sleepers("97.1").length === 0, "all gone");
        assertEquals(sleepers("96.1").length, 1);
      }),
  );
}

/** Processes that sleep exactly so long, by their command lines. */
function sleepers(seconds: string): number[] {
  const found: number[] = [];
  for (const { name } of Deno.readDirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    try {
      if (Deno.readTextFileSync(`/proc/${name}/cmdline`).endsWith(`sleep\0${seconds}\0`)) {
        found.push(Number(name));
      }
    } catch {
      // gone meanwhile
    }
  }
  return found;
}

Deno.test(
  "F40: time-out kills the tree, also what ignores TERM or left the group, and reports it",
  linux,
  () =>
    withRunner(async (link) => {
      const script =
        "trap '' TERM; (setsid sh -c 'echo esc $$; exec sleep 99' &); sleep 98 & echo child $!; wait; sleep 97";
      const end = await runJob(link, job([item("always", sh(script))], { timeoutMs: 500 }));
      assertEquals([end.timedOut, end.killed], [true, true]);
      assert(end.durationMs < 2000, `took ${end.durationMs} ms`);
      const escaped = Number(/esc (\d+)/.exec(end.out)?.[1]);
      const child = Number(/child (\d+)/.exec(end.out)?.[1]);
      assertEquals(end.escaped, [escaped]);
      await until(() => !alive(escaped) && !alive(child), "all gone");
    }),
);

Deno.test(
  "stop() cancels one job and leaves the others alone",
  linux,
  () =>
    withRunner(async (link) => {
      const other = runJob(link, job([item("always", sh("sleep 0.3; echo fine"))]));
      const running = link.run(job([item("always", sh("sleep 60"))]), { onOutput: () => {} });
      running.stop();
      const end = await running.ended;
      assertEquals([end.cancelled, end.timedOut, end.signal], [true, false, "SIGTERM"]);
      assertEquals((await other).out, "fine\n");
    }),
);

Deno.test("F02: children die when the node is killed with -9", linux, async () => {
  const main = new URL("support/node_stand_in.ts", import.meta.url).pathname;
  const node = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", main],
    stdout: "piped",
  }).spawn();
  const reader = node.stdout.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  while (!text.includes("grandchild") || !text.includes("child ")) {
    text += (await reader.read()).value ?? "";
  }
  const pids = [...text.matchAll(/child (\d+)/g)].map((match) => Number(match[1]));
  assert(pids.length >= 2 && pids.every(alive), text);
  node.kill("SIGKILL");
  await node.status;
  await until(() => !pids.some(alive), "children gone", 3000);
  await reader.cancel();
});

Deno.test(
  "F02: children die when the runner itself is killed, and the next command works",
  linux,
  () =>
    withRunner(async (link) => {
      let text = "";
      const running = link.run(job([item("always", sh("echo $$ $PPID; sleep 99"))]), {
        onOutput: (_, bytes) => text += new TextDecoder().decode(bytes),
      });
      await until(() => text.includes("\n"), "started");
      const [child, runner] = text.trim().split(" ").map(Number);
      Deno.kill(runner!, "SIGKILL");
      const end = await running.ended;
      assertEquals(end.error?.code, "RUNNER_LOST");
      await until(() => !alive(child!), "child gone");
      assertEquals((await runJob(link, job([item("always", stage("/bin/true"))]))).exitCode, 0);
    }),
);

Deno.test("the runner ends when idle and comes back", linux, async () => {
  const link = newLink({ idleMs: 50 });
  try {
    const pidOf = async () => (await runJob(link, job([item("always", sh("echo $PPID"))]))).out;
    const first = Number(await pidOf());
    await until(() => !alive(first), "idle runner ended");
    const second = Number(await pidOf());
    assert(first !== second);
  } finally {
    await link.close();
  }
});

Deno.test("a job that comes while an idle runner ends gets a new one", linux, async () => {
  const link = newLink();
  try {
    const one = () => runJob(link, job([item("always", sh("echo $PPID"))]));
    const first = (await one()).out;
    const closing = link.close();
    const [second, third] = await Promise.all([one(), one()]);
    await closing;
    assertEquals([second.exitCode, third.exitCode], [0, 0]);
    assert(second.out !== first && second.out === third.out);
  } finally {
    await link.close();
  }
});

Deno.test("closing ends running jobs and what they started", linux, async () => {
  const link = newLink();
  let text = "";
  const running = link.run(job([item("always", sh("echo $$; exec sleep 99"))]), {
    onOutput: (_, bytes) => text += new TextDecoder().decode(bytes),
  });
  await until(() => text.includes("\n"), "started");
  await link.close();
  const end = await running.ended;
  assert(end.error?.code === "RUNNER_LOST" || end.cancelled);
  assert(!alive(Number(text)));
});

Deno.test(
  "A07: a script swapped after approval is not run, an unchanged one is, from the opened file",
  linux,
  () =>
    withRunner(async (link) => {
      const folder = await Deno.makeTempDir({ prefix: "openclaw-bind-" });
      const path = `${folder}/s.sh`;
      await Deno.writeTextFile(path, "echo good\n");
      const sha256 = await sha256Hex("echo good\n");
      const one = { ...stage("/bin/sh", path), bindings: [{ argvIndex: 1, path, sha256 }] };
      assertEquals((await runJob(link, job([item("always", one)]))).out, "good\n");
      const times = await Deno.stat(path);
      await Deno.writeTextFile(path, "echo evil\n");
      await Deno.utime(path, times.atime!, times.mtime!);
      const swapped = await runJob(link, job([item("always", one)]));
      assertEquals([swapped.out, swapped.error?.code], ["", "PLAN_DRIFT"]);
      await Deno.remove(path);
      await Deno.symlink("/bin/true", path);
      assertEquals((await runJob(link, job([item("always", one)]))).error?.code, "PLAN_DRIFT");
      await Deno.remove(folder, { recursive: true });
    }),
);

Deno.test(
  "A07: a bound program runs under its own name from the opened file",
  linux,
  () =>
    withRunner(async (link) => {
      const path = "/bin/sh";
      const real = await Deno.realPath(path);
      const sha256 = await sha256Hex(await Deno.readFile(real));
      const bound = {
        ...stage(real, "-c", "tr '\\0' ' ' < /proc/$$/cmdline"),
        argv0: "my-shell",
        bindings: [{ argvIndex: 0, path: real, sha256 }],
      };
      assertEquals(
        (await runJob(link, job([item("always", bound)]))).out,
        "my-shell -c " + bound.args[1] + " ",
      );
      const wrong = { ...bound, bindings: [{ argvIndex: 0, path: real, sha256: "0".repeat(64) }] };
      assertEquals((await runJob(link, job([item("always", wrong)]))).error?.code, "PLAN_DRIFT");
    }),
);

Deno.test(
  "A09: a folder that became a link is refused, the approved one is used by its descriptor",
  linux,
  () =>
    withRunner(async (link) => {
      const folder = await Deno.realPath(await Deno.makeTempDir({ prefix: "openclaw-cwd-" }));
      const cwd = `${folder}/work`;
      await Deno.mkdir(cwd);
      const bound = { ...sh("pwd -P"), cwd, bindCwd: true };
      assertEquals((await runJob(link, job([item("always", bound)]))).out, `${cwd}\n`);
      await Deno.remove(cwd);
      await Deno.symlink("/", cwd);
      assertEquals((await runJob(link, job([item("always", bound)]))).error?.code, "PLAN_DRIFT");
      await Deno.remove(folder, { recursive: true });
    }),
);
