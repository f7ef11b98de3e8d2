/**
 * The decision table of 7.3 row by row, the observed table of 7.4, and the attack rows that need more than one step
 * (learning, binding of arguments, carriers on Windows).
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { parseApprovals } from "../../src/approvals/file/approvals_file.ts";
import { decide } from "../../src/approvals/decide.ts";
import { addEntries } from "../../src/approvals/file/entries.ts";
import { learn } from "../../src/approvals/learn.ts";
import { makePlan, type PlanRequest } from "../../src/approvals/plan.ts";
import {
  type DecisionFacts,
  decisionOf,
  effectivePolicy,
  stricterAsk,
  stricterSecurity,
  tightened,
} from "../../src/approvals/policy.ts";
import {
  type Case,
  fakeMachine,
  judge,
  type Machine,
  newId,
  policyOf,
  runs,
  sh,
} from "./fake_machine.ts";

const asks = ["off", "on-miss", "always"] as const;
const bools = [false, true];

function every(fixed: Partial<DecisionFacts>): DecisionFacts[] {
  const out: DecisionFacts[] = [];
  for (const security of ["deny", "allowlist", "full"] as const) {
    for (const ask of asks) {
      for (const approved of bools) {
        for (const durable of bools) {
          for (const hit of bools) out.push({ security, ask, approved, durable, hit });
        }
      }
    }
  }
  return out.filter((facts) =>
    Object.entries(fixed).every(([key, value]) => facts[key as keyof DecisionFacts] === value)
  );
}

const table: readonly { name: string; rows: DecisionFacts[]; outcome: string }[] = [
  {
    name: "deny wins over everything",
    rows: every({ security: "deny" }),
    outcome: "security=deny",
  },
  {
    name: "ask=always without approval asks",
    rows: [
      ...every({ security: "allowlist", ask: "always", approved: false }),
      ...every({ security: "full", ask: "always", approved: false }),
    ],
    outcome: "approval-required",
  },
  {
    name: "ask=always with approval runs",
    rows: [
      ...every({ security: "allowlist", ask: "always", approved: true }),
      ...every({ security: "full", ask: "always", approved: true }),
    ],
    outcome: "run",
  },
  {
    name: "full runs",
    rows: [
      ...every({ security: "full", ask: "off" }),
      ...every({ security: "full", ask: "on-miss" }),
    ],
    outcome: "run",
  },
  {
    name: "a miss with ask=off is refused",
    rows: every({ security: "allowlist", ask: "off", approved: false, durable: false, hit: false }),
    outcome: "allowlist-miss",
  },
  {
    name: "a miss with ask=on-miss asks",
    rows: every({
      security: "allowlist",
      ask: "on-miss",
      approved: false,
      durable: false,
      hit: false,
    }),
    outcome: "approval-required",
  },
  {
    name: "an approval runs",
    rows: [
      ...every({ security: "allowlist", ask: "off", approved: true }),
      ...every({ security: "allowlist", ask: "on-miss", approved: true }),
    ],
    outcome: "run",
  },
  {
    name: "an exact rule runs",
    rows: [
      ...every({ security: "allowlist", ask: "off", durable: true }),
      ...every({ security: "allowlist", ask: "on-miss", durable: true }),
    ],
    outcome: "run",
  },
  {
    name: "a hit runs",
    rows: [
      ...every({ security: "allowlist", ask: "off", hit: true }),
      ...every({ security: "allowlist", ask: "on-miss", hit: true }),
    ],
    outcome: "run",
  },
];

for (const row of table) {
  Deno.test(`decisionOf() 7.3: ${row.name}`, () => {
    assert(row.rows.length > 0);
    for (const facts of row.rows) {
      assertEquals(decisionOf(facts), row.outcome, JSON.stringify(facts));
    }
  });
}

const OBSERVED = ["/usr/bin/uname", "echo", "/usr/bin/env"];
const observed: readonly { name: string; argv: readonly string[]; runs: boolean }[] = [
  ...[
    "uname && echo hi",
    "uname || echo hi",
    "uname ; echo hi",
    "uname | echo hi",
    "uname # && id",
    "echo '$(id)'",
  ].map((text) => ({ name: text, argv: sh(text), runs: true })),
  // 2>&1 and the null device run since decision 22.
  ...["uname 2>&1", "uname 2>/dev/null", "uname >/dev/null 2>&1", "uname </dev/null"].map((
    text,
  ) => ({ name: text, argv: sh(text), runs: true })),
  ...[
    "uname && id",
    "uname > f",
    "uname & echo",
    "echo $(id)",
    "echo `id`",
    'echo "$(id)"',
    "uname\necho hi",
    "FOO=1 uname",
    "echo $HOME",
    "echo ~",
    "echo *",
    "echo a?b",
    "echo [ab]",
    "echo {a,b}",
    "cat <<E\nx\nE",
  ].map((text) => ({ name: text, argv: sh(text), runs: false })),
  { name: "argv env uname", argv: ["env", "uname"], runs: true },
  { name: "argv timeout 5 uname", argv: ["timeout", "5", "uname"], runs: true },
  { name: "argv bash -c uname", argv: ["bash", "-c", "uname"], runs: true },
  { name: "argv env A=1 uname", argv: ["env", "A=1", "uname"], runs: false },
  { name: "argv sudo uname", argv: ["sudo", "uname"], runs: false },
  { name: "argv sh script", argv: ["sh", "script"], runs: false },
  { name: "argv /usr/bin/echo hi", argv: ["/usr/bin/echo", "hi"], runs: false },
  { name: "argv wc -c", argv: ["wc", "-c"], runs: true },
  { name: "argv wc -c /etc/passwd", argv: ["wc", "-c", "/etc/passwd"], runs: false },
  { name: "argv bash -lc uname", argv: ["bash", "-lc", "uname"], runs: false },
];

for (const row of observed) {
  Deno.test(`decide() 7.4 observed: ${row.name.replaceAll("\n", "⏎")} ${row.runs ? "runs" : "is a miss"}`, async () => {
    const one = {
      argv: row.argv,
      allow: OBSERVED,
      machine: { files: { "/srv/app/script": "id" } },
    };
    assertEquals(await runs(one), row.runs);
  });
}

Deno.test("decide() runs the read plan by absolute path, not the caller's text", async () => {
  const { verdict } = await judge({
    argv: sh("cd /tmp && uname -a 2>&1 | head -n 1 || echo no"),
    allow: OBSERVED,
  });
  assert(verdict.outcome === "run" && verdict.execution.kind === "list");
  assertEquals(
    verdict.execution.items.map((
      item,
    ) => [
      item.when,
      item.stages.map((one) => [one.file, one.argv0, ...one.args, one.cwd, one.stdio.stderr]),
    ]),
    [
      ["always", [["/usr/bin/uname", "uname", "-a", "/tmp", "out"], [
        "/usr/bin/head",
        "head",
        "-n",
        "1",
        "/tmp",
        "err",
      ]]],
      ["failure", [["/usr/bin/echo", "echo", "no", "/tmp", "err"]]],
    ],
  );
});

Deno.test("decide() replaces the inner command of a wrapper by its path", async () => {
  const { verdict } = await judge({
    argv: ["timeout", "5", "nice", "-n", "3", "uname", "-a"],
    allow: OBSERVED,
  });
  assert(verdict.outcome === "run" && verdict.execution.kind === "list");
  const [stage] = verdict.execution.items[0]?.stages ?? [];
  assertEquals([stage?.file, ...stage?.args ?? []], [
    "/usr/bin/timeout",
    "5",
    "/usr/bin/nice",
    "-n",
    "3",
    "/usr/bin/uname",
    "-a",
  ]);
});

Deno.test("decide() runs exactly the given argv for security=full and for an approval", async () => {
  const argv = sh("echo $HOME > f");
  for (const one of [{ settings: { security: "full" } }, { facts: { approved: true } }]) {
    const { verdict } = await judge({ argv, ...one });
    assert(verdict.outcome === "run" && verdict.execution.kind === "exact");
    assertEquals([
      verdict.execution.command.file,
      verdict.execution.command.argv0,
      ...verdict.execution.command.args,
    ], ["/usr/bin/sh", "/bin/sh", "-c", "echo $HOME > f"]);
  }
});

Deno.test("decide() records the entry that matched in the scope where it lives", async () => {
  const { verdict } = await judge({ argv: sh("uname && echo hi"), allow: OBSERVED });
  assert(verdict.outcome === "run");
  assertEquals(verdict.used.map((one) => [one.agent, one.entry.pattern]), [
    ["*", "/usr/bin/uname"],
    ["*", "echo"],
  ]);
});

async function afterLearning(first: readonly string[], second: PlanRequest, machine: Machine = {}) {
  const facts = fakeMachine(machine);
  const plan = await makePlan({ argv: first }, facts);
  const learned = await learn(plan, { nowMs: 1, newId });
  const empty = parseApprovals(JSON.stringify({ version: 1, defaults: { ask: "off" } }), newId);
  const file = learned.ok ? addEntries(empty.file, "main", [learned.entry]).file : empty.file;
  const policy = effectivePolicy({ approvals: { ...empty, file } });
  return {
    learned,
    facts,
    file,
    ask: async (request: PlanRequest) => decide(await makePlan(request, facts), { policy, facts }),
    second,
  };
}

Deno.test("X17: nothing is remembered for a multiplexer", async () => {
  const { learned, ask } = await afterLearning(["busybox", "sh", "-c", "echo a"], { argv: [] });
  assertEquals(learned.ok, false);
  assertEquals((await ask({ argv: ["busybox", "sh", "-c", "touch /tmp/c"] })).outcome, "deny");
  assertEquals((await ask({ argv: ["busybox", "sh", "-c", "echo a"] })).outcome, "deny");
});

Deno.test("X19: allow-always of a shell command never allows the shell", async () => {
  const { learned, ask } = await afterLearning(["zsh", "-lc", "whoami"], { argv: [] });
  assert(learned.ok && learned.entry.pattern.startsWith("=argv:"));
  assertEquals((await ask({ argv: ["zsh", "-lc", "whoami"] })).outcome, "run");
  for (
    const argv of [["zsh", "-lc", "touch /tmp/c"], ["zsh"], ["zsh", "-c", "whoami"], [
      "sh",
      "-lc",
      "whoami",
    ]]
  ) {
    assertEquals((await ask({ argv })).outcome, "deny");
  }
});

Deno.test("X20: allow-always is bound to arguments and directory", async () => {
  const { ask, file } = await afterLearning(["curl", "https://a.example"], { argv: [] });
  assertEquals((await ask({ argv: ["curl", "https://a.example"] })).outcome, "run");
  assertEquals((await ask({ argv: ["/usr/bin/curl", "https://a.example"] })).outcome, "run");
  assertEquals(
    (await ask({ argv: ["curl", "-o", "/tmp/c", "https://b.example"] })).outcome,
    "deny",
  );
  assertEquals((await ask({ argv: ["curl", "https://a.example"], cwd: "/tmp" })).outcome, "deny");
  assertEquals((await ask({ argv: ["curl", "https://a.example", ""] })).outcome, "deny");
  const [entry] = file.agents.get("main")?.allowlist ?? [];
  assertMatch(entry?.argPattern ?? "", /^sha256:cwd-argv:v1:[0-9a-f]{64}$/);
});

Deno.test("A07: allow-always of a script ends when the script changes", async () => {
  const { ask, facts } = await afterLearning(["bash", "s.sh"], { argv: [] }, {
    files: { "/srv/app/s.sh": "echo a" },
  });
  assertEquals((await ask({ argv: ["bash", "s.sh"] })).outcome, "run");
  facts.content.set("/srv/app/s.sh", "echo b");
  assertEquals((await ask({ argv: ["bash", "s.sh"] })).outcome, "deny");
});

Deno.test("X35: a runner that would fetch a package is never remembered", async () => {
  const { learned } = await afterLearning(["npx", "x"], { argv: [] }, { programs: "npx" });
  assertEquals(learned.ok, false);
});

Deno.test("X35: a runner is bound to the project's own bin, and that file runs", async () => {
  const machine = { programs: "npx pnpm", executables: ["/srv/app/node_modules/.bin/tsc"] };
  for (
    const argv of [["npx", "tsc", "-p", "."], ["pnpm", "exec", "tsc", "-p", "."], [
      "npx",
      "--no-install",
      "tsc",
      "-p",
      ".",
    ]]
  ) {
    const { verdict } = await judge({ argv, machine, allow: ["**/node_modules/.bin/tsc"] });
    assert(verdict.outcome === "run" && verdict.execution.kind === "list");
    assertEquals(verdict.execution.items[0]?.stages[0]?.file, "/srv/app/node_modules/.bin/tsc");
    assertEquals(await runs({ argv, machine, allow: ["/usr/bin/npx", "npx", "pnpm"] }), false);
  }
});

