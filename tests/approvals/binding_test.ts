/** Rows A01-A09 and X24, X39: what an approval is bound to, and what stops a run that differs. */
import { assert, assertEquals } from "@std/assert";
import {
  approvedRunRefusal,
  bindingMismatch,
  bindingOf,
  checkDrift,
  checkSystemRunPlan,
  envHash,
  prepareRun,
  type SystemRunPlan,
} from "../../src/approvals/binding.ts";
import { makePlan, type PlanRequest } from "../../src/approvals/plan.ts";
import { checkRawCommand, commandPreview, commandText } from "../../src/approvals/words.ts";
import { fakeMachine, judge, type Machine, sh } from "./fake_machine.ts";

async function prepared(request: PlanRequest, machine: Machine = {}) {
  const facts = fakeMachine(machine);
  return { facts, result: await prepareRun(await makePlan(request, facts), facts) };
}

async function planOf(
  request: PlanRequest,
  machine: Machine = {},
): Promise<{ plan: SystemRunPlan; facts: ReturnType<typeof fakeMachine> }> {
  const { facts, result } = await prepared(request, machine);
  assert(result.ok, result.ok ? "" : result.message);
  return { plan: result.plan, facts };
}

Deno.test("commandText() follows the canonical form", () => {
  assertEquals(commandText(["/bin/sh", "-lc", "echo hi | cat"]), '/bin/sh -lc "echo hi | cat"');
  assertEquals(commandText(["a", "", 'b"c', "d\te", "f'g$h"]), 'a "" "b\\"c" "d\te" f\'g$h');
  assertEquals(commandPreview(["/bin/sh", "-lc", "echo hi | cat"]), "echo hi | cat");
  assertEquals(commandPreview(["/bin/sh", "-c", "$0", "touch"]), null);
  assertEquals(commandPreview(["env", "A=1", "sh", "-c", "x"]), null);
});

Deno.test("X24: raw text must be the canonical text or the inline script", () => {
  assertEquals(checkRawCommand(["echo", "ok"], "touch /tmp/c"), {
    code: "RAW_COMMAND_MISMATCH",
    rawCommand: "touch /tmp/c",
    inferred: "echo ok",
    formattedArgv: "echo ok",
  });
  assertEquals(checkRawCommand(["echo", "ok"], "echo ok"), undefined);
  assertEquals(checkRawCommand(sh("echo ok"), "echo ok"), undefined);
  assertEquals(
    checkRawCommand(["sh", "-c", "echo ok", "x"], "echo ok")?.code,
    "RAW_COMMAND_MISMATCH",
  );
  assertEquals(checkRawCommand(["echo"], undefined), undefined);
});

Deno.test("prepareRun() pins the program, keeps shells and binds a script's content", async () => {
  assertEquals((await planOf({ argv: ["uname", "-a"] })).plan.argv, ["/usr/bin/uname", "-a"]);
  assertEquals((await planOf({ argv: sh("uname") })).plan, {
    argv: ["/bin/sh", "-c", "uname"],
    cwd: null,
    commandText: "/bin/sh -c uname",
    commandPreview: "uname",
    agentId: "main",
    sessionKey: null,
    cwdIdentity: "1:/srv/app",
  });
  const { plan } = await planOf({ argv: ["timeout", "5", "bash", "s.sh"], cwd: "/srv/app" }, {
    files: { "/srv/app/s.sh": "x" },
  });
  assertEquals([plan.mutableFileOperand?.argvIndex, plan.mutableFileOperand?.path, plan.cwd], [
    3,
    "/srv/app/s.sh",
    "/srv/app",
  ]);
  const own = await planOf({ argv: ["/srv/app/tool"] }, {
    executables: ["/srv/app/tool"],
    mutable: ["/srv/app/tool"],
  });
  assertEquals(own.plan.mutableFileOperand?.argvIndex, 0);
});

Deno.test("prepareRun() finds the script behind runners and interpreters", async () => {
  const machine = {
    programs: "npx pnpm tsx deno",
    executables: ["/srv/app/node_modules/.bin/tsx"],
    files: { "/srv/app/f.js": "x", "/srv/app/a.ts": "y" },
  };
  const rows: [string[], number][] = [
    [["node", "f.js"], 1],
    [["node", "--no-warnings", "f.js", "x"], 2],
    [["python3", "-u", "f.js"], 2],
    [["pnpm", "node", "f.js"], 2],
    [["npx", "tsx", "a.ts"], 2],
    [["pnpm", "exec", "tsx", "a.ts"], 3],
    [["deno", "run", "-A", "a.ts"], 3],
    [["perl", "f.js"], 1],
  ];
  for (const [argv, index] of rows) {
    assertEquals(
      (await planOf({ argv }, machine)).plan.mutableFileOperand?.argvIndex,
      index,
      argv.join(" "),
    );
  }
});

