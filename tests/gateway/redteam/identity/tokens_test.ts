/** N17, I04: names of roles that are names of something else. */
import { assertEquals } from "@std/assert";
import { openWorld, owner } from "../../world.ts";

const ROLES = [
  "constructor",
  "toString",
  "__proto__",
  "hasOwnProperty",
  "valueOf",
  "node",
  "Operator",
  "operator ",
];

Deno.test("N17 variant: a role that is a member of every object has no token: nothing is issued, revoked or kept", async () => {
  await using world = await openWorld();
  const operator = await owner(world, { key: 20 });
  const before = await operator.call("device.pair.list");
  for (const role of ROLES) {
    const asked = { deviceId: operator.id, role };
    const rotated = await operator.refusal("device.token.rotate", asked);
    const revoked = await operator.refusal("device.token.revoke", asked);
    assertEquals(
      [rotated.code, rotated.message, revoked.message],
      ["INVALID_REQUEST", "device token rotation denied", "device token revocation denied"],
      role,
    );
  }
  assertEquals((await operator.call("device.pair.list")).paired, before.paired);
});
