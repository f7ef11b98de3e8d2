/**
 * Opens a session with a gateway that may still be starting: "busy" and "starting" are waited out, everything else is
 * told at once. Source: gateway-protocol.md 7.5.
 */
import { wait } from "../lib/clock.ts";
import { decideRetry } from "./retry_class.ts";
import { openSession, type Session, type SessionOptions } from "./session.ts";

/** As `openSession`, trying again for at most `options.timeoutMs` in total while the gateway asks for it. */
export async function openWhenReady(
  options: SessionOptions & { readonly timeoutMs: number },
): Promise<Session> {
  const endMs = performance.now() + options.timeoutMs;
  for (;;) {
    try {
      return await openSession(options);
    } catch (error) {
      const verdict = decideRetry(error);
      const pauseMs = verdict.kind === "soon"
        ? verdict.minMs + Math.random() * (verdict.maxMs - verdict.minMs)
        : Infinity;
      if (performance.now() + pauseMs >= endMs) throw error;
      await wait(pauseMs);
    }
  }
}
