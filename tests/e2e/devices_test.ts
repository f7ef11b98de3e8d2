/** The devices commands with real processes: rename, rotate, reject, remove, clear, and a join line used only if needed. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { eventually, Pair, run, start } from "./program.ts";

Deno.test("devices: rename, rotate, reject, clear and node run --pair-if-needed", async (t) => {
  await using pair = await Pair.make();
  const { port, pin, token } = pair.facts;
  const list = async () => JSON.parse((await pair.cli(["devices", "list", "--json"])).stdout);
  const ok = async (args: string[]) => {
    const done = await pair.cli(args);
    assertEquals(done.code, 0, done.stderr);
    return done.stdout;
  };
  const node = JSON.parse(await ok(["nodes", "status", "--json"])).nodes[0].nodeId as string;

  await t.step("rename gives a label that list shows", async () => {
    await ok(["devices", "rename", "--device", node, "--name", "rack 7"]);
    assertStringIncludes(await ok(["devices", "list"]), "rack 7");
  });
  await t.step("rotate: the node comes back by itself with what it holds", async () => {
    await ok(["devices", "rotate", "--device", node, "--role", "node"]);
    await pair.node.until(/gateway closed/);
    await eventually("the node is back", async () => {
      const { nodes } = JSON.parse(await ok(["nodes", "status", "--json"]));
      return nodes[0].connected === true;
    }, 20_000);
  });
  await t.step("reject ends a request, and its id says so", async () => {
    await using other = start(
      ["node", "run", "--port", String(port), "--tls-fingerprint", pin],
      { env: pair.home.env("other", { OPENCLAW_GATEWAY_TOKEN: token }) },
    );
    const id = (await other.until(/requestId: ([0-9a-f-]{36})/))[1] as string;
    await ok(["devices", "reject", id]);
    const dead = await pair.cli(["devices", "approve", id]);
    assertEquals(dead.code, 1);
    assertStringIncludes(dead.stderr, `${id} was already rejected`);
  });
  await t.step("--pair-if-needed joins once and leaves a second line unused", async () => {
    const line = async () =>
      (await ok(["devices", "join-code", "--public-url", `wss://127.0.0.1:${port}`])).trim();
    const env = pair.home.env("joined");
    await using first = start(["node", "run", "--pair-if-needed", await line()], { env });
    await first.until(/Connected to gateway/);
    await first.end();
    const unused = await line();
    await using second = start(["node", "run", "--pair-if-needed", unused], { env });
    await second.until(/Connected to gateway/);
    await using third = start(["connect", unused], { env: pair.home.env("third") });
    await third.until(/Connected to gateway/);
  });
  await t.step("clear wants --yes, then nothing is left but the caller's own way in", async () => {
    const asked = await pair.cli(["devices", "clear"]);
    assertEquals(asked.code, 1);
    assertStringIncludes(asked.stderr, "openclaw devices clear --yes");
    assert((await list()).paired.length >= 3);
    await ok(["devices", "clear", "--yes", "--pending"]);
    const left = (await list()).paired as { deviceId: string }[];
    assert(!left.some((device) => device.deviceId === node), "the node's pairing is gone");
    const foreign = await run(["nodes", "status"], { env: pair.home.env("nobody") });
    assertEquals(foreign.code, 1);
  });
});
