/**
 * Keeps a session open: opens, waits for its end, decides, waits, opens again. Used by the node host, `logs --follow`
 * and tunnels. What is logged is the caller's, through `onProblem`.
 */
import { type Clock, systemClock, wait } from "../lib/clock.ts";
import type { CloseInfo } from "../net/socket.ts";
import { Backoff } from "./backoff.ts";
import type { Session } from "./live_session.ts";
import { decideRetry, type RetryVerdict } from "./retry_class.ts";
import { closedError } from "./wire.ts";

/** A failed attempt or an ended session, and what happens next. */
export interface Problem {
  readonly error: unknown;
  readonly verdict: RetryVerdict;
  /** Until the next attempt, milliseconds; absent when there is none. */
  readonly waitMs?: number;
  /** Set when a session had been open. */
  readonly closed?: CloseInfo;
}

/** What to keep open and whom to tell. */
export interface KeepConnectedOptions {
  /** Opens one session; credentials are read anew each time. */
  open(signal: AbortSignal): Promise<Session>;
  /** A session stands. Returns when it has set itself up; the session may already be over. */
  onSession(session: Session): void | Promise<void>;
  /** Something went wrong; `verdict.kind === "soon"` with `quiet` is not worth a line. */
  onProblem?(problem: Problem): void;
  /** Ends everything: the open session closes with 1000 and the promise resolves. */
  readonly signal: AbortSignal;
  /** Under a service manager: never ends by itself, fatal errors are retried every 30 s to 5 min (decision 31). */
  readonly staysUp?: boolean;
  /** Tells that the machine's network changed: an open session is checked, a wait for a lost gateway ends (F13). */
  readonly network?: { onChange(listener: () => void): () => void };
  readonly clock?: Clock;
  /** Returns a number from 0 to 1. Default `Math.random`. */
  readonly random?: () => number;
}

/** A session that lived shorter does not reset the waits (F16: a flapping gateway). */
const SETTLED_MS = 5_000;
/** So many busy answers in a row are taken as an outage. */
const MAX_SOON = 30;

/**
 * Resolves when `signal` is aborted; rejects with the error that makes further attempts useless.
 * @throws {OpenclawError} whatever {@linkcode decideRetry} calls fatal, unless `staysUp`.
 */
export async function keepConnected(options: KeepConnectedOptions): Promise<void> {
  const { signal } = options;
  const clock = options.clock ?? systemClock;
  const pace = new Pace(options.random ?? Math.random);
  while (!signal.aborted) {
    const { error, closed } = await oneSession(options, pace, clock);
    if (signal.aborted) return;
    let verdict = decideRetry(error);
    if (verdict.kind === "fatal") {
      if (!options.staysUp) throw error;
      verdict = { kind: "slow" };
    }
    const waitMs = pace.waitFor(verdict);
    options.onProblem?.({ error, verdict, waitMs, ...(closed ? { closed } : {}) });
    await pause(waitMs, verdict, options, clock);
  }
}

/** Waits. A change of the network ends the wait when the gateway was only out of reach. */
async function pause(
  waitMs: number,
  verdict: RetryVerdict,
  { signal, network }: KeepConnectedOptions,
  clock: Clock,
): Promise<void> {
  const changed = new AbortController();
  const ignore = verdict.kind === "backoff" ? network?.onChange(() => changed.abort()) : undefined;
  const either = AbortSignal.any([signal, changed.signal]);
  await wait(waitMs, either, clock).catch(() => {/* stopped, or another network */});
  ignore?.();
}

async function oneSession(
  options: KeepConnectedOptions,
  pace: Pace,
  clock: Clock,
): Promise<{ error: unknown; closed?: CloseInfo }> {
  const { signal } = options;
  let session: Session;
  try {
    session = await options.open(signal);
  } catch (error) {
    return { error };
  }
  const openedMs = clock.monotonic();
  const stop = () => session.close(1000, "");
  signal.addEventListener("abort", stop, { once: true });
  const ignore = options.network?.onChange(() => session.check());
  if (signal.aborted) stop();
  try {
    await options.onSession(session);
    const closed = await session.closed;
    if (clock.monotonic() - openedMs >= SETTLED_MS) pace.reset();
    return { error: closedError(closed, "the session"), closed };
  } catch (error) {
    session.close();
    await session.closed;
    return { error };
  } finally {
    signal.removeEventListener("abort", stop);
    ignore?.();
  }
}

/** The waits of every class of failure. */
class Pace {
  readonly #random: () => number;
  readonly #usual: Backoff;
  readonly #pairing: Backoff;
  readonly #slow: Backoff;
  #soon = 0;

  constructor(random: () => number) {
    this.#random = random;
    this.#usual = new Backoff({ random });
    this.#pairing = new Backoff({ firstMs: 5_000, maxMs: 60_000, random });
    this.#slow = new Backoff({ firstMs: 30_000, maxMs: 300_000, random });
  }

  reset(): void {
    for (const backoff of [this.#usual, this.#pairing, this.#slow]) backoff.reset();
    this.#soon = 0;
  }

  waitFor(verdict: RetryVerdict): number {
    if (verdict.kind === "soon" && ++this.#soon <= MAX_SOON) {
      return Math.round(verdict.minMs + (verdict.maxMs - verdict.minMs) * this.#random());
    }
    if (verdict.kind !== "soon") this.#soon = 0;
    if (verdict.kind === "after") return Math.round(verdict.afterMs * (1 + 0.2 * this.#random()));
    if (verdict.kind === "pairing") return verdict.afterMs ?? this.#pairing.next();
    return verdict.kind === "slow" ? this.#slow.next() : this.#usual.next();
  }
}
