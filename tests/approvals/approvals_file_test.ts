/** exec-approvals.json: normalising, what an unreadable file means, writing, what peers see and set, changes to rules. */
import { assert, assertEquals } from "@std/assert";
import { parseApprovals, renderApprovals } from "../../src/approvals/file/approvals_file.ts";
import { takeWireApprovals, wireApprovals } from "../../src/approvals/file/approvals_wire.ts";
import { runCases } from "../../src/approvals/file/cases.ts";
import { addEntries, recordUse, removeEntries } from "../../src/approvals/file/entries.ts";
import { effectivePolicy } from "../../src/approvals/policy.ts";
import { fakeMachine, newId, runs } from "./fake_machine.ts";

const parse = (value: unknown) => parseApprovals(JSON.stringify(value), () => "new");

Deno.test("parseApprovals() normalises entries, agents and enums", () => {
  const { state, file, problems } = parse({
    version: 1,
    socket: { path: "/s", token: "t" },
    defaults: { security: "nope", ask: "off", autoAllowSkills: true },
    agents: {
      default: { security: "full", allowlist: ["x"] },
      main: {
        ask: "always",
        allowlist: ["  /bin/a ", { pattern: "" }, {
          pattern: "b",
          id: "1",
          commandText: "secret",
          lastUsedAt: 5,
        }, 7],
      },
    },
  });
  assertEquals(state, "ok");
  assertEquals(file.defaults, { ask: "off", autoAllowSkills: true });
  assertEquals(file.agents.get("main"), {
    security: "full",
    ask: "always",
    allowlist: [{ id: "new", pattern: "/bin/a" }, { id: "1", pattern: "b", lastUsedAt: 5 }, {
      id: "new",
      pattern: "x",
    }],
  });
  assertEquals(file.agents.has("default"), false);
  assertEquals(problems.length, 3);
});

for (
  const text of [
    "",
    "{",
    "[]",
    "null",
    '"x"',
    "{}",
    '{"version":2}',
    '{"version":"1"}',
    '{"version":1,"agents":[]}',
    '{"version":1,"defaults":5}',
    '\ufeff{"version":1}',
    "\0\0\0",
  ]
) {
  Deno.test(`parseApprovals() takes ${JSON.stringify(text)} as unparsable, which denies`, () => {
    const approvals = parseApprovals(text, newId);
    assertEquals(approvals.state, "unparsable");
    const policy = effectivePolicy({
      approvals,
      config: { security: "full", ask: "off", askFallback: "full" },
    });
    assertEquals([policy.security, policy.askFallback], ["deny", "deny"]);
  });
}

Deno.test("parseApprovals() takes a missing file as no settings", () => {
  const approvals = parseApprovals(undefined, newId);
  assertEquals([approvals.state, effectivePolicy({ approvals }).security], [
    "missing",
    "allowlist",
  ]);
});

Deno.test("N17: agent names like __proto__ are ordinary keys", () => {
  const { file } = parseApprovals(
    '{"version":1,"agents":{"__proto__":{"security":"full","allowlist":["x"]},"constructor":{"security":"full"}}}',
    newId,
  );
  const policy = effectivePolicy({
    approvals: { state: "ok", file, problems: [] },
    agentId: "main",
  });
  assertEquals([policy.security, policy.allowlist.length], ["allowlist", 0]);
  assertEquals(
    effectivePolicy({ approvals: { state: "ok", file, problems: [] }, agentId: "__proto__" })
      .security,
    "full",
  );
  assert(renderApprovals(file).includes('"__proto__"'));
});

Deno.test("renderApprovals() keeps unknown keys at every level and ends with a line break", () => {
  const value = {
    version: 1,
    socket: { path: "/s" },
    defaults: {},
    agents: { a: { allowlist: [{ id: "1", pattern: "b", hosts: ["h"] }], later: 1 } },
    tests: [{}],
    future: true,
  };
  const { file } = parse(value);
  const text = renderApprovals(file);
  assertEquals(JSON.parse(text), value);
  assert(text.endsWith("}\n") && text.includes('\n  "agents"'));
});

Deno.test("an entry with an unknown key never matches, because the key could have narrowed it", async () => {
  assertEquals(await runs({ argv: ["git"], allow: [{ pattern: "git", onlyOn: "monday" }] }), false);
  assertEquals(await runs({ argv: ["git"], allow: [{ pattern: "*", onlyOn: "monday" }] }), false);
  assertEquals(
    await runs({
      argv: ["git"],
      allow: [{ pattern: "=later:abc" }, { pattern: "git", argPattern: "sha999" }],
    }),
    false,
  );
});

