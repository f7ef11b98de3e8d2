/**
 * Every recorded command line, done with ours against the recorded answers: methods, params, identity, exit code, words.
 * Differences stand in `differences.ts`.
 */
import { assert, assertEquals } from "@std/assert";
import { playCli } from "./cli_replay.ts";
import { COMMAND_LINES } from "./command_lines.ts";
import { CLI_ROWS, CLI_RULES } from "./differences.ts";
import { unexplained } from "./findings.ts";
import { RECORDINGS } from "./recordings.ts";

const used = new Set<RegExp>();
const partOf = (name: string) => name.slice(3);
const recordings = [...RECORDINGS.values()].filter(({ name }) => partOf(name) in COMMAND_LINES);

for (const recording of recordings) {
  const { name } = recording;
  // A command line leaves the last of its socket to the end of its process.
  const ownProcess = { sanitizeOps: false, sanitizeResources: false };
  Deno.test(`replay to our command line: ${name}`, ownProcess, async () => {
    const { differences, stdout, stderr } = (await playCli(recording))!;
    const { unlisted, stale } = unexplained(name, differences, {
      rows: CLI_ROWS[name] ?? {},
      rules: CLI_RULES,
      used,
    });
    assertEquals(unlisted, [], `${name}: done differently without a reason in the table`);
    assertEquals(stale, [], `${name}: listed as different, but the same now`);
    assert(stdout + stderr !== "", "a person is told something");
  });
}

Deno.test("replay to our command line: nothing in the tables is out of date", () => {
  assert(recordings.length >= 75, `only ${recordings.length} recordings`);
  assertEquals(CLI_RULES.filter(([pattern]) => !used.has(pattern)), []);
  assertEquals(Object.keys(CLI_ROWS).filter((name) => !RECORDINGS.has(name)), []);
  const parts = new Set(recordings.map(({ name }) => partOf(name)));
  assertEquals(Object.keys(COMMAND_LINES).filter((part) => !parts.has(part)), []);
});
