/** The README shows what the program has: its command table is generated, its command lines parse. */
import { assert, assertEquals } from "@std/assert";
import { TREE } from "../../src/cli/commands/mod.ts";
import { markdownTable } from "../../src/cli/grammar/help.ts";
import { parseCommandLine } from "../../src/cli/grammar/parse.ts";

const readme = Deno.readTextFileSync(new URL("../../README.md", import.meta.url));

Deno.test("the command table of the README is the one of the program", () => {
  const between = readme.split(/<!-- commands:(?:begin[^\n]*|end) -->\n/)[1];
  assertEquals(
    between?.trim().split("\n"),
    markdownTable(TREE),
    "run the command named in README.md",
  );
});

Deno.test("every command line of the README is one the program understands", () => {
  const lines = [...readme.matchAll(/^(?:\w*\$ +)?(openclaw (?!\(\)).*)$/gm)].map((m) =>
    m[1] as string
  );
  assert(lines.length > 15, `found only ${lines.length}`);
  for (const line of lines.filter((l) => !l.startsWith("openclaw() "))) {
    const words = [...line.matchAll(/'([^']*)'|(\S+)/g)].map((m) => m[1] ?? m[2] as string);
    const argv = words.slice(1).map((word) => word.replace(/^<.*|.*>$/, "x"));
    const parsed = parseCommandLine(argv.filter((w, i) => w !== "x" || argv[i - 1] !== "x"), TREE);
    assertEquals(parsed.kind, "run", line);
  }
});
