/** Service commands where no service manager runs: containers, CI jobs, accounts without a bus. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { run, TempHome } from "../program.ts";

Deno.test({
  name: "without a service manager the line for another supervisor is told, and nothing is written",
  ignore: Deno.build.os !== "linux",
  async fn(t) {
    await using home = await TempHome.make();
    // No XDG_RUNTIME_DIR of a session, and one that is empty: there is no bus.
    const env = home.env("my state", {
      XDG_RUNTIME_DIR: `${home.path}/nobody`,
      OPENCLAW_GATEWAY_TOKEN: "tok-hidden",
    });
    const flags = ["--host", "gw.example", "--port", "18789", "--display-name", "build 1"];
    const units = `${home.path}/.config/systemd/user`;

    await t.step("node install", async () => {
      const done = await run(["node", "install", ...flags], { env });
      assertEquals(done.code, 1);
      assertMatch(done.stderr, /systemd user services are not available here: /);
      assertStringIncludes(
        done.stderr,
        `hint: OPENCLAW_STATE_DIR='${home.path}/my state' openclaw node run --host gw.example ` +
          `--port 18789 --display-name 'build 1'   # in the foreground`,
      );
      assertMatch(done.stderr, /supervisor run that line .* not after exit code 78/);
      assertMatch(done.stderr, /openclaw node install --print/);
      assert(!(done.stderr + done.stdout).includes("tok-hidden"));
      assertEquals(await Deno.stat(units).catch(() => "nothing"), "nothing");
    });

    await t.step("node install --json: one document with the hints", async () => {
      const done = await run(["node", "install", "--json", ...flags], { env });
      const { ok, error } = JSON.parse(done.stdout);
      assertEquals([done.code, ok, error.code], [1, false, "SERVICE_MANAGER_MISSING"]);
      const kinds = error.details.hintItems.map((item: { kind: string }) => item.kind);
      assertEquals(kinds, ["systemd-unavailable", "container-foreground", "print-unit"]);
    });

    await t.step("the told line runs", async () => {
      const help = await run(["node", "run", ...flags, "--help"], { env });
      assertEquals(help.code, 0, help.stderr);
    });

    await t.step("--print gives the unit without its secret", async () => {
      const done = await run(["node", "install", "--print", ...flags], { env });
      assertEquals(done.code, 0, done.stderr);
      assertMatch(done.stdout, /^\[Unit\]/);
      assertMatch(done.stdout, /ExecStart=.* --display-name "build 1"/);
      assertMatch(done.stdout, /EnvironmentFile=-.*node\.env/);
      assert(!done.stdout.includes("tok-hidden"));
      const json = JSON.parse(
        (await run(["node", "install", "--print", "--json", ...flags], { env })).stdout,
      );
      assertEquals([json.text, json.files.length], [done.stdout, 1]);
    });

    await t.step("--print for the whole machine, and for a way through ssh", async () => {
      const print = async (...more: string[]) =>
        (await run(["node", "install", "--print", ...more], { env })).stdout;
      const whole = await print("--system");
      assertMatch(whole, /^User=\S+$/m);
      assertMatch(whole, /^WantedBy=multi-user\.target$/m);
      assertMatch(await print("--via", "ssh://gw"), /ExecStart=.* node run --via ssh:\/\/gw$/m);
    });

    await t.step("files named from here are found from the service's folder, too", async () => {
      const done = await run(
        ["tunnel", "install", "--print", "gw", "--ssh-identity", "keys/id one"],
        { env: { ...env, OPENCLAW_SSH_CONFIG: "ssh/config" } },
      );
      assertEquals(done.code, 0, done.stderr);
      assertStringIncludes(done.stdout, ` --ssh-identity "${Deno.cwd()}/keys/id one" `);
      assertStringIncludes(done.stdout, `OPENCLAW_SSH_CONFIG=${Deno.cwd()}/ssh/config`);
    });

    await t.step("start and restart fail, stop and uninstall do not", async () => {
      const code = async (verb: string) => (await run(["gateway", verb], { env })).code;
      assertEquals(
        [await code("start"), await code("restart"), await code("stop"), await code("uninstall")],
        [1, 1, 0, 0],
      );
    });

    await t.step("status says what is there", async () => {
      await Deno.mkdir(units, { recursive: true });
      await Deno.symlink("/dev/null", `${units}/openclaw-node.service`);
      for (const args of [["node", "status"], ["status"]]) {
        const done = await run(args, { env });
        assertEquals(done.code, 0, done.stderr);
      }
      assertMatch((await run(["node", "status"], { env })).stdout, /symbolic link/);
    });
  },
});
