/** Direct TLS with a pin from another machine (a network namespace), and that machine changing its network (F13). */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { eventually } from "../program.ts";
import { OtherMachineScene, startThere } from "./other_machine_scene.ts";

Deno.test("direct TLS with a pin from another machine", async (t) => {
  await using scene = await OtherMachineScene.make();
  if (!scene) return;
  const { machine, home, facts } = scene;

  await t.step("its node serves", async () => {
    const done = await scene.cli("nodes", "run", "--node", "other-1", "--", "uname", "-s");
    assertEquals([done.code, done.stdout], [0, "Linux\n"], done.stderr);
  });

  await t.step("its operator connects with url, token and pin, after an approval", async () => {
    const args = [
      "health",
      "--url",
      facts.url,
      "--token",
      facts.token,
      "--tls-fingerprint",
      facts.pin,
    ];
    const first = startThere(machine, args, home.env("laptop"));
    const id = (await first.until(/devices approve ([0-9a-f-]{36})/))[1] as string;
    await first.end();
    assertEquals((await scene.cli("devices", "approve", id)).code, 0);
    const second = startThere(machine, args, home.env("laptop"));
    await second.until(/Gateway: ok/);
    await second.end();
  });

  await t.step(
    "a wrong pin and plaintext are refused there before a credential is sent",
    async () => {
      const wrong = startThere(
        machine,
        ["health", "--url", facts.url, "--token", "t", "--tls-fingerprint", "0".repeat(64)],
        home.env("laptop"),
      );
      await wrong.until(/fingerprint mismatch/);
      await wrong.end();
      const plain = startThere(
        machine,
        ["health", "--url", facts.url.replace("wss", "ws"), "--token", "t"],
        home.env("laptop"),
      );
      assertMatch((await plain.until(/error: .*/))[0], /plaintext|unencrypted|TLS/i);
      await plain.end();
    },
  );

  await t.step("F13: the machine gets another address; the node is back by itself", async () => {
    const before = scene.sessions;
    await machine.moveTo(77);
    const movedMs = performance.now();
    await eventually("back", () => scene.sessions > before, 60_000);
    const backMs = performance.now() - movedMs;
    assert(backMs <= 5_000, `back only after ${backMs} ms`);
    const done = await scene.cli("nodes", "run", "--node", "other-1", "--", "echo", "moved");
    assertEquals([done.code, done.stdout], [0, "moved\n"], done.stderr);
  });
});
