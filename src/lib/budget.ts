/**
 * How much each of many actors may do in a sliding minute of monotonic time. Bounded: the actor that was quiet longest is
 * forgotten first.
 */
import type { Clock } from "./clock.ts";

const WINDOW_MS = 60_000;

/** Limits of a {@linkcode Budget}. */
export interface BudgetOptions {
  readonly clock: Clock;
  /** Actors remembered. Default 1,000. */
  readonly maxActors?: number;
}

interface Spent {
  readonly atMs: number;
  readonly amount: number;
}

/** Counts what actors spend. */
export class Budget {
  readonly #clock: Clock;
  readonly #maxActors: number;
  readonly #spent = new Map<string, readonly Spent[]>();

  constructor({ clock, maxActors = 1_000 }: BudgetOptions) {
    this.#clock = clock;
    this.#maxActors = maxActors;
  }

  /**
   * Takes `amount` when the actor stays within `limit`. Returns 0 then; else nothing is taken, and it is the milliseconds
   * until something is free again.
   */
  take(actor: string, limit: number, amount = 1): number {
    const nowMs = this.#clock.monotonic();
    const recent = (this.#spent.get(actor) ?? []).filter(({ atMs }) => nowMs - atMs < WINDOW_MS);
    const used = recent.reduce((sum, spent) => sum + spent.amount, 0);
    if (used + amount > limit) {
      return Math.max(1, Math.ceil(WINDOW_MS - (nowMs - (recent[0]?.atMs ?? nowMs))));
    }
    this.#spent.delete(actor);
    this.#spent.set(actor, [...recent, { atMs: nowMs, amount }]);
    const [quietest] = this.#spent.keys();
    if (this.#spent.size > this.#maxActors && quietest !== undefined) this.#spent.delete(quietest);
    return 0;
  }
}