Deno.test("X33: interpreters run inline code only without strict inline eval", async () => {
  const one: Case = { argv: ["python3", "-c", "1"], allow: ["/usr/bin/python3"] };
  assertEquals(await runs(one), true);
  assertEquals(await runs({ ...one, config: { strictInlineEval: true } }), false);
  assertEquals(
    await runs({ ...one, settings: { security: "full" }, config: { strictInlineEval: true } }),
    false,
  );
  assertEquals(
    await runs({ ...one, config: { strictInlineEval: true }, facts: { approved: true } }),
    true,
  );
});

Deno.test("X37: a look-alike command is shown with escapes", async () => {
  const { verdict } = await judge({ argv: ["ec\u200bho", "hi\u202e"] });
  assert(verdict.outcome === "deny");
  assertMatch(verdict.message, /ec\\u\{200b\}ho hi\\u\{202e\}/);
  assert(!verdict.message.includes("\u200b"));
});

Deno.test("A16 A17: invisible characters and terminal escapes are shown as escapes everywhere in a refusal", async () => {
  const nasty = "\u202e\u200b\u3164\u{e0041}\x1b[2K\x1b]52;c;x\x07\x1b]8;;u\x07\r";
  const { verdict } = await judge({
    argv: ["nope" + nasty, nasty],
    request: { cwd: `/tmp/${nasty}`, env: { ["X" + nasty]: "1" }, agentId: nasty },
  });
  assert(verdict.outcome === "deny");
  // deno-lint-ignore no-control-regex
  assert(
    !/[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b\u202e\u3164]|\u{e0041}/u.test(verdict.message),
    JSON.stringify(verdict.message),
  );
});

