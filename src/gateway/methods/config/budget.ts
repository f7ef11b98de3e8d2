/**
 * How many configuration writes one actor may make per minute. Stops a runaway client from restarting the gateway in
 * a loop. Source: gateway-protocol.md 1.2 (control-plane write budget).
 */
import { Budget } from "../../../lib/budget.ts";
import type { Clock } from "../../../lib/clock.ts";
import { refusal } from "../../../protocol/errors.ts";

/** Writes per minute, by protocol version of the caller. */
const LIMIT = { 3: 3, 4: 30 } as const;

/** Counts the writes of each actor. */
export class WriteBudget {
  readonly #budget: Budget;

  constructor(clock: Clock) {
    this.#budget = new Budget({ clock });
  }

  /** Counts one write. Throws `UNAVAILABLE` (retryable) when the budget of `actor` is used up. */
  spend(actor: string, method: string, protocol: 3 | 4): void {
    const limit = LIMIT[protocol];
    const retryAfterMs = this.#budget.take(actor, limit);
    if (retryAfterMs === 0) return;
    const seconds = Math.ceil(retryAfterMs / 1000);
    throw refusal("UNAVAILABLE", `rate limit exceeded for ${method}; retry after ${seconds}s`, {
      retryable: true,
      retryAfterMs,
      details: { method, limit: `${limit} per 60s` },
    });
  }
}
