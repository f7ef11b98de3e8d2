/**
 * Judged = executed for sed: whatever script we call harmless, a real GNU sed finds no command in it that starts a program
 * or writes a file. `--sandbox` makes it say so before it reads a line.
 */
import { assert, assertEquals } from "@std/assert";
import { sedRunsNothing } from "../../../src/approvals/reading/options/sed_script.ts";
import { randomFrom } from "./shell_lines.ts";

const TOKENS =
  "s/ s| s, / | , [ ] [/] [^/] [^]/] [[:a:]/] e w p g I 1 $ ! ; ␣ # x a␣ i␣ c␣ \\ \\/ \\n d y/ } { e␣id w␣f 1e ⏎ r␣f M & [a/ /] e/ [\\/]"
    .split(" ").map((token) => token.replaceAll("␣", " ").replaceAll("⏎", "\n"));
const STARTS = ["s/", "s|", "1s/", "/x/s/", ""];
const WANTED = 400;

async function complaint(script: string): Promise<string> {
  const sed = new Deno.Command("sed", {
    args: ["--sandbox", script, "/dev/null"],
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  });
  return new TextDecoder().decode((await sed.output()).stderr);
}

Deno.test({
  name: "X15: sed finds nothing to run or write in scripts that are called harmless",
  ignore: Deno.build.os !== "linux",
  fn: async (t) => {
    const known = await complaint("1e id");
    if (!/sandbox/.test(known)) return void await t.step("no GNU sed here", () => {});
    const random = randomFrom(7);
    const pick = (from: readonly string[]) => from[Math.floor(random() * from.length)] ?? "";
    const harmless: string[] = [];
    while (harmless.length < WANTED) {
      const length = 2 + Math.floor(random() * 10);
      const script = pick(STARTS) + Array.from({ length }, () => pick(TOKENS)).join("");
      if (sedRunsNothing(["sed", script, "f"])) harmless.push(script);
    }
    for (let at = 0; at < harmless.length; at += 8) {
      const some = harmless.slice(at, at + 8);
      const said = await Promise.all(some.map(complaint));
      assertEquals(
        said.map((text) => /sandbox/.test(text)),
        some.map(() => false),
        some.join("\n"),
      );
    }
    assert(new Set(harmless).size > WANTED / 4, "the scripts differ");
  },
});
