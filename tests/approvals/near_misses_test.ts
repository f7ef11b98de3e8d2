/** What an explanation says of rules that almost count. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import type { Grant } from "../../src/approvals/grants.ts";
import { exactTextDigest } from "../../src/approvals/digest.ts";
import { judge } from "./fake_machine.ts";

const NOW = 1_000_000_000;
const grant = (more: Partial<Grant>): Grant => ({
  id: "g1",
  createdAtMs: NOW,
  pattern: "/usr/bin/git",
  runsLeft: 2,
  ...more,
});

const limits: readonly { name: string; grant: Partial<Grant>; requester?: string; says: string }[] =
  [
    {
      name: "its requester",
      grant: { requester: "dev-2" },
      requester: "dev-1",
      says: 'is for the requester "dev-2" only, and "dev-1" asks here',
    },
    {
      name: "its requester in a dry run without one",
      grant: { requester: "dev-2" },
      says: 'is for the requester "dev-2" only, and nobody is named here',
    },
    {
      name: "its directory",
      grant: { directory: "/srv/other" },
      says: 'is for the directory "/srv/other" only',
    },
    { name: "its arguments", grant: { args: ["push"] }, says: 'only with the arguments "push"' },
    { name: "its agent", grant: { agentId: "ops" }, says: 'is for agent "ops" only' },
    { name: "its end", grant: { expiresAtMs: NOW }, says: "is over" },
  ];

for (const one of limits) {
  Deno.test(`a refusal names the grant that missed only by ${one.name}`, async () => {
    const { verdict } = await judge({
      argv: ["git", "pull"],
      facts: {
        grants: [grant(one.grant)],
        nowMs: NOW,
        ...(one.requester === undefined ? {} : { requester: one.requester }),
      },
    });
    assert(verdict.outcome === "deny");
    assertEquals(verdict.explanation.nearMisses, [
      `grant g1 names this command but ${one.says}`,
    ]);
    assertStringIncludes(verdict.message, `\nalmost: grant g1 names this command but ${one.says}`);
  });
}

Deno.test("a refusal names the exact grant that missed only by its requester", async () => {
  const { plan } = await judge({ argv: ["git", "pull"] });
  const exact = grant({ pattern: `=argv:${plan.exactDigest}`, requester: "dev-2" });
  const facts = { grants: [exact], nowMs: NOW, requester: "dev-1" };
  const { verdict } = await judge({ argv: ["git", "pull"], facts });
  assertEquals(verdict.explanation.nearMisses?.length, 1);
  const other = await judge({ argv: ["git", "push"], facts });
  assertEquals(other.verdict.explanation.nearMisses, undefined, "it names another command");
});

Deno.test("the mark =node-command: of OpenClaw v4 is no rule by itself, and the refusal says so", async () => {
  const mark = `=node-command:${await exactTextDigest("git pull")}`;
  const allow = [{ pattern: mark, source: "allow-always" }];
  const { verdict } = await judge({ argv: ["git", "pull"], allow });
  assert(verdict.outcome === "deny");
  assertStringIncludes(
    verdict.message,
    `almost: agents.* "${mark}" marks this command as allowed always by OpenClaw; it counts only with the path rules`,
  );
  const other = await judge({ argv: ["git", "push"], allow });
  assertEquals(other.verdict.explanation.nearMisses, undefined);
});

Deno.test("X20: a v4 allow-always decision, mark and bound path rule, lets exactly its command run", async () => {
  const { plan } = await judge({ argv: ["git", "pull"] });
  const segment = plan.segments[0]!;
  const allow = [
    { pattern: "/usr/bin/git", argPattern: segment.argDigest, source: "allow-always" },
    { pattern: `=node-command:${plan.textDigest}`, source: "allow-always" },
  ];
  assertEquals((await judge({ argv: ["git", "pull"], allow })).verdict.outcome, "run");
  assertEquals((await judge({ argv: ["git", "push"], allow })).verdict.outcome, "deny");
  const elsewhere = await judge({ argv: ["git", "pull"], allow, request: { cwd: "/tmp" } });
  assertEquals(elsewhere.verdict.outcome, "deny");
});
