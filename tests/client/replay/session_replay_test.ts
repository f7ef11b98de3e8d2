/**
 * Every recorded exchange, with the real gateway's side played to our client library: what it sends in place of the
 * recorded client, what it understands, and how it would go on. Differences stand in `differences.ts`.
 */
import { assert, assertEquals } from "@std/assert";
import { DIALS, SESSION_RULES, VERDICTS } from "./differences.ts";
import { unexplained } from "./findings.ts";
import { RECORDINGS } from "./recordings.ts";
import { playSession } from "./session_replay.ts";

const used = new Set<RegExp>();
const verdictsSeen = new Set<string>();

for (const recording of RECORDINGS.values()) {
  const { name } = recording;
  Deno.test(`replay to our client: ${name}`, async () => {
    const { differences, verdicts } = await playSession(recording, DIALS[name]);
    const { unlisted } = unexplained(name, differences, { rules: SESSION_RULES, used });
    assertEquals(unlisted, [], `${name}: done differently without a reason in the table`);
    for (const [conn, { code, kind }] of verdicts) {
      verdictsSeen.add(code);
      assertEquals(kind, VERDICTS[code], `${name} ${conn}: how to go on after ${code}`);
    }
  });
}

Deno.test("replay to our client: nothing in the tables is out of date", () => {
  assert(RECORDINGS.size > 150, `only ${RECORDINGS.size} recordings`);
  assertEquals(SESSION_RULES.filter(([pattern]) => !used.has(pattern)), []);
  assertEquals(Object.keys(VERDICTS).filter((code) => !verdictsSeen.has(code)), []);
});
