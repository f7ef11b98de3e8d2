/**
 * The live part of `nodes run` between our own peers: output events written in order and acknowledged only after
 * they were written (so a slow terminal slows the command, decision 13), stdin sent inside the peer's window
 * (decision 14). One object per run.
 */
import { fromBase64, toBase64 } from "../../../lib/bytes.ts";
import { wait } from "../../../lib/clock.ts";
import { isOpenclawError, OpenclawError } from "../../../lib/errors.ts";
import { check, int, obj, oneOf, opt, str } from "../../../lib/schema.ts";
import type { Gateway } from "../../connect/connect.ts";
import { platformName } from "../../../platform/os.ts";

/** Raw bytes in one stdin chunk. Source: decision 12. */
const STDIN_CHUNK_BYTES = 12_000;
/** Written chunks that may wait for their acknowledgement; a fraction of the gateway's window of 32. */
const ACK_EVERY = 8;
/** Chunks not written yet; eight times what a gateway may send ahead (F17). */
const MAX_QUEUED = 256;
/** Longest chunk in base64 characters; four times what a gateway passes on. */
const MAX_OUTPUT_CHARS = 64_000;
/** Pace of offering the first chunk to a call that is not registered yet. */
const STDIN_RETRY_MS = 20;
/** Stdin chunks that may be ahead of what the command has taken. */
const STDIN_WINDOW = 16;

const outputEvent = obj({
  idempotencyKey: str(),
  nodeId: str(),
  seq: int({ min: 0 }),
  stream: oneOf("out", "err", "in"),
  b64: opt(str()),
  inSeq: opt(int({ min: 0 })),
}, { unknown: "drop" });

/** Where the bytes of a stream go; resolves when they are written. */
export type StreamWriter = (stream: "out" | "err", bytes: Uint8Array) => Promise<void>;

/** Live output and stdin of one `node.invoke`. */
export class RunStream {
  #writing: Promise<void> = Promise.resolve();
  #received = 0;
  #queued = 0;
  #unacked = 0;
  #consumedSeq = 0;
  #wakeStdin: (() => void) | undefined;
  #ended = false;
  /** What writing the output failed with. */
  #failure: { readonly error: unknown } | undefined;
  /** Rejects when a write failed (the reader of stdout is gone); never resolves. */
  readonly broken: Promise<never>;
  #fail: (error: unknown) => void = () => {};

  constructor(
    private readonly gateway: Gateway,
    private readonly idempotencyKey: string,
    private readonly write: StreamWriter,
  ) {
    this.broken = new Promise((_, reject) => this.#fail = reject);
    this.broken.catch(() => {/* looked at by whoever races against it */});
  }

  /** Output chunks that arrived. */
  get received(): number {
    return this.#received;
  }

  /** Takes one event of the connection; others than this run's output are ignored. */
  take(event: string, payload: unknown): void {
    if (event !== "node.invoke.output") return;
    const checked = check(outputEvent, payload);
    if (!checked.ok || checked.value.idempotencyKey !== this.idempotencyKey) return;
    const { stream, seq, b64, inSeq } = checked.value;
    if (stream === "in") {
      this.#consumedSeq = Math.max(this.#consumedSeq, inSeq ?? 0);
      this.#wakeStdin?.();
      return;
    }
    if (this.#queued >= MAX_QUEUED || (b64 ?? "").length > MAX_OUTPUT_CHARS) {
      const text = "The gateway sends more output than was asked for";
      return this.#fail(new OpenclawError("UNEXPECTED_ANSWER", text));
    }
    const bytes = fromBase64(b64 ?? "");
    this.#received++;
    this.#queued++;
    this.#writing = this.#writing.then(async () => {
      if (bytes) await this.write(stream, bytes);
      this.#acknowledge(seq);
    }).catch((error) => {
      this.#failure ??= { error };
      this.#fail(error);
    });
  }

  /** One acknowledgement covers all before it, so a fast stream sends few. */
  #acknowledge(seq: number): void {
    this.#queued--;
    this.#unacked++;
    if (this.#queued > 0 && this.#unacked < ACK_EVERY) return;
    this.#unacked = 0;
    this.gateway.call("node.invoke.output.ack", { idempotencyKey: this.idempotencyKey, seq })
      .catch(
        () => {/* the run ended meanwhile, or the connection did: the call itself reports that */},
      );
  }

  /** Waits until everything that arrived is written. Throws what a write failed with. */
  async finish(): Promise<void> {
    this.#ended = true;
    this.#wakeStdin?.();
    await this.#writing;
    // The answer of the run may have been faster than the failed write of its last output.
    if (this.#failure) throw this.#failure.error;
  }

  /** Sends stdin until its end or the end of the run. */
  async sendStdin(read: (buffer: Uint8Array) => Promise<number | null>): Promise<void> {
    const buffer = new Uint8Array(STDIN_CHUNK_BYTES);
    for (let seq = 1; !this.#ended; seq++) {
      await this.#windowFor(seq);
      if (this.#ended) return;
      const count = await read(buffer);
      if (this.#ended) return;
      const eof = count === null;
      await this.#sendInput(seq, eof ? "" : toBase64(buffer.subarray(0, count)), eof);
      if (eof) return;
    }
  }

  /** The call itself may still be under way to its registration (policy, approval) when the first chunk comes. */
  async #sendInput(seq: number, b64: string, eof: boolean): Promise<void> {
    const { idempotencyKey } = this;
    while (!this.#ended) {
      try {
        await this.gateway.call("node.invoke.input", { idempotencyKey, seq, b64, eof });
        return;
      } catch (error) {
        if (this.#ended) return;
        if (seq > 1 || !isOpenclawError(error, "INVOKE_NOT_FOUND")) return this.#fail(error);
        await wait(STDIN_RETRY_MS);
      }
    }
  }

  async #windowFor(seq: number): Promise<void> {
    while (!this.#ended && seq - this.#consumedSeq > STDIN_WINDOW) {
      await new Promise<void>((wake) => this.#wakeStdin = wake);
    }
  }
}

/** The process's own stdin, or why it is not passed on. */
export async function stdinKind(): Promise<"terminal" | "none" | "data"> {
  if (Deno.stdin.isTerminal()) return "terminal";
  if (platformName() === "windows") return "data";
  try {
    const info = await Deno.stat("/dev/stdin");
    // A character device that is no terminal is /dev/null: nothing to pass on.
    return info.isCharDevice ? "none" : "data";
  } catch {
    return "none"; // stdin is closed
  }
}

/** The error for stdin towards a gateway or node that cannot take it (decision 14). */
export function stdinUnsupported(): OpenclawError {
  return new OpenclawError(
    "STDIN_UNSUPPORTED",
    "This gateway or node cannot take stdin for a command: it does not offer live output",
    { hint: "openclaw nodes run --no-stdin …" },
  );
}
