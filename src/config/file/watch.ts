/**
 * Tells when a configuration file may have changed: in-place saves, and editors that write another file and rename
 * it over (F09). Watches the folder, because a rename leaves a watch on the file with the old inode.
 */
import { basename, dirname } from "@std/path";
import { type Clock, systemClock } from "../../lib/clock.ts";

/** Options of {@linkcode watchConfig}. */
export interface WatchOptions {
  /** The file; it need not exist, its folder must. */
  readonly path: string;
  /** Quiet time after the last event, milliseconds. Default 300. */
  readonly debounceMs?: number;
  /** Called once per burst of changes. */
  readonly onChange: () => void;
  readonly clock?: Clock;
}

/** A running watch. */
export interface ConfigWatch {
  close(): Promise<void>;
}

/** Look again at this pace where the system cannot watch (no inotify left, network file systems). */
const POLL_MS = 2_000;

/** Starts watching; never fails, falls back to looking every two seconds. */
export function watchConfig(options: WatchOptions): ConfigWatch {
  const clock = options.clock ?? systemClock;
  const debounceMs = options.debounceMs ?? 300;
  let cancel = () => {};
  let closed = false;
  const changed = () => {
    cancel();
    if (!closed) cancel = clock.after(debounceMs, options.onChange);
  };
  const watch = watchFolder(options.path, changed) ?? pollFile(options.path, changed, clock);
  return {
    async close() {
      closed = true;
      cancel();
      await watch.close();
    },
  };
}

/** Files whose events count: the file under its name, and the target when it is a link (decision 29). */
function watchFolder(path: string, changed: () => void): ConfigWatch | undefined {
  const real = realPath(path);
  const names = new Set([basename(path), basename(real)]);
  let watcher: Deno.FsWatcher;
  try {
    watcher = Deno.watchFs([...new Set([dirname(path), dirname(real)])], { recursive: false });
  } catch {
    return undefined; // any reason: the caller polls
  }
  const loop = (async () => {
    for await (const event of watcher) {
      const ours = event.kind !== "access" && event.paths.some((p) => names.has(basename(p)));
      if (ours) changed();
    }
  })();
  return {
    async close() {
      watcher.close();
      await loop;
    },
  };
}

function realPath(path: string): string {
  try {
    return Deno.realPathSync(path);
  } catch {
    return path; // not there yet
  }
}

function pollFile(path: string, changed: () => void, clock: Clock): ConfigWatch {
  let last = fileState(path);
  let cancel = () => {};
  const look = () => {
    const now = fileState(path);
    if (now !== last) changed();
    last = now;
    cancel = clock.after(POLL_MS, look);
  };
  cancel = clock.after(POLL_MS, look);
  return {
    close() {
      cancel();
      return Promise.resolve();
    },
  };
}

function fileState(path: string): string {
  try {
    const info = Deno.statSync(path);
    return `${info.ino} ${info.size} ${info.mtime?.getTime()}`;
  } catch {
    return "missing";
  }
}
