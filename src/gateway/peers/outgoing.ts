/**
 * What waits for slow readers, of all connections together: each one's own cap is generous, and twenty that do not read
 * would hold a gigabyte. Attack stopped: N43 by many connections of one device.
 */

/** Less than this is nobody's fault, bytes. */
const SLOW_BYTES = 1024 * 1024;
/** What all slow readers may hold, bytes. */
const MAX_TOTAL_BYTES = 256 * 1024 * 1024;

/** A connection as it is counted here. */
export interface Holder {
  /** Bytes that wait now. */
  readonly bufferedBytes: number;
  /** Cuts it, because it does not read. */
  cut(): void;
}

/** Counts them. */
export class Outgoing {
  readonly #held = new Map<Holder, number>();
  #total = 0;

  /** Something was sent to `holder`. When that is too much of all, whoever holds most is cut. */
  sent(holder: Holder): void {
    const bytes = holder.bufferedBytes;
    if (bytes < SLOW_BYTES) return this.forget(holder);
    this.#set(holder, bytes);
    if (this.#total <= MAX_TOTAL_BYTES) return;
    // Some have read meanwhile and were sent nothing since.
    for (const known of [...this.#held.keys()]) this.#set(known, known.bufferedBytes);
    while (this.#total > MAX_TOTAL_BYTES) {
      const [[most] = []] = [...this.#held].sort(([, a], [, b]) => b - a);
      if (most === undefined) return;
      this.forget(most);
      most.cut();
    }
  }

  #set(holder: Holder, bytes: number): void {
    this.forget(holder);
    if (bytes < SLOW_BYTES) return;
    this.#held.set(holder, bytes);
    this.#total += bytes;
  }

  /** It is over, or reads. */
  forget(holder: Holder): void {
    const bytes = this.#held.get(holder);
    if (bytes === undefined) return;
    this.#held.delete(holder);
    this.#total -= bytes;
  }
}
