/** G3 at the heavy count: 200,000 lines under an exec tracer, half with each shell. About an hour on two cores. */
import { assertEquals } from "@std/assert";
import { oracleTools, runOracle } from "../approvals/oracle/shell_oracle.ts";

const lines = Number(Deno.env.get("OPENCLAW_ORACLE_LINES") ?? "200000");
const PART = 10_000;

for (const [i, shell] of (["sh", "bash"] as const).entries()) {
  Deno.test(`G3 soak: ${shell} starts only what the plans of allowed lines say`, async () => {
    assertEquals(await oracleTools(shell), undefined, "a tool of the oracle is missing");
    const total = { lines: 0, allowed: 0, execs: 0 };
    for (let done = 0; done < lines / 2; done += PART) {
      const report = await runOracle({
        lines: Math.min(PART, lines / 2 - done),
        seed: 1 + 2 * done + i,
        shell,
      });
      assertEquals(report.violations.slice(0, 10), [], `seed ${1 + 2 * done + i}`);
      total.lines += report.lines;
      total.allowed += report.allowed;
      total.execs += report.execs;
    }
    console.log(
      `${shell}: ${total.lines} lines, ${total.allowed} allowed, ${total.execs} programs started, 0 violations`,
    );
  });
}
