/**
 * Signals that ask this process to stop. The order of what is stopped belongs to the caller.
 */

/** A request to stop. `SIGBREAK` is Ctrl-Break and the end of a console on Windows. */
export type StopSignal = "SIGINT" | "SIGTERM" | "SIGHUP" | "SIGBREAK";

const STOP_SIGNALS: readonly StopSignal[] = Deno.build.os === "windows"
  ? ["SIGINT", "SIGBREAK"]
  : ["SIGINT", "SIGTERM", "SIGHUP"];

/**
 * Calls `handler` for every stop signal with how many came so far (1 = drain, 2 = stop now).
 * The returned function removes the listeners.
 */
export function onStopSignals(handler: (signal: StopSignal, count: number) => void): () => void {
  let count = 0;
  const listeners = STOP_SIGNALS.map((signal) => {
    const listener = () => handler(signal, ++count);
    Deno.addSignalListener(signal, listener);
    return () => Deno.removeSignalListener(signal, listener);
  });
  return () => listeners.splice(0).forEach((remove) => remove());
}

/** Makes stop requests do nothing, for a process that ends when its parent does. The returned function undoes it. */
export function ignoreStopSignals(): () => void {
  return onStopSignals(() => {/* its parent decides */});
}

/**
 * Has a write beyond the file size limit fail like one on a full disk, instead of ending the process (F04): whoever listens
 * for the signal survives it. The returned function undoes it.
 */
export function surviveFileSizeLimit(): () => void {
  if (Deno.build.os === "windows") return () => {};
  const listener = () => {/* the write fails with EFBIG, and whoever wrote says so */};
  Deno.addSignalListener("SIGXFSZ", listener);
  return () => Deno.removeSignalListener("SIGXFSZ", listener);
}

/** Exit code of a process ended by this signal, as shells report it. */
export function exitCodeOf(signal: StopSignal): number {
  return 128 + ({ SIGHUP: 1, SIGINT: 2, SIGTERM: 15, SIGBREAK: 21 } as const)[signal];
}
