/**
 * Input of one invoke on its way to the command: in order, and bounded, so that a gateway cannot fill this machine's
 * memory with what no command reads (F18). Source: decision 14.
 */
import { fromBase64 } from "../lib/bytes.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** Input chunks that the command has not taken. A gateway of ours sends at most 16 ahead. */
const MAX_UNREAD_INPUTS = 64;
/** Longest input chunk in base64 characters; four times what a gateway of ours passes on. */
const MAX_INPUT_CHARS = 64_000;

/** Input chunks in order, kept until the command wants them, and a bound on those it has not read. Source: decision 14. */
export class InputQueue {
  readonly #wanted: boolean;
  readonly #waiting: Bytes[] = [];
  #take: ((bytes: Bytes) => void) | undefined;
  #lastSeq = 0;
  #unread = 0;

  constructor(wanted: boolean) {
    this.#wanted = wanted;
  }

  /** Takes the next chunk; `false` = more than a command of ours is ever sent. Others are dropped. */
  add({ seq, b64, eof }: Readonly<Record<string, unknown>>): boolean {
    if (!this.#wanted || typeof seq !== "number" || seq !== this.#lastSeq + 1) return true;
    this.#lastSeq = seq;
    const text = typeof b64 === "string" ? b64 : "";
    if (text.length > MAX_INPUT_CHARS || ++this.#unread > MAX_UNREAD_INPUTS) return false;
    const bytes = fromBase64(text);
    if (bytes && bytes.length > 0) this.#give(bytes);
    if (eof === true || !bytes) this.#give(new Uint8Array());
    return true;
  }

  /** Gives out what comes; the returned function tells that one more chunk was read. */
  deliverTo(take: (bytes: Bytes) => void): () => void {
    this.#take = take;
    for (const bytes of this.#waiting.splice(0)) take(bytes);
    return () => this.#unread--;
  }

  #give(bytes: Bytes): void {
    if (this.#take) this.#take(bytes);
    else this.#waiting.push(bytes);
  }
}
