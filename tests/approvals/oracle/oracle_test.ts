/**
 * G3: what a real shell executes for an allowed line is what the plan says. The number of lines comes from
 * OPENCLAW_ORACLE_LINES; the heavy count runs in `deno task soak`.
 */
import { assert, assertEquals } from "@std/assert";
import { oracleTools, runOracle } from "./shell_oracle.ts";

const lines = Number(Deno.env.get("OPENCLAW_ORACLE_LINES") ?? "2000");

for (const [i, shell] of (["sh", "bash"] as const).entries()) {
  const missing = Deno.build.os === "linux" ? await oracleTools(shell) : "linux";
  if (missing !== undefined) console.log(`oracle with ${shell}: not run, ${missing} is missing`);
  Deno.test({
    name: `G3: ${shell} under an exec tracer starts only what the plan of an allowed line says`,
    ignore: missing !== undefined,
    async fn() {
      const report = await runOracle({ lines: Math.ceil(lines / 2), seed: 20260921 + i, shell });
      assertEquals(report.violations.slice(0, 10), []);
      assert(
        report.allowed > report.lines / 5,
        `only ${report.allowed} of ${report.lines} lines were allowed`,
      );
      assert(
        report.execs > report.allowed,
        `only ${report.execs} programs were seen for ${report.allowed} lines`,
      );
    },
  });
}
