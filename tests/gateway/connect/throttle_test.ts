import { assertEquals } from "@std/assert";
import { Throttle } from "../../../src/gateway/auth/throttle.ts";
import { FakeClock } from "../../support/fake_clock.ts";

const REMOTE = { address: "192.0.2.77" };

function fail(throttle: Throttle, actor: { address: string; origin?: string }, times: number) {
  const delays: number[] = [];
  for (let n = 0; n < times; n++) delays.push(throttle.failed("shared-secret", actor));
  return delays;
}

Deno.test("the eleventh attempt of a remote address is the first refused one, for five minutes", () => {
  const clock = new FakeClock();
  const throttle = new Throttle(clock);
  assertEquals(fail(throttle, REMOTE, 9), Array(9).fill(0));
  assertEquals(throttle.lockedForMs("shared-secret", REMOTE), 0);
  fail(throttle, REMOTE, 1);
  assertEquals(throttle.lockedForMs("shared-secret", REMOTE), 300_000);
  clock.advance(299_999);
  assertEquals(throttle.lockedForMs("shared-secret", REMOTE), 1);
  clock.advance(1);
  assertEquals(throttle.lockedForMs("shared-secret", REMOTE), 0);
});

Deno.test("failures older than the window do not count, and success forgets them", () => {
  const clock = new FakeClock();
  const throttle = new Throttle(clock);
  fail(throttle, REMOTE, 9);
  clock.advance(60_000);
  fail(throttle, REMOTE, 9);
  assertEquals(throttle.lockedForMs("shared-secret", REMOTE), 0);
  throttle.succeeded("shared-secret", REMOTE);
  fail(throttle, REMOTE, 9);
  assertEquals(throttle.lockedForMs("shared-secret", REMOTE), 0);
});

Deno.test("purposes are counted apart", () => {
  const throttle = new Throttle(new FakeClock());
  fail(throttle, REMOTE, 10);
  assertEquals(throttle.lockedForMs("device-token", REMOTE), 0);
});

Deno.test("loopback is never locked but answered ever later", () => {
  const throttle = new Throttle(new FakeClock());
  const actor = { address: "127.0.0.1" };
  assertEquals(fail(throttle, actor, 7), [250, 500, 1000, 2000, 4000, 5000, 5000]);
  fail(throttle, actor, 50);
  assertEquals(throttle.lockedForMs("shared-secret", actor), 0);
  assertEquals(throttle.lockedForMs("shared-secret", actor, true), 300_000);
});

Deno.test("N02: a web page on loopback is locked like anybody else", () => {
  const throttle = new Throttle(new FakeClock());
  const page = { address: "127.0.0.1", origin: "http://localhost:3000" };
  assertEquals(fail(throttle, page, 10), Array(10).fill(0));
  assertEquals(throttle.lockedForMs("shared-secret", page), 300_000);
  assertEquals(throttle.lockedForMs("shared-secret", { address: "127.0.0.1" }), 0);
  const other = { address: "127.0.0.1", origin: "http://localhost:4000" };
  assertEquals(throttle.lockedForMs("shared-secret", other), 0);
});

Deno.test("N10: an address and its IPv4-mapped form are one bucket, a /64 is one bucket", () => {
  const throttle = new Throttle(new FakeClock());
  for (let n = 0; n < 10; n++) {
    fail(throttle, { address: n % 2 === 0 ? "192.0.2.77" : "::ffff:192.0.2.77" }, 1);
  }
  assertEquals(throttle.lockedForMs("shared-secret", REMOTE), 300_000);
  for (let n = 0; n < 10; n++) fail(throttle, { address: `2001:db8:1:2::${n.toString(16)}` }, 1);
  assertEquals(throttle.lockedForMs("shared-secret", { address: "2001:db8:1:2:ffff::1" }), 300_000);
  assertEquals(throttle.lockedForMs("shared-secret", { address: "2001:db8:1:3::1" }), 0);
});