const refusals: readonly [name: string, request: PlanRequest, machine: Machine, text: string][] = [
  [
    "a missing directory",
    { argv: ["uname"], cwd: "/none" },
    {},
    "approval requires an existing canonical cwd",
  ],
  [
    "A09: a directory that is a link",
    { argv: ["uname"], cwd: "/l" },
    { links: { "/l": "/tmp" } },
    "approval requires canonical cwd (no symlink cwd)",
  ],
  ["A09: a link inside a writable directory", { argv: ["uname"], cwd: "/tmp/l/x" }, {
    links: { "/tmp/l": "/srv" },
    directories: ["/srv/x"],
    writableLinks: ["/tmp/l"],
  }, "approval requires canonical cwd (no symlink path components)"],
  [
    "a file as directory",
    { argv: ["uname"], cwd: "/srv/app/f" },
    { files: { "/srv/app/f": "" } },
    "approval requires cwd to be a directory",
  ],
  ["an unknown program", { argv: ["nope"] }, {}, "approval requires a stable executable path"],
  [
    "X33: inline code",
    { argv: ["node", "-e", "1"] },
    {},
    "approval cannot safely bind this interpreter/runtime command",
  ],
  [
    "X33: more code by an option",
    { argv: ["perl", "-Mx", "f"] },
    { files: { "/srv/app/f": "" } },
    "approval cannot safely bind this interpreter/runtime command",
  ],
  [
    "X17: a multiplexer",
    { argv: ["busybox", "wget"] },
    {},
    "approval cannot safely bind this interpreter/runtime command",
  ],
  [
    "X35: a runner that fetches",
    { argv: ["npx", "-p", "x", "y"] },
    { programs: "npx" },
    "approval cannot safely bind this interpreter/runtime command",
  ],
  [
    "X35: an unknown bin of a runner",
    { argv: ["npx", "x"] },
    { programs: "npx" },
    "approval requires an existing script operand",
  ],
  [
    "a missing script",
    { argv: ["bash", "none.sh"] },
    {},
    "approval requires an existing script operand",
  ],
  [
    "a directory as script",
    { argv: ["bash", "/tmp"] },
    {},
    "approval requires a file script operand",
  ],
  [
    "a shell that reads its input",
    { argv: ["bash"] },
    {},
    "approval cannot safely bind this interpreter/runtime command",
  ],
];

for (const [name, request, machine, text] of refusals) {
  Deno.test(`prepareRun() refuses ${name}`, async () => {
    const { result } = await prepared(request, machine);
    assertEquals(result, { ok: false, message: `SYSTEM_RUN_DENIED: ${text}` });
  });
}

Deno.test("A07: a script rewritten after the approval stops the run", async () => {
  const { plan, facts } = await planOf({ argv: ["bash", "s.sh"] }, {
    files: { "/srv/app/s.sh": "echo a" },
  });
  assertEquals(await checkDrift(plan, facts), undefined);
  facts.content.set("/srv/app/s.sh", "echo b");
  assertEquals(
    await checkDrift(plan, facts),
    "SYSTEM_RUN_DENIED: approval script operand changed before execution",
  );
  facts.content.delete("/srv/app/s.sh");
  assertEquals(
    await checkDrift(plan, facts),
    "SYSTEM_RUN_DENIED: approval script operand changed before execution",
  );
});

Deno.test("A07: a plan without the binding of its script, or with another file's, stops the run", async () => {
  const { plan, facts } = await planOf({ argv: ["bash", "s.sh"] }, {
    files: { "/srv/app/s.sh": "x", "/srv/app/o.sh": "x" },
  });
  const { mutableFileOperand: operand, ...bare } = plan;
  assertEquals(
    await checkDrift(bare, facts),
    "SYSTEM_RUN_DENIED: approval missing script operand binding",
  );
  assert(operand);
  const other = { ...plan, mutableFileOperand: { ...operand, path: "/srv/app/o.sh" } };
  assertEquals(
    await checkDrift(other, facts),
    "SYSTEM_RUN_DENIED: approval script operand changed before execution",
  );
});

Deno.test("A09: a directory that became a link, vanished or was exchanged stops the run", async () => {
  const { plan } = await planOf({ argv: ["uname"], cwd: "/srv/app" });
  const changed = "SYSTEM_RUN_DENIED: approval cwd changed before execution";
  assertEquals(await checkDrift(plan, fakeMachine({ links: { "/srv/app": "/tmp" } })), changed);
  assertEquals(await checkDrift({ ...plan, cwd: "/gone" }, fakeMachine()), changed);
  assertEquals(await checkDrift({ ...plan, cwdIdentity: "1:other" }, fakeMachine()), changed);
});

