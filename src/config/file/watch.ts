/**
 * Tells when a file may have changed: in-place saves, editors that write another file and rename it over, a link that
 * leads elsewhere (F09). It looks instead of being told: Deno's watcher opens what is made in a watched folder, and a
 * FIFO there stops the whole process for good; nor does it see network file systems.
 */
import { type Clock, systemClock } from "../../lib/clock.ts";
import { followedStamp } from "../../platform/file_facts.ts";

/** Options of {@linkcode watchConfig}. */
export interface WatchOptions {
  /** The file; it need not exist. */
  readonly path: string;
  /** Quiet time after the last change, milliseconds. Default 300. */
  readonly debounceMs?: number;
  /** Called once per burst of changes. */
  readonly onChange: () => void;
  readonly clock?: Clock;
}

/** A running watch. */
export interface ConfigWatch {
  close(): void;
}

/**
 * How often it looks. At once: on another thread each look takes a hundred times as long, all day, in an idle gateway. And
 * all watches at the same moments: what an idle process pays for is being woken.
 */
const LOOK_MS = 700;

/** Starts watching; never fails. */
export function watchConfig(options: WatchOptions): ConfigWatch {
  const { path, debounceMs = 300, onChange, clock = systemClock } = options;
  // Owner and mode count: a file that was refused for them is read once they are put right.
  let seen = followedStamp(path);
  let unsettled: string | undefined;
  let cancel = () => {};
  const lookIn = (delayMs: number) => {
    cancel = clock.after(delayMs, look);
  };
  const untilNext = () => LOOK_MS - clock.monotonic() % LOOK_MS;
  const look = () => {
    const now = followedStamp(path);
    const settled = now === seen || now === unsettled;
    lookIn(settled ? untilNext() : debounceMs);
    unsettled = settled ? undefined : now;
    if (!settled || now === seen) return;
    seen = now;
    onChange();
  };
  lookIn(untilNext());
  return { close: () => cancel() };
}
