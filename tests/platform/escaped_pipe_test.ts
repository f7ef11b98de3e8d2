/**
 * F40: a pipe held by a grandchild that left its group. One test, in a file of its own: Deno 2.8 ends its reads of the pipe
 * only once the grandchild is gone, which may be during the test that comes next.
 */
import { assertEquals } from "@std/assert";
import { join } from "@std/path";
import { DEFAULT_PATH } from "../../src/platform/os.ts";
import { runProgram } from "../../src/platform/process/start.ts";
import { eventually } from "../e2e/program.ts";
import { withSpawner } from "./with_spawner.ts";

async function run(): Promise<void> {
  const folder = await Deno.makeTempDir();
  const file = join(folder, "pid");
  const script = `setsid sh -c 'echo $$ > ${file}; exec sleep 600' & echo done`;
  const pid = async () => Number(await Deno.readTextFile(file).catch(() => ""));
  try {
    const result = await runProgram({
      file: "/bin/sh",
      args: ["-c", script],
      env: { PATH: DEFAULT_PATH },
      timeoutMs: 60_000,
    });
    assertEquals([result.exitCode, result.stdout], [0, "done\n"]);
    assertEquals([result.truncated, result.timedOut], [true, false]);
    await eventually("the grandchild is there", async () => await pid() > 0);
  } finally {
    const found = await pid();
    if (found > 0) Deno.kill(found, "SIGKILL");
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test(
  "F40: a pipe held by an escaped grandchild does not hold the result, whichever way it was started",
  {
    ignore: Deno.build.os !== "linux",
    sanitizeOps: false,
  },
  async () => {
    await run();
    await withSpawner(run);
  },
);
