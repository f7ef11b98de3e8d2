/**
 * A gateway that listens on loopback only, used from another machine: gateway and sshd live in a network namespace with
 * an address of its own, the laptop is this machine.
 */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { otherMachine } from "../../support/netns.ts";
import { processesWith, sshdMissing, startSshd } from "../../support/sshd.ts";
import { eventually, run, start, TempHome } from "../program.ts";
import { startThere } from "./other_machine_scene.ts";

const PORT = 18789;

Deno.test("a gateway on another machine's loopback is used through ssh, and by no other way", async (t) => {
  const missing = await sshdMissing();
  if (missing) return console.log(`skipped: ${missing}`);
  const machine = await otherMachine();
  if (!machine) return;
  await using home = await TempHome.make();
  const sshd = await startSshd({
    elsewhere: { netns: machine.name, address: machine.thereAddress },
  });
  const there = home.env("gateway");
  const gateway = startThere(machine, ["gateway", "run", "--tls"], there);
  const ask = async (args: string[]) => {
    const running = startThere(machine, args, there);
    const { code } = await running.status;
    await running.end();
    assertEquals(code, 0, running.said);
    return running.said.trim();
  };
  try {
    await gateway.until(/ready/);
    const pin = (await ask(["gateway", "fingerprint"])).match(/[0-9a-f]{64}/)?.[0] as string;
    const token = await ask(["config", "get", "gateway.auth.token", "--reveal"]);
    const laptop = home.env("laptop", { OPENCLAW_SSH_CONFIG: sshd.configFile });
    const cli = (args: string[]) => run(args, { env: laptop });
    const sshHere = () => processesWith(sshd.configFile);

    await t.step("its address answers nobody", async () => {
      const direct = await cli(["health", "--url", `wss://${machine.thereAddress}:${PORT}`]
        .concat(["--token", token, "--tls-fingerprint", pin]));
      assertEquals(direct.code, 1);
      assertMatch(direct.stderr, /ECONNREFUSED/);
    });

    await t.step("five settings, and every command goes there", async () => {
      const settings = [
        ["gateway.mode", "remote"],
        ["gateway.remote.transport", "ssh"],
        ["gateway.remote.sshTarget", "gw"],
        ["gateway.remote.tlsFingerprint", pin],
        ["gateway.remote.token", token],
      ];
      for (const [path, value] of settings) {
        assertEquals((await cli(["config", "set", path!, value!])).code, 0);
      }
      for (
        const args of [["health"], ["status", "--deep"], ["nodes", "status"], ["devices", "list"]]
      ) {
        const done = await cli(args);
        assertEquals(done.code, 0, `${args.join(" ")}: ${done.stderr}`);
      }
      const called = await cli(["gateway", "call", "health", "--json"]);
      assertEquals(JSON.parse(called.stdout).ok, true);
      assertEquals(await sshd.logins(), 1, "one login for all of them");
    });

    await t.step("F24: a command killed with -9 takes the shared ssh along, soon", async () => {
      const logs = start(["logs", "--follow", "--plain"], { env: laptop });
      await logs.until(/\S/);
      assert((await sshHere()).length > 0);
      await logs.end("SIGKILL");
      await eventually("ssh is gone", async () => (await sshHere()).length === 0, 20_000);
    });

    await t.step(
      "F24: ssh dies under a following command, and the next one opens another",
      async () => {
        const before = await sshd.logins();
        assertEquals((await cli(["health"])).code, 0);
        for (const { pid, command } of await sshHere()) {
          if (command.startsWith("/usr/bin/ssh")) Deno.kill(pid, "SIGKILL");
        }
        assertStringIncludes((await cli(["health"])).stdout, "Gateway: ok");
        assertEquals(await sshd.logins(), before + 2);
      },
    );
  } finally {
    await gateway.end();
    for (const { pid } of await processesWith(sshd.configFile)) Deno.kill(pid, "SIGKILL");
    await sshd.close();
    await machine.close();
  }
});
