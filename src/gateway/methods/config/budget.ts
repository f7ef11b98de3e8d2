/**
 * How many configuration writes one actor may make per minute. Stops a runaway client from restarting the gateway in
 * a loop. Source: gateway-protocol.md 1.2 (control-plane write budget).
 */
import type { Clock } from "../../../lib/clock.ts";
import { refusal } from "../../../protocol/errors.ts";

const WINDOW_MS = 60_000;
/** Writes per window, by protocol version of the caller. */
const LIMIT = { 3: 3, 4: 30 } as const;
/** Actors remembered at most; the oldest is forgotten first. */
const MAX_ACTORS = 1_000;

/** Counts the writes of each actor. */
export class WriteBudget {
  readonly #writes = new Map<string, number[]>();

  constructor(readonly clock: Clock) {}

  /** Counts one write. Throws `UNAVAILABLE` (retryable) when the budget of `actor` is used up. */
  spend(actor: string, method: string, protocol: 3 | 4): void {
    const nowMs = this.clock.monotonic();
    const recent = (this.#writes.get(actor) ?? []).filter((atMs) => nowMs - atMs < WINDOW_MS);
    const limit = LIMIT[protocol];
    const [oldest = nowMs] = recent;
    if (recent.length >= limit) {
      const retryAfterMs = WINDOW_MS - (nowMs - oldest);
      const seconds = Math.ceil(retryAfterMs / 1000);
      throw refusal(
        "UNAVAILABLE",
        `rate limit exceeded for ${method}; retry after ${seconds}s`,
        {
          retryable: true,
          retryAfterMs: Math.ceil(retryAfterMs),
          details: { method, limit: `${limit} per 60s` },
        },
      );
    }
    this.#writes.delete(actor);
    this.#writes.set(actor, [...recent, nowMs]);
    const [eldest] = this.#writes.keys();
    if (this.#writes.size > MAX_ACTORS && eldest !== undefined) this.#writes.delete(eldest);
  }
}
