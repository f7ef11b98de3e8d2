/**
 * Every recording of a real node host, played to ours as a real process: handshakes, answers, events of runs, closes and
 * what follows them. Differences stand in `differences.ts`.
 */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { NODE_RULES } from "./differences.ts";
import { unexplained } from "./findings.ts";
import { type NodePlayed, playNode } from "./node_replay.ts";
import { RECORDINGS } from "./recordings.ts";

const used = new Set<RegExp>();
/** The policy of the recorded nodes at the start: the newer one runs everything, the older one has none. */
const OPEN = { version: 1, defaults: { security: "full", ask: "off" }, agents: {} };
const NONE = { version: 1, defaults: {}, agents: {} };

function replay(name: string, check: (played: NodePlayed) => void): void {
  Deno.test({
    name: `F35: replay to our node: ${name}`,
    // The recorded nodes ran on Linux: their platform is in what they signed.
    ignore: Deno.build.os !== "linux",
    fn: async () => {
      const policy = name.startsWith("v4-") ? OPEN : NONE;
      const played = await playNode(RECORDINGS.get(name)!, policy);
      const { unlisted } = unexplained(name, played.differences, { rules: NODE_RULES, used });
      assertEquals(unlisted, [], `${name}: done differently without a reason in the table`);
      assertEquals(played.exitCode, 0, played.said);
      assertEquals(
        played.refusedOffers,
        name.startsWith("v3-") ? 1 : 0,
        "learns the protocol once",
      );
      check(played);
    },
  });
}

/** F35: the recorded refusal names the request; the node stays and says what to do. */
const waits = ({ said }: NodePlayed) =>
  assertMatch(
    said,
    /pairing required: .*requestId: ([0-9a-f-]{36})\); .*openclaw devices approve \1/,
  );

replay("v4-remote-node-first-connect-pairing-required", waits);
replay("v3-remote-node-first-connect-pairing-required", waits);
for (const name of ["v4-remote-node-reconnect-approved", "v3-remote-node-reconnect-approved"]) {
  replay(name, (played) => {
    const { said } = played;
    assertStringIncludes(said, "gateway closed (4001): device removed");
    assertEquals(said.match(/Connected to gateway/g)?.length, 2, "came back by itself");
    waits(played);
  });
}
replay("v3-remote-node-invoke-and-exec-approvals", (played) => {
  waits(played);
  assertStringIncludes(
    played.said,
    "protocol=3",
    "lives with the older gateway after its approval",
  );
});

Deno.test({
  name: "replay to our node: nothing in the table is out of date",
  ignore: Deno.build.os !== "linux",
  fn: () => {
    assertEquals(NODE_RULES.filter(([pattern]) => !used.has(pattern)), []);
    const real = [...RECORDINGS.keys()].filter((name) => name.slice(3).startsWith("remote-node-"));
    assert(real.length === 5, `a recording of a real node is not played: ${real}`);
  },
});
