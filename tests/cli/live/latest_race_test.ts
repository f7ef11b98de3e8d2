/** `devices approve --latest` against a real gateway: what could have been slipped in is shown, not granted. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { nodeOptions, openWorld, owner, SteppedClock, type World } from "../../gateway/world.ts";
import { cli } from "../support.ts";

function latest(world: World, ...more: string[]) {
  const env = {
    HOME: world.stateDir,
    OPENCLAW_STATE_DIR: world.stateDir,
    OPENCLAW_GATEWAY_PORT: new URL(world.gateway.url).port,
  };
  return cli(["devices", "approve", "--latest", ...more], { env });
}

async function knock(world: World, options: Parameters<World["connect"]>[0]): Promise<string> {
  const peer = await world.connect(options);
  await peer.closed();
  return peer.hello.error.details.requestId;
}

for (
  const [what, file, reason] of [
    ["a second request", async (world: World) => {
      await knock(world, nodeOptions(2));
      return await knock(world, nodeOptions(1));
    }, "requests are pending"],
    [
      "a request of this very moment",
      (world: World) => knock(world, nodeOptions(1)),
      "less than 2 seconds ago",
    ],
  ] as const
) {
  Deno.test(`I24: --latest with ${what} only previews; --yes or the id approves`, async () => {
    // The gateway's clock runs behind, so that only what is tested here makes the race.
    const clock = new SteppedClock();
    if (reason === "requests are pending") clock.step(-60_000);
    await using world = await openWorld({}, clock);
    const operator = await owner(world);
    const requestId = await file(world);
    const before = (await operator.call("device.pair.list")).pending.length;
    const done = await latest(world);
    assertEquals(done.code, 1);
    assertStringIncludes(done.stderr, reason);
    assertStringIncludes(done.stderr, `openclaw devices approve ${requestId}`);
    assertEquals(
      (await operator.call("device.pair.list")).pending.length,
      before,
      "nothing granted",
    );
    const sure = await latest(world, "--yes");
    assertEquals(sure.code, 0, sure.stderr);
    const { paired } = await operator.call("device.pair.list");
    assert(paired.some((d: { clientId: string }) => d.clientId === "node-host"));
  });
}

Deno.test("I24: --latest never grants operator scopes without a word", async () => {
  const clock = new SteppedClock();
  clock.step(-60_000);
  await using world = await openWorld({}, clock);
  const operator = await owner(world);
  // A paired reader that asks for more (I07).
  const reader = { key: 7, scopes: ["operator.read"] };
  await (await world.connect(reader)).expectHello().close();
  await world.connect({ ...reader, scopes: ["operator.read", "operator.admin"] });
  assertEquals((await operator.call("device.pair.list")).pending.length, 1);
  const done = await latest(world);
  assertEquals(done.code, 1);
  assertStringIncludes(done.stderr, "it asks for operator scopes: ");
  assertStringIncludes(done.stderr, "operator.admin");
  assertEquals((await operator.call("device.pair.list")).pending.length, 1);
});