Deno.test("a full table keeps counting: newcomers share one bucket", () => {
  const throttle = new Throttle(new FakeClock());
  for (let n = 0; n < 10_000; n++) {
    fail(throttle, { address: `10.${n >> 16}.${(n >> 8) & 255}.${n & 255}` }, 1);
  }
  for (let n = 0; n < 10; n++) fail(throttle, { address: `203.0.113.${n}` }, 1);
  assertEquals(throttle.lockedForMs("shared-secret", { address: "198.51.100.1" }), 300_000);
  assertEquals(throttle.size <= 10_010, true);
});

/** Address number `n` of a flood, each in a /64 of its own. */
const flood = (n: number) => ({
  address: `2001:db8:${(n >> 12).toString(16)}:${(n & 4095).toString(16)}::1`,
});

Deno.test("N10: a hundred thousand addresses leave ten thousand keys, and the locked ones stay locked", () => {
  const clock = new FakeClock();
  const throttle = new Throttle(clock);
  fail(throttle, REMOTE, 10);
  for (let n = 0; n < 100_000; n++) fail(throttle, flood(n), 1);
  assertEquals(throttle.size <= 10_001, true, String(throttle.size));
  assertEquals(throttle.lockedForMs("shared-secret", REMOTE), 300_000);
});

Deno.test("a flood that is over is forgotten, also behind addresses that are still locked", () => {
  const clock = new FakeClock();
  const throttle = new Throttle(clock);
  const locked = Array.from({ length: 20 }, (_, n) => ({ address: `192.0.2.${n + 1}` }));
  for (const actor of locked) fail(throttle, actor, 10);
  for (let n = 0; n < 9_000; n++) fail(throttle, flood(n), 1);
  clock.advance(61_000);
  for (let n = 0; n < 5_000; n++) fail(throttle, flood(20_000 + n), 1);
  assertEquals(throttle.size < 7_000, true, String(throttle.size));
  for (const actor of locked) assertEquals(throttle.lockedForMs("shared-secret", actor) > 0, true);
  assertEquals(
    throttle.lockedForMs("shared-secret", { address: "198.51.100.1" }),
    0,
    "no overflow",
  );
});

Deno.test("an address that goes on failing stays known while older ones are forgotten", () => {
  const clock = new FakeClock();
  const throttle = new Throttle(clock);
  fail(throttle, REMOTE, 5);
  for (let n = 0; n < 6_000; n++) fail(throttle, flood(n), 1);
  clock.advance(59_000);
  fail(throttle, REMOTE, 4);
  clock.advance(1_500);
  for (let n = 0; n < 2_000; n++) fail(throttle, flood(10_000 + n), 1);
  fail(throttle, REMOTE, 6);
  assertEquals(throttle.lockedForMs("shared-secret", REMOTE), 300_000);
});

Deno.test("F19: a stepped wall clock neither ends nor extends a lockout", () => {
  const clock = new FakeClock();
  const throttle = new Throttle(clock);
  fail(throttle, REMOTE, 10);
  for (const stepMs of [3_600_000, -7_200_000, 10 * 365 * 86_400_000]) {
    clock.stepWall(stepMs);
    assertEquals(throttle.lockedForMs("shared-secret", REMOTE), 300_000);
  }
  clock.advance(300_000);
  assertEquals(throttle.lockedForMs("shared-secret", REMOTE), 0);
});

Deno.test("N02: a local program that changes its Origin with every guess is locked after fifty, plain loopback is not", () => {
  const clock = new FakeClock();
  const throttle = new Throttle(clock);
  const at = (port: number) => ({ address: "127.0.0.1", origin: `http://localhost:${port}` });
  for (let port = 1; port <= 49; port++) fail(throttle, at(port), 1);
  assertEquals(throttle.lockedForMs("shared-secret", at(50)), 0);
  fail(throttle, at(50), 1);
  for (const port of [1, 50, 51, 60_000]) {
    assertEquals(throttle.lockedForMs("shared-secret", at(port)), 300_000, String(port));
  }
  assertEquals(throttle.lockedForMs("shared-secret", { address: "127.0.0.1" }), 0);
  assertEquals(throttle.lockedForMs("shared-secret", REMOTE), 0);
  clock.advance(300_000);
  assertEquals(throttle.lockedForMs("shared-secret", at(1)), 0);
});