Deno.test("wireApprovals() hides the token, test cases and unknown keys; takeWireApprovals() brings them back", () => {
  const { file } = parse({
    version: 1,
    socket: { path: "/s", token: "t" },
    defaults: {},
    agents: { a: { allowlist: [{ id: "1", pattern: "b", hosts: ["h"] }], later: 1 } },
    tests: [{ command: "x", expect: "run" }],
    future: true,
  });
  const wire = wireApprovals(file);
  assertEquals(wire, {
    version: 1,
    socket: { path: "/s" },
    defaults: {},
    agents: { a: { allowlist: [{ id: "1", pattern: "b" }] } },
  });
  const taken = takeWireApprovals(file, wire, newId);
  assert(taken.ok);
  assertEquals(JSON.parse(renderApprovals(taken.file)), JSON.parse(renderApprovals(file)));
});

Deno.test("takeWireApprovals() refuses a wrong value as a whole and never takes a token from a peer", () => {
  const { file } = parse({ version: 1, socket: { token: "t" } });
  for (
    const wire of [
      undefined,
      null,
      5,
      {},
      { version: 2 },
      { version: 1, defaults: { security: "none" } },
      { version: 1, agents: { a: 5 } },
      { version: 1, agents: { a: { allowlist: [5] } } },
    ]
  ) {
    assertEquals(takeWireApprovals(file, wire, newId).ok, false, JSON.stringify(wire));
  }
  const taken = takeWireApprovals(
    file,
    { version: 1, socket: { path: "/p", token: "evil" } },
    newId,
  );
  assert(taken.ok);
  assertEquals(taken.file.socket, { path: "/p", token: "t" });
});

Deno.test("addEntries(), removeEntries() and recordUse() change only what they name", () => {
  const { file } = parse({
    version: 1,
    agents: { "*": { allowlist: [{ id: "1", pattern: "git" }] } },
  });
  assertEquals(addEntries(file, "*", [{ id: "9", pattern: "git" }]).added, 0);
  const added = addEntries(file, "ops", [{ id: "2", pattern: "/usr/bin/make" }]);
  assertEquals([
    added.added,
    added.file.agents.get("ops")?.allowlist.length,
    file.agents.has("ops"),
  ], [1, 1, false]);
  assertEquals(removeEntries(added.file, "ops", "nope").removed, 0);
  assertEquals(
    removeEntries(added.file, "ops", "/usr/bin/make").file.agents.get("ops")?.allowlist,
    [],
  );
  const entry = { agent: "*", entry: { id: "1", pattern: "git" } };
  const used = recordUse(file, [entry, { agent: "gone", entry: entry.entry }], {
    nowMs: 7,
    command: "git log",
    path: "/usr/bin/git",
  });
  assertEquals(used.agents.get("*")?.allowlist, [{
    id: "1",
    pattern: "git",
    lastUsedAt: 7,
    lastUsedCommand: "git log",
    lastResolvedPath: "/usr/bin/git",
  }]);
});

Deno.test("runCases() judges the test cases of a policy file", async () => {
  const approvals = parse({
    version: 1,
    defaults: { security: "allowlist", ask: "off" },
    agents: { "*": { allowlist: ["git"] }, careful: { ask: "on-miss" } },
    tests: [
      { name: "status", command: "git status && git diff", expect: "run" },
      { command: ["rm", "-rf", "/"], expect: "deny" },
      { command: "git log; make", agent: "careful", expect: "ask" },
      { command: "make", expect: "run" },
      { command: "git", expect: "maybe" },
      { command: "git", expect: "run", extra: 1 },
    ],
  });
  const facts = fakeMachine({ programs: "make rm" });
  const results = await runCases(
    approvals.file.tests ?? [],
    facts,
    (agentId) => ({ policy: effectivePolicy({ approvals, agentId }), facts }),
  );
  assertEquals(results.map((one) => [one.name, one.ok, one.found]), [
    ["status", true, "run"],
    ["rm -rf /", true, "deny"],
    ["git log; make", true, "ask"],
    ["make", false, "deny"],
    ["tests[4]", false, undefined],
    ["tests[5]", false, undefined],
  ]);
  assert(results[3]?.text.includes("fix: openclaw approvals allowlist add"));
});
