import { assert, assertEquals } from "@std/assert";
import { identityOf, stillRuns } from "../../src/platform/process/identity.ts";
import { item, job, newLink, runJob, stage, until, withRunner } from "./support/runner.ts";

const windows = { ignore: Deno.build.os !== "windows" };
const env = () => {
  const all = Deno.env.toObject();
  return Object.fromEntries(Object.entries(all).filter(([name]) => !name.startsWith("DENO")));
};
const cmd = (text: string) => ({
  ...stage(Deno.env.get("ComSpec")!, "/d", "/c", text),
  cwd: Deno.cwd(),
});
const deno = (code: string) => ({
  ...stage(Deno.execPath(), "eval", "--no-check", code),
  cwd: Deno.cwd(),
});
/** A program that names itself and its child, both alive for minutes. */
const FAMILY = `
  const child = new Deno.Command(Deno.execPath(), { args: ["eval", "setTimeout(() => {}, 300_000)"] }).spawn();
  console.log(Deno.pid, child.pid);
  await child.status;`;

Deno.test(
  "a runner on Windows runs a program and keeps its outputs apart",
  windows,
  () =>
    withRunner(async (link) => {
      const end = await runJob(
        link,
        job([item("always", cmd("echo out& echo err 1>&2& exit 3"))], { env: env() }),
      );
      assertEquals([end.exitCode, end.out, end.err], [3, "out\r\n", "err \r\n"]);
    }),
);

Deno.test(
  "a runner on Windows connects the programs of a pipeline",
  windows,
  () =>
    withRunner(async (link) => {
      const stages = [
        cmd("echo one& echo two"),
        deno("console.log((await new Response(Deno.stdin.readable).text()).length)"),
      ];
      const end = await runJob(link, job([item("always", ...stages)], { env: env() }));
      assertEquals([end.exitCode, end.out], [0, "10\n"]);
    }),
);

Deno.test(
  "F40: a run on Windows ends at its deadline with everything it started",
  windows,
  () =>
    withRunner(async (link) => {
      const spec = job([item("always", deno(FAMILY))], { env: env(), timeoutMs: 4000 });
      let family: ReturnType<typeof identityOf>[] = [];
      let out = "";
      const running = link.run(spec, {
        onOutput: (_stream, bytes) => {
          out += new TextDecoder().decode(bytes);
          if (/\d+ \d+/.test(out)) {
            family = out.trim().split(" ").map((pid) => identityOf(Number(pid)));
          }
        },
      });
      const end = await running.ended;
      assertEquals([end.timedOut, family.length], [true, 2]);
      assert(family.every((one) => one.startTicks !== undefined), "both ran");
      await until(() => !family.some(stillRuns), "both are gone");
    }),
);

Deno.test("F02: commands on Windows end with the runner, however it ends", windows, async () => {
  const link = newLink();
  let out = "";
  const running = link.run(
    job([item("always", deno(`console.log(Deno.ppid);${FAMILY}`))], { env: env() }),
    {
      onOutput: (_stream, bytes) => void (out += new TextDecoder().decode(bytes)),
    },
  );
  await until(() => /\d+\s+\d+ \d+/.test(out), "the family runs", 15_000);
  const [runner, ...family] = out.trim().split(/\s+/).map((pid) => identityOf(Number(pid)));
  Deno.kill(runner!.pid, "SIGKILL");
  assertEquals((await running.ended).error?.code, "RUNNER_LOST");
  await until(() => !family.some(stillRuns), "nothing is left");
  await link.close();
});
