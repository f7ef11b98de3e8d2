/** A person who stops reading in the middle of 50 MB: what the gateway holds, what the command does, who else notices. */
import { assert, assertEquals } from "@std/assert";
import { command, eventually, Pair } from "./program.ts";

const linux = { ignore: Deno.build.os !== "linux" };
const TOTAL_BYTES = 50_000_000;
/** Far below what would have to be held if nothing slowed the command. */
const MOST_GROWTH_BYTES = 24 * 1024 * 1024;

/** Memory of a process that is not shared with files. */
function memoryBytes(pid: number): number {
  const status = Deno.readTextFileSync(`/proc/${pid}/status`);
  return Number(status.match(/RssAnon:\s+(\d+) kB/)?.[1]) * 1024;
}

Deno.test(
  "F17: whoever stops reading 50 MB slows the command; buffers stay small, others are served, nothing is lost",
  linux,
  async () => {
    await using pair = await Pair.make();
    await pair.policy("full", "off");
    const mark = `${pair.home.path}/written`;
    // Counts what the command could get rid of: `tee` writes it down as it goes.
    const script = `head -c ${TOTAL_BYTES} /dev/zero | tee ${mark}; echo end >&2`;
    const { file, args } = command(["nodes", "run", "--node", "build-1", "--", "sh", "-c", script]);
    const child = new Deno.Command(file, {
      args,
      env: pair.home.env("gateway"),
      clearEnv: true,
      stdin: "null",
      stdout: "piped",
      stderr: "null",
    }).spawn();
    const reader = child.stdout.getReader();
    let got = (await reader.read()).value?.length ?? 0;
    const before = [pair.gateway, pair.node].map(({ pid }) => memoryBytes(pid));
    const written = () => Deno.statSync(mark).size;
    // Nobody reads: the command comes to a stop far from its end.
    let last = -1;
    await eventually("the command waits", async () => {
      const now = written();
      const isStill = now === last;
      last = now;
      await new Promise((resolve) => setTimeout(resolve, 300));
      return isStill && written() === now;
    });
    assert(last < TOTAL_BYTES / 2, `${last} bytes were written while nobody read`);
    const after = [pair.gateway, pair.node].map(({ pid }) => memoryBytes(pid));
    for (const [i, bytes] of after.entries()) {
      const growth = bytes - (before[i] as number);
      assert(growth < MOST_GROWTH_BYTES, `${["gateway", "node"][i]} grew by ${growth} bytes`);
    }
    const other = await pair.cli(["nodes", "run", "--node", "build-1", "--", "echo", "served"]);
    assertEquals([other.code, other.stdout], [0, "served\n"], other.stderr);
    // Reading again brings the rest.
    for (;;) {
      const { value, done } = await reader.read();
      if (done) break;
      got += value.length;
    }
    assertEquals([got, (await child.status).code], [TOTAL_BYTES, 0]);
  },
);
