/** Installing an agent: a stand-in `launchctl` that keeps its calls, since no Mac runs these tests. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { join } from "@std/path";
import { OpenclawError } from "../../src/lib/errors.ts";
import type { ServiceHost } from "../../src/service/host.ts";
import { launchdManager } from "../../src/service/launchd.ts";
import { serviceNames, type ServicePlan } from "../../src/service/plan.ts";

async function scene(script: string) {
  const dir = await Deno.makeTempDir();
  await Deno.writeTextFile(
    join(dir, "launchctl"),
    `#!/bin/sh\necho "$*" >> ${dir}/calls\n${script}\n`,
    { mode: 0o755 },
  );
  const host: ServiceHost = {
    env: { PATH: "/usr/bin:/bin" },
    home: dir,
    uid: 501,
    userName: "me",
    binDirs: [dir],
  };
  return {
    dir,
    manager: launchdManager(host),
    agent: (label: string) => join(dir, "Library", "LaunchAgents", `${label}.plist`),
    calls: async () => (await Deno.readTextFile(join(dir, "calls"))).trim().split("\n"),
    [Symbol.asyncDispose]: () => Deno.remove(dir, { recursive: true }),
  };
}

const planIn = (dir: string, kind: ServicePlan["kind"]): ServicePlan => ({
  kind,
  profile: undefined,
  description: "OpenClaw (v1.0.0)",
  program: ["/opt/openclaw", kind, "run", "--display-name", `a "b" </string> & 'c'`],
  workingDirectory: undefined,
  environment: { HOME: dir },
  environmentFile: join(dir, "service-env", `${kind}.env`),
  logsDir: join(dir, "logs"),
});

Deno.test("install writes the agent, reads it back and loads it; restart, stop and uninstall follow", async () => {
  await using s = await scene(`case "$1" in print) echo "	pid = 4242";; esac`);
  const names = serviceNames("node", undefined);
  const plan = planIn(s.dir, "node");
  await s.manager.install(plan, names);
  assertEquals((await s.manager.status(names)).runtime, { status: "running", pid: 4242 });
  assertEquals((await s.manager.status(names)).command?.programArguments, plan.program);
  await s.manager.restart(names);
  await s.manager.stop(names);
  await s.manager.uninstall(names);
  const target = "gui/501/ai.openclaw.node";
  assertEquals((await s.calls()).filter((call) => !call.startsWith("print")), [
    `bootout ${target}`,
    `bootstrap gui/501 ${s.agent("ai.openclaw.node")}`,
    `kickstart -k ${target}`,
    `bootout ${target}`,
    `bootout ${target}`,
  ]);
  assertEquals((await s.manager.status(names)).installed, false);
  await s.manager.uninstall(names);
});

Deno.test("F30: a refused service unloads itself, since launchd would start it again; its file stays", async () => {
  await using s = await scene("exit 0");
  const names = serviceNames("gateway", undefined);
  await s.manager.install(planIn(s.dir, "gateway"), names);
  await s.manager.giveUp?.(names);
  assertEquals((await s.calls()).at(-1), "bootout gui/501/ai.openclaw.gateway");
  assert(await Deno.stat(s.agent("ai.openclaw.gateway")));
  await s.manager.start(names);
  assertEquals((await s.calls()).slice(-2), [
    `bootstrap gui/501 ${s.agent("ai.openclaw.gateway")}`,
    "kickstart gui/501/ai.openclaw.gateway",
  ]);
});

Deno.test("the tunnel's agent has its label, comes back and starts by itself, and replaces the older one", async () => {
  await using s = await scene("exit 0");
  const names = serviceNames("tunnel", undefined);
  assertEquals(names.launchdLabel, "ai.openclaw.ssh-tunnel");
  const old = s.agent("com.openclaw.ssh-tunnel");
  await Deno.mkdir(join(old, ".."), { recursive: true });
  await Deno.writeTextFile(old, "<plist/>");
  const warnings = await s.manager.install(planIn(s.dir, "tunnel"), names);
  const text = await Deno.readTextFile(s.agent("ai.openclaw.ssh-tunnel"));
  assert(/<key>RunAtLoad<\/key>\s*<true\/>/.test(text));
  assert(/<key>KeepAlive<\/key>\s*<true\/>/.test(text));
  assertEquals(warnings.length, 1);
  assert((await s.calls()).includes("bootout gui/501/com.openclaw.ssh-tunnel"));
  assertEquals(await Deno.stat(old).catch(() => "gone"), "gone");
});

Deno.test("a launchctl that refuses is quoted", async () => {
  await using s = await scene(
    `case "$1" in bootstrap) echo "Bootstrap failed: 5" >&2; exit 5;; esac`,
  );
  const error = await assertRejects(
    () => s.manager.install(planIn(s.dir, "node"), serviceNames("node", undefined)),
    OpenclawError,
    "Bootstrap failed: 5",
  );
  assertEquals(error.code, "SERVICE_ACTION_FAILED");
});
