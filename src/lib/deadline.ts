/**
 * Bounds a wait. Every await on a peer goes through here or through a timer of its own state machine.
 */
import { type Clock, systemClock } from "./clock.ts";
import { OpenclawError } from "./errors.ts";

/** What {@linkcode withDeadline} throws when time is up. */
export interface DeadlineOptions {
  /** Longest wait in milliseconds. */
  readonly timeoutMs: number;
  /** What was awaited, for the message: `Timed out after 500 ms: <what>`. */
  readonly what: string;
  /** Error code, default `TIMEOUT`. */
  readonly code?: string;
  readonly clock?: Clock;
}

/** Settles as `promise` does, or rejects with code `TIMEOUT` after `timeoutMs`. The work itself is not cancelled. */
export function withDeadline<T>(promise: Promise<T>, options: DeadlineOptions): Promise<T> {
  const clock = options.clock ?? systemClock;
  return new Promise((resolve, reject) => {
    const cancel = clock.after(options.timeoutMs, () => {
      reject(
        new OpenclawError(
          options.code ?? "TIMEOUT",
          `Timed out after ${options.timeoutMs} ms: ${options.what}`,
          { retryable: true },
        ),
      );
    });
    promise.then(
      (value) => {
        cancel();
        resolve(value);
      },
      (error) => {
        cancel();
        reject(error);
      },
    );
  });
}