Deno.test("A15: a long command with a hidden tail is refused whole, and its plan keeps the full text", async () => {
  const argv = sh(`echo ok${" ".repeat(8192)}; touch /tmp/c ${"#".repeat(100_000)}`);
  const { plan, verdict } = await judge({ argv, allow: ["echo"] });
  assertEquals(verdict.outcome, "deny");
  assert(plan.commandText.includes("touch /tmp/c"));
});

Deno.test("X43: odd arguments never reach a batch file, whatever the policy", async () => {
  const machine: Machine = {
    platform: "windows",
    executables: ["C:\\bin\\x.cmd", "C:\\bin\\y.bat"],
    pathDirs: ["C:\\bin"],
    cwd: "C:\\w",
  };
  for (
    const bad of ['"&calc&"', "%CMDCMDLINE:~-1%&calc", "a|b", "^x", "!x!", "a\nb", 'x"', "x\\"]
  ) {
    for (const name of ["x", "x.cmd", "C:\\bin\\y.bat"]) {
      for (const settings of [{}, { security: "full" }]) {
        const { verdict } = await judge({ argv: [name, bad], allow: ["*"], machine, settings });
        assert(
          verdict.outcome === "deny" && verdict.reason === "execution-plan-miss",
          `${name} ${bad}`,
        );
      }
    }
  }
  assertEquals(
    await runs({ argv: ["x", "build", "--out=dist\\a", "C:/y"], allow: ["*"], machine }),
    true,
  );
});

