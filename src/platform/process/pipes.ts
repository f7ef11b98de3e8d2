/**
 * The two ends of a pipe to a program as web streams. Nothing is read before somebody asks for it (F18).
 */
import type { CLibrary } from "./c_library.ts";
import { type Poller, Ready } from "./poller.ts";

/** As much as a pipe holds at once. Source: pipe(7). */
const READ_BYTES = 65_536;

/** The reading end. */
export function readableOf(
  fd: number,
  { symbols }: CLibrary,
  poller: Poller,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  let isFirst = true;
  const onReady = (controller: ReadableStreamDefaultController, ready: number) => {
    const buffer = scratch();
    for (;;) {
      const count = Number(symbols.read(fd, buffer, BigInt(READ_BYTES)));
      if (count <= 0) break;
      controller.enqueue(buffer.slice(0, count));
      // When nobody writes any more and this was the rest, its end needs no second wait.
      if (count === READ_BYTES || (ready & Ready.Ended) === 0) return;
    }
    poller.close(fd);
    controller.close();
  };
  return new ReadableStream({
    pull: (controller) =>
      new Promise<void>((resolve) => {
        const done = (ready: number) => {
          onReady(controller, ready);
          resolve();
        };
        if (isFirst) poller.waitForEnd(fd, Ready.Read, done);
        else poller.wait(fd, Ready.Read, done);
        isFirst = false;
      }),
    cancel: () => poller.close(fd),
  }, { highWaterMark: 0 });
}

let shared: Uint8Array<ArrayBuffer> | undefined;

/** One buffer for all reads: what was read is copied out at once. */
function scratch(): Uint8Array<ArrayBuffer> {
  return shared ??= new Uint8Array(READ_BYTES);
}

/** The writing end, whose descriptor does not block. */
export function writableOf(
  fd: number,
  { symbols }: CLibrary,
  poller: Poller,
): WritableStream<Uint8Array<ArrayBuffer>> {
  const close = () => poller.close(fd);
  let stopWaiting = () => {};
  /** Waits until the pipe takes more; `false` = nobody reads it any more. */
  const writable = () =>
    new Promise<boolean>((resolve) => {
      stopWaiting = () => resolve(false);
      poller.wait(fd, Ready.Write, (ready) => resolve((ready & Ready.Broken) === 0));
    });
  return new WritableStream({
    start: ({ signal }) => signal.addEventListener("abort", () => stopWaiting()),
    async write(bytes, { signal }) {
      for (let at = 0; at < bytes.length;) {
        const rest = bytes.subarray(at);
        const count = Number(symbols.write(fd, rest, BigInt(rest.length)));
        if (count > 0) at += count;
        else if (!await writable()) {
          if (!signal.aborted) close(); // else `abort` does
          throw new Deno.errors.BrokenPipe("the program no longer reads its input");
        }
      }
    },
    close,
    abort: close,
  });
}
