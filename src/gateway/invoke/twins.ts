/**
 * Notices when one node identity lives on two machines (F32: a copied state directory). A newer session always takes
 * over, so a half-open socket blocks nobody; only when the older one is still alive after a whole round of pings do both
 * and the operator hear of it. The older one stays open without work, so the two do not throw each other out in turns.
 */
import type { Clock } from "../../lib/clock.ts";
import type { Peer } from "../peers/peer.ts";

/** Longer than a ping and its answer may take: by then a dead socket is closed. */
export const TWIN_AFTER_MS = 60_000;

/** Called once per pair. */
export type OnTwins = (older: Peer, newer: Peer) => void;

/** Sessions that were taken over and did not end. */
export class TwinSessions {
  readonly #clock: Clock;
  readonly #onTwins: OnTwins;
  readonly #waiting = new Map<Peer, () => void>();
  readonly #twins = new Set<Peer>();

  constructor(clock: Clock, onTwins: OnTwins) {
    this.#clock = clock;
    this.#onTwins = onTwins;
  }

  /** `newer` took over from `older`. */
  replaced(older: Peer, newer: Peer): void {
    const cancel = this.#clock.after(TWIN_AFTER_MS, () => {
      this.#waiting.delete(older);
      this.#twins.add(older);
      this.#onTwins(older, newer);
    });
    this.#waiting.set(older, cancel);
  }

  /** A session ended. */
  ended(peer: Peer): void {
    this.#waiting.get(peer)?.();
    this.#waiting.delete(peer);
    this.#twins.delete(peer);
  }

  /** Older sessions of a node that are known to be alive. */
  of(nodeId: string): readonly Peer[] {
    return [...this.#twins].filter((peer) => peer.principal.deviceId === nodeId);
  }

  /** Ends the timers. */
  stop(): void {
    for (const cancel of this.#waiting.values()) cancel();
    this.#waiting.clear();
    this.#twins.clear();
  }
}
