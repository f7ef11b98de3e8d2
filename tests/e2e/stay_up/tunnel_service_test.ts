/** The lasting ssh tunnel as a service: a real systemd keeps it, a real sshd answers, commands use it. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { processesWith } from "../../support/sshd.ts";
import { realSystemd } from "../../support/systemd.ts";
import { eventually } from "../program.ts";
import { RemoteScene } from "../remote/ssh_scene.ts";

Deno.test("tunnel install keeps a tunnel that other commands use", async (t) => {
  await using scene = await RemoteScene.make();
  if (!scene) return;
  const { pair, sshd } = scene;
  const home = pair.home.path;
  const systemd = await realSystemd(home);
  if (!systemd) return;
  await scene.remoteMode("laptop");
  const env = scene.env("laptop", { XDG_RUNTIME_DIR: home });
  // The service finds the module cache of the sources where its home says.
  if (env["DENO_DIR"]) {
    await Deno.mkdir(`${home}/.cache`);
    await Deno.symlink(env["DENO_DIR"], `${home}/.cache/deno`);
  }
  const cli = (args: string[]) => scene.cli("laptop", args, { env });
  const must = async (args: string[]) => {
    const done = await cli(args);
    assertEquals(done.code, 0, `${args.join(" ")}\n${done.stdout}${done.stderr}`);
    return done.stdout;
  };
  const status = async () => JSON.parse((await cli(["tunnel", "status", "--json"])).stdout);
  const open = async () => {
    const { tunnel, gateway } = await status();
    return tunnel === "open" && gateway === "gateway";
  };
  try {
    await t.step("install starts it; nothing of it is a secret", async () => {
      await must(["tunnel", "install", "--json"]);
      await eventually("it is open", open, 20_000);
      const unit = await Deno.readTextFile(
        `${home}/.config/systemd/user/openclaw-tunnel.service`,
      );
      assertMatch(unit, /ExecStart=.* tunnel run gw --remote-port \d+/);
      assert(!unit.includes(pair.facts.token));
      assertEquals(
        JSON.parse(await must(["tunnel", "install", "--json"])).result,
        "already-installed",
      );
    });

    await t.step("a command goes through it without another login", async () => {
      const before = await sshd.logins();
      assertMatch(await must(["nodes", "status"]), /Connected: 1/);
      assertEquals(await sshd.logins(), before);
    });

    await t.step(
      "F24: its ssh killed, and the whole service killed with -9: open again",
      async () => {
        const first = await status();
        Deno.kill(first.sshPid, "SIGKILL");
        await eventually("another ssh", async () => {
          const { sshPid } = await status();
          return sshPid !== null && sshPid !== first.sshPid && await open();
        }, 30_000);
        Deno.kill(first.pid, "SIGKILL");
        await eventually("another process", async () => {
          const { pid } = await status();
          return pid !== null && pid !== first.pid && await open();
        }, 30_000);
        const ssh = (await processesWith(sshd.configFile)).filter((p) =>
          p.command.startsWith("/usr/bin/ssh")
        );
        assertEquals(ssh.length, 1, "the killed one took its ssh along");
      },
    );

    await t.step("stop, start and restart", async () => {
      await must(["tunnel", "stop"]);
      await eventually(
        "no ssh",
        async () => (await processesWith(sshd.configFile)).length === 0,
        20_000,
      );
      assertEquals((await status()).tunnel, "not running");
      await must(["tunnel", "start"]);
      await eventually("open", open, 20_000);
      const { pid } = await status();
      await must(["tunnel", "restart"]);
      await eventually(
        "open with another pid",
        async () => await open() && (await status()).pid !== pid,
        20_000,
      );
    });

    await t.step("uninstall leaves nothing", async () => {
      await must(["tunnel", "uninstall"]);
      await eventually(
        "no ssh",
        async () => (await processesWith(sshd.configFile)).length === 0,
        20_000,
      );
      assertEquals((await status()).service.installed, false);
      await must(["tunnel", "uninstall"]);
    });
  } finally {
    await cli(["tunnel", "uninstall"]);
    await systemd.stop();
  }
});
