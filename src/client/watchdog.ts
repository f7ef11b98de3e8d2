/**
 * Notices a connection that is only half there (F10, F11): no frame for too long. Where the transport can ping, silence
 * is asked about first and ends after one and a quarter ticks (37.5 s, two pings unanswered); elsewhere after two. A
 * process that was stopped or a machine that slept gets a fresh chance before its connection is given up (F20).
 */
import type { Clock } from "../lib/clock.ts";

/** What the watchdog watches. */
export interface WatchdogOptions {
  /** `policy.tickIntervalMs` of the gateway. */
  readonly tickIntervalMs: number;
  readonly clock: Clock;
  /** Asks the peer for a sign of life; absent where the transport cannot. */
  readonly ping?: () => void;
  /** The peer is gone. Called once. */
  readonly onSilent: () => void;
}

/** How long a peer may take to answer after the local process was frozen. */
const AFTER_FREEZE_MS = 5_000;

/** The same when the local network changed: a lost route should cost seconds (F13). */
const AFTER_CHANGE_MS = 2_000;

/** A running watchdog. */
export class Watchdog {
  readonly #options: WatchdogOptions;
  readonly #limitMs: number;
  readonly #everyMs: number;
  #lastMs: number;
  #dueMs = 0;
  #cancel: (() => void) | undefined;

  constructor(options: WatchdogOptions) {
    this.#options = options;
    const tickMs = options.tickIntervalMs;
    this.#limitMs = options.ping ? 1.25 * tickMs : 2 * tickMs;
    // Pinging twice within the limit also keeps address translators of 55 s open (F12).
    this.#everyMs = Math.max(250, Math.min(tickMs / 2, 15_000));
    this.#lastMs = options.clock.monotonic();
    this.#schedule(this.#everyMs);
  }

  /** A frame, ping or pong came in. */
  heard(): void {
    this.#lastMs = this.#options.clock.monotonic();
  }

  /** Asks for a sign of life now and gives up after 2 s without one; does nothing where it cannot ask. */
  suspect(): void {
    if (!this.#options.ping || !this.#cancel) return;
    this.#cancel();
    this.#lastMs = Math.min(
      this.#lastMs,
      this.#options.clock.monotonic() - this.#limitMs + AFTER_CHANGE_MS,
    );
    this.#options.ping();
    this.#schedule(AFTER_CHANGE_MS);
  }

  stop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }

  #schedule(delayMs: number): void {
    this.#dueMs = this.#options.clock.monotonic() + delayMs;
    this.#cancel = this.#options.clock.after(delayMs, () => this.#look());
  }

  #look(): void {
    const { clock, ping, onSilent } = this.#options;
    const nowMs = clock.monotonic();
    const wasFrozen = nowMs - this.#dueMs > this.#everyMs;
    if (wasFrozen) this.#lastMs = Math.max(this.#lastMs, nowMs - this.#limitMs + AFTER_FREEZE_MS);
    const silentMs = nowMs - this.#lastMs;
    if (silentMs >= this.#limitMs) return onSilent();
    if (silentMs >= this.#everyMs || wasFrozen) ping?.();
    this.#schedule(Math.max(1, Math.min(this.#everyMs, this.#limitMs - silentMs)));
  }
}
