/** Windows services with stand-ins for its programs that keep their calls, since no Windows runs these tests. */
import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { join } from "@std/path";
import { OpenclawError } from "../../src/lib/errors.ts";
import type { ServiceHost } from "../../src/service/host.ts";
import { serviceNames, type ServicePlan } from "../../src/service/plan.ts";
import { schtasksManager } from "../../src/service/schtasks.ts";
import { renderLauncher } from "../../src/service/schtasks_render.ts";
import { FakeClock } from "../support/fake_clock.ts";

/** What the stand-ins do; `runs` is the pid the service's own record tells. */
interface Answers {
  readonly schtasks?: string;
  readonly explorer?: string;
  runs?: number | undefined;
}

/** A machine whose programs write down their calls; `schtasks.exe` keeps the definitions it is given. */
async function scene(answers: Answers = {}, clock = new FakeClock()) {
  const dir = await Deno.makeTempDir();
  const tool = (name: string, script: string) =>
    Deno.writeTextFile(
      join(dir, name),
      `#!/bin/sh\necho "${name} $*" >> ${dir}/calls\n${script}\n`,
      { mode: 0o755 },
    );
  await tool(
    "schtasks.exe",
    `if [ "$5" = /XML ]; then cp "$6" ${dir}/task.$(ls ${dir} | grep -c '^task\\.').xml; fi\n${
      answers.schtasks ?? ""
    }`,
  );
  await tool("explorer.exe", answers.explorer ?? "exit 1");
  await tool("taskkill.exe", "");
  const host: ServiceHost = {
    env: {
      USERDOMAIN: "LAB",
      SYSTEMROOT: "C:\\Windows",
      PATH: "/usr/bin:/bin",
      APPDATA: join(dir, "roaming"),
    },
    home: dir,
    uid: undefined,
    userName: "me",
    binDirs: [dir],
  };
  const runningPid = () => Promise.resolve(answers.runs);
  const startup = join(dir, "roaming/Microsoft/Windows/Start Menu/Programs/Startup");
  return {
    dir,
    launcher: join(startup, "OpenClaw Node.cmd"),
    manager: schtasksManager(host, { stateDir: join(dir, "state"), runningPid, clock }),
    calls: async () => (await Deno.readTextFile(join(dir, "calls"))).trim().split("\n"),
    [Symbol.asyncDispose]: () => Deno.remove(dir, { recursive: true }),
  };
}

const names = serviceNames("node", undefined);
const planIn = (dir: string): ServicePlan => ({
  kind: "node",
  profile: undefined,
  description: "OpenClaw Node Host (v1.0.0)",
  program: ["C:\\openclaw.exe", "node", "run"],
  workingDirectory: undefined,
  environment: { OPENCLAW_STATE_DIR: "C:\\50%", OPENCLAW_SERVICE_KIND: "node" },
  environmentFile: `${dir}/state/service-env/node.env`,
  logsDir: join(dir, "logs"),
});
const gone = (path: string) => Deno.lstat(path).then(() => false, () => true);

Deno.test("install registers the definition, starts the task, and leaves only the script", async () => {
  await using s = await scene();
  assertEquals(await s.manager.install(planIn(s.dir), names), []);
  const calls = await s.calls();
  const definition = join(s.dir, "state", "node.task.xml");
  assertEquals(calls, [
    `schtasks.exe /Create /F /TN OpenClaw Node /XML ${definition}`,
    "schtasks.exe /Run /TN OpenClaw Node",
    "schtasks.exe /Query /TN OpenClaw Node /V /FO LIST",
  ]);
  const given = await Deno.readFile(join(s.dir, "task.0.xml"));
  assertEquals([given[0], given[1]], [0xff, 0xfe], "UTF-16 with its mark");
  const text = new TextDecoder("utf-16le").decode(given);
  assert(text.includes("<UserId>LAB\\me</UserId>"));
  assert(await gone(definition));
  assert(await gone(s.launcher));
  const script = await Deno.readTextFile(join(s.dir, "state", "node.cmd"));
  assert(script.includes("if %ERRORLEVEL%==78 exit /b 0"), "F30: a refusal is not started again");
  const status = await s.manager.status(names);
  assertEquals(status.command?.programArguments, ["C:\\openclaw.exe node run"]);
  assertEquals(status.command?.environment?.["OPENCLAW_STATE_DIR"], "C:\\50%");
  await s.manager.uninstall(names);
  assert(await gone(join(s.dir, "state", "node.cmd")));
});

