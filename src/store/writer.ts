/**
 * The main thread's side of the writer thread: starts it on the first batch, passes one batch at a time, lets it go
 * when nothing was written for a while. What a batch means is `store.ts`.
 */
import { toFileUrl } from "@std/path";
import { type Clock, systemClock } from "../lib/clock.ts";
import type { StoreBatch, StoreOp, StoreReply } from "./store_worker.ts";

/** How long an idle writer thread is kept; it holds about 14 MiB. */
const IDLE_MS = 10_000;

/** Why a batch is not on disk. `gone`: neither is anything that was written before. */
export interface WriteFailure {
  readonly error: string;
  readonly gone: boolean;
}

/** Writes batches to one database. Calls must not overlap. */
export class StoreWriter {
  /** Made here: a thread that loads a path library for it takes twice as long to start. */
  readonly #url: string;
  readonly #clock: Clock;
  #worker: Worker | undefined;
  #seq = 0;
  #answer: ((reply: StoreReply) => void) | undefined;
  #cancelIdle: (() => void) | undefined;
  #leaving: Promise<void> | undefined;

  constructor(path: string, clock: Clock = systemClock) {
    this.#url = toFileUrl(path).href;
    this.#clock = clock;
  }

  /** Resolves with `undefined` when the batch is on disk, else with why it is not. */
  async write(ops: readonly StoreOp[]): Promise<WriteFailure | undefined> {
    this.#cancelIdle?.();
    this.#cancelIdle = undefined;
    await this.#leaving;
    const batch: StoreBatch = { url: this.#url, seq: ++this.#seq, ops };
    const reply = await this.#ask(batch);
    if (this.#worker !== undefined) {
      this.#cancelIdle = this.#clock.after(IDLE_MS, () => void this.#leave());
    }
    return "closed" in reply || reply.error === undefined
      ? undefined
      : { error: reply.error, gone: reply.gone ?? false };
  }

  /** Closes the database (which folds the WAL into it) and ends the thread. */
  async close(): Promise<void> {
    this.#cancelIdle?.();
    this.#cancelIdle = undefined;
    await this.#leaving;
    await this.#leave();
  }

  #leave(): Promise<void> {
    const worker = this.#worker;
    if (worker === undefined) return Promise.resolve();
    this.#leaving = this.#ask("close").then(() => {
      worker.terminate();
      this.#worker = undefined;
      this.#leaving = undefined;
    });
    return this.#leaving;
  }

  #ask(message: StoreBatch | "close"): Promise<StoreReply> {
    return new Promise((resolve) => {
      this.#answer = resolve;
      try {
        this.#start().postMessage(message);
      } catch (error) {
        this.#fail(error instanceof Error ? error.message : String(error));
      }
    });
  }

  #start(): Worker {
    if (this.#worker !== undefined) return this.#worker;
    const worker = new Worker(new URL("./store_worker.ts", import.meta.url), { type: "module" });
    worker.onmessage = (event: MessageEvent<StoreReply>) => {
      const answer = this.#answer;
      this.#answer = undefined;
      answer?.(event.data);
    };
    worker.onerror = (event) => {
      event.preventDefault();
      worker.terminate();
      this.#worker = undefined;
      this.#fail(`writer thread failed: ${event.message}`);
    };
    this.#worker = worker;
    return worker;
  }

  #fail(error: string): void {
    const answer = this.#answer;
    this.#answer = undefined;
    answer?.({ seq: this.#seq, error });
  }
}
