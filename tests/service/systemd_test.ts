/** Installing through systemd: a stand-in `systemctl` that records its calls, and a real user instance where one runs. */
import { assertEquals, assertRejects } from "@std/assert";
import { join } from "@std/path";
import { OpenclawError } from "../../src/lib/errors.ts";
import { Secret } from "../../src/lib/secret.ts";
import type { ServiceHost } from "../../src/service/host.ts";
import {
  type InstallFacts,
  planInstall,
  secretsFileOf,
  writeSecrets,
} from "../../src/service/install.ts";
import { serviceNames } from "../../src/service/plan.ts";
import { systemdManager } from "../../src/service/systemd.ts";
import { realSystemd } from "../support/systemd.ts";

async function standIn(dir: string, tool: string, script: string): Promise<void> {
  const path = join(dir, tool);
  await Deno.writeTextFile(path, `#!/bin/sh\necho "${tool} $*" >> ${dir}/calls\n${script}\n`);
  await Deno.chmod(path, 0o755);
}

function factsOf(dir: string): InstallFacts {
  return {
    kind: "node",
    profile: undefined,
    version: "1.0.0",
    executable: ["/bin/sleep"],
    args: ["1000"],
    stateDir: join(dir, "state"),
    configFile: join(dir, "state", "openclaw.json"),
    serviceEnvDir: join(dir, "state", "service-env"),
    logsDir: join(dir, "state", "logs"),
    secrets: { OPENCLAW_GATEWAY_TOKEN: new Secret('tok"$x') },
  };
}

function hostOf(dir: string, binDirs: string[], env: Record<string, string> = {}): ServiceHost {
  return {
    env: { HOME: dir, PATH: "/usr/bin:/bin", ...env },
    home: dir,
    uid: Deno.uid() ?? 0,
    userName: "tester",
    binDirs,
  };
}

const names = serviceNames("node", undefined);

