import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { newGrant, renderGrants } from "../../src/approvals/grants.ts";
import type { NodeLeg } from "./support/gateway.ts";
import { type Bench, withNode } from "./support/node.ts";

const linux = { ignore: Deno.build.os !== "linux" };
const ASK = { version: 1, defaults: { security: "allowlist", ask: "on-miss" }, agents: {} };
type Json = Record<string, unknown>;

async function prepare(leg: NodeLeg, params: Json): Promise<Json> {
  const { ok, payload, error } = await leg.invoke("system.run.prepare", params);
  assert(ok, error?.message);
  return payload["plan"] as Json;
}

/** What a gateway forwards after it matched an approval. */
function approvedRun(plan: Json, more: Json = {}): Json {
  return {
    command: plan["argv"],
    rawCommand: plan["commandText"],
    cwd: plan["cwd"],
    agentId: plan["agentId"],
    sessionKey: plan["sessionKey"],
    systemRunPlan: plan,
    runId: crypto.randomUUID(),
    approved: true,
    approvalDecision: "allow-once",
    ...more,
  };
}

async function run(leg: NodeLeg, params: Json) {
  const { payload, error } = await leg.invoke("system.run", params, { live: false });
  return { ...payload, code: error?.code, message: error?.message ?? "" } as Json & {
    message: string;
  };
}

const ask = (test: (leg: NodeLeg, bench: Bench) => Promise<void>) => () =>
  withNode(async ({ gateway, bench }) => await test(await gateway.leg(), bench), {
    approvals: ASK,
  });

Deno.test(
  "an approved plan runs once prepared, and without approval it asks",
  linux,
  ask(async (leg) => {
    const plan = await prepare(leg, { command: ["id", "-u"] });
    assertMatch((await run(leg, { command: ["id", "-u"] })).message, /approval required/);
    const result = await run(leg, approvedRun(plan));
    assertEquals([result["exitCode"], result.message], [0, ""]);
    assertMatch(String(result["stdout"]), /^\d+\n$/);
    assertMatch((await run(leg, { command: ["id", "-u"] })).message, /approval required/);
  }),
);

Deno.test(
  "A01: `approved` without its plan is not trusted",
  linux,
  ask(async (leg) => {
    const result = await run(leg, {
      command: ["id"],
      approved: true,
      approvalDecision: "allow-once",
      runId: "x",
    });
    assertEquals(result["code"], "SYSTEM_RUN_DENIED");
    assertStringIncludes(result.message, "needs its systemRunPlan");
  }),
);

for (
  const [name, change] of [
    ["another argv", { command: ["id", "-g"], rawCommand: null }],
    ["another cwd", { cwd: "/tmp" }],
    ["another agent", { agentId: "someone" }],
    ["attached input", { stdin: true }],
  ] as const
) {
  Deno.test(
    `A05: an approved plan does not cover ${name}`,
    linux,
    ask(async (leg) => {
      const plan = await prepare(leg, { command: ["id", "-u"] });
      const result = await run(leg, approvedRun(plan, change));
      assertEquals(result["code"], "SYSTEM_RUN_DENIED");
      assertStringIncludes(result.message, "differs from the command");
    }),
  );
}

Deno.test(
  "A07: a script rewritten after the approval is refused, the approved content runs",
  linux,
  ask(async (leg, bench) => {
    const script = join(bench.home, "s.sh");
    const canary = join(bench.home, "canary");
    await Deno.writeTextFile(script, "echo good\n", { mode: 0o755 });
    const plan = await prepare(leg, { command: ["/bin/sh", script] });
    assertEquals((plan["mutableFileOperand"] as Json)["path"], script);
    assertEquals((await run(leg, approvedRun(plan)))["stdout"], "good\n");
    const { atime, mtime } = await Deno.stat(script);
    await Deno.writeTextFile(script, `:>${canary}`.padEnd(10).slice(0, 10));
    await Deno.utime(script, atime!, mtime!);
    const result = await run(leg, approvedRun(plan));
    assertMatch(result.message, /changed before execution/);
  }),
);

Deno.test(
  "system.run.prepare explains the live policy on request, also for what cannot be approved",
  linux,
  ask(async (leg) => {
    const explain = async (command: string[]) =>
      (await leg.invoke("system.run.prepare", { command, explain: true })).payload as Json;
    const miss = await explain(["id", "-u"]);
    assertEquals(miss["decision"], "approval-required");
    assertMatch(String(miss["text"]), /fix: openclaw approvals allowlist add .*\/id$/m);
    assertStringIncludes((await run(leg, { command: ["id", "-u"] })).message, String(miss["text"]));
    assertEquals((await explain(["sh", "-c", "echo $HOME"]))["decision"], "approval-required");
    assertEquals((await explain(["head", "-n", "1"]))["decision"], "run");
  }),
);

