/** Plays every file of `transcripts/` and compares stream by stream. */
import { assertEquals } from "@std/assert";
import { cli, lineMatches, parseTranscript } from "./support.ts";

const folder = new URL("./transcripts/", import.meta.url);

for (const entry of [...Deno.readDirSync(folder)].map((e) => e.name).sort()) {
  const cases = parseTranscript(Deno.readTextFileSync(new URL(entry, folder)));
  for (const wanted of cases) {
    Deno.test(`${entry}: openclaw ${wanted.words.join(" ")}`, async () => {
      const home = await Deno.makeTempDir();
      try {
        const ran = await cli(wanted.words, { env: { HOME: home } });
        compare(ran.stdout, wanted.stdout, "stdout");
        compare(ran.stderr, wanted.stderr, "stderr");
        assertEquals(ran.code, wanted.code, ran.stderr);
      } finally {
        await Deno.remove(home, { recursive: true });
      }
    });
  }
}

function compare(actual: string, expected: readonly string[], stream: string): void {
  const lines = actual === "" ? [] : actual.replace(/\n$/, "").split("\n");
  const same = lines.map((line, i) => {
    const wanted = expected[i];
    return wanted !== undefined && lineMatches(line, wanted) ? wanted : line;
  });
  assertEquals(same, [...expected], stream);
}
