/** Remote mode through a real ssh: commands, a lasting tunnel, a node, and what is said when something is missing. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { processesWith as sshOf } from "../../support/sshd.ts";
import { eventually, freePort, start } from "../program.ts";
import { RemoteScene } from "./ssh_scene.ts";

Deno.test("a gateway on loopback, used from another machine through ssh", async (t) => {
  await using scene = await RemoteScene.make();
  if (!scene) return;
  const { pair, sshd } = scene;
  const noSsh = async () => assertEquals(await sshOf(sshd.configFile), [], "stray ssh");
  await scene.remoteMode("laptop");
  await pair.policy("full", "off");

  await t.step("the first command pairs this machine, without a second terminal", async () => {
    const first = await scene.cli("laptop", ["health"]);
    if (first.code !== 0) {
      const id = first.stderr.match(/devices approve ([0-9a-f-]{36})/)?.[1] as string;
      assert(id, first.stderr);
      assertEquals((await pair.cli(["devices", "approve", id])).code, 0);
    }
    assertStringIncludes(await scene.must("laptop", ["health"]), "Gateway: ok");
    await noSsh();
  });

  await t.step("status --deep, nodes, run, call and logs go through the tunnel", async () => {
    const outputs = await Promise.all([
      scene.must("laptop", ["status", "--deep"]),
      scene.must("laptop", ["nodes", "status"]),
      scene.must("laptop", ["nodes", "run", "--node", "build-1", "--", "uname", "-s"]),
      scene.must("laptop", ["gateway", "call", "system-presence", "--json"]),
      scene.must("laptop", ["logs", "--plain"]),
    ]);
    assertStringIncludes(outputs[1], "Connected: 1");
    assertEquals(outputs[2], "Linux\n");
    assert(JSON.parse(outputs[3]));
    assertStringIncludes(outputs[4], "operator connected");
    await noSsh();
  });

  await t.step("--via needs no configuration", async () => {
    const { port, token, pin } = pair.facts;
    const env = scene.env("fresh", { OPENCLAW_GATEWAY_PORT: String(port) });
    const args = ["--via", "ssh://gw", "--token", token, "--tls-fingerprint", pin];
    const done = await scene.cli("fresh", ["health", ...args], { env });
    assert(done.code === 0 || /PAIRING_REQUIRED|pairing required/.test(done.stderr), done.stderr);
    const status = await scene.cli("fresh", ["tunnel", "status", "--json"], { env });
    const [shared] = JSON.parse(status.stdout).shared;
    assertEquals([shared.target, shared.remotePort, shared.idleSeconds], ["gw", port, 30]);
    Deno.kill(shared.pid);
    await eventually("its ssh is gone", async () => (await sshOf(sshd.configFile)).length === 0);
  });

  await t.step(
    "commands after each other share one ssh login",
    async () => {
      await scene.remoteMode("laptop", { sshShareSeconds: 120 });
      const before = await sshd.logins();
      await scene.must("laptop", ["health"]);
      await Promise.all([
        scene.must("laptop", ["nodes", "status"]),
        scene.must("laptop", ["nodes", "run", "--node", "build-1", "--", "true"]),
      ]);
      assertEquals(await sshd.logins() - before, 1);
      assertMatch(
        (await scene.cli("laptop", ["tunnel", "status"])).stdout,
        /Shared: gw \(ssh pid \d+\), ends 120 s after its last use/,
      );
      for (const { pid, command } of await sshOf(sshd.configFile)) {
        if (command.startsWith("/usr/bin/ssh")) Deno.kill(pid, "SIGKILL");
      }
      await eventually(
        "nothing of it is left",
        async () => (await sshOf(sshd.configFile)).length === 0,
        20_000,
      );
      await scene.remoteMode("laptop");
    },
  );

  await t.step("a wrong pin is told as a wrong pin, not as a missing gateway", async () => {
    await scene.remoteMode("wrong-pin", { tlsFingerprint: "0".repeat(64) });
    const done = await scene.cli("wrong-pin", ["health"]);
    assertEquals(done.code, 1);
    assertMatch(done.stderr, /fingerprint/);
    await noSsh();
  });

  await t.step(
    "a lasting tunnel is found by the next command and told apart from the gateway",
    async () => {
      await using tunnel = scene.start("laptop", ["tunnel", "run"]);
      await tunnel.until(/Tunnel to gw open/);
      const before = (await sshOf(sshd.configFile)).map((p) => p.pid).sort();
      assertStringIncludes(await scene.must("laptop", ["nodes", "status"]), "Connected: 1");
      assertEquals(
        (await sshOf(sshd.configFile)).map((p) => p.pid).sort(),
        before,
        "no second ssh",
      );
      assertMatch(
        await scene.must("laptop", ["tunnel", "status"]),
        /Tunnel: open .*\n(.*\n)*Gateway: answers through/,
      );
      const second = await scene.cli("laptop", ["tunnel", "run"]);
      assertStringIncludes(second.stderr, "another one already runs");
      await tunnel.end("SIGTERM");
      await noSsh();
      assertMatch((await scene.cli("laptop", ["tunnel", "status"])).stdout, /Tunnel: not running/);
    },
  );

  await t.step("gateway probe --ssh reports the tunnel as the primary target", async () => {
    const probe = JSON.parse(
      await scene.must("laptop", ["gateway", "probe", "--ssh", "gw", "--json"]),
    );
    assertEquals(
      [probe.ok, probe.primaryTargetId],
      [true, "sshTunnel"],
      JSON.stringify(probe, null, 1),
    );
    const target = probe.targets.find((x: { id: string }) => x.id === "sshTunnel");
    assertEquals([target.connect.ok, target.tunnel], [true, { kind: "ssh", target: "gw" }]);
    await noSsh();
  });

  await t.step("a tunnel by hand: ssh -N -L, then ws://127.0.0.1", async () => {
    const local = freePort();
    const { port, token, pin } = pair.facts;
    const ssh = new Deno.Command("/usr/bin/ssh", {
      args: ["-F", sshd.configFile, "-N", "-L", `${local}:127.0.0.1:${port}`, "gw"],
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
    try {
      await eventually("the forward listens", async () => {
        try {
          (await Deno.connect({ hostname: "127.0.0.1", port: local })).close();
          return true;
        } catch {
          return false;
        }
      });
      await scene.remoteMode("by-hand", {
        transport: undefined,
        sshTarget: undefined,
        url: `wss://127.0.0.1:${local}`,
      });
      for (
        const args of [["health"], ["status", "--deep"], ["gateway", "health"], [
          "gateway",
          "probe",
        ]]
      ) {
        await scene.must("by-hand", args);
      }
      const url = ["--url", `wss://127.0.0.1:${local}`, "--token", token, "--tls-fingerprint", pin];
      await scene.must("by-hand", ["gateway", "call", "health", ...url]);
    } finally {
      ssh.kill();
      await ssh.status;
    }
  });

  await t.step("the CLI killed with -9 leaves no ssh behind", async () => {
    const logs = scene.start("laptop", ["logs", "--follow", "--plain"]);
    await logs.until(/\S/);
    assert((await sshOf(sshd.configFile)).length > 0);
    await logs.end("SIGKILL");
    await eventually(
      "ssh is gone",
      async () => (await sshOf(sshd.configFile)).length === 0,
      20_000,
    );
  });
});

Deno.test("a node joins through --via, survives its ssh, and takes the tunnel along", async (t) => {
  await using scene = await RemoteScene.make();
  if (!scene) return;
  const { pair, sshd } = scene;
  const { port, pin, token } = pair.facts;
  const args = [
    "node",
    "run",
    "--via",
    "ssh://gw",
    "--port",
    String(port),
    "--tls-fingerprint",
    pin,
  ];
  const env = scene.env("far", { OPENCLAW_GATEWAY_TOKEN: token });
  const node = start([...args, "--display-name", "far-1"], { env });
  try {
    await t.step("it is approved and serves; node.json keeps the way", async () => {
      const request = (await node.until(/requestId: ([0-9a-f-]{36})/))[1] as string;
      assertEquals((await pair.cli(["devices", "approve", request])).code, 0);
      await node.until(/Connected to gateway/);
      await Deno.writeTextFile(
        `${pair.home.path}/far/exec-approvals.json`,
        JSON.stringify({ version: 1, defaults: { security: "full", ask: "off" }, agents: {} }),
        { mode: 0o600 },
      );
      const done = await pair.cli(["nodes", "run", "--node", "far-1", "--", "echo", "through ssh"]);
      assertEquals([done.code, done.stdout], [0, "through ssh\n"], done.stderr);
      const file = JSON.parse(await Deno.readTextFile(`${pair.home.path}/far/node.json`));
      assertEquals([file.gateway.via, file.gateway.host], ["ssh://gw", "127.0.0.1"]);
    });

    await t.step("F24: its ssh killed: back by itself", async () => {
      const before = node.said.match(/Connected to gateway/g)?.length ?? 0;
      const ssh = (await sshOf(sshd.configFile)).filter((p) =>
        p.command.startsWith("/usr/bin/ssh")
      );
      Deno.kill(ssh[0]!.pid, "SIGKILL");
      await eventually(
        "connected again",
        () => (node.said.match(/Connected to gateway/g)?.length ?? 0) > before,
        20_000,
      );
      const done = await pair.cli(["nodes", "run", "--node", "far-1", "--", "echo", "again"]);
      assertEquals([done.code, done.stdout], [0, "again\n"], done.stderr);
    });

    await t.step(
      "F25: a host that stops accepting the key is told, and node status says so",
      async () => {
        await Deno.rename(`${sshd.dir}/authorized_keys`, `${sshd.dir}/off`);
        const ssh = (await sshOf(sshd.configFile)).filter((p) =>
          p.command.startsWith("/usr/bin/ssh")
        );
        Deno.kill(ssh[0]!.pid, "SIGKILL");
        await node.until(/accepts none of the offered keys/);
        await eventually(
          "node status says so",
          async () =>
            (await scene.cli("far", ["node", "status", "--json"])).stdout
              .includes("accepts none of the offered keys"),
          20_000,
        );
        await Deno.rename(`${sshd.dir}/off`, `${sshd.dir}/authorized_keys`);
      },
    );
  } finally {
    await node.end("SIGTERM");
  }
  assertEquals(await sshOf(sshd.configFile), [], "the node took its tunnel along");

  await t.step("without flags the next run goes the same way; kill -9 leaves no ssh", async () => {
    const again = start(["node", "run"], { env });
    await again.until(/Connected to gateway/);
    assert((await sshOf(sshd.configFile)).length > 0);
    await again.end("SIGKILL");
    await eventually(
      "ssh is gone",
      async () => (await sshOf(sshd.configFile)).length === 0,
      20_000,
    );
  });

  await t.step("--via with a foreign --host is refused before anything is dialled", async () => {
    const refused = await scene.cli("other", [
      "node",
      "run",
      "--via",
      "ssh://gw",
      "--host",
      "10.0.0.1",
    ]);
    assertEquals(refused.code, 2);
    assertStringIncludes(refused.stderr, "exclude each other");
    const injected = await scene.cli("other", ["node", "run", "--via", "ssh://-oProxyCommand=x"]);
    assertEquals(injected.code, 2);
    assertStringIncludes(injected.stderr, "invalid SSH target");
  });
});
