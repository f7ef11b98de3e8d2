import { assert, assertEquals } from "@std/assert";
import { complete, completionScript, SHELLS } from "../../src/cli/grammar/completion.ts";
import { TREE } from "../../src/cli/commands/mod.ts";
import { helpLines, manual } from "../../src/cli/grammar/help.ts";

const words = (line: string[]) => complete(line, TREE).map(([word]) => word);

Deno.test("complete() offers commands, flags and choices", () => {
  assert(words(["comp"]).includes("completion"));
  assert(words(["completion", "--js"]).includes("--json"));
  assert(words(["--pro"]).includes("--profile"));
  assertEquals(words(["completion", "--", "x"]), []);
  assert(!words([""]).some((word) => word.startsWith("__")), "hidden commands stay hidden");
});

Deno.test("every completion script asks the program itself", () => {
  for (const shell of SHELLS) assert(completionScript(shell).includes("__complete"), shell);
});

Deno.test("the bash script completes in a real bash", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const program = `${folder}/openclaw`;
    const main = new URL("../../main.ts", import.meta.url).pathname;
    await Deno.writeTextFile(
      program,
      `#!/bin/sh\nexec "${Deno.execPath()}" run -A --no-check "${main}" "$@"\n`,
      { mode: 0o755 },
    );
    const script = `${completionScript("bash")}
COMP_WORDS=(openclaw compl); COMP_CWORD=1; _openclaw; echo "$COMPREPLY"`;
    const { stdout } = await new Deno.Command("bash", {
      args: ["-c", script],
      env: { PATH: `${folder}:${Deno.env.get("PATH")}` },
    }).output();
    assertEquals(new TextDecoder().decode(stdout), "completion\n");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("every visible command has a summary, help and, unless trivial, an example", () => {
  for (const command of TREE.commands) {
    assert(command.summary.length > 0 && !command.summary.endsWith("."), command.path.join(" "));
    const page = helpLines(command, TREE);
    assert(page.some((line) => line.startsWith("Usage: openclaw")));
    if (command.run && !command.hidden) {
      assert(command.examples.length > 0, `${command.path.join(" ")} has no example`);
      for (const [line] of command.examples) assert(line.includes("openclaw"), line);
    }
  }
});

Deno.test("every example of the manual parses as a command line of its command", async () => {
  const { parseCommandLine } = await import("../../src/cli/grammar/parse.ts");
  for (const command of TREE.commands) {
    for (const [line] of command.examples) {
      const first = line.split("|").at(-1)?.split(" > ")[0]?.trim() as string;
      if (!first.startsWith("openclaw ")) continue;
      const argv = [...first.matchAll(/'([^']*)'|"([^"]*)"|(\S+)/g)]
        .map((m) => m[1] ?? m[2] ?? m[3] as string).slice(1);
      const parsed = parseCommandLine(argv, TREE);
      assert(parsed.kind !== "run" || parsed.command === command, line);
    }
  }
});

Deno.test("no two commands share a path and every group on the way exists", () => {
  const paths = TREE.commands.map((c) => c.path.join(" "));
  assertEquals(new Set(paths).size, paths.length);
  for (const command of TREE.commands) {
    for (let i = 0; i < command.path.length; i++) {
      assert(TREE.at(command.path.slice(0, i)), `no group above ${command.path.join(" ")}`);
    }
  }
});

Deno.test("manual() is JSON and names every visible command", () => {
  const pages = JSON.parse(JSON.stringify(manual(TREE))) as { path: string }[];
  assertEquals(pages.length, TREE.commands.filter((c) => !c.hidden).length);
});
