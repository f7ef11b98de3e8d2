/** Units in a real user instance of systemd; skipped aloud where none can run. */
import { assertEquals } from "@std/assert";
import { join } from "@std/path";
import { planInstall, writeSecrets } from "../../src/service/install.ts";
import { systemdManager } from "../../src/service/systemd.ts";
import { realSystemd } from "../support/systemd.ts";
import { factsOf, hostOf, names } from "./service_scene.ts";

/** The environment of a service; right after the start its process may still be systemd's own, before exec. */
async function environOf(pid: number | undefined): Promise<string[]> {
  for (let round = 0; round < 100; round++) {
    const found = (await Deno.readTextFile(`/proc/${pid}/environ`)).split("\0");
    if (found.includes("OPENCLAW_SERVICE_KIND=node")) return found;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error("the service never became ours");
}

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