Deno.test("X38: cmd.exe runs only with security=full, an approval or an exact rule", async () => {
  const machine: Machine = {
    platform: "windows",
    executables: ["C:\\Windows\\cmd.exe"],
    pathDirs: ["C:\\Windows"],
    cwd: "C:\\w",
  };
  const one: Case = { argv: ["cmd.exe", "/c", "dir"], allow: ["*"], machine };
  assertEquals(await runs(one), false);
  assertEquals(await runs({ ...one, settings: { security: "full" } }), true);
  assertEquals(await runs({ ...one, facts: { approved: true } }), true);
});

Deno.test("effectivePolicy() takes each field from the first scope that has it", () => {
  const text = JSON.stringify({
    version: 1,
    defaults: { security: "full", ask: "always", askFallback: "full" },
    agents: {
      "*": { ask: "off", allowlist: ["a"] },
      main: { security: "deny", allowlist: ["b"] },
      default: { askFallback: "allowlist", allowlist: ["c"] },
    },
  });
  const approvals = parseApprovals(text, newId);
  const main = effectivePolicy({ approvals, config: { security: "deny" } });
  assertEquals([main.security, main.ask, main.askFallback], ["deny", "off", "allowlist"]);
  assertEquals(main.sources, {
    security: "agents.main",
    ask: "agents.*",
    askFallback: "agents.main",
    autoAllowSkills: "built-in",
  });
  assertEquals(main.allowlist.map((one) => [one.agent, one.entry.pattern]), [["*", "a"], [
    "main",
    "b",
  ], ["main", "c"]]);
  assertEquals(effectivePolicy({ approvals, agentId: "x" }).security, "full");
  const fresh = effectivePolicy({ approvals: parseApprovals(undefined, newId) });
  assertEquals([fresh.security, fresh.ask, fresh.askFallback], ["allowlist", "on-miss", "deny"]);
  const configured = effectivePolicy({
    approvals: parseApprovals(undefined, newId),
    config: { ask: "off" },
    agentConfig: { ask: "always" },
  });
  assertEquals([configured.ask, configured.sources.ask], [
    "always",
    "agents.list[main].tools.exec",
  ]);
});

