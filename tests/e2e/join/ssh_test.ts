/** Join lines with an ssh address: addresses are tried in their order, a node and a person join through a real sshd. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { processesWith as sshOf } from "../../support/sshd.ts";
import { freePort, run, start } from "../program.ts";
import { RemoteScene } from "../remote/ssh_scene.ts";

Deno.test("connect tries the line's addresses in order and joins through ssh", async (t) => {
  await using scene = await RemoteScene.make();
  if (!scene) return;
  const { pair, sshd } = scene;
  const nobody = freePort();
  const noSsh = async (state: string) => {
    const all = await sshOf(sshd.configFile);
    assertEquals(all.filter(({ command }) => command.includes(`/${state}/`)), [], "stray ssh");
  };
  /** A line whose first address nobody answers; the gateway listens behind ssh on its own port. */
  const lineOf = async (more: string[], first = `wss://127.0.0.1:${pair.facts.port}`) => {
    const made = await pair.cli(["devices", "join-code", "--public-url", first, ...more]);
    assertEquals(made.code, 0, made.stderr);
    return made.stdout.trim();
  };

  await t.step(
    "a person: ssh is tried before loopback, kept, and used by the next commands",
    async () => {
      const line = await lineOf(["--operator", "--also", "ssh://gw"]);
      const joined = await scene.cli("laptop", ["connect", "--operator", line]);
      assertEquals(joined.code, 0, joined.stderr);
      assertStringIncludes(joined.stderr, "through ssh://gw; verification code");
      await noSsh("laptop");
      const text = await Deno.readTextFile(`${pair.home.path}/laptop/openclaw.json`);
      const { gateway } = JSON.parse(text);
      assertEquals(gateway.mode, "remote");
      assertEquals(gateway.remote, {
        transport: "ssh",
        sshTarget: "gw",
        remotePort: pair.facts.port,
        tlsFingerprint: pair.facts.pin,
      });
      assert(!text.includes(pair.facts.token), "the shared token went along");
      assertStringIncludes(await scene.must("laptop", ["nodes", "status"]), "build-1");
    },
  );

  await t.step(
    "a node: the same line form joins it through ssh and node.json keeps the way",
    async () => {
      const line = await lineOf(["--name", "far-1", "--also", "ssh://gw"]);
      await using node = scene.start("far", ["connect", line]);
      await node.until(/Joining .* through ssh:\/\/gw/);
      await node.until(/Connected to gateway/);
      const status = JSON.parse((await pair.cli(["nodes", "status", "--json"])).stdout);
      const far = status.nodes.find((entry: { nodeId: string; connected: boolean }) =>
        entry.connected && node.said.includes(entry.nodeId)
      );
      assert(far, "the node behind ssh is connected");
      await node.end();
      await noSsh("far");
      await using again = scene.start("far", ["node", "run"]);
      await again.until(/Connected to gateway/);
    },
  );

  await t.step("an ssh host that does not answer is passed over for the next address", async () => {
    const line = await lineOf(["--also", "ssh://nobody@127.0.0.1:" + nobody]);
    await using node = scene.start("near", ["connect", line]);
    const [joining] = await node.until(/Joining [^;]*;/);
    assertEquals(joining, `Joining wss://127.0.0.1:${pair.facts.port};`);
    await node.until(/Connected to gateway/);
  });

  await t.step("no address answers: every one is named with its reason, exit 1", async () => {
    const first = `wss://127.0.0.1:${nobody}`;
    const line = await lineOf(["--also", `ssh://nobody@127.0.0.1:${nobody}`], first);
    const done = await scene.cli("lost", ["connect", line]);
    assertEquals(done.code, 1);
    assertStringIncludes(done.stderr, "No address of the join line answers");
    assertMatch(done.stderr, new RegExp(`${first} through ssh://nobody@127.0.0.1:${nobody}: .+`));
    assertMatch(done.stderr, new RegExp(`${first}: .*refused`));
    assert(!done.stderr.includes(line.slice(20)), "the line is repeated");
  });

  await t.step(
    "a gateway with another certificate is no way: the secret is not sent there (N26)",
    async () => {
      const env = pair.home.env("other");
      await using other = start(["gateway", "run", "--tls", "--port", String(nobody)], { env });
      await other.until(/ready/);
      const line = await lineOf(
        ["--also", `wss://localhost:${pair.facts.port}`],
        `wss://127.0.0.1:${nobody}`,
      );
      const joined = await run(["connect", "--operator", line], { env: pair.home.env("careful") });
      // The line is for a node: what counts is which gateway was asked, and that it was the right one.
      assertStringIncludes(joined.stderr, `Joining wss://localhost:${pair.facts.port}`);
      assert(!/ conn=/.test(other.said), "the other gateway was asked");
    },
  );
});