Deno.test("A01: approved alone is not trusted; the plan must come with it and say the same", async () => {
  const { plan } = await planOf({
    argv: ["uname"],
    cwd: "/srv/app",
    agentId: "ops",
    sessionKey: "s",
  });
  const good = {
    approved: true,
    command: plan.argv,
    cwd: plan.cwd,
    agentId: "ops",
    sessionKey: "s",
    systemRunPlan: plan,
  };
  assertEquals(approvedRunRefusal(good), undefined);
  assertEquals(
    approvedRunRefusal({ ...good, approved: false, systemRunPlan: undefined }),
    undefined,
  );
  assertEquals(
    approvedRunRefusal({ ...good, systemRunPlan: undefined }),
    "SYSTEM_RUN_DENIED: an approved run needs its systemRunPlan",
  );
  const differs = "SYSTEM_RUN_DENIED: the approved systemRunPlan differs from the command";
  for (
    const change of [
      { command: ["/usr/bin/uname", "-a"] },
      { cwd: "/tmp" },
      { cwd: null },
      { agentId: "main" },
      { sessionKey: null },
      { stdin: true },
    ]
  ) {
    assertEquals(approvedRunRefusal({ ...good, ...change }), differs, JSON.stringify(change));
  }
});

Deno.test("X39: an approval of cmd.exe text is bound to every word after it", async () => {
  const machine: Machine = {
    platform: "windows",
    executables: ["C:\\Windows\\cmd.exe"],
    pathDirs: ["C:\\Windows"],
    cwd: "C:\\w",
    directories: ["C:\\w"],
  };
  const { plan } = await planOf({ argv: ["cmd.exe", "/c", "dir"] }, machine);
  const stored = await bindingOf(plan, {});
  for (
    const argv of [["cmd.exe", "/c", "dir ^& calc"], ["cmd.exe", "/c", "dir", "^&", "calc"], [
      "cmd.exe",
      "/c",
      "dir",
      "",
    ]]
  ) {
    assertEquals(bindingMismatch(stored, { ...stored, argv }), "APPROVAL_REQUEST_MISMATCH");
    assertEquals(
      approvedRunRefusal({ approved: true, command: argv, systemRunPlan: plan }),
      "SYSTEM_RUN_DENIED: the approved systemRunPlan differs from the command",
    );
  }
});

Deno.test("A05: one changed byte of environment, directory or argv is another request", async () => {
  const { plan } = await planOf({ argv: ["uname"], cwd: "/srv/app" });
  const stored = await bindingOf(plan, { A: "1", B: "2" });
  assertEquals(bindingMismatch(stored, await bindingOf(plan, { B: "2", A: "1" })), undefined);
  assertEquals(
    bindingMismatch(stored, await bindingOf(plan, { A: "1", B: "3" })),
    "APPROVAL_ENV_MISMATCH",
  );
  assertEquals(bindingMismatch(stored, await bindingOf(plan, {})), "APPROVAL_ENV_MISMATCH");
  assertEquals(
    bindingMismatch(await bindingOf(plan, {}), await bindingOf(plan, { A: "1" })),
    "APPROVAL_ENV_BINDING_MISSING",
  );
  for (
    const change of [
      { cwd: "/srv/app/" },
      { cwd: null },
      { argv: ["/usr/bin/uname", ""] },
      { agentId: "x" },
      { sessionKey: "s" },
      { stdin: true },
    ]
  ) {
    assertEquals(bindingMismatch(stored, { ...stored, ...change }), "APPROVAL_REQUEST_MISMATCH");
  }
});

Deno.test("envHash() is the SHA-256 of the sorted pairs as JSON", async () => {
  assertEquals(await envHash({}), null);
  assertEquals(await envHash({ B: "2", A: "1", n: 3 }), await envHash({ A: "1", B: "2" }));
  assertEquals(
    await envHash({ A: "1" }),
    "7663e8dee7c9d442b83a9aef3715d15646ec582d3ed42b4855020c379427703c",
  );
});

Deno.test("checkSystemRunPlan() refuses text that is not the argv's, and odd shapes", async () => {
  const { plan } = await planOf({ argv: ["uname"] });
  assertEquals(checkSystemRunPlan(plan), plan);
  assertEquals(checkSystemRunPlan(JSON.parse(JSON.stringify({ ...plan, extra: 1 }))), plan);
  for (
    const bad of [
      null,
      {},
      [],
      "x",
      { ...plan, argv: [] },
      { ...plan, argv: "uname" },
      { ...plan, commandText: "other" },
      { ...plan, cwd: 5 },
      { ...plan, mutableFileOperand: { argvIndex: 9, path: "/x", sha256: "a".repeat(64) } },
      { ...plan, mutableFileOperand: { argvIndex: 0, path: "/x", sha256: "zz" } },
    ]
  ) {
    assertEquals(checkSystemRunPlan(bad), undefined);
  }
});