Deno.test("stricter settings win, and a caller can only tighten", () => {
  assertEquals(stricterSecurity("full", "allowlist"), "allowlist");
  assertEquals(stricterSecurity("deny", "full"), "deny");
  assertEquals(stricterAsk("off", "on-miss"), "on-miss");
  assertEquals(stricterAsk("always", "off"), "always");
  const policy = policyOf([]);
  assertEquals(tightened(policy, { security: "full", ask: "always" }).security, "allowlist");
  assertEquals(tightened(policy, { ask: "always" }).ask, "always");
});

Deno.test("decide() attaches input to a shell or interpreter only with full or an approval (decision 14)", async () => {
  const machine: Machine = { files: { "/srv/app/a.py": "x", "/srv/app/s.sh": "y" } };
  const request = { stdin: true };
  for (
    const argv of [["python3", "a.py"], ["bash", "s.sh"], sh("python3 a.py"), [
      "bash",
      "-lc",
      "cat",
    ]]
  ) {
    const one: Case = { argv, allow: ["*"], machine };
    assertEquals(await runs(one), true, argv.join(" "));
    assertEquals(await runs({ ...one, request }), false, argv.join(" "));
    assertEquals(await runs({ ...one, request, settings: { security: "full" } }), true);
    assertEquals(await runs({ ...one, request, facts: { approved: true } }), true);
  }
  assertEquals(await runs({ argv: sh("cat | head -n 1"), allow: ["cat"], request }), true);
  const { ask } = await afterLearning(["python3", "a.py"], { argv: [] }, machine);
  assertEquals((await ask({ argv: ["python3", "a.py"] })).outcome, "run");
  assertEquals((await ask({ argv: ["python3", "a.py"], stdin: true })).outcome, "deny");
});

Deno.test("decide() reads -e, -u and pipefail where they change nothing, and refuses them where they would", async () => {
  const allow = ["uname", "cat"];
  for (
    const argv of [
      ["bash", "-euo", "pipefail", "-c", "uname && uname"],
      ["bash", "-e", "-o", "pipefail", "-c", "uname"],
      ["sh", "-ec", "uname && uname"],
      ["bash", "-c", "-o", "pipefail", "uname"],
    ]
  ) {
    assertEquals(await runs({ argv, allow }), true, argv.join(" "));
  }
  for (
    const argv of [
      ["bash", "-o", "pipefail", "-c", "uname | cat"],
      ["bash", "-ec", "uname; uname"],
      ["bash", "-ec", "uname || uname"],
      ["bash", "-o", "noglob", "-c", "uname"],
      ["bash", "-oo", "pipefail", "-c", "uname"],
      ["bash", "-xc", "uname"],
      ["bash", "-o"],
    ]
  ) {
    assertEquals(await runs({ argv, allow }), false, argv.join(" "));
  }
});

Deno.test("a shell with -x or -e and a script file is matched by the script", async () => {
  const machine: Machine = { files: { "/srv/app/s.sh": "x" } };
  for (
    const argv of [["bash", "-x", "s.sh"], ["bash", "-eu", "s.sh"], [
      "bash",
      "-euo",
      "pipefail",
      "s.sh",
      "a",
    ]]
  ) {
    const { verdict } = await judge({ argv, allow: ["/srv/app/s.sh"], machine });
    assert(verdict.outcome === "run" && verdict.execution.kind === "list", argv.join(" "));
    assertEquals(await runs({ argv, allow: ["bash"], machine }), false);
  }
});

Deno.test("agent default means main, whose settings it was merged into", () => {
  const approvals = parseApprovals(
    JSON.stringify({
      version: 1,
      defaults: { security: "full" },
      agents: { default: { security: "deny" } },
    }),
    newId,
  );
  assertEquals(effectivePolicy({ approvals, agentId: "default" }).security, "deny");
});
