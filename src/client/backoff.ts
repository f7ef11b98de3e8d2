/** Growing waits between attempts. Source: node-host.md 3 (1 s doubled up to 30 s), with ±20 % so that many clients spread. */

/** Bounds of a {@linkcode Backoff} in milliseconds. */
export interface BackoffOptions {
  /** First wait. Default 1,000. */
  readonly firstMs?: number;
  /** Longest wait. Default 30,000. */
  readonly maxMs?: number;
  /** Returns a number from 0 to 1. Default `Math.random`. */
  readonly random?: () => number;
}

const JITTER = 0.2;

/** A sequence of waits: 1, 2, 4 … 30 s, each ±20 %, never longer than the last. */
export class Backoff {
  readonly #firstMs: number;
  readonly #maxMs: number;
  readonly #random: () => number;
  #nextMs: number;

  constructor(options: BackoffOptions = {}) {
    this.#firstMs = options.firstMs ?? 1_000;
    this.#maxMs = options.maxMs ?? 30_000;
    this.#random = options.random ?? Math.random;
    this.#nextMs = this.#firstMs;
  }

  /** The next wait. */
  next(): number {
    const baseMs = this.#nextMs;
    this.#nextMs = Math.min(2 * baseMs, this.#maxMs);
    const spreadMs = Math.round(baseMs * (1 - JITTER + 2 * JITTER * this.#random()));
    // F15: a gateway that returns is found within the longest wait, whatever the spread says.
    return Math.min(spreadMs, this.#maxMs);
  }

  /** After a success: begin anew. */
  reset(): void {
    this.#nextMs = this.#firstMs;
  }
}
