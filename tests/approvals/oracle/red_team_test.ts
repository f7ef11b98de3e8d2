/**
 * G1 with a real node: every line of the red team is sent as a `system.run` to a node whose rules allow each program by name
 * except the one that makes the canary. The answer must be a typed refusal, and the canary must not exist.
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { join } from "@std/path";
import { lstatOrMissing } from "../../../src/platform/file_safety.ts";
import { withNode } from "../../node/support/node.ts";

const FORBIDDEN = "touch";
const unix = Deno.build.os === "windows" ? { ignore: true } : {};

/** Rules for every name that occurs in the lines but the forbidden one. */
function rules(argvs: readonly (readonly string[])[]): unknown {
  const words = argvs.flat().flatMap((word) => word.split(/[^\w.+-]+/));
  const names = new Set(words.filter((word) => /^[a-z][\w.+-]*$/.test(word)));
  names.delete(FORBIDDEN);
  const allowlist = [...names].map((pattern) => ({ pattern }));
  return {
    version: 1,
    defaults: { security: "allowlist", ask: "off" },
    agents: { "*": { allowlist } },
  };
}

interface Attack {
  readonly line: string;
  readonly argv: readonly string[];
  readonly cwd: string;
}

/** The lines of `red_team.txt` with their places filled in. */
async function attacks(folder: string): Promise<Attack[]> {
  const text = await Deno.readTextFile(new URL("red_team.txt", import.meta.url));
  return text.trim().split("\n").filter((line) => !line.startsWith("# ")).map((line) => {
    const filled = line.replaceAll("⏎", "\n").replaceAll("$C", `${folder}/canary`)
      .replaceAll("$D", folder);
    const [, cwd = folder, rest = ""] = /^(?:@(\S+) )?(.*)$/s.exec(filled) ?? [];
    const argv = rest.startsWith("sh: ")
      ? ["sh", "-c", rest.slice("sh: ".length)]
      : rest.split(" ").map((word) => word.replaceAll("␣", " "));
    return { line, argv, cwd };
  });
}

async function withScratch(run: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.realPath(await Deno.makeTempDir({ prefix: "openclaw-red-" }));
  try {
    const evil = `#!/bin/sh\n${FORBIDDEN} ${folder}/canary\n`;
    await Deno.writeTextFile(join(folder, "evil"), evil, { mode: 0o700 });
    await Deno.writeTextFile(join(folder, "f"), "hello\n");
    await Deno.writeTextFile(join(folder, "a.awk"), `BEGIN{system("${FORBIDDEN} canary")}`);
    for (const name of ["links", "bin"]) await Deno.mkdir(join(folder, name));
    await Deno.symlink("/usr/bin/bash", join(folder, "links", "b"));
    await run(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test({
  name: "G1, X01-X35: a real node refuses every line of the red team and the canary never exists",
  ...unix,
  fn: () =>
    withScratch(async (folder) => {
      const lines = await attacks(folder);
      assert(lines.length > 600, `only ${lines.length} lines`);
      await withNode(async ({ gateway }) => {
        const leg = await gateway.leg();
        for (const { line, argv, cwd } of lines) {
          const answer = await leg.invoke("system.run", { command: argv, cwd });
          assertEquals(answer.ok, false, line);
          assertMatch(
            answer.error?.message ?? "",
            /^(?:SYSTEM_RUN_DENIED|INVALID_REQUEST)\b/,
            line,
          );
          assertEquals(await lstatOrMissing(`${folder}/canary`), undefined, line);
        }
        const last = await leg.invoke("system.run", { command: ["echo", "alive"] });
        assertEquals(last.payload["stdout"], "alive\n");
      }, { approvals: rules([...lines.map(({ argv }) => argv), ["echo"]]) });
    }),
});
