/**
 * Has the heap collected once after a burst of connects or disconnects has settled, so that an idle gateway is small.
 */
import type { Clock } from "../lib/clock.ts";
import { collectGarbage } from "../platform/heap.ts";

/** No connect or disconnect for this long. */
const QUIET_MS = 1_000;
/** Fewer are left to the engine. */
const MIN_CHANGES = 64;

/** Watches connects and disconnects. */
export class Tidy {
  readonly #clock: Clock;
  #changes = 0;
  #lastMs = 0;
  #cancel: (() => void) | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** A connection came or went. */
  changed(): void {
    this.#changes++;
    this.#lastMs = this.#clock.monotonic();
    this.#cancel ??= this.#clock.after(QUIET_MS, () => this.#look());
  }

  /** Ends the timer. */
  stop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }

  #look(): void {
    const quietMs = this.#clock.monotonic() - this.#lastMs;
    if (quietMs < QUIET_MS) {
      this.#cancel = this.#clock.after(QUIET_MS - quietMs, () => this.#look());
      return;
    }
    this.#cancel = undefined;
    const burst = this.#changes >= MIN_CHANGES;
    this.#changes = 0;
    if (burst) void collectGarbage();
  }
}
