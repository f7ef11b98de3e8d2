/** `connect <line> --service` on a real systemd: joined with the line, then run by the service, without the line. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { realSystemd } from "../../support/systemd.ts";
import { eventually, freePort, processesWith, run, start } from "../program.ts";
import { serviceHome } from "../stay_up/service_home.ts";

Deno.test("connect <line> --service joins once, installs the node, and it comes back without the line", async (t) => {
  await using home = await serviceHome();
  const systemd = await realSystemd(home.path);
  if (!systemd) return;
  const port = freePort();
  const gatewayEnv = home.env("gateway");
  const env = home.env("node", { XDG_RUNTIME_DIR: home.path, OPENCLAW_DISABLE_BONJOUR: "1" });
  const unitFile = `${home.path}/.config/systemd/user/openclaw-node.service`;
  await using gateway = start(["gateway", "run", "--tls", "--port", String(port)], {
    env: gatewayEnv,
  });
  await gateway.until(/ready/);
  const connected = async () => {
    const { stdout } = await run(["nodes", "status", "--json"], { env: gatewayEnv });
    return JSON.parse(stdout).nodes.filter((node: { connected: boolean }) => node.connected).length;
  };
  const made = await run(
    ["devices", "join-code", "--name", "served", "--public-url", `wss://127.0.0.1:${port}`],
    { env: gatewayEnv },
  );
  const line = made.stdout.trim();
  try {
    await t.step("it ends with 0 once the service runs, and the node is connected", async () => {
      const done = await run(["connect", "--service", line], { env, timeoutMs: 60_000 });
      assertEquals(done.code, 0, `${done.stdout}${done.stderr}`);
      assertStringIncludes(done.stderr, "verification code");
      await eventually(
        "the service's node is connected",
        async () => await connected() === 1,
        20_000,
      );
      const status = await run(["node", "status", "--json"], { env });
      assertEquals(JSON.parse(status.stdout).service.runtime.status, "running", status.stdout);
    });
    await t.step(
      "neither the line nor its secret is in the unit or the state directory",
      async () => {
        const code = line.slice("oc-pair://".length);
        const { bootstrapToken } = JSON.parse(
          atob(code.replaceAll("-", "+").replaceAll("_", "/")),
        );
        const found = await new Deno.Command("grep", {
          args: ["-rlF", "-e", bootstrapToken, "-e", code, unitFile, `${home.path}/node`],
        }).output();
        assertEquals(new TextDecoder().decode(found.stdout), "");
      },
    );
    await t.step("killed, it is back by itself with the token it was given", async () => {
      const status = JSON.parse((await run(["node", "status", "--json"], { env })).stdout);
      Deno.kill(status.service.runtime.pid, "SIGKILL");
      await eventually("it is gone", async () => await connected() === 0);
      await eventually("it is back", async () => await connected() === 1, 30_000);
    });
    await t.step("the line is used up", async () => {
      const again = await run(["connect", "--service", line], { env: home.env("thief") });
      assertEquals(again.code, 1);
      assert(!again.stderr.includes(line.slice(20)));
    });
  } finally {
    await run(["node", "uninstall"], { env });
    await systemd.stop();
  }
  await eventually(
    "no process is left",
    () => processesWith(`${home.path}/node`).length === 0,
    10_000,
  );
});
