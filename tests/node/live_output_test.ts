import { assertEquals } from "@std/assert";
import {
  CHUNK_BYTES,
  LIVE_CREDIT_BYTES,
  LiveOutput,
  PROGRESS_WINDOW,
} from "../../src/node/commands/live_output.ts";

/** A gateway that answers when told to. */
function bench() {
  const chunks: { seq: number; s: string; size: number }[] = [];
  const sent: string[] = [];
  const answers: ((taken: boolean) => void)[] = [];
  let creditBytes = 0;
  const live = new LiveOutput((seq, chunk) => {
    const { s, b64 } = JSON.parse(chunk);
    sent.push(b64 === undefined ? "" : atob(b64));
    chunks.push({ seq, s, size: sent.at(-1)!.length });
    return new Promise((resolve) => answers.push(resolve));
  }, (bytes) => creditBytes += bytes);
  return { live, sent, chunks, answers, credit: () => creditBytes };
}

const settle = () => new Promise<void>((resolve) => setTimeout(resolve));

Deno.test("LiveOutput sends at most a window of chunks and returns all credit", async () => {
  const { live, chunks, answers, credit } = bench();
  live.push("out", new Uint8Array(LIVE_CREDIT_BYTES));
  live.push("err", new Uint8Array(5));
  assertEquals(chunks.length, PROGRESS_WINDOW);
  assertEquals(chunks.every((chunk) => chunk.size <= CHUNK_BYTES), true);
  while (answers.length > 0) {
    answers.splice(0).forEach((answer) => answer(true));
    await settle();
  }
  await live.flushed();
  assertEquals([credit(), live.gap, chunks.at(-1)?.s], [LIVE_CREDIT_BYTES + 5, false, "err"]);
});

Deno.test("LiveOutput joins small pieces of one stream while it waits", async () => {
  const { live, chunks, answers } = bench();
  for (let i = 0; i < PROGRESS_WINDOW; i++) live.push("out", new Uint8Array(1));
  for (const stream of ["out", "out", "err", "out"] as const) live.push(stream, new Uint8Array(10));
  answers.splice(0).forEach((answer) => answer(true));
  await settle();
  assertEquals(chunks.slice(PROGRESS_WINDOW).map(({ s, size }) => [s, size]), [
    ["out", 20],
    ["err", 10],
    ["out", 10],
  ]);
});

Deno.test("LiveOutput fills its chunks from large pieces, byte for byte in order", async () => {
  const { live, sent, chunks, answers } = bench();
  const all = Uint8Array.from({ length: 3 * 16_384 }, (_, i) => i * 7 % 251);
  for (let i = 0; i < PROGRESS_WINDOW; i++) live.push("out", new Uint8Array(1));
  for (let at = 0; at < all.length; at += 16_384) live.push("out", all.slice(at, at + 16_384));
  answers.splice(0).forEach((answer) => answer(true));
  await settle();
  const sizes = chunks.slice(PROGRESS_WINDOW).map(({ size }) => size);
  assertEquals(sizes, [12_000, 12_000, 12_000, 12_000, 1_152]);
  assertEquals(sent.slice(PROGRESS_WINDOW).join(""), String.fromCharCode(...all));
});

for (const size of [0, 1, 1000, CHUNK_BYTES, LIVE_CREDIT_BYTES]) {
  Deno.test(`F18: abandoned with ${size} bytes queued and nothing answered, all credit comes back`, async () => {
    const { live, answers, credit } = bench();
    for (let i = 0; i < PROGRESS_WINDOW; i++) live.push("out", new Uint8Array(CHUNK_BYTES));
    if (size > 0) live.push("out", new Uint8Array(size));
    live.abandon();
    assertEquals(credit(), LIVE_CREDIT_BYTES + size);
    live.push("out", new Uint8Array(7));
    answers.splice(0).forEach((answer) => answer(true));
    await settle();
    assertEquals([credit(), live.gap], [LIVE_CREDIT_BYTES + size + 7, true]);
  });
}
