/**
 * Many deadlines, one timer: calls are kept in buckets of 50 ms, so that a call costs two set operations and no timer.
 * Monotonic time (F19).
 */
import type { Clock } from "../../lib/clock.ts";

const BUCKET_MS = 50;

/** Something that runs out. */
export interface Expiring {
  /** Bucket it lies in; written by {@linkcode Deadlines} only. */
  bucket: number;
}

/** Set of deadlines. `onExpired` is called once for each entry that was not removed in time, at most 50 ms late. */
export class Deadlines<T extends Expiring> {
  readonly #clock: Clock;
  readonly #onExpired: (entry: T) => void;
  readonly #buckets = new Map<number, Set<T>>();
  /** Bucket numbers as a binary heap. */
  readonly #order: number[] = [];
  #armedFor = Infinity;
  #cancel: (() => void) | undefined;

  constructor(clock: Clock, onExpired: (entry: T) => void) {
    this.#clock = clock;
    this.#onExpired = onExpired;
  }

  /** Starts or restarts an entry's deadline. */
  set(entry: T, delayMs: number): void {
    this.remove(entry);
    const bucket = Math.ceil((this.#clock.monotonic() + delayMs) / BUCKET_MS);
    entry.bucket = bucket;
    const entries = this.#buckets.get(bucket);
    if (entries !== undefined) {
      entries.add(entry);
      return;
    }
    this.#buckets.set(bucket, new Set([entry]));
    push(this.#order, bucket);
    if (bucket < this.#armedFor) this.#arm();
  }

  /** Ends an entry's deadline. */
  remove(entry: T): void {
    this.#buckets.get(entry.bucket)?.delete(entry);
  }

  /** Ends all deadlines. */
  stop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    this.#armedFor = Infinity;
    this.#buckets.clear();
    this.#order.length = 0;
  }

  #arm(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    const first = this.#order[0];
    this.#armedFor = first ?? Infinity;
    if (first === undefined) return;
    const delayMs = Math.max(0, first * BUCKET_MS - this.#clock.monotonic());
    this.#cancel = this.#clock.after(delayMs, () => this.#expire());
  }

  #expire(): void {
    const now = this.#clock.monotonic();
    while (this.#order.length > 0 && (this.#order[0] ?? 0) * BUCKET_MS <= now) {
      const bucket = pop(this.#order);
      const entries = this.#buckets.get(bucket);
      this.#buckets.delete(bucket);
      for (const entry of entries ?? []) this.#onExpired(entry);
    }
    this.#arm();
  }
}

function push(heap: number[], value: number): void {
  let i = heap.push(value) - 1;
  while (i > 0) {
    const parent = (i - 1) >> 1;
    const above = heap[parent] ?? 0;
    if (above <= value) break;
    heap[i] = above;
    i = parent;
  }
  heap[i] = value;
}

function pop(heap: number[]): number {
  const top = heap[0] ?? 0;
  const last = heap.pop() ?? 0;
  if (heap.length === 0) return top;
  let i = 0;
  for (;;) {
    let child = 2 * i + 1;
    if (child >= heap.length) break;
    if ((heap[child + 1] ?? Infinity) < (heap[child] ?? 0)) child++;
    const below = heap[child] ?? 0;
    if (below >= last) break;
    heap[i] = below;
    i = child;
  }
  heap[i] = last;
  return top;
}
