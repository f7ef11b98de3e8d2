/** Grants with a clock: limits, matching, spending, and that anything odd gives no grant. */
import { assert, assertEquals } from "@std/assert";
import {
  type Grant,
  grantText,
  isLive,
  newGrant,
  parseGrants,
  renderGrants,
  spendGrants,
} from "../../src/approvals/grants.ts";
import { makePlan } from "../../src/approvals/plan.ts";
import { type Case, fakeMachine, judge, sh } from "./fake_machine.ts";

const NOW = 1_000_000_000;
const grant = (more: Partial<Grant> = {}): Grant => ({
  id: "g",
  createdAtMs: NOW,
  pattern: "/usr/bin/git",
  runsLeft: 2,
  ...more,
});

async function covered(
  given: Grant,
  one: Case,
  nowMs = NOW,
  requester = "dev-1",
): Promise<boolean> {
  const { verdict } = await judge({ ...one, facts: { grants: [given], nowMs, requester } });
  if (verdict.outcome === "run") {
    assertEquals([verdict.usedGrants, verdict.rule], [["g"], "grant g"]);
  }
  return verdict.outcome === "run";
}

const rows: readonly {
  name: string;
  grant: Grant;
  argv: string[];
  covered: boolean;
  nowMs?: number;
  requester?: string;
  request?: Case["request"];
}[] = [
  { name: "any arguments", grant: grant(), argv: ["git", "push"], covered: true },
  { name: "another program", grant: grant(), argv: ["curl", "x"], covered: false },
  {
    name: "exactly these arguments",
    grant: grant({ args: ["push", "origin"] }),
    argv: ["git", "push", "origin"],
    covered: true,
  },
  {
    name: "one argument more",
    grant: grant({ args: ["push", "origin"] }),
    argv: ["git", "push", "origin", "-f"],
    covered: false,
  },
  {
    name: "a glob in an argument",
    grant: grant({ args: ["push", "rel*"] }),
    argv: ["git", "push", "release"],
    covered: true,
  },
  {
    name: "a star does not cross a slash",
    grant: grant({ args: ["add", "*"] }),
    argv: ["git", "add", "a/b"],
    covered: false,
  },
  {
    name: "open arguments",
    grant: grant({ args: ["log", "**"] }),
    argv: ["git", "log", "-n", "5"],
    covered: true,
  },
  {
    name: "open arguments, other start",
    grant: grant({ args: ["log", "**"] }),
    argv: ["git", "push"],
    covered: false,
  },
  {
    name: "the directory",
    grant: grant({ directory: "/srv" }),
    argv: ["git", "log"],
    covered: true,
  },
  {
    name: "another directory with the same start",
    grant: grant({ directory: "/srv/ap" }),
    argv: ["git", "log"],
    covered: false,
  },
  {
    name: "the requester",
    grant: grant({ requester: "dev-1" }),
    argv: ["git", "log"],
    covered: true,
  },
  {
    name: "another requester",
    grant: grant({ requester: "dev-2" }),
    argv: ["git", "log"],
    covered: false,
  },
  { name: "another agent", grant: grant({ agentId: "ops" }), argv: ["git", "log"], covered: false },
  {
    name: "within its time",
    grant: grant({ expiresAtMs: NOW + 10 }),
    argv: ["git", "log"],
    covered: true,
    nowMs: NOW + 9,
  },
  {
    name: "after its time",
    grant: grant({ expiresAtMs: NOW + 10 }),
    argv: ["git", "log"],
    covered: false,
    nowMs: NOW + 10,
  },
  {
    name: "F19: a clock set back behind its creation",
    grant: grant({ expiresAtMs: NOW + 10 }),
    argv: ["git", "log"],
    covered: false,
    nowMs: NOW - 3_600_000,
  },
  { name: "no runs left", grant: grant({ runsLeft: 0 }), argv: ["git", "log"], covered: false },
  {
    name: "an option that runs programs",
    grant: grant(),
    argv: ["git", "-c", "core.pager=x", "log"],
    covered: false,
  },
];

for (const row of rows) {
  Deno.test(`a grant and ${row.name}: ${row.covered ? "covered" : "not covered"}`, async () => {
    assertEquals(
      await covered(
        row.grant,
        { argv: row.argv, ...(row.request ? { request: row.request } : {}) },
        row.nowMs,
        row.requester,
      ),
      row.covered,
    );
  });
}

