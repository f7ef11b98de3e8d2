/** What a person reads about request ids and drifted tokens: our command line against a real gateway in this process. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { nodeOptions, openWorld, owner, SteppedClock, type World } from "../../gateway/world.ts";
import { cli } from "../support.ts";

/** Runs a command line as the gateway's owner, or with another state directory. */
function at(world: World, state?: string) {
  const port = new URL(world.gateway.url).port;
  const env = {
    HOME: world.stateDir,
    OPENCLAW_STATE_DIR: state ?? world.stateDir,
    OPENCLAW_GATEWAY_PORT: port,
  };
  return (args: string[]) => cli(args, { env });
}

/** Operator tokens in a token store. */
function tokensOf(text: string): string[] {
  const gateways: Record<string, { operator?: { token: string } }> = JSON.parse(text).gateways;
  return Object.values(gateways).flatMap(({ operator }) => operator ? [operator.token] : []);
}

async function knock(world: World, more = {}): Promise<string> {
  const peer = await world.connect(nodeOptions(1, more));
  await peer.closed();
  return peer.hello.error.details.requestId;
}

Deno.test("devices approve: an expired id says when it expired and where to look", async () => {
  const clock = new SteppedClock();
  await using world = await openWorld({}, clock);
  const id = await knock(world);
  clock.step(301_000);
  const done = await at(world)(["devices", "approve", id]);
  assertEquals(done.code, 1);
  assertMatch(done.stderr, new RegExp(`${id} expired at 20\\d\\d-\\d\\d-\\d\\dT[0-9:.]+Z`));
  assertStringIncludes(done.stderr, "the device files a new one when it connects again");
  assertStringIncludes(done.stderr, "hint: openclaw devices list");
});

Deno.test("devices approve: a superseded id names its successor and what changed; the hint approves it", async () => {
  await using world = await openWorld();
  const first = await knock(world);
  const second = await knock(world, { commands: ["system.run", "system.notify"] });
  const run = at(world);
  const done = await run(["devices", "approve", first]);
  assertEquals(done.code, 1);
  assertMatch(
    done.stderr,
    new RegExp(`${first} was replaced by ${second} \\(.*system\\.notify.*\\)`),
  );
  const [, hint] = done.stderr.match(/hint: openclaw (devices approve \S+)/)!;
  assertEquals(hint, `devices approve ${second}`);
  assertEquals((await run(hint!.split(" "))).code, 0);
});

Deno.test("devices approve --json: a dead id is one JSON document with code and successor", async () => {
  await using world = await openWorld();
  const first = await knock(world);
  const second = await knock(world, { commands: ["system.which"] });
  const done = await at(world)(["devices", "approve", first, "--json"]);
  const { error } = JSON.parse(done.stdout);
  assertEquals([error.code, error.details.replacedBy], ["REQUEST_SUPERSEDED", second]);
});

Deno.test("token drift: a revoked or rotated-away token of this command line is named with its source and the repair", async (t) => {
  await using world = await openWorld();
  const operator = await owner(world);
  const home = await Deno.makeTempDir({ prefix: "openclaw-person-" });
  try {
    const run = at(world, home);
    const made = await at(world)(
      ["devices", "join-code", "--operator", "--public-url", world.gateway.url],
    );
    const line = made.stdout.trim();
    const joined = await run(["connect", "--operator", line]);
    assertEquals(joined.code, 0, joined.stderr);
    assertEquals((await run(["nodes", "status"])).code, 0);
    const { paired } = await operator.call("device.pair.list");
    const deviceId = paired.find((d: { clientId: string }) => d.clientId === "cli").deviceId;
    const stored = `${home}/identity/operator-tokens.json`;
    const held = () => Deno.readTextFile(stored);

    await t.step(
      "rotated: the token it holds works until the new one was used, and is replaced then",
      async () => {
        const before = await held();
        await operator.call("device.token.rotate", { deviceId, role: "operator" });
        assertEquals((await run(["nodes", "status"])).code, 0, "the old token brings the new one");
        const after = await held();
        assert(after !== before, "the new token is kept");
        assertEquals((await run(["nodes", "status"])).code, 0, "the new token works");
        await Deno.writeTextFile(stored, before);
        const late = await run(["nodes", "status"]);
        assertEquals(late.code, 1, "the old one ended when the new one was used");
        assertStringIncludes(late.stderr, "the stored device token was refused and dropped");
        assertEquals(tokensOf(await held()), []);
        await Deno.writeTextFile(stored, after);
        assertEquals((await run(["nodes", "status"])).code, 0);
      },
    );

    await t.step("revoked: source and one command, which works", async () => {
      await operator.call("device.token.revoke", { deviceId, role: "operator" });
      const done = await run(["nodes", "status"]);
      assertEquals(done.code, 1);
      assertStringIncludes(done.stderr, "the stored device token was refused and dropped");
      assertStringIncludes(done.stderr, "repair it: openclaw connect --operator <line>");
      assertStringIncludes(done.stderr, "openclaw devices join-code --operator");
      assertEquals(tokensOf(await held()), [], "the refused token is gone");
      const again = await at(world)(
        ["devices", "join-code", "--operator", "--public-url", world.gateway.url],
      );
      const repaired = await run(["connect", "--operator", again.stdout.trim()]);
      assertEquals(repaired.code, 0, repaired.stderr);
      assertEquals((await run(["nodes", "status"])).code, 0);
    });
  } finally {
    await Deno.remove(home, { recursive: true });
  }
});
