/**
 * `nodes run` as scripts, CI jobs and agents use it: in pipes, with data on stdin, with readers that leave, with signals,
 * and with a node or a gateway that goes away in the middle. What counts is the exit code and what stderr says.
 */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { command, eventually, Pair, processesWith, run, start } from "./program.ts";

const linux = { ignore: Deno.build.os !== "linux" };
const ON_NODE = ["nodes", "run", "--node", "build-1"];

/** A pair whose node allows everything, so that only the way of the data is tried. */
async function openPair(): Promise<Pair> {
  const pair = await Pair.make();
  await pair.policy("full", "off");
  return pair;
}

/** A line of bash in which `"$@"` is this program; `PIPESTATUS` and redirections are the shell's. */
async function inShell(pair: Pair, script: string, args: readonly string[]) {
  const { file, args: all } = command(args);
  const shell = new Deno.Command("bash", {
    args: ["-c", script, "bash", file, ...all],
    env: pair.home.env("gateway"),
    clearEnv: true,
    detached: true,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  });
  const { code, stdout, stderr } = await shell.output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, stdout: text(stdout), stderr: text(stderr) };
}

/** Starts `script` on the node, waits until it said `up`. */
async function upOnNode(pair: Pair, script: string) {
  const running = start([...ON_NODE, "--", "sh", "-c", `echo up; ${script}`], {
    env: pair.home.env("gateway"),
  });
  await running.until(/^up$/m);
  return running;
}

Deno.test("nodes run in pipes", linux, async (t) => {
  await using pair = await openPair();

  await t.step("20 MB of stdin arrive whole", async () => {
    const script = `head -c 20000000 /dev/zero | "$@"`;
    const done = await inShell(pair, script, [...ON_NODE, "--", "wc", "-c"]);
    assertEquals([done.code, done.stdout], [0, "20000000\n"], done.stderr);
  });

  await t.step("stdin that the command does not read is no failure and no wait", async () => {
    const done = await inShell(pair, `yes | "$@"`, [...ON_NODE, "--", "echo", "done"]);
    assertEquals([done.code, done.stdout, done.stderr], [0, "done\n", ""]);
  });

  await t.step("| head -1: 141 without a word, and the endless command ends", async () => {
    const mark = `831${Deno.pid}`;
    const endless = `: ${mark}; while :; do echo line; done`;
    const done = await inShell(
      pair,
      `"$@" | head -1; exit "\${PIPESTATUS[0]}"`,
      [...ON_NODE, "--", "sh", "-c", endless],
    );
    assertEquals([done.code, done.stdout, done.stderr], [141, "line\n", ""]);
    await eventually("it ended", () => processesWith(`: ${mark};`).length === 0, 5_000);
  });

  await t.step("closed stdin, stdout or stderr change nothing about the exit code", async () => {
    for (const closed of ["<&-", ">&-", "2>&-"]) {
      const args = [...ON_NODE, "--", "sh", "-c", "echo out; echo err >&2; exit 7"];
      assertEquals((await inShell(pair, `"$@" ${closed}`, args)).code, 7, closed);
    }
  });

  await t.step("F04: a full disk behind stdout is told, with 255", async () => {
    const done = await inShell(pair, `"$@" >/dev/full`, [...ON_NODE, "--", "echo", "x"]);
    assertEquals(done.code, 255);
    assertMatch(done.stderr, /^error: Cannot write the output: .*No space left/);
  });

  await t.step("a command that dies by a signal: 128 + its number, and its name", async () => {
    const done = await run([...ON_NODE, "--", "sh", "-c", "kill -SEGV $$"], {
      env: pair.home.env("gateway"),
    });
    assertEquals([done.code, done.stderr], [139, "openclaw: the command was ended by SIGSEGV\n"]);
  });

  await t.step("SIGTERM and SIGHUP end the remote command like Ctrl-C: 130", async () => {
    for (const signal of ["SIGTERM", "SIGHUP"] as const) {
      const mark = `832${Deno.pid}`;
      await using running = await upOnNode(pair, `exec sleep ${mark}`);
      running.signal(signal);
      assertEquals((await running.status).code, 130, signal);
      await eventually("sleep ended", () => processesWith(`sleep ${mark}`).length === 0, 5_000);
    }
  });

  await t.step("many at once keep their output and their codes apart", async () => {
    const runs = Array.from({ length: 8 }, async (_, i) => {
      const script = `cat; echo err-${i} >&2; exit ${i}`;
      const done = await pair.cli([...ON_NODE, "--", "sh", "-c", script], { input: `in-${i}` });
      return [done.code, done.stdout, done.stderr];
    });
    const wanted = Array.from({ length: 8 }, (_, i) => [i, `in-${i}`, `err-${i}\n`]);
    assertEquals(await Promise.all(runs), wanted);
  });
});