Deno.test("a grant for one exact command covers that argv in that directory only", async () => {
  const facts = fakeMachine();
  const digest = (await makePlan({ argv: sh("git log > f") }, facts)).exactDigest;
  const exact = grant({ pattern: `=argv:${digest}` });
  const { verdict } = await judge({
    argv: sh("git log > f"),
    facts: { grants: [exact], nowMs: NOW },
  });
  assert(verdict.outcome === "run" && verdict.execution.kind === "exact");
  assertEquals(verdict.usedGrants, ["g"]);
  for (
    const one of [{ argv: sh("git log > g") }, {
      argv: sh("git log > f"),
      request: { cwd: "/tmp" },
    }]
  ) {
    assertEquals(
      (await judge({ ...one, facts: { grants: [exact], nowMs: NOW } })).verdict.outcome,
      "deny",
    );
  }
});

Deno.test("no grant counts without a clock, under ask=always or security=deny", async () => {
  for (
    const one of [{ facts: { grants: [grant()] } }, {
      facts: { grants: [grant()], nowMs: NOW },
      settings: { ask: "always" },
    }, { facts: { grants: [grant()], nowMs: NOW }, settings: { security: "deny" } }]
  ) {
    assertEquals((await judge({ argv: ["git", "log"], ...one })).verdict.outcome, "deny");
  }
});

Deno.test("a list uses a grant once per run", async () => {
  const { verdict } = await judge({
    argv: sh("git log && git status"),
    facts: { grants: [grant()], nowMs: NOW },
  });
  assert(verdict.outcome === "run");
  assertEquals(verdict.usedGrants, ["g"]);
});

Deno.test("spendGrants() takes one run from each used grant and drops ended ones", () => {
  const grants = [
    grant(),
    grant({ id: "h", runsLeft: 1 }),
    grant({ id: "i", expiresAtMs: NOW - 1 }),
  ];
  const left = spendGrants(grants, ["g", "h"], NOW);
  assertEquals(left.map((one) => [one.id, one.runsLeft]), [["g", 1]]);
});

Deno.test("newGrant() wants a limit and keeps to the largest ones", () => {
  const wish = { id: "g", createdAtMs: NOW, pattern: "/usr/bin/git" };
  assertEquals(newGrant({ ...wish, minutes: 30 }), { ...wish, expiresAtMs: NOW + 1_800_000 });
  const runsOnly = newGrant({ ...wish, runs: 3 });
  assert(
    typeof runsOnly === "object" && runsOnly.runsLeft === 3 &&
      runsOnly.expiresAtMs === NOW + 86_400_000,
  );
  for (
    const bad of [
      {},
      { runs: 0 },
      { runs: 1.5 },
      { runs: 1e9 },
      { minutes: 0 },
      { minutes: -1 },
      { minutes: NaN },
      { minutes: 1e9 },
      { runs: 1, pattern: "git" },
      { runs: 1, pattern: "*" },
    ]
  ) {
    assertEquals(typeof newGrant({ ...wish, ...bad }), "string", JSON.stringify(bad));
  }
});

Deno.test("parseGrants() takes back what renderGrants() wrote and nothing odd", () => {
  const grants = [
    grant({
      args: ["a"],
      directory: "/d",
      requester: "r",
      agentId: "a",
      grantedBy: "me",
      expiresAtMs: 5,
    }),
  ];
  assertEquals(parseGrants(renderGrants(grants)), grants);
  const odd = [
    { ...grant(), later: 1 },
    { ...grant(), runsLeft: "2" },
    { ...grant(), args: [1] },
    { id: "x" },
    null,
    5,
    { id: "g", createdAtMs: NOW, pattern: "/x" },
  ];
  assertEquals(parseGrants(JSON.stringify({ version: 1, grants: odd })), []);
  for (
    const text of [undefined, "", "{", "null", "[]", '{"version":2,"grants":[]}', '{"version":1}']
  ) assertEquals(parseGrants(text), []);
});

Deno.test("grantText() and isLive() tell what is left", () => {
  const one = grant({
    args: ["push", "**"],
    directory: "/srv",
    requester: "dev",
    expiresAtMs: NOW + 90_000,
  });
  assertEquals(
    grantText(one, NOW),
    "/usr/bin/git, arguments push **, in /srv, for dev, 2 runs left, 2 min left",
  );
  assertEquals([isLive(one, NOW), isLive(one, NOW + 90_000)], [true, false]);
});
