/**
 * Time as a value that is handed in. Wall time is for records and wire fields,
 * monotonic time for every deadline (F19: a stepped clock must not end or extend a wait).
 */

/** Source of time and timers. */
export interface Clock {
  /** Wall clock, milliseconds since the Unix epoch. */
  now(): number;
  /** Monotonic milliseconds since an arbitrary start. */
  monotonic(): number;
  /** Calls `run` once after `delayMs`; the returned function cancels it. */
  after(delayMs: number, run: () => void): () => void;
}

/** Longest wait of one timer of the runtime, milliseconds (25 days); a longer one would end at once. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** The real clock. Its timers keep the process alive; long idle loops should be cancelled on stop. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after(delayMs, run) {
    const id = setTimeout(run, Math.min(delayMs, MAX_TIMER_MS));
    return () => clearTimeout(id);
  },
};

/** Resolves after `delayMs`, or rejects with the signal's reason when it is aborted before. */
export function wait(
  delayMs: number,
  signal?: AbortSignal,
  clock: Clock = systemClock,
): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const onAbort = () => {
      cancel();
      reject(signal?.reason);
    };
    const cancel = clock.after(delayMs, () => {
      signal?.removeEventListener("abort", onAbort);
      resolve();
    });
    signal?.addEventListener("abort", onAbort, { once: true });
  });
}

/** Runs `work` every `periodMs` until the returned function is called. */
export function every(clock: Clock, periodMs: number, work: () => void): () => void {
  let cancel = clock.after(periodMs, tick);
  function tick() {
    cancel = clock.after(periodMs, tick);
    work();
  }
  return () => cancel();
}