Deno.test(
  "A07: scripts inside approved shell text are bound as well",
  linux,
  ask(async (leg, bench) => {
    const cwd = join(bench.home, "text");
    await Deno.mkdir(cwd, { mode: 0o755 });
    const script = join(cwd, "s.sh");
    await Deno.symlink(script, join(cwd, "link.sh"));
    for (const text of ["sh s.sh 2>&1 | cat && sh s.sh", "nice sh link.sh"]) {
      await Deno.writeTextFile(script, "echo good; exit 0\n", { mode: 0o755 });
      const plan = await prepare(leg, { command: ["/bin/sh", "-c", text], cwd });
      const good = await run(leg, approvedRun(plan));
      assertEquals(String(good["stdout"]).split("\n")[0], "good", JSON.stringify(good));
      await Deno.writeTextFile(script, "echo evil; exit 0\n");
      const result = await run(leg, approvedRun(plan));
      assertMatch(result.message, /changed before execution/);
    }
  }),
);

Deno.test(
  "A07: a program behind a shell or a wrapper that is rewritten after the approval is refused",
  linux,
  ask(async (leg, bench) => {
    const tool = join(bench.home, "tool");
    const canary = join(bench.home, "canary");
    const put = async (text: string) => {
      await Deno.remove(tool).catch(() => {/* the first time */});
      await Deno.writeTextFile(tool, `#!/bin/sh\n${text}\n`, { mode: 0o700 });
    };
    const find = ["find", ".", "-maxdepth", "0", "-exec", "./tool", ";"];
    for (
      const command of [
        ["sh", "-c", "./tool"],
        ["sh", "-c", "echo a && ./tool"],
        ["bash", "-c", "sh tool && ./tool"],
        ["env", "./tool"],
        ["nice", tool],
        ["nice", "setsid", "./tool"],
        ["xargs", "./tool"],
        find,
      ]
    ) {
      await put("echo good");
      const plan = await prepare(leg, { command, cwd: bench.home });
      const good = await run(leg, approvedRun(plan));
      assertEquals([good["exitCode"], good.message], [0, ""], command.join(" "));
      assertMatch(String(good["stdout"]), /good\n$/);
      await put(`touch ${canary}`);
      const { message } = await run(leg, approvedRun(plan));
      assertMatch(message, /approval script operand changed before execution/, command.join(" "));
      assertEquals(await Deno.stat(canary).catch(() => "absent"), "absent");
    }
  }),
);

Deno.test(
  "A07: a script that finds its neighbours by $0 still works",
  linux,
  ask(async (leg, bench) => {
    const folder = join(bench.home, "app");
    await Deno.mkdir(folder, { mode: 0o755 });
    await Deno.writeTextFile(join(folder, "lib.txt"), "neighbour\n");
    const script = join(folder, "main.sh");
    await Deno.writeTextFile(script, 'cat "$(dirname "$0")/lib.txt"\n', { mode: 0o755 });
    const plan = await prepare(leg, { command: ["/bin/sh", script] });
    const result = await run(leg, approvedRun(plan));
    assertEquals([result["stdout"], result["error"]], ["neighbour\n", null]);
  }),
);

Deno.test(
  "A09: a working directory exchanged after the approval is refused",
  linux,
  ask(async (leg, bench) => {
    const cwd = join(bench.home, "work");
    await Deno.mkdir(cwd);
    const plan = await prepare(leg, { command: ["pwd"], cwd });
    assertEquals((await run(leg, approvedRun(plan)))["stdout"], `${cwd}\n`);
    await Deno.remove(cwd);
    await Deno.symlink("/etc", cwd);
    assertMatch((await run(leg, approvedRun(plan))).message, /cwd changed before execution/);
    const { error } = await leg.invoke("system.run.prepare", { command: ["pwd"], cwd });
    assertStringIncludes(error?.message ?? "", "symlink");
  }),
);

Deno.test(
  "allow-always is remembered for exactly this command and folder",
  linux,
  ask(async (leg, bench) => {
    const plan = await prepare(leg, { command: ["id", "-u"], cwd: bench.home });
    await run(leg, approvedRun(plan, { approvalDecision: "allow-always" }));
    const again = { command: ["id", "-u"], cwd: bench.home };
    assertEquals((await run(leg, again))["exitCode"], 0);
    assertMatch((await run(leg, { ...again, command: ["id", "-g"] })).message, /approval required/);
    assertMatch((await run(leg, { ...again, cwd: "/" })).message, /approval required/);
    const file = JSON.parse(await Deno.readTextFile(bench.paths.approvalsFile));
    assertMatch(file.agents.main.allowlist[0].pattern, /^=argv:[0-9a-f]{64}$/);
  }),
);

Deno.test(
  "a grant for one run serves one of two at once",
  linux,
  ask(async (leg, bench) => {
    const grant = newGrant({ id: "g1", createdAtMs: Date.now(), pattern: "/usr/bin/id", runs: 1 });
    assert(typeof grant !== "string");
    await Deno.writeTextFile(bench.paths.grantsFile, renderGrants([grant]), { mode: 0o600 });
    const both = await Promise.all([1, 2].map(() => run(leg, { command: ["/usr/bin/id"] })));
    assertEquals(both.map((one) => one["exitCode"] === 0).sort(), [false, true]);
    assertMatch(both.map((one) => one.message).join(""), /approval required/);
  }),
);

Deno.test(
  "needsScreenRecording is refused on a headless node",
  linux,
  () =>
    withNode(async ({ gateway }) => {
      const result = await run(await gateway.leg(), {
        command: ["id"],
        needsScreenRecording: true,
      });
      assertEquals(result.message, "PERMISSION_MISSING: screenRecording");
    }),
);
