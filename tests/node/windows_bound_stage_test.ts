import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { join } from "@std/path";
import { sha256Hex } from "../../src/lib/bytes.ts";
import { OpenclawError } from "../../src/lib/errors.ts";
import { bindStage } from "../../src/node/runner/bound_stage.ts";

const windows = { ignore: Deno.build.os !== "windows" };
const stdio = { stdin: "null", stdout: "out", stderr: "err" } as const;

async function withScript(run: (folder: string, script: string) => Promise<void>): Promise<void> {
  const folder = Deno.realPathSync(await Deno.makeTempDir());
  const script = join(folder, "s.ts");
  await Deno.writeTextFile(script, "console.log(1)");
  try {
    await run(folder, script);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function stageOf(folder: string, script: string, content = "console.log(1)") {
  const binding = { argvIndex: 2, path: script, sha256: await sha256Hex(content) };
  const file = Deno.execPath();
  const args = ["run", script];
  return { file, argv0: file, args, cwd: folder, stdio, bindings: [binding], bindCwd: true };
}

Deno.test(
  "A07, A09: a bound script and folder of Windows cannot be changed until the program ended",
  windows,
  () =>
    withScript(async (folder, script) => {
      const bound = await bindStage(await stageOf(folder, script));
      try {
        assertEquals(bound.command.args, ["run", script]);
        assertThrows(() => Deno.writeTextFileSync(script, "console.log(2)"));
        assertThrows(() => Deno.renameSync(script, `${script}.old`));
        assertThrows(() => Deno.removeSync(script));
        Deno.writeTextFileSync(join(folder, "other"), "x");
        assertThrows(() => Deno.renameSync(join(folder, "other"), script));
        const ran = await new Deno.Command(bound.command.file, {
          args: [...bound.command.args],
          cwd: bound.command.cwd,
        }).output();
        assertEquals(new TextDecoder().decode(ran.stdout), "1\n");
      } finally {
        bound.close();
      }
      await Deno.writeTextFile(script, "console.log(3)");
    }),
);

Deno.test(
  "A07: a script of Windows that was rewritten is not run",
  windows,
  () =>
    withScript(async (folder, script) => {
      const stage = await stageOf(folder, script);
      await Deno.writeTextFile(script, "console.log(2)");
      const error = await assertRejects(() => bindStage(stage), OpenclawError);
      assertEquals(error.code, "PLAN_DRIFT");
    }),
);

Deno.test(
  "A07: a script of Windows that somebody has open for writing is not bound",
  windows,
  () =>
    withScript(async (folder, script) => {
      using writer = await Deno.open(script, { write: true });
      assert(writer);
      const stage = await stageOf(folder, script);
      const error = await assertRejects(() => bindStage(stage), OpenclawError);
      assertEquals(error.code, "PLAN_UNBINDABLE");
    }),
);
