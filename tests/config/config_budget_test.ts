/** The budget of configuration writes (gateway-protocol.md 1.2). */
import { assertEquals, assertThrows } from "@std/assert";
import { WriteBudget } from "../../src/gateway/methods/config/budget.ts";
import { OpenclawError } from "../../src/lib/errors.ts";
import { FakeClock } from "../support/fake_clock.ts";

function refused(budget: WriteBudget, actor: string, protocol: 3 | 4): OpenclawError {
  return assertThrows(() => budget.spend(actor, "config.patch", protocol), OpenclawError);
}

for (const [protocol, limit] of [[4, 30], [3, 3]] as const) {
  Deno.test(`protocol ${protocol}: ${limit} writes in 60 s, then a typed refusal with the time to wait`, () => {
    const clock = new FakeClock();
    const budget = new WriteBudget(clock);
    for (let n = 0; n < limit; n++) {
      budget.spend("a", "config.patch", protocol);
      clock.advance(1_000);
    }
    const error = refused(budget, "a", protocol);
    const waitMs = 60_000 - limit * 1_000;
    assertEquals(
      [error.code, error.message, error.retryable, error.retryAfterMs],
      [
        "UNAVAILABLE",
        `rate limit exceeded for config.patch; retry after ${waitMs / 1000}s`,
        true,
        waitMs,
      ],
    );
    assertEquals(error.details, { method: "config.patch", limit: `${limit} per 60s` });
    budget.spend("b", "config.patch", protocol);
    clock.advance(waitMs);
    budget.spend("a", "config.patch", protocol);
    refused(budget, "a", protocol);
  });
}

Deno.test("F19: a stepped wall clock neither frees nor extends the budget", () => {
  const clock = new FakeClock();
  const budget = new WriteBudget(clock);
  for (let n = 0; n < 3; n++) budget.spend("a", "config.patch", 3);
  clock.stepWall(10 * 365 * 86_400_000);
  refused(budget, "a", 3);
  clock.stepWall(-20 * 365 * 86_400_000);
  refused(budget, "a", 3);
  clock.advance(60_000);
  budget.spend("a", "config.patch", 3);
});