Deno.test(
  "nodes run --wait: who leaves takes the request along, and a decision elsewhere ends the wait",
  linux,
  async (t) => {
    await using pair = await Pair.make();
    const waiting = async () => {
      const running = start([...ON_NODE, "--wait", "--", "uname"], {
        env: pair.home.env("gateway"),
      });
      const [, id] = await running.until(
        /Waiting for a decision: openclaw approvals resolve (\S+)/,
      );
      return { running, id: id as string };
    };
    const pending = async () =>
      JSON.parse((await pair.cli(["approvals", "pending", "--json"])).stdout);

    for (const signal of ["SIGINT", "SIGTERM"] as const) {
      await t.step(`${signal}: 130, and nothing waits any more`, async () => {
        const { running } = await waiting();
        await using _ = running;
        running.signal(signal);
        assertEquals((await running.status).code, 130, running.said);
        await running.until(/the request was denied and nothing ran/);
        assertEquals(await pending(), []);
      });
    }
    await t.step("denied elsewhere: 126", async () => {
      const { running, id } = await waiting();
      await using _ = running;
      assertEquals((await pair.cli(["approvals", "resolve", id, "deny"])).code, 0);
      assertEquals((await running.status).code, 126, running.said);
    });
    await t.step("allowed elsewhere: it runs", async () => {
      const { running, id } = await waiting();
      await using _ = running;
      assertEquals((await pair.cli(["approvals", "resolve", id, "allow-once"])).code, 0);
      assertEquals((await running.status).code, 0, running.said);
      await running.until(/^Linux$/m);
    });
    await t.step("the gateway goes away: 255, and the next command", async () => {
      const { running } = await waiting();
      await using _ = running;
      await pair.gateway.end("SIGKILL");
      assertEquals((await running.status).code, 255, running.said);
      assertStringIncludes(running.said, "hint: openclaw gateway health");
    });
  },
);

Deno.test("nodes run when the node goes away in the middle", linux, async (t) => {
  await using pair = await openPair();
  const startNode = async () => {
    const node = start(["node", "run"], { env: pair.home.env("node") });
    await node.until(/Connected to gateway/);
    return node;
  };
  await pair.node.end();

  await t.step("killed with -9: 255, the node's name and the next command", async () => {
    await using node = await startNode();
    await using running = await upOnNode(pair, "exec sleep 60");
    await node.end("SIGKILL");
    assertEquals((await running.status).code, 255);
    assertStringIncludes(running.said, "error: Node build-1 went away before the command ended");
    assertStringIncludes(running.said, "hint: openclaw nodes status");
  });

  await t.step("stopped twice: the command is ended, 143, and it is said", async () => {
    await using node = await startNode();
    await using running = await upOnNode(pair, "exec sleep 60");
    node.signal("SIGTERM");
    await node.until(/stopping: waiting for running commands/);
    node.signal("SIGTERM");
    assertEquals((await running.status).code, 143);
    await running.until(/openclaw: the command was ended by SIGTERM/);
  });

  await t.step("stopped once: the command may end by itself, with its own code", async () => {
    await using node = await startNode();
    const file = `${pair.home.path}/go`;
    await using running = await upOnNode(
      pair,
      `until [ -e ${file} ]; do sleep 0.05; done; echo late; exit 9`,
    );
    node.signal("SIGTERM");
    await node.until(/stopping: waiting for running commands/);
    await Deno.writeTextFile(file, "");
    assertEquals((await running.status).code, 9);
    await running.until(/late/);
  });

  await t.step("not there at all: 255 at once, also as JSON", async () => {
    const done = await pair.cli([...ON_NODE, "--json", "--", "true"]);
    assertEquals(done.code, 255);
    const { ok, error } = JSON.parse(done.stdout);
    assertEquals([ok, error.code], [false, "NOT_CONNECTED"]);
    assertStringIncludes(done.stderr, "error: Node build-1 is not connected to the gateway");
  });
});

Deno.test("nodes run when the gateway goes away in the middle", linux, async (t) => {
  await using pair = await openPair();
  const startGateway = async () => {
    const flags = ["--tls", "--port", String(pair.facts.port)];
    const gateway = start(["gateway", "run", ...flags], { env: pair.home.env("gateway") });
    await gateway.until(/ready \(Ctrl-C stops\)/);
    return gateway;
  };
  const nodeIsBack = () =>
    eventually("the node is back", async () => {
      const status = await pair.cli(["nodes", "status", "--json"]);
      return status.code === 0 && JSON.parse(status.stdout).nodes[0]?.connected === true;
    }, 20_000);

  await t.step("F28: asked to stop, it lets the command end first", async () => {
    const file = `${pair.home.path}/go`;
    await using running = await upOnNode(
      pair,
      `until [ -e ${file} ]; do sleep 0.05; done; echo late; exit 8`,
    );
    pair.gateway.signal("SIGTERM");
    await pair.gateway.until(/gateway stopping/);
    await Deno.writeTextFile(file, "");
    assertEquals((await running.status).code, 8);
    await running.until(/late/);
    assertEquals((await pair.gateway.status).code, 0);
  });

  await t.step(
    "killed with -9: 255, what was lost, and the next command; then all is well",
    async () => {
      const mark = `833${Deno.pid}`;
      const gateway = await startGateway();
      await nodeIsBack();
      await using running = await upOnNode(pair, `exec sleep ${mark}`);
      await gateway.end("SIGKILL");
      assertEquals((await running.status).code, 255);
      assertMatch(
        running.said,
        /error: gateway closed the connection \(1006\) during node\.invoke/,
      );
      assertStringIncludes(running.said, "hint: openclaw gateway health");
      await eventually("nothing stays behind", () => processesWith(`sleep ${mark}`).length === 0);
      await using again = await startGateway();
      await nodeIsBack();
      const done = await pair.cli([...ON_NODE, "--", "echo", "well"]);
      assertEquals([done.code, done.stdout], [0, "well\n"], done.stderr);
      assert(again.pid > 0);
    },
  );
});
