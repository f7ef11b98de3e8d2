/** A clock that moves only when told to: tests of deadlines, back-off and expiry never wait. */
import type { Clock } from "../../src/lib/clock.ts";

interface Timer {
  readonly dueMs: number;
  readonly run: () => void;
}

export class FakeClock implements Clock {
  #wallMs: number;
  #monotonicMs = 0;
  readonly #timers = new Set<Timer>();

  constructor(wallMs = Date.UTC(2026, 0, 1)) {
    this.#wallMs = wallMs;
  }

  now(): number {
    return this.#wallMs;
  }

  monotonic(): number {
    return this.#monotonicMs;
  }

  after(delayMs: number, run: () => void): () => void {
    const timer = { dueMs: this.#monotonicMs + delayMs, run };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  /** Number of timers that wait. */
  get pending(): number {
    return this.#timers.size;
  }

  /** Steps only the wall clock, as an administrator or a time server would (F19). */
  stepWall(byMs: number): void {
    this.#wallMs += byMs;
  }

  /** Lets time pass and runs what is due, in order. */
  advance(byMs: number): void {
    const endMs = this.#monotonicMs + byMs;
    for (;;) {
      const due = [...this.#timers].filter((t) =>
        t.dueMs <= endMs
      ).sort((a, b) => a.dueMs - b.dueMs)[0];
      if (!due) break;
      this.#timers.delete(due);
      this.#wallMs += due.dueMs - this.#monotonicMs;
      this.#monotonicMs = due.dueMs;
      due.run();
    }
    this.#wallMs += endMs - this.#monotonicMs;
    this.#monotonicMs = endMs;
  }
}
