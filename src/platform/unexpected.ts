/**
 * Failures that nobody waited for, in a process that others depend on. The runtime ends a process for one of them; one
 * peer's odd frame must not end the connections of everybody else, so they are told and the process goes on. What must
 * be kept is durable before it is acknowledged, so going on loses nothing that was promised.
 */

import type { Logger } from "../lib/log.ts";
import { messageOf } from "../lib/errors.ts";

/** Logs each failure with its place. The returned function undoes {@linkcode surviveUnexpected}. */
export function logUnexpected(log: Logger): () => void {
  return surviveUnexpected((error) =>
    log.error("unexpected failure, going on", {
      problem: messageOf(error),
      ...(error instanceof Error && error.stack ? { at: placeOf(error.stack) } : {}),
    })
  );
}

/** The first frame of a stack, without its message. */
const placeOf = (stack: string) => /^\s+at (.+)$/m.exec(stack)?.[1] ?? "unknown";

/** Calls `tell` for each failure instead of ending the process. The returned function undoes it. */
export function surviveUnexpected(tell: (error: unknown) => void): () => void {
  const onFailure = (event: Event, error: unknown) => {
    event.preventDefault();
    try {
      tell(error);
    } catch {
      // Nobody reads any more; a failure here would come back here.
    }
  };
  const onRejection = (event: PromiseRejectionEvent) => onFailure(event, event.reason);
  const onError = (event: ErrorEvent) => onFailure(event, event.error);
  globalThis.addEventListener("unhandledrejection", onRejection);
  globalThis.addEventListener("error", onError);
  return () => {
    globalThis.removeEventListener("unhandledrejection", onRejection);
    globalThis.removeEventListener("error", onError);
  };
}
