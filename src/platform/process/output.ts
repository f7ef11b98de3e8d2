/**
 * Collecting what a program prints and giving it its input. Starting and stopping it is `start.ts`.
 */
import type { Readable } from "node:stream";
import { wait } from "../../lib/clock.ts";

/** Longest wait for pipes that orphans hold open after the program ended (F40). Source: node-host.md 5.3. */
export const ORPHAN_PIPE_WAIT_MS = 250;

/** Bytes that may still be kept of both outputs together. */
export interface Budget {
  left: number;
  truncated: boolean;
}

/** Reads an output to its end, keeping what the budget allows. */
export function collect(stream: ReadableStream<Uint8Array<ArrayBuffer>>, budget: Budget) {
  const decoder = new TextDecoder();
  const reader = stream.getReader();
  let text = "";
  const done = (async () => {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      const kept = value.subarray(0, budget.left);
      if (kept.length < value.length) budget.truncated = true;
      budget.left -= kept.length;
      text += decoder.decode(kept, { stream: true });
    }
  })();
  return { done, text: () => text + decoder.decode(), cancel: () => reader.cancel() };
}

/** Writes the whole input and closes it. */
export async function feed(
  stdin: WritableStream<Uint8Array<ArrayBuffer>> | undefined,
  input: string,
): Promise<void> {
  const writer = stdin?.getWriter();
  try {
    await writer?.write(new TextEncoder().encode(input));
    await writer?.close();
  } catch {
    // EPIPE: the program ended or closed its input without reading it all.
  }
}

/** An output that is not there. */
export function emptyStream(): ReadableStream<Uint8Array<ArrayBuffer>> {
  return new ReadableStream({ start: (controller) => controller.close() });
}

/** Waits for the end of both pipes, at most {@linkcode ORPHAN_PIPE_WAIT_MS} (F40). */
export async function drain(outputs: readonly ReturnType<typeof collect>[], budget: Budget) {
  const closed = Promise.all(outputs.map((o) => o.done)).then(() => true);
  const abort = new AbortController();
  const late = wait(ORPHAN_PIPE_WAIT_MS, abort.signal).then(() => false, () => true);
  if (!await Promise.race([closed, late])) {
    budget.truncated = true;
    await Promise.all(outputs.map((o) => o.cancel()));
  }
  abort.abort();
  await closed;
}

/** A Node stream as a web stream that reads ahead one chunk at most; `Readable.toWeb` of Deno 2.8 reads without limit. */
export function pulled(stream: Readable): ReadableStream<Uint8Array<ArrayBuffer>> {
  stream.pause();
  return new ReadableStream({
    start(controller) {
      stream.on("data", (chunk: Uint8Array) => {
        stream.pause();
        controller.enqueue(new Uint8Array(chunk));
      });
      stream.once("end", () => controller.close());
      stream.once("error", (error) => controller.error(error));
    },
    pull: () => void stream.resume(),
    cancel: () => void stream.destroy(),
  }, { highWaterMark: 0 });
}