/** The environment of a service; right after the start its process may still be systemd's own, before exec. */
async function environOf(pid: number | undefined): Promise<string[]> {
  for (let round = 0; round < 100; round++) {
    const found = (await Deno.readTextFile(`/proc/${pid}/environ`)).split("\0");
    if (found.includes("OPENCLAW_SERVICE_KIND=node")) return found;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error("the service never became ours");
}

Deno.test("install writes the unit, reloads, enables and restarts; the secret stands only in the 0600 file", async () => {
  const dir = await Deno.makeTempDir();
  try {
    await standIn(dir, "systemctl", "exit 0");
    await standIn(dir, "loginctl", "echo Linger=no");
    const host = hostOf(dir, [dir]);
    const facts = factsOf(dir);
    await writeSecrets(facts);
    const warnings = await systemdManager(host, { kind: "user" }).install(
      await planInstall(facts, host),
      names,
    );
    assertEquals(warnings, [
      "The service stops when tester logs out; to keep it: sudo loginctl enable-linger tester",
    ]);
    assertEquals(
      await Deno.readTextFile(join(dir, "calls")),
      [
        "systemctl --user daemon-reload",
        "systemctl --user enable openclaw-node.service",
        "systemctl --user restart openclaw-node.service",
        "loginctl show-user tester -p Linger",
        "",
      ].join("\n"),
    );
    const unit = await Deno.readTextFile(join(dir, ".config/systemd/user/openclaw-node.service"));
    assertEquals(unit.includes("tok"), false);
    assertEquals((await Deno.stat(secretsFileOf(facts))).mode! & 0o777, 0o600);
    assertEquals(
      await Deno.readTextFile(secretsFileOf(facts)),
      'OPENCLAW_GATEWAY_TOKEN="tok\\"\\$x"\n',
    );
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

Deno.test("a failing systemctl is an error that quotes what it said", async () => {
  const dir = await Deno.makeTempDir();
  try {
    await standIn(dir, "systemctl", "echo 'Failed to connect to bus' >&2; exit 1");
    const host = hostOf(dir, [dir]);
    const manager = systemdManager(host, { kind: "user" });
    const availability = await manager.available();
    assertEquals(availability.ok, false);
    const plan = await planInstall(factsOf(dir), host);
    const error = await assertRejects(
      () => manager.install(plan, names),
      OpenclawError,
      "Failed to connect to bus",
    );
    assertEquals(error.code, "SERVICE_ACTION_FAILED");
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

Deno.test("where systemctl is not installed, the reason and ways out are told", async () => {
  const dir = await Deno.makeTempDir();
  try {
    const availability = await systemdManager(hostOf(dir, [dir]), { kind: "user" }).available();
    assertEquals(
      !availability.ok && availability.reason,
      "systemd user services are not available here: systemctl is not installed",
    );
    assertEquals(
      !availability.ok && availability.hints.map((h) => h.kind).includes("container-foreground"),
      true,
    );
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

Deno.test("uninstall and status of something never installed are calm", async () => {
  const dir = await Deno.makeTempDir();
  try {
    const manager = systemdManager(hostOf(dir, [dir]), { kind: "user" });
    await manager.uninstall(names);
    const status = await manager.status(names);
    assertEquals([status.installed, status.runtime.missingUnit], [false, true]);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

Deno.test("systemd-analyze accepts the rendered unit with hostile words in it", async () => {
  const tool = await Deno.stat("/usr/bin/systemd-analyze").catch(() => undefined);
  if (!tool) return console.log("skipped: systemd-analyze is not installed on this machine");
  const dir = await Deno.makeTempDir();
  try {
    const host = hostOf(dir, ["/usr/bin"]);
    const plan = await planInstall({
      ...factsOf(dir),
      args: ["--display-name", `a"b\\c'd $HOME %h`, "", "; #"],
    }, host);
    const path = join(dir, "openclaw-node.service");
    await Deno.writeTextFile(
      path,
      systemdManager(host, { kind: "user" }).preview(plan, names).text,
    );
    const result = await new Deno.Command(tool ? "/usr/bin/systemd-analyze" : "", {
      args: ["verify", "--user", path],
      env: { XDG_RUNTIME_DIR: dir },
    }).output();
    assertEquals([result.code, new TextDecoder().decode(result.stderr)], [0, ""]);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

Deno.test("a real systemd runs the unit, restart gives a new pid, and uninstall leaves nothing", async () => {
  const dir = await Deno.makeTempDir();
  const systemd = await realSystemd(dir);
  try {
    if (!systemd) return;
    const host = hostOf(dir, ["/usr/bin", "/bin"], { XDG_RUNTIME_DIR: dir });
    const manager = systemdManager(host, { kind: "user" });
    const facts = factsOf(dir);
    await writeSecrets(facts);
    await manager.install(await planInstall(facts, host), names);
    const first = await manager.status(names);
    assertEquals([first.loaded, first.runtime.status], [true, "running"]);
    const environ = await environOf(first.runtime.pid);
    assertEquals(environ.includes('OPENCLAW_GATEWAY_TOKEN=tok"$x'), true);
    await manager.restart(names);
    const second = await manager.status(names);
    assertEquals(second.runtime.status, "running");
    assertEquals(second.runtime.pid !== first.runtime.pid, true);
    await manager.stop(names);
    assertEquals((await manager.status(names)).runtime.status, "stopped");
    await manager.uninstall(names);
    assertEquals((await manager.status(names)).installed, false);
  } finally {
    await systemd?.stop();
    await Deno.remove(dir, { recursive: true });
  }
});

const stateDirs: [name: string, path: string][] = [
  ["a blank and quotes", `my "own" 'state'`],
  ["percent and dollar signs", "50%h $HOME ${PATH}"],
  ["what a shell would match", "[a-z]* ? {x,y}"],
  ["backslashes", "a\\x\\\\y"],
  ["a comment sign and a semicolon", "# ; state"],
  ["letters beyond ASCII", "büild-日本"],
];
Deno.test("N39: a real systemd reads the secrets of a state directory whatever its name", async (t) => {
  const dir = await Deno.makeTempDir();
  const systemd = await realSystemd(dir);
  try {
    if (!systemd) return;
    const host = hostOf(dir, ["/usr/bin", "/bin"], { XDG_RUNTIME_DIR: dir });
    const manager = systemdManager(host, { kind: "user" });
    for (const [name, path] of stateDirs) {
      await t.step(name, async () => {
        const stateDir = join(dir, path);
        const facts = {
          ...factsOf(dir),
          stateDir,
          serviceEnvDir: join(stateDir, "service-env"),
          logsDir: join(stateDir, "logs"),
        };
        await writeSecrets(facts);
        await manager.install(await planInstall(facts, host), names);
        const { runtime, command } = await manager.status(names);
        assertEquals(command?.environment?.OPENCLAW_STATE_DIR, stateDir);
        const environ = await environOf(runtime.pid);
        assertEquals(environ.includes(`OPENCLAW_STATE_DIR=${stateDir}`), true);
        assertEquals(environ.includes('OPENCLAW_GATEWAY_TOKEN=tok"$x'), true, path);
        await manager.uninstall(names);
      });
    }
  } finally {
    await systemd?.stop();
    await Deno.remove(dir, { recursive: true });
  }
});

Deno.test("F30: exit 78 is not started again and status says why", async () => {
  const dir = await Deno.makeTempDir();
  const systemd = await realSystemd(dir);
  try {
    if (!systemd) return;
    const host = hostOf(dir, ["/usr/bin", "/bin"], { XDG_RUNTIME_DIR: dir });
    const manager = systemdManager(host, { kind: "user" });
    const facts = {
      ...factsOf(dir),
      executable: ["/bin/sh", "-c", "exit 78"],
      args: [],
      secrets: {},
    };
    await manager.install(await planInstall(facts, host), names);
    for (let round = 0; round < 50; round++) {
      const { runtime } = await manager.status(names);
      if (runtime.detail?.includes("last exit 78")) {
        assertEquals(runtime.status, "stopped");
        assertEquals(runtime.detail.includes("not started again"), true);
        await manager.uninstall(names);
        return;
      }
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    throw new Error("the unit never reached its exit");
  } finally {
    await systemd?.stop();
    await Deno.remove(dir, { recursive: true });
  }
});
