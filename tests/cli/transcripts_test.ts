/** Plays every file of `transcripts/` in a home of its own, line after line, and compares stream by stream. */
import { assertEquals } from "@std/assert";
import { cli, lineMatches, parseTranscript } from "./support.ts";

const folder = new URL("./transcripts/", import.meta.url);

for (const entry of [...Deno.readDirSync(folder)].map((e) => e.name).sort()) {
  Deno.test(`transcript ${entry}`, async (t) => {
    const home = await Deno.makeTempDir();
    try {
      for (const wanted of parseTranscript(Deno.readTextFileSync(new URL(entry, folder)))) {
        await t.step(`openclaw ${wanted.words.join(" ")}`, async () => {
          const ran = await cli(wanted.words, { env: { HOME: home } });
          compare(underHome(ran.stdout, home), wanted.stdout, "stdout");
          compare(underHome(ran.stderr, home), wanted.stderr, "stderr");
          assertEquals(ran.code, wanted.code, ran.stderr);
        });
      }
    } finally {
      await Deno.remove(home, { recursive: true });
    }
  });
}

/** The text with `$HOME` for the home and, behind it, the slashes of the transcripts. */
function underHome(text: string, home: string): string {
  return text.replaceAll(home, "$HOME").replace(
    /\$HOME\S*/g,
    (path) => path.replaceAll("\\", "/"),
  );
}

function compare(actual: string, expected: readonly string[], stream: string): void {
  const lines = actual === "" ? [] : actual.replace(/\n$/, "").split("\n");
  const same = lines.map((line, i) => {
    const wanted = expected[i];
    return wanted !== undefined && lineMatches(line, wanted) ? wanted : line;
  });
  assertEquals(same, [...expected], stream);
}