Deno.test("preview shows the definition that is registered and the script it runs", async () => {
  await using s = await scene();
  const [task, script] = s.manager.preview(planIn(s.dir), names);
  assertEquals(task.path, join(s.dir, "state", "node.task.xml"));
  await s.manager.install(planIn(s.dir), names);
  const given = await Deno.readFile(join(s.dir, "task.0.xml"));
  assertEquals(task.text, new TextDecoder("utf-16le").decode(given));
  assertEquals(script?.text, await Deno.readTextFile(script?.path ?? ""));
});

const REFUSES = "case $1 in /Create) echo 'Access is denied.' >&2; exit 1;; /Query) exit 1;; esac";

Deno.test("a domain that is not known is tried without it; then the Startup folder takes the task's place", async () => {
  const answers: Answers = { schtasks: REFUSES };
  await using s = await scene(answers);
  const [warning] = await s.manager.install(planIn(s.dir), names);
  assertStringIncludes(warning ?? "", "(Access is denied.)");
  const users = await Promise.all([0, 1].map(async (i) => {
    const bytes = await Deno.readFile(join(s.dir, `task.${i}.xml`));
    return new TextDecoder("utf-16le").decode(bytes).match(/<UserId>(.*)<\/UserId>/)?.[1];
  }));
  assertEquals(users, ["LAB\\me", "me"]);
  const launcher = await Deno.readTextFile(s.launcher);
  assertStringIncludes(launcher, "conhost.exe --headless");
  assertStringIncludes(launcher, join(s.dir, "state", "node.cmd"));
  assertEquals((await s.calls()).at(-1), `explorer.exe ${s.launcher}`);

  const stopped = await s.manager.status(names);
  assertEquals([stopped.installed, stopped.runtime.status], [true, "stopped"]);
  answers.runs = 4242;
  assertEquals((await s.manager.status(names)).runtime, { status: "running", pid: 4242 });
  await s.manager.stop(names);
  assertEquals((await s.calls()).at(-1), "taskkill.exe /PID 4242 /T /F");
  answers.runs = undefined;
  await s.manager.start(names);
  assertEquals((await s.calls()).at(-1), `explorer.exe ${s.launcher}`);
  await s.manager.uninstall(names);
  assert(await gone(s.launcher));
  assertEquals((await s.manager.status(names)).installed, false);
});

Deno.test("a task that could be registered later replaces the Startup folder's launcher", async () => {
  await using s = await scene();
  await Deno.mkdir(join(s.launcher, ".."), { recursive: true });
  await Deno.writeTextFile(s.launcher, "@echo off\r\n");
  assertEquals(await s.manager.install(planIn(s.dir), names), []);
  assert(await gone(s.launcher));
});

Deno.test("a desktop that opens nothing is an error that says what to do", async () => {
  await using s = await scene({ schtasks: REFUSES, explorer: "exit 7" });
  const error = await assertRejects(
    () => s.manager.install(planIn(s.dir), names),
    OpenclawError,
    "explorer.exe ended with 7",
  );
  assertStringIncludes(error.hint ?? "", "log off and on again");
});

Deno.test("a task that Windows does not start within 15 s is started beside it", async () => {
  const clock = new FakeClock();
  await using s = await scene({ schtasks: "echo 'Last Run Result: 0x41303'" }, clock);
  let over = false;
  const installing = s.manager.install(planIn(s.dir), names).finally(() => over = true);
  while (!over) {
    await new Promise((resolve) => setTimeout(resolve, 1));
    await clock.advance(250);
  }
  assertStringIncludes((await installing)[0] ?? "", "did not start it");
  const beside = join(s.dir, "state", "node.start.cmd");
  assertEquals((await s.calls()).at(-1), `explorer.exe ${beside}`);
  assertStringIncludes(await Deno.readTextFile(beside), "--headless");
  await s.manager.uninstall(names);
  assert(await gone(beside));
});

Deno.test("N39: a launcher refuses a path that would end its command", () => {
  const facts = { description: "x & calc", systemRoot: "C:\\Windows" };
  for (const script of ["C:\\a&calc\\node.cmd", "C:\\a|b\\node.cmd", "C:\\%X%\\node.cmd"]) {
    assertThrows(() => renderLauncher({ ...facts, script }), OpenclawError);
  }
  const text = renderLauncher({ ...facts, script: "C:\\Users\\me (x)\\node.cmd" });
  assertEquals(text.split("\r\n"), [
    "@echo off",
    "rem x   calc",
    `start "" /min C:\\Windows\\System32\\conhost.exe --headless C:\\Windows\\System32\\cmd.exe /d /s /c ""C:\\Users\\me (x)\\node.cmd""`,
    "",
  ]);
});
