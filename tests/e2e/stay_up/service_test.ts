/** Gateway and node as services of a real systemd: installed, restarted, crashed, taken away. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { realSystemd } from "../../support/systemd.ts";
import { eventually, freePort, type Outcome, processesWith, run } from "../program.ts";
import { serviceHome } from "./service_home.ts";

function runtimePid(outcome: Outcome): number {
  const { service } = JSON.parse(outcome.stdout);
  assertEquals(service.runtime.status, "running", outcome.stdout);
  return service.runtime.pid;
}

/** How often systemd has started the gateway's unit again. */
function restarts(dir: string): string {
  const { stdout } = new Deno.Command("/usr/bin/systemctl", {
    args: ["--user", "show", "openclaw-gateway.service", "-p", "NRestarts"],
    env: { HOME: dir, XDG_RUNTIME_DIR: dir },
    clearEnv: true,
    stdin: "null",
    stderr: "null",
  }).outputSync();
  return new TextDecoder().decode(stdout);
}

Deno.test("gateway and node as systemd services", async (t) => {
  await using home = await serviceHome();
  const systemd = await realSystemd(home.path);
  if (!systemd) return;
  const env = (state: string, more = {}) =>
    home.env(state, { XDG_RUNTIME_DIR: home.path, OPENCLAW_DISABLE_BONJOUR: "1", ...more });
  const cli = (args: string[], more = {}) => run(args, { env: env("state", more) });
  const must = async (args: string[], more = {}) => {
    const done = await cli(args, more);
    assertEquals(done.code, 0, `${args.join(" ")}\n${done.stdout}${done.stderr}`);
    return done;
  };
  const port = freePort();
  const units = `${home.path}/.config/systemd/user`;
  try {
    await t.step("gateway install starts a gateway that answers", async () => {
      await must(["config", "set", "gateway.mode", "local"]);
      const printed = await must(["gateway", "install", "--print", "--port", String(port)]);
      assertStringIncludes(printed.stdout, "RestartPreventExitStatus=78");
      assertEquals(
        await Deno.stat(units).catch(() => undefined),
        undefined,
        "--print wrote something",
      );
      runtimePid(await must(["gateway", "install", "--json", "--port", String(port)]));
      await eventually("it answers", async () => (await cli(["health"])).code === 0, 20_000);
    });

    await t.step("installing twice is calm, --force does it again", async () => {
      const again = await must(["gateway", "install", "--json", "--port", String(port)]);
      assertEquals(JSON.parse(again.stdout).result, "already-installed");
      runtimePid(await must(["gateway", "install", "--force", "--json", "--port", String(port)]));
    });

    await t.step(
      "gateway run --force leaves the service alone and names its commands",
      async () => {
        const pid = runtimePid(await must(["gateway", "status", "--json"]));
        await eventually("it answers", async () => (await cli(["health"])).code === 0, 20_000);
        for (const state of ["state", "other"]) {
          const done = await run(["gateway", "run", "--force", "--port", String(port)], {
            env: env(state),
          });
          assertEquals(done.code, 1, done.stderr);
          assertStringIncludes(done.stderr, "it is the gateway service");
          assertStringIncludes(done.stderr, "hint: openclaw gateway restart");
        }
        assertEquals(runtimePid(await must(["gateway", "status", "--json"])), pid);
      },
    );

    await t.step("another state directory does not get the service of this one", async () => {
      const other = { OPENCLAW_STATE_DIR: `${home.path}/other` };
      const taken = await cli(["gateway", "install", "--port", String(port)], other);
      assertEquals(taken.code, 1, taken.stdout);
      assertMatch(taken.stderr, /already serves ".*state", not ".*other"[\s\S]*--profile <name>/);
    });

    await t.step("restart gives a new pid that answers; a crash does too", async () => {
      const before = runtimePid(await must(["gateway", "restart", "--json"]));
      const after = runtimePid(await must(["gateway", "restart", "--json"]));
      assert(before !== after);
      assertEquals((await cli(["health"])).code, 0, "it answers as soon as restart has ended");
      Deno.kill(after, "SIGKILL");
      await eventually("back with another pid", async () => {
        const { service } = JSON.parse((await cli(["gateway", "status", "--json"])).stdout);
        return service?.runtime.pid !== undefined && service.runtime.pid !== after &&
          (await cli(["health"])).code === 0;
      }, 30_000);
    });

    await t.step(
      "F30: a restart into a refused configuration is an error, not a success",
      async () => {
        const file = `${home.path}/state/openclaw.json`;
        const good = await Deno.readTextFile(file);
        await Deno.writeTextFile(
          file,
          `{"gateway":{"mode":"local","bind":"lan","auth":{"mode":"none"}}}`,
        );
        const refused = await cli(["gateway", "restart"]);
        assertEquals(refused.code, 1, refused.stdout);
        assertMatch(refused.stderr, /started and ended again: .*last exit 78[\s\S]*gateway run/);
        await Deno.writeTextFile(file, good);
        await must(["gateway", "restart"]);
        assertEquals((await cli(["health"])).code, 0);
      },
    );

    await t.step(
      "node install checks the pin first, then writes node.json and connects",
      async () => {
        const bad = await cli(["node", "install", "--tls-fingerprint", "nonsense"]);
        assertEquals(bad.code === 0, false);
        assertEquals(
          await Deno.stat(`${units}/openclaw-node.service`).catch(() => undefined),
          undefined,
        );
        const token = (await must(["config", "get", "gateway.auth.token", "--reveal"])).stdout
          .trim();
        const hostile = `build "1" %n $HOME \\ ; é`;
        const args = ["node", "install", "--json", "--port", String(port), "--host", "127.0.0.1"];
        const node = {
          OPENCLAW_STATE_DIR: `${home.path}/node-state`,
          OPENCLAW_GATEWAY_TOKEN: token,
        };
        runtimePid(await must([...args, "--display-name", hostile], node));
        const unit = await Deno.readTextFile(`${units}/openclaw-node.service`);
        assert(!unit.includes(token), "N39: no secret in the unit");
        const file = JSON.parse(await Deno.readTextFile(`${home.path}/node-state/node.json`));
        assertEquals([file.displayName, file.gateway.port], [hostile, port]);
        const list = async () => JSON.parse((await must(["devices", "list", "--json"])).stdout);
        await eventually(
          "it asks for pairing",
          async () => (await list()).pending.length > 0,
          20_000,
        );
        const [request] = (await list()).pending;
        assertEquals(request.displayName, hostile, "N39: the name arrives as it was written");
        await must(["devices", "approve", request.requestId]);
        await eventually(
          "it is connected",
          async () => /Connected: 1/.test((await must(["nodes", "status"])).stdout),
          20_000,
        );
      },
    );

    await t.step("N39: a display name with a line break is refused", async () => {
      const done = await cli([
        "node",
        "install",
        "--force",
        "--display-name",
        "x\nExecStart=/bin/sh",
      ]);
      assertEquals(done.code === 0, false);
      assertMatch(done.stderr, /control character|line break/i);
    });

    await t.step("uninstall leaves nothing and can be repeated", async () => {
      const node = { OPENCLAW_STATE_DIR: `${home.path}/node-state` };
      const secrets = `${home.path}/node-state/service-env/node.env`;
      assert(await Deno.stat(secrets), "the token of the node's service");
      await must(["node", "uninstall"], node);
      assertEquals(await Deno.stat(secrets).catch(() => "gone"), "gone");
      await must(["gateway", "uninstall"]);
      await must(["node", "uninstall"], node);
      await must(["gateway", "uninstall"]);
      const left = await Array.fromAsync(Deno.readDir(units));
      assertEquals(left.filter((e) => e.name.endsWith(".service")), []);
      await eventually(
        "no process is left",
        () => processesWith(`--port ${port}`).length === 0,
        20_000,
      );
    });

    await t.step("F30: a held port is told to a person at once, with its holder", async () => {
      using _held = Deno.listen({ hostname: "127.0.0.1", port });
      const direct = await cli(["gateway", "run", "--port", String(port)]);
      assertMatch(direct.stderr, new RegExp(`process ${Deno.pid} `));
      assertEquals(direct.code, 1);
    });

    await t.step(
      "F30: a service waits for a held port, then ends and is not started again",
      async () => {
        const status = async () =>
          JSON.parse((await cli(["gateway", "status", "--no-probe", "--json"])).stdout).service;
        {
          using _held = Deno.listen({ hostname: "127.0.0.1", port });
          const held = await cli(["gateway", "install", "--port", String(port)]);
          assertEquals(held.code, 1, held.stdout);
          assertMatch(held.stderr, /ended again: .*last exit 78.*port is held/);
          assertStringIncludes((await status()).runtime.detail, "not started again");
          assertMatch(restarts(home.path), /NRestarts=0/);
        }
        await must(["gateway", "restart"]);
        await eventually("it answers", async () => (await cli(["health"])).code === 0, 20_000);
        await must(["gateway", "uninstall"]);
      },
    );

    await t.step("F30: a port that becomes free in time is taken", async () => {
      const held = Deno.listen({ hostname: "127.0.0.1", port });
      const installing = must(["gateway", "install", "--port", String(port)]);
      await eventually("it waits", () => processesWith(`--port ${port}`).length > 1, 30_000);
      await new Promise((resolve) => setTimeout(resolve, 1_000));
      held.close();
      await installing;
      assertEquals((await cli(["health"])).code, 0);
      assertMatch(restarts(home.path), /NRestarts=0/);
      await must(["gateway", "uninstall"]);
    });
  } finally {
    await cli(["node", "uninstall"]).catch(() => {});
    await cli(["gateway", "uninstall"]).catch(() => {});
    await systemd.stop();
  }
});
