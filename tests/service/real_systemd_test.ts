/** Units in a real user instance of systemd; skipped aloud where none can run. */
import { assertEquals, assertRejects } from "@std/assert";
import { join } from "@std/path";
import { OpenclawError } from "../../src/lib/errors.ts";
import { planInstall, writeSecrets } from "../../src/service/install.ts";
import { systemdManager } from "../../src/service/systemd.ts";
import { realSystemd } from "../support/systemd.ts";
import { factsOf, hostOf, names } from "./service_scene.ts";

/** The environment of a service; right after the start its process may still be systemd's own, before exec. */
async function environOf(pid: number | undefined): Promise<string[]> {
  for (let round = 0; round < 500; round++) {
    const found = (await Deno.readTextFile(`/proc/${pid}/environ`)).split("\0");
    if (found.includes("OPENCLAW_SERVICE_KIND=node")) return found;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error("the service never became ours");
}

/** A user instance of systemd on a folder of its own, and ours on it. */
async function withSystemd(
  use: (scene: {
    readonly dir: string;
    readonly host: ReturnType<typeof hostOf>;
    readonly manager: ReturnType<typeof systemdManager>;
  }) => Promise<void>,
): Promise<void> {
  const dir = await Deno.makeTempDir();
  const systemd = await realSystemd(dir);
  try {
    if (!systemd) return;
    const host = hostOf(dir, ["/usr/bin", "/bin"], { XDG_RUNTIME_DIR: dir });
    await use({ dir, host, manager: systemdManager(host, { kind: "user" }) });
  } finally {
    await systemd?.stop();
    await Deno.remove(dir, { recursive: true });
  }
}

Deno.test("a real systemd runs the unit, restart gives a new pid, and uninstall leaves nothing", () =>
  withSystemd(async ({ dir, host, manager }) => {
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
  }));

const stateDirs: [name: string, path: string][] = [
  ["a blank and quotes", `my "own" 'state'`],
  ["percent and dollar signs", "50%h $HOME ${PATH}"],
  ["what a shell would match", "[a-z]* ? {x,y}"],
  ["backslashes", "a\\x\\\\y"],
  ["a comment sign and a semicolon", "# ; state"],
  ["letters beyond ASCII", "büild-日本"],
];
Deno.test("N39: a real systemd reads the secrets of a state directory whatever its name", (t) =>
  withSystemd(async ({ dir, host, manager }) => {
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
  }));

/** Units of ours that systemd still has in mind. */
async function unitsKnown(dir: string): Promise<string> {
  const { stdout } = await new Deno.Command("/usr/bin/systemctl", {
    args: ["--user", "list-units", "--all", "--plain", "--no-legend", "openclaw-*"],
    env: { HOME: dir, XDG_RUNTIME_DIR: dir },
    clearEnv: true,
    stdin: "null",
  }).output();
  return new TextDecoder().decode(stdout).trim();
}

const programs: [name: string, file: string][] = [
  ["a blank", "my node"],
  ["dollar signs", "a$b ${HOME} $$"],
  ["percent signs", "50%h %%"],
  ["a comment sign and a semicolon", "# ; node"],
  ["a word for systemd in front", "-@+!node"],
  ["letters beyond ASCII", "büild-日本"],
];
Deno.test("N39: a real systemd starts a program whatever its path is called, or it is refused", (t) =>
  withSystemd(async ({ dir, host, manager }) => {
    for (const [name, file] of programs) {
      await t.step(name, async () => {
        const program = join(dir, file);
        await Deno.copyFile("/bin/sleep", program);
        await Deno.chmod(program, 0o755);
        const facts = { ...factsOf(dir), executable: [program], secrets: {} };
        await manager.install(await planInstall(facts, host), names);
        const { runtime } = await manager.status(names);
        await environOf(runtime.pid);
        assertEquals(await Deno.readLink(`/proc/${runtime.pid}/exe`), program);
        await manager.uninstall(names);
      });
    }
    for (const file of [`a"b`, "a'b", "a\\b"]) {
      await t.step(`${file} is refused before anything is written`, async () => {
        const facts = { ...factsOf(dir), executable: [join(dir, file)], secrets: {} };
        const plan = await planInstall(facts, host);
        const error = await assertRejects(async () => {
          await manager.install(plan, names);
        }, OpenclawError);
        assertEquals(error.code, "INVALID_SERVICE_VALUE");
        assertEquals((await manager.status(names)).installed, false);
      });
    }
  }));

Deno.test("F30: exit 78 is not started again and status says why", () =>
  withSystemd(async ({ dir, host, manager }) => {
    const facts = {
      ...factsOf(dir),
      executable: ["/bin/sh", "-c", "exit 78"],
      args: [],
      secrets: {},
    };
    await manager.install(await planInstall(facts, host), names);
    for (let round = 0; round < 300; round++) {
      const { runtime } = await manager.status(names);
      if (runtime.detail?.includes("last exit 78")) {
        assertEquals(runtime.status, "stopped");
        assertEquals(runtime.detail.includes("not started again"), true);
        // A second install keeps what it replaces as a backup; both go with the service.
        await manager.install(await planInstall({ ...facts, args: ["again"] }, host), names);
        await manager.stop(names);
        await manager.uninstall(names);
        const folder = join(dir, ".config/systemd/user");
        const left = (await Array.fromAsync(Deno.readDir(folder))).map((entry) => entry.name);
        assertEquals(left.filter((file) => file.startsWith("openclaw")), []);
        assertEquals(await unitsKnown(dir), "", "a failed unit is not remembered");
        return;
      }
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    throw new Error("the unit never reached its exit");
  }));
