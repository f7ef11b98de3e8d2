/** Grants over the wire: shown beside the approvals file, changed with it, checked as a whole. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import type { NodeLeg } from "./support/gateway.ts";
import { withNode } from "./support/node.ts";

const linux = { ignore: Deno.build.os !== "linux" };
const MISS = { version: 1, defaults: { security: "allowlist", ask: "off" }, agents: {} };
type Json = Record<string, unknown>;

interface Snapshot {
  readonly file: Json;
  readonly hash: string;
  readonly grants: readonly { id: string; runsLeft?: number; expiresAtMs: number }[];
}

const leg = (test: (leg: NodeLeg) => Promise<void>) => () =>
  withNode(async ({ gateway }) => await test(await gateway.leg()), { approvals: MISS });

async function get(leg: NodeLeg): Promise<Snapshot> {
  const { payload } = await leg.invoke("system.execApprovals.get", { grants: true });
  return payload as unknown as Snapshot;
}

async function change(leg: NodeLeg, grantChanges: unknown) {
  const { file, hash } = await get(leg);
  return await leg.invoke("system.execApprovals.set", {
    file: { ...file, grantChanges },
    baseHash: hash,
    grants: true,
  });
}

const runs = async (leg: NodeLeg) =>
  (await leg.invoke("system.run", { command: ["/usr/bin/id", "-u"] }, { live: false })).ok;

Deno.test(
  "a grant given over the wire serves its runs, is listed with what is left, and can be ended",
  linux,
  leg(async (leg) => {
    assertEquals([(await get(leg)).grants, await runs(leg)], [[], false]);
    const { payload } = await change(leg, {
      add: [{ pattern: "/usr/bin/id", args: ["-u"], runs: 2, minutes: 5 }],
    });
    const [grant] = (payload as unknown as Snapshot).grants;
    assertEquals(grant?.runsLeft, 2);
    assertEquals(await runs(leg), true);
    assertEquals((await get(leg)).grants[0]?.runsLeft, 1);
    await change(leg, { revoke: [grant?.id] });
    assertEquals([(await get(leg)).grants, await runs(leg)], [[], false]);
  }),
);

Deno.test(
  "a wrong change of grants changes nothing, and the file never holds one",
  linux,
  leg(async (leg) => {
    const wish = { pattern: "/usr/bin/id", runs: 1 };
    for (
      const bad of [
        5,
        { add: [{}] },
        { add: [{ pattern: "/usr/bin/id" }] },
        { add: [{ ...wish, pattern: "*" }] },
        { add: [wish, { ...wish, runs: 0 }] },
        { add: [{ ...wish, id: "mine" }] },
        { odd: 1 },
      ]
    ) {
      const { ok, error } = await change(leg, bad);
      assert(!ok, JSON.stringify(bad));
      assertMatch(error?.message ?? "", /INVALID_REQUEST/);
    }
    const stale = { file: { ...MISS, grantChanges: { add: [wish] } }, baseHash: "0".repeat(64) };
    assertEquals((await leg.invoke("system.execApprovals.set", stale)).ok, false);
    assertEquals((await get(leg)).grants, []);
    await change(leg, { add: [wish] });
    assertEquals("grantChanges" in (await get(leg)).file, false);
  }),
);

Deno.test(
  "a peer that does not ask for grants gets the plain snapshot, which real gateways check strictly",
  linux,
  leg(async (leg) => {
    const { payload } = await leg.invoke("system.execApprovals.get", {});
    assertEquals(Object.keys(payload as unknown as Json).sort(), [
      "exists",
      "file",
      "hash",
      "path",
    ]);
  }),
);
