/**
 * Keeps two machines with one identity from throwing each other out in turns (F32: a copied state directory, or an old
 * node that reconnects in a tight loop). A newcomer takes over at once, so a half-open socket blocks nobody; a second
 * one within a minute only when the session in force is dead.
 */
import type { Clock } from "../../lib/clock.ts";
import { Connection } from "./connection.ts";
import type { Registry } from "./registry.ts";

/** At most one takeover of a session that is alive in this time. */
const TAKEOVER_EVERY_MS = 60_000;
/** How long the session in force has to answer a ping. */
const PROBE_MS = 2_000;

/** Who took over from whom lately. Bounded: what is older than a minute is forgotten. */
export class Takeovers {
  readonly #clock: Clock;
  readonly #registry: Registry;
  /** Monotonic time of the last takeover of each node, oldest first. */
  readonly #last = new Map<string, number>();

  constructor(clock: Clock, registry: Registry) {
    this.#clock = clock;
    this.#registry = registry;
  }

  /** Milliseconds a further session of this node has to wait; 0 when it may have the entry now. */
  async waitMs(nodeId: string): Promise<number> {
    const holder = this.#registry.node(nodeId);
    if (holder === undefined) return 0;
    const nowMs = this.#clock.monotonic();
    this.#forget(nowMs);
    const lastMs = this.#last.get(nodeId);
    if (lastMs === undefined) {
      this.#last.set(nodeId, nowMs);
      return 0;
    }
    const alive = holder instanceof Connection && await holder.answersPing(PROBE_MS, this.#clock);
    return alive ? Math.max(1, Math.ceil(lastMs + TAKEOVER_EVERY_MS - nowMs)) : 0;
  }

  #forget(nowMs: number): void {
    for (const [nodeId, atMs] of this.#last) {
      if (nowMs - atMs < TAKEOVER_EVERY_MS) return;
      this.#last.delete(nodeId);
    }
  }
}
