/** What a person is told when the ssh way to a gateway does not work, and a way over two hosts. */
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { processesWith as sshOf, startSshd } from "../../support/sshd.ts";
import { RemoteScene } from "./ssh_scene.ts";

Deno.test("a way to the gateway over a second ssh host (ProxyJump)", async () => {
  await using scene = await RemoteScene.make();
  if (!scene) return;
  const inner = await startSshd({ clientLines: ["ProxyJump jump"] });
  try {
    const jump = (await Deno.readTextFile(scene.sshd.configFile)).replace("Host gw", "Host jump");
    await Deno.writeTextFile(inner.configFile, jump, { append: true });
    await scene.remoteMode("laptop");
    const env = scene.env("laptop", { OPENCLAW_SSH_CONFIG: inner.configFile });
    const done = await scene.cli("laptop", ["health"], { env });
    assertEquals(done.code, 0, done.stderr);
    assertEquals([await sshOf(inner.configFile), await sshOf(scene.sshd.configFile)], [[], []]);
  } finally {
    await inner.close();
  }
});

Deno.test("trouble on the ssh way is told apart", async (t) => {
  await using scene = await RemoteScene.make();
  if (!scene) return;
  const { sshd, pair } = scene;
  await scene.remoteMode("laptop");
  const at = (name: string) => `${sshd.dir}/${name}`;
  const told = async (env: Record<string, string> = {}) => {
    const startMs = performance.now();
    const done = await scene.cli("laptop", ["health"], { env: scene.env("laptop", env) });
    assertEquals(done.code, 1, done.stdout);
    assertEquals(performance.now() - startMs < 30_000, true, "it hung");
    assertEquals(await sshOf(sshd.configFile), [], "stray ssh");
    return done.stderr;
  };

  await t.step("F25: a host that wants a password", async () => {
    await Deno.rename(at("authorized_keys"), at("off"));
    assertMatch(
      await told(),
      /password cannot be asked for here[\s\S]*hint: ssh-copy-id -F \S+ gw/,
    );
    await Deno.rename(at("off"), at("authorized_keys"));
  });

  await t.step("F25: the key is in an agent that does not run", async () => {
    const text = (await Deno.readTextFile(sshd.configFile))
      .replace(/ {2}IdentityFile .*\n/, "  IdentityFile none\n")
      .replace("IdentityAgent none", "IdentityAgent /nonexistent/agent")
      .replace("IdentitiesOnly yes", "IdentitiesOnly no");
    await Deno.writeTextFile(at("agent_config"), text);
    assertMatch(
      await told({ OPENCLAW_SSH_CONFIG: at("agent_config") }),
      /accepts none of the offered keys[\s\S]*ssh-add/,
    );
  });

  await t.step("F25, N38: an unknown host key is refused, not accepted", async () => {
    const known = await Deno.readTextFile(at("known_hosts"));
    await Deno.writeTextFile(at("known_hosts"), "");
    assertMatch(await told(), /host key is not known yet[\s\S]*hint: ssh -F \S+ gw {3}# once/);
    assertEquals(await Deno.readTextFile(at("known_hosts")), "", "nothing was learned");
    await Deno.writeTextFile(at("known_hosts"), known);
  });

  await t.step("N38: a changed host key stops everything, there is no plain fallback", async () => {
    await sshd.kill();
    const key = await Deno.readTextFile(at("host_key"));
    const pub = await Deno.readTextFile(at("host_key.pub"));
    await sshd.changeHostKey();
    await sshd.start();
    assertStringIncludes(await told(), "somebody may be in the middle");
    await sshd.kill();
    await Deno.writeTextFile(at("host_key"), key, { mode: 0o600 });
    await Deno.writeTextFile(at("host_key.pub"), pub);
    await sshd.start();
  });

  await t.step("a host that is off", async () => {
    await sshd.kill();
    assertMatch(await told(), /nothing answers there/);
    await sshd.start();
  });

  await t.step("a gateway that is off: ssh works, and tunnel status says both", async () => {
    await using tunnel = scene.start("laptop", ["tunnel", "run"]);
    await tunnel.until(/Tunnel to gw open/);
    await pair.gateway.end();
    const status = await scene.cli("laptop", ["tunnel", "status"]);
    assertEquals(status.code, 1);
    assertMatch(status.stdout, /Tunnel: open/);
    assertMatch(status.stdout, /Gateway: ssh works, but no gateway answers/);
    await tunnel.end();
    assertMatch(await told(), /ssh tunnel to "gw" works, but no gateway answers on its port/);
  });

  await t.step("a target that ssh would read as an option is refused (N37)", async () => {
    await scene.remoteMode("evil", { sshTarget: `-oProxyCommand=touch ${pair.home.path}/pwned` });
    const done = await scene.cli("evil", ["health"]);
    assertEquals(done.code === 0, false);
    assertMatch(done.stderr, /SSH target|sshTarget/);
    assertEquals(await Deno.stat(`${pair.home.path}/pwned`).catch(() => undefined), undefined);
  });
});
