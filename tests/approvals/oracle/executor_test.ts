/**
 * No silent change of behaviour: for random lines that the rules allow, our own run of the list gives the same output and
 * exit code as a real shell. OPENCLAW_ORACLE_LINES sets the count (a fifth of it is used here).
 */
import { assert, assertEquals } from "@std/assert";
import { decide } from "../../../src/approvals/decide.ts";
import { makePlan } from "../../../src/approvals/plan.ts";
import { runItems } from "../../../src/node/runner/executor.ts";
import type { JobSpec } from "../../../src/node/runner/frames.ts";
import { policyOf } from "../fake_machine.ts";
import { realFacts } from "./real_facts.ts";
import { HARMLESS, randomFrom, randomLine } from "./shell_lines.ts";
import { oracleTools, scratch } from "./shell_oracle.ts";

const LINES = Math.ceil(Number(Deno.env.get("OPENCLAW_ORACLE_LINES") ?? "2000") / 5);

interface Outcome {
  readonly exitCode: number | undefined;
  readonly stdout: string;
  /** Characters in any order: stages of a pipeline write at the same time, and in pieces. */
  readonly stderr: string;
}

function outcome(
  exitCode: number | undefined,
  out: Uint8Array[],
  err: Uint8Array[],
  bin: string,
): Outcome {
  const text = (chunks: Uint8Array[]) =>
    chunks.map((chunk) => new TextDecoder().decode(chunk)).join("").replaceAll(`${bin}/`, "");
  return { exitCode, stdout: text(out), stderr: [...text(err)].sort().join("") };
}

async function ours(
  items: JobSpec["items"],
  env: Record<string, string>,
  bin: string,
): Promise<Outcome> {
  const out: Uint8Array[] = [];
  const err: Uint8Array[] = [];
  const spec: JobSpec = { items, env, stdin: false, credit: 0x7fff_ffff };
  const end = await runItems(spec, {
    write: (stream, bytes) => {
      (stream === "out" ? out : err).push(bytes.slice());
      return Promise.resolve();
    },
    input: () => Promise.resolve(undefined),
    inputTaken: () => {},
    onGroup: () => {},
    stop: new AbortController().signal,
  });
  return outcome(end.exitCode, out, err, bin);
}

async function shells(
  shell: string,
  line: string,
  cwd: string,
  env: Record<string, string>,
  bin: string,
): Promise<Outcome> {
  const command = new Deno.Command(shell, {
    args: ["-c", line],
    cwd,
    clearEnv: true,
    env,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  });
  const { code, stdout, stderr } = await command.output();
  return outcome(code, [stdout], [stderr], bin);
}

for (const [i, shell] of ["sh", "bash"].entries()) {
  const missing = Deno.build.os === "linux" ? await oracleTools(shell) : "linux";
  Deno.test({
    name: `G2: a list that we run gives what ${shell} gives`,
    ignore: missing !== undefined,
    async fn() {
      const base = await Deno.makeTempDir({ prefix: "executor-" });
      try {
        const bin = await scratch(base);
        const cwd = await Deno.realPath(`${base}/s`);
        const env = { PATH: `${bin}:/usr/bin`, LC_ALL: "C.UTF-8" };
        const facts = realFacts([bin, "/usr/bin"], cwd);
        const policy = policyOf(HARMLESS.map((name) => `${bin}/${name}`));
        const random = randomFrom(31 + i);
        let compared = 0;
        for (let n = 0; n < LINES / 2; n++) {
          const line = randomLine(random);
          const verdict = decide(await makePlan({ argv: [shell, "-c", line] }, facts), {
            policy,
            facts,
          });
          if (verdict.outcome !== "run" || verdict.execution.kind !== "list") continue;
          compared++;
          assertEquals(
            await ours(verdict.execution.items, env, bin),
            await shells(shell, line, cwd, env, bin),
            line,
          );
        }
        assert(compared > LINES / 10, `only ${compared} lines were compared`);
      } finally {
        await Deno.remove(base, { recursive: true });
      }
    },
  });
}
