/**
 * Moves one output pipe of a program to a sink, chunk by chunk, and knows when to give up: an orphan may hold the pipe
 * open long after the program ended (F40).
 */
import { systemClock } from "../../lib/clock.ts";
import { ORPHAN_PIPE_WAIT_MS } from "../../platform/process/output.ts";

/**
 * What is still read when the writer is gone: at most what a pipe holds (pipe(7): 1 MiB) and some read-ahead, with room
 * to spare; an orphan that writes without end must not hold the result.
 */
const MAX_PIPE_BYTES = 16 * 1024 * 1024;

/** Takes bytes; `false` = nobody wants more, close the pipe (the writer then gets SIGPIPE). */
export type Sink = (bytes: Uint8Array<ArrayBuffer>) => Promise<boolean>;

/** A running transfer. */
export class Pump {
  /** `true` when the pipe was read to its end or nobody wanted more, `false` when it was given up. */
  readonly done: Promise<boolean>;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>>;
  readonly #sink: Sink;
  #ended = false;
  #leftBytes = MAX_PIPE_BYTES;
  #waitLeftMs = ORPHAN_PIPE_WAIT_MS;
  #wake: (() => void) | undefined;

  constructor(stream: ReadableStream<Uint8Array<ArrayBuffer>>, sink: Sink) {
    this.#reader = stream.getReader();
    this.#sink = sink;
    this.done = this.#run();
  }

  /** From now on waiting for data is bounded; waiting for the sink is not. */
  programEnded(): void {
    this.#ended = true;
    this.#wake?.();
  }

  async #run(): Promise<boolean> {
    try {
      for (;;) {
        const bytes = await this.#next();
        if (bytes === "late") return await this.#giveUp(false);
        if (!bytes) return true;
        if (!await this.#sink(bytes)) return await this.#giveUp(true);
        if (this.#ended && (this.#leftBytes -= bytes.length) < 0) {
          return await this.#giveUp(false);
        }
      }
    } catch {
      return false; // the pipe broke under us: what was read was delivered
    }
  }

  async #giveUp(result: boolean): Promise<boolean> {
    await this.#reader.cancel();
    return result;
  }

  /** Next bytes, `undefined` at the end, `late` when 250 ms were waited since the program is gone. */
  async #next(): Promise<Uint8Array<ArrayBuffer> | undefined | "late"> {
    const read = this.#reader.read().then((result) => result.done ? undefined : result.value);
    if (!this.#ended) {
      const woken = new Promise<"ended">((resolve) => this.#wake = () => resolve("ended"));
      const first = await Promise.race([read, woken]);
      this.#wake = undefined;
      if (first !== "ended") return first;
    }
    let cancel = () => {};
    const startMs = systemClock.monotonic();
    const late = new Promise<"late">((resolve) => {
      cancel = systemClock.after(this.#waitLeftMs, () => resolve("late"));
    });
    const result = await Promise.race([read, late]);
    cancel();
    this.#waitLeftMs = Math.max(0, this.#waitLeftMs - (systemClock.monotonic() - startMs));
    if (result === "late") read.catch(() => {/* cancelled below */});
    return result;
  }
}
