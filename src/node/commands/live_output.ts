/**
 * Live output of one run towards the gateway: chunks of at most 12,000 bytes in order, at most 16 of them unanswered, and
 * credit back to the runner as they are answered (decisions 12, 13). Nothing is dropped unless nobody listens any more.
 */
import { joinBytes } from "../../lib/bytes.ts";
import { outputChunk } from "./run_output.ts";

/** Raw bytes per chunk. Source: CONTRACT of decision 12. */
export const CHUNK_BYTES = 12_000;
/** Progress requests without an answer. Source: CONTRACT of decision 12. */
export const PROGRESS_WINDOW = 16;
/** Bytes a run may be ahead of the gateway. */
export const LIVE_CREDIT_BYTES = PROGRESS_WINDOW * CHUNK_BYTES;

type Bytes = Uint8Array<ArrayBuffer>;

/** Sends one progress request; `false` or a rejection = nobody listens any more. */
export type SendProgress = (seq: number, chunk: string) => Promise<boolean>;

interface Piece {
  readonly stream: "out" | "err";
  readonly bytes: Bytes;
}

/** Queue of output that the gateway has not taken yet. */
export class LiveOutput {
  readonly #send: SendProgress;
  readonly #onCredit: (bytes: number) => void;
  readonly #queue: Piece[] = [];
  #unanswered = 0;
  /** Credit of what is sent and not answered. */
  #openBytes = 0;
  #seq = 0;
  #outSeq = 0;
  /** Nobody listens any more. */
  #broken = false;
  /** Credit not given back yet: one frame to the runner serves several answers. */
  #owedBytes = 0;
  #lost = false;
  #idleWaiters: (() => void)[] = [];

  constructor(send: SendProgress, onCredit: (bytes: number) => void) {
    this.#send = send;
    this.#onCredit = onCredit;
  }

  /** Number of output chunks sent. */
  get outSeq(): number {
    return this.#outSeq;
  }

  /** Whether output was lost because the gateway refused or vanished, or the run was cancelled. */
  get gap(): boolean {
    return this.#lost;
  }

  /** Takes output of the program. */
  push(stream: "out" | "err", bytes: Bytes): void {
    this.#queue.push({ stream, bytes });
    this.#pump();
  }

  /** Tells that the first `count` input chunks were taken. Needs no window: there are at most as many as came in. */
  inputTaken(count: number): void {
    if (!this.#broken) void this.#sendOne(`{"s":"in","seq":${count}}`, 0);
  }

  /** The caller gave up: what comes from now on is thrown away, so that the program can end. */
  abandon(): void {
    this.#giveUp();
    this.#pump();
  }

  /** Nobody listens: what is on its way may never be answered, so its credit comes back now. */
  #giveUp(): void {
    this.#broken = true;
    this.#owe(this.#openBytes);
    this.#openBytes = 0;
  }

  /** Resolves when everything pushed was sent (or can no longer be). */
  async flushed(): Promise<void> {
    while (this.#queue.length > 0) {
      await new Promise<void>((resolve) => this.#idleWaiters.push(resolve));
    }
  }

  #pump(): void {
    while (this.#queue.length > 0 && (this.#broken || this.#unanswered < PROGRESS_WINDOW)) {
      const piece = this.#take();
      // When nobody listens the program still runs to its end, at full speed.
      if (this.#broken) {
        this.#lost = true;
        this.#owe(piece.bytes.length);
      } else {
        this.#outSeq++;
        void this.#sendOne(outputChunk(piece.stream, piece.bytes), piece.bytes.length);
      }
    }
    if (this.#queue.length === 0) this.#idleWaiters.splice(0).forEach((wake) => wake());
  }

  async #sendOne(chunk: string, creditBytes: number): Promise<void> {
    this.#unanswered++;
    this.#openBytes += creditBytes;
    const taken = await this.#send(++this.#seq, chunk).catch(() => false);
    this.#unanswered--;
    if (!taken) {
      this.#lost ||= creditBytes > 0;
      this.#giveUp();
    } else if (!this.#broken) {
      this.#openBytes -= creditBytes;
      this.#owe(creditBytes);
    }
    this.#pump();
  }

  #owe(bytes: number): void {
    this.#owedBytes += bytes;
    const isEnough = this.#broken || this.#unanswered === 0 ||
      this.#owedBytes >= LIVE_CREDIT_BYTES / 4;
    if (this.#owedBytes === 0 || !isEnough) return;
    this.#onCredit(this.#owedBytes);
    this.#owedBytes = 0;
  }

  /** The next chunk, filled from as many pieces of one stream as it takes: each chunk costs two ways through the gateway. */
  #take(): Piece {
    const { stream } = this.#queue[0]!;
    const parts: Bytes[] = [];
    let room = CHUNK_BYTES;
    while (room > 0 && this.#queue[0]?.stream === stream) {
      const { bytes } = this.#queue.shift()!;
      parts.push(bytes.subarray(0, room));
      if (bytes.length > room) this.#queue.unshift({ stream, bytes: bytes.subarray(room) });
      room -= Math.min(room, bytes.length);
    }
    return { stream, bytes: parts.length === 1 ? parts[0]! : joinBytes(parts) };
  }
}
