/**
 * Requests that wait for their answer: ids, deadlines, two-phase answers, cancellation. Knows no socket.
 */
import { isObject } from "../lib/objects.ts";
import type { Clock } from "../lib/clock.ts";
import { OpenclawError } from "../lib/errors.ts";
import { refusalError } from "./wire.ts";

/** Options of one request. */
export interface RequestOptions {
  /** Longest wait for the (next) answer in milliseconds; `Infinity` = no limit. Default 30,000. */
  readonly timeoutMs?: number;
  /** Gives up waiting; the gateway is not told. */
  readonly signal?: AbortSignal | undefined;
  /** Makes the request two-phase: gets the payload of the first answer, `{status: "accepted", …}`. */
  readonly onAccepted?: ((payload: unknown) => void) | undefined;
}

const REQUEST_TIMEOUT_MS = 30_000;

interface Waiting {
  readonly method: string;
  readonly resolve: (payload: unknown) => void;
  readonly reject: (error: unknown) => void;
  readonly onAccepted: ((payload: unknown) => void) | undefined;
  readonly stop: () => void;
}

/** The open requests of one session. */
export class PendingRequests {
  readonly #clock: Clock;
  readonly #waiting = new Map<string, Waiting>();
  #counter = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get size(): number {
    return this.#waiting.size;
  }

  /** A new id, unique also across sessions: `"<counter>:<uuid>"`. */
  nextId(): string {
    return `${++this.#counter}:${crypto.randomUUID()}`;
  }

  /** Registers a request; the promise settles by {@linkcode answer}, time, signal or {@linkcode failAll}. */
  wait(id: string, method: string, options: RequestOptions): Promise<unknown> {
    const timeoutMs = options.timeoutMs ?? REQUEST_TIMEOUT_MS;
    return new Promise((resolve, reject) => {
      const drop = (error: unknown) => {
        this.#take(id);
        reject(error);
      };
      const onAbort = () => drop(options.signal?.reason);
      const cancel = Number.isFinite(timeoutMs)
        ? this.#clock.after(timeoutMs, () => drop(timeoutError(method, timeoutMs)))
        : undefined;
      options.signal?.addEventListener("abort", onAbort, { once: true });
      const stop = () => {
        cancel?.();
        options.signal?.removeEventListener("abort", onAbort);
      };
      this.#waiting.set(id, { method, resolve, reject, onAccepted: options.onAccepted, stop });
      if (options.signal?.aborted) onAbort();
    });
  }

  #take(id: string): Waiting | undefined {
    const waiting = this.#waiting.get(id);
    if (!waiting) return undefined;
    this.#waiting.delete(id);
    waiting.stop();
    return waiting;
  }

  /** Hands an answer to its request; answers nobody waits for (any more) are dropped. */
  answer(
    id: string,
    ok: boolean,
    payload: unknown,
    error: Readonly<Record<string, unknown>>,
  ): void {
    const waiting = this.#waiting.get(id);
    if (!waiting) return;
    if (ok && waiting.onAccepted && isObject(payload) && payload.status === "accepted") {
      return waiting.onAccepted(payload);
    }
    this.#take(id);
    if (ok) waiting.resolve(payload);
    else waiting.reject(refusalError(error));
  }

  /** The session is over: every open request fails with a reason (F10). */
  failAll(why: (method: string) => OpenclawError): void {
    for (const id of [...this.#waiting.keys()]) {
      const waiting = this.#take(id);
      waiting?.reject(why(waiting.method));
    }
  }
}

function timeoutError(method: string, timeoutMs: number): OpenclawError {
  return new OpenclawError("REQUEST_TIMEOUT", `no answer to ${method} within ${timeoutMs} ms`, {
    retryable: true,
    details: { method, timeoutMs },
  });
}