Deno.test("A07: a script inside shell text is bound, and runs from the opened file", async () => {
  const machine: Machine = { files: { "/srv/app/s.sh": "echo a", "/srv/app/t.py": "x" } };
  for (
    const argv of [sh("bash s.sh"), sh("cd /srv/app && timeout 5 bash s.sh x"), [
      "nice",
      "bash",
      "-c",
      "bash s.sh",
    ]]
  ) {
    const { plan, facts } = await planOf({ argv }, machine);
    assertEquals(plan.mutableFileOperand?.path, "/srv/app/s.sh", argv.join(" "));
    assertEquals(plan.argv[plan.mutableFileOperand?.argvIndex ?? 0]?.includes("bash s.sh"), true);
    assertEquals(await checkDrift(plan, facts), undefined);
    facts.content.set("/srv/app/s.sh", "echo b");
    assertEquals(
      await checkDrift(plan, facts),
      "SYSTEM_RUN_DENIED: approval script operand changed before execution",
    );
  }
  const { plan, facts } = await planOf({ argv: sh("bash s.sh && python3 t.py") }, machine);
  assertEquals(plan.scriptOperands?.map((one) => one.path), ["/srv/app/s.sh", "/srv/app/t.py"]);
  assertEquals(checkSystemRunPlan(plan), plan);
  assertEquals(await checkDrift(plan, facts), undefined);
  const { scriptOperands: _gone, ...stripped } = plan;
  assertEquals(
    await checkDrift(stripped, facts),
    "SYSTEM_RUN_DENIED: approval missing script operand binding",
  );
  facts.content.set("/srv/app/t.py", "y");
  assertEquals(
    await checkDrift(plan, facts),
    "SYSTEM_RUN_DENIED: approval script operand changed before execution",
  );
});

Deno.test("A07: a script behind a wrapper that is not read is bound as well", async () => {
  const machine: Machine = { files: { "/srv/app/s.sh": "echo a" } };
  for (
    const [argv, index] of [[["sudo", "bash", "s.sh"], 2], [["env", "A=1", "bash", "s.sh"], 3], [[
      "flock",
      "l",
      "sh",
      "s.sh",
    ], 3]] as const
  ) {
    const { plan, facts } = await planOf({ argv }, machine);
    assertEquals(plan.mutableFileOperand?.argvIndex, index);
    facts.content.set("/srv/app/s.sh", "echo b");
    assertEquals(
      await checkDrift(plan, facts),
      "SYSTEM_RUN_DENIED: approval script operand changed before execution",
    );
  }
  assertEquals((await prepared({ argv: ["sudo", "node", "-e", "1"] })).result.ok, false);
});

Deno.test("an approved shell text with a script runs as the read list, first scripts and folder opened", async () => {
  const one = {
    argv: sh("bash s.sh 2>&1 | cat && bash s.sh"),
    machine: { files: { "/srv/app/s.sh": "x" } },
    facts: { approved: true },
  };
  const { verdict } = await judge(one);
  assert(verdict.outcome === "run" && verdict.execution.kind === "list");
  const [first, second] = verdict.execution.items;
  assertEquals(
    first?.stages.map((
      stage,
    ) => [stage.bindings?.map((file) => [file.argvIndex, file.path]), stage.bindCwd]),
    [
      [[[1, "/srv/app/s.sh"]], true],
      [undefined, true],
    ],
  );
  assertEquals(second?.stages[0]?.bindings, undefined);
  const full = await judge({ ...one, facts: {}, settings: { security: "full" } });
  assert(full.verdict.outcome === "run" && full.verdict.execution.kind === "exact");
});

Deno.test("X35: an approved runner starts the bound bin itself", async () => {
  const machine: Machine = { programs: "npx", executables: ["/srv/app/node_modules/.bin/tsc"] };
  const { verdict } = await judge({
    argv: ["npx", "tsc", "-p", "."],
    machine,
    facts: { approved: true },
  });
  assert(verdict.outcome === "run" && verdict.execution.kind === "list");
  const stage = verdict.execution.items[0]?.stages[0];
  assertEquals([stage?.file, stage?.args, stage?.bindings?.[0]?.argvIndex], [
    "/srv/app/node_modules/.bin/tsc",
    ["-p", "."],
    0,
  ]);
});
