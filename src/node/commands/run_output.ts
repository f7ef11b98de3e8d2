/**
 * What a run printed, as far as the final result keeps it: the first 200,000 bytes of both streams together, and a
 * digest over everything when it was streamed live. Source: node-host.md 5.3, CONTRACT of decision 12.
 */
import type { Hash } from "node:crypto";
import { toBase64 } from "../../lib/bytes.ts";

/** Bytes of stdout and stderr together in a result. Source: node-host.md 5.3. */
export const OUTPUT_CAP_BYTES = 200_000;
/** Characters of output in an `exec.finished` event. Source: node-host.md 5.3. */
const EVENT_TAIL_CHARS = 20_000;
const TRUNCATED = "... (truncated)";

let createHash: typeof import("node:crypto").createHash | undefined;

/** Collects output in the order it came. */
export class RunOutput {
  readonly #parts = { out: [] as Uint8Array[], err: [] as Uint8Array[] };
  #left = OUTPUT_CAP_BYTES;
  #cut = false;
  #hash: Hash | undefined;
  #totalBytes = 0;

  /** With `digest`, everything is hashed (live mode). The module costs start-up time, so it is loaded only then. */
  static async create(options: { digest: boolean }): Promise<RunOutput> {
    const output = new RunOutput();
    if (options.digest) {
      createHash ??= (await import("node:crypto")).createHash;
      output.#hash = createHash("sha256");
    }
    return output;
  }

  /** Takes the next bytes. */
  add(stream: "out" | "err", bytes: Uint8Array): void {
    this.#totalBytes += bytes.length;
    this.#hash?.update(bytes);
    const kept = bytes.subarray(0, this.#left);
    if (kept.length < bytes.length) this.#cut = true;
    if (kept.length === 0) return;
    this.#left -= kept.length;
    this.#parts[stream].push(kept);
  }

  /** Texts with the truncation mark; `more` = output beyond what was added is known to exist. */
  texts(more: boolean): { stdout: string; stderr: string } {
    const stdout = decode(this.#parts.out);
    const stderr = decode(this.#parts.err);
    if (!this.#cut && !more) return { stdout, stderr };
    // The mark goes where a reader looks: stderr when it says anything, else stdout.
    return stderr.trim() === ""
      ? { stdout: `${stdout}\n${TRUNCATED}`, stderr }
      : { stdout, stderr: `${stderr}\n${TRUNCATED}` };
  }

  /** Digest and size of everything; only with `digest`. */
  digest(): { outputSha256: string; outputBytes: number } | undefined {
    if (!this.#hash) return undefined;
    return { outputSha256: this.#hash.digest("hex"), outputBytes: this.#totalBytes };
  }
}

function decode(parts: readonly Uint8Array[]): string {
  const decoder = new TextDecoder();
  return parts.map((part) => decoder.decode(part, { stream: true })).join("") + decoder.decode();
}

/** Output for an `exec.finished` event: the last 20,000 characters of everything that was said. */
export function eventOutput(stdout: string, stderr: string, error: string | null): string {
  const text = [stdout, stderr, error ?? ""].filter((part) => part !== "").join("\n").trim();
  return text.length <= EVENT_TAIL_CHARS ? text : `${TRUNCATED} ${text.slice(-EVENT_TAIL_CHARS)}`;
}

/** A chunk of live output as the wire carries it. Source: decision 12. */
export function outputChunk(stream: "out" | "err", bytes: Uint8Array): string {
  return `{"s":"${stream}","b64":"${toBase64(bytes)}"}`;
}
