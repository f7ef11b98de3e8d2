/**
 * Live output of one call: chunks from the node to the calling connection, with a window on each leg, and stdin the other
 * way. Nothing is dropped: when the operator's terminal is slow, the node's answers wait and its pipe is not read.
 * Source: decisions 12-14.
 */
import { refusal } from "../../protocol/errors.ts";
import { eventText } from "../../protocol/frames.ts";
import type { Peer } from "../peers/peer.ts";
import { isObject, jsonValue } from "../../lib/objects.ts";

/** Unacknowledged `node.invoke.output` events per call. */
export const OUTPUT_WINDOW = 32;
/** Unanswered `node.invoke.progress` requests per call. */
export const PROGRESS_WINDOW = 16;
/** stdin chunks beyond what the child's pipe took. */
export const INPUT_WINDOW = 16;
/** Longest base64 text of a chunk: 12,000 raw bytes. */
export const MAX_CHUNK_CHARS = 16_000;

/** What the node may put into `chunk`. */
type Chunk =
  | { readonly s: "out" | "err"; readonly b64: string }
  | { readonly s: "in"; readonly seq: number };

/** Reads `chunk`; `undefined` when it is something else (other peers put plain text there). */
export function readChunk(text: string): Chunk | undefined {
  const value = jsonValue(text);
  if (!isObject(value)) return undefined;
  const { s, b64, seq } = value;
  if (s === "in") return Number.isSafeInteger(seq) ? { s, seq: seq as number } : undefined;
  if (s !== "out" && s !== "err") return undefined;
  const fits = typeof b64 === "string" && b64.length <= MAX_CHUNK_CHARS &&
    /^[A-Za-z0-9+/]*={0,2}$/.test(b64);
  return fits ? { s, b64 } : undefined;
}

interface Waiting {
  readonly seq: number;
  readonly frame: string;
  readonly release: () => void;
}

/** State of one call with live output. */
export class LiveOutput {
  readonly #caller: Peer;
  readonly #head: { readonly idempotencyKey: string; readonly nodeId: string };
  #lastSeq = 0;
  #unacked: number[] = [];
  #waiting: Waiting[] = [];
  #inputSeq = 0;
  #inputTaken = 0;
  #inputEnded = false;

  constructor(caller: Peer, idempotencyKey: string, nodeId: string) {
    this.#caller = caller;
    this.#head = { idempotencyKey, nodeId };
  }

  /** Passes a chunk on; resolves when the operator's leg took it. Repeated or older numbers are ignored. */
  progress(seq: number, chunk: Chunk): Promise<void> {
    if (seq <= this.#lastSeq) return Promise.resolve();
    this.#lastSeq = seq;
    const frame = eventText("node.invoke.output", {
      ...this.#head,
      seq,
      stream: chunk.s,
      ...(chunk.s === "in" ? { inSeq: chunk.seq } : { b64: chunk.b64 }),
    });
    if (chunk.s === "in") {
      // Needs no window: there are at most as many as stdin chunks under way. Behind a full window of output it would
      // stop stdin, and with it the command whose output everybody waits for.
      this.#inputTaken = Math.max(this.#inputTaken, chunk.seq);
      this.#caller.sendText(frame);
      return Promise.resolve();
    }
    if (this.#waiting.length === 0 && this.#unacked.length < OUTPUT_WINDOW) {
      this.#send(seq, frame);
      return Promise.resolve();
    }
    if (this.#waiting.length >= PROGRESS_WINDOW) {
      throw refusal("INVALID_REQUEST", `more than ${PROGRESS_WINDOW} unanswered progress requests`);
    }
    return new Promise((release) => this.#waiting.push({ seq, frame, release }));
  }

  #send(seq: number, frame: string): void {
    this.#unacked.push(seq);
    this.#caller.sendText(frame);
  }

  /** The operator wrote everything up to `seq` to its terminal. */
  ack(seq: number): void {
    this.#unacked = this.#unacked.filter((sent) => sent > seq);
    while (this.#waiting.length > 0 && this.#unacked.length < OUTPUT_WINDOW) {
      const next = this.#waiting.shift();
      if (next === undefined) return;
      this.#send(next.seq, next.frame);
      next.release();
    }
  }

  /** Checks one stdin chunk against order and window. Throws `INVALID_REQUEST`. */
  checkInput(seq: number, b64: string, eof: boolean): void {
    if (this.#inputEnded) {
      throw refusal("INVALID_REQUEST", "stdin of this command was already ended");
    }
    if (seq !== this.#inputSeq + 1) {
      throw refusal("INVALID_REQUEST", `stdin chunk ${seq} is out of order`, {
        details: { expectedSeq: this.#inputSeq + 1 },
      });
    }
    if (seq - this.#inputTaken > INPUT_WINDOW) {
      throw refusal(
        "INVALID_REQUEST",
        `more than ${INPUT_WINDOW} stdin chunks the command has not read`,
      );
    }
    if (b64.length > MAX_CHUNK_CHARS) throw refusal("INVALID_REQUEST", "stdin chunk is too large");
    this.#inputSeq = seq;
    this.#inputEnded = eof;
  }

  /** Before the final result: what still waits goes out at once (at most one window), so the output is complete. */
  finish(): void {
    for (const { seq, frame, release } of this.#waiting.splice(0)) {
      this.#send(seq, frame);
      release();
    }
  }
}
