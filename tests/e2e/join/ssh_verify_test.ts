/** A node that ssh vouches for: a real sshd on the node's machine (a network namespace) answers with its identity. */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { IDENTITY_COMMAND } from "../../../src/remote/ssh_verify.ts";
import { otherMachine } from "../../support/netns.ts";
import { sshdMissing, startSshd } from "../../support/sshd.ts";
import { startThere } from "../remote/other_machine_scene.ts";
import { command, freePort, run, start, TempHome } from "../program.ts";

Deno.test("a node's key is confirmed over ssh (sshVerify)", async (t) => {
  const missing = await sshdMissing();
  if (missing) return console.log(`skipped: ${missing}`);
  const machine = await otherMachine();
  if (!machine) return;
  await using home = await TempHome.make();
  // What the daemon runs for anybody who logs in: the identity of the state directory named in a file.
  const answer = `${home.path}/answer.sh`;
  const asked = `${home.path}/asked`;
  const program = command(["node", "identity", "--json"]);
  const { DENO_DIR, PATH } = home.env("x");
  await Deno.writeTextFile(
    answer,
    [
      "#!/bin/sh",
      `printf '%s\\n' "$SSH_ORIGINAL_COMMAND" >> ${asked}`,
      `export HOME=${home.path} PATH=${PATH} ${DENO_DIR ? `DENO_DIR=${DENO_DIR}` : ""}`,
      "echo 'Welcome to this machine.'",
      `OPENCLAW_STATE_DIR=${home.path}/$(cat ${home.path}/who) exec ${program.file} ${
        program.args.join(" ")
      }`,
      "",
    ].join("\n"),
    { mode: 0o755 },
  );
  const sshd = await startSshd({
    elsewhere: { netns: machine.name, address: machine.thereAddress },
    serverLines: [`ForceCommand ${answer}`],
  });
  const answersAs = (state: string) => Deno.writeTextFile(`${home.path}/who`, state);
  const port = freePort();
  const gatewayEnv = home.env("gateway", {
    OPENCLAW_GATEWAY_PORT: String(port),
    OPENCLAW_DISABLE_BONJOUR: "1",
    OPENCLAW_SSH_CONFIG: sshd.configFile,
  });
  const cli = (...args: string[]) => run(args, { env: gatewayEnv });
  const configure = async (sshVerify: unknown) => {
    await Deno.mkdir(`${home.path}/gateway`, { recursive: true });
    const file = `${home.path}/gateway/openclaw.json`;
    const old = await Deno.readTextFile(file).then(JSON.parse, () => ({ gateway: {} }));
    const config = { gateway: { ...old.gateway, nodes: { pairing: { sshVerify } } } };
    await Deno.writeTextFile(file, JSON.stringify(config), { mode: 0o600 });
  };
  const gatewayArgs = ["gateway", "run", "--tls", "--bind", "lan"];
  await configure(false);
  let gateway = start(gatewayArgs, { env: gatewayEnv });
  try {
    await gateway.until(/ready/);
    const pin = gateway.said.match(/[0-9a-f]{64}/)?.[0] as string;
    const token = (await cli("config", "get", "gateway.auth.token", "--reveal")).stdout.trim();
    const node = (state: string) =>
      startThere(
        machine,
        ["node", "run", "--host", machine.hereAddress, "--port", String(port)]
          .concat(["--tls-fingerprint", pin, "--display-name", state]),
        home.env(state, { OPENCLAW_GATEWAY_TOKEN: token }),
      );

    await t.step("off unless configured: nobody is called", async () => {
      await using first = node("node-a");
      await first.until(/pairing required/);
      assertEquals(await sshd.logins(), 0);
    });

    await gateway.end();
    await configure({ timeoutMs: 20_000 });
    gateway = start(gatewayArgs, { env: gatewayEnv });
    await gateway.until(/ready/);

    await t.step(
      "a node whose identity is another one waits, and its machine is left alone",
      async () => {
        await answersAs("node-a");
        await using stranger = node("node-b");
        await gateway.until(/ssh names another node identity: not approved/);
        const knocks = () => gateway.said.match(/connection refused/g)?.length ?? 0;
        const before = knocks();
        while (knocks() < before + 3) await new Promise((resolve) => setTimeout(resolve, 100));
        assertEquals(await sshd.logins(), 1, "one call, then the cool-down");
        const { pending } = JSON.parse((await cli("devices", "list", "--json")).stdout);
        assertEquals(
          pending.some((p: { displayName: string }) => p.displayName === "node-b"),
          true,
        );
        assertEquals(/Connected to gateway/.test(stranger.said), false);
      },
    );

    await gateway.end();
    gateway = start(gatewayArgs, { env: gatewayEnv });
    await gateway.until(/ready/);

    await t.step("a node whose identity ssh confirms is in, with its first commands", async () => {
      await answersAs("node-a");
      await using good = node("node-a");
      await gateway.until(/node approved: ssh confirms its key/);
      await good.until(/Connected to gateway/);
      const asks = (await Deno.readTextFile(asked)).trim().split("\n");
      assertEquals(new Set(asks), new Set([IDENTITY_COMMAND]));
      const { paired } = JSON.parse((await cli("devices", "list", "--json")).stdout);
      const [device] = paired.filter((d: { displayName: string }) => d.displayName === "node-a");
      assertEquals(device.approvedVia, "ssh-verified");
      const nodes = JSON.parse(
        (await cli("nodes", "describe", "--node", "node-a", "--json")).stdout,
      );
      assertStringIncludes(JSON.stringify(nodes), "system.run");
    });

    await gateway.end();
    gateway = start(gatewayArgs, { env: gatewayEnv });
    await gateway.until(/ready/);

    await t.step("N38: a machine whose host key is not known vouches for nobody", async () => {
      await answersAs("node-c");
      await Deno.writeTextFile(`${sshd.dir}/known_hosts`, "");
      const before = await sshd.logins();
      await using fresh = node("node-c");
      await gateway.until(/ssh cannot confirm a node: not approved.*host key is not known/);
      await fresh.until(/pairing required/);
      assertEquals(await sshd.logins(), before);
    });
  } finally {
    await gateway.end();
    await sshd.close();
    await machine.close();
  }
});
