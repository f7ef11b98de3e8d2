/**
 * Waits for descriptors with one system call for all of them: `epoll` on one thread, started only while somebody waits.
 * A first wait is held back for a moment: most programs are over by then, and SIGCHLD tells that without the thread.
 * What is done with a ready descriptor is `posix_spawn.ts`.
 */
import { systemClock } from "../../lib/clock.ts";
import { type CLibrary, O_CLOEXEC } from "./c_library.ts";

// Source: epoll_ctl(2), eventfd(2), poll(2): the bits of both are the same.
const EPOLL_CTL_ADD = 1;
const EPOLL_CTL_MOD = 3;
const EPOLLONESHOT = 1 << 30;
const MAX_EVENTS = 64;
/** How long a first wait is held back, and how often it is looked at meanwhile. */
const HOLD_MS = 40;
const LOOK_MS = 2;
/** `struct pollfd`: descriptor, wanted and found bits. */
const POLLFD_BYTES = 8;
/** `struct epoll_event` is packed on x86-64 only. */
const [EVENT_BYTES, DATA_AT] = Deno.build.arch === "x86_64" ? [12, 4] : [16, 8];

/** What to wait for. The end of the other side is always told, as `Broken` or `Ended`. */
export const Ready = { Read: 1, Write: 4, Broken: 8, Ended: 16 } as const;

interface Held {
  readonly events: number;
  readonly onReady: (ready: number) => void;
  readonly dueMs: number;
}

/** Calls back once per `wait`. */
export class Poller {
  readonly #c: CLibrary["symbols"];
  readonly #epoll: number;
  /** Written to when the last wait was taken back, so that the thread ends. */
  readonly #bell: number;
  readonly #events = new DataView(new ArrayBuffer(MAX_EVENTS * EVENT_BYTES));
  readonly #change = new DataView(new ArrayBuffer(EVENT_BYTES));
  readonly #known = new Set<number>();
  readonly #waiting = new Map<number, (ready: number) => void>();
  /** Waits that `epoll` does not know yet, oldest first. */
  readonly #held = new Map<number, Held>();
  #cancelLook: (() => void) | undefined;
  #running: Promise<void> | undefined;

  /** @throws {Error} When the system gives no descriptors. */
  constructor(library: CLibrary) {
    this.#c = library.symbols;
    this.#epoll = this.#c.epoll_create1(O_CLOEXEC);
    this.#bell = this.#c.eventfd(0, O_CLOEXEC);
    if (this.#epoll < 0 || this.#bell < 0) throw new Error("no descriptor for epoll");
    this.#control(EPOLL_CTL_ADD, this.#bell, Ready.Read);
    Deno.addSignalListener("SIGCHLD", this.#look);
  }

  /** Calls `onReady` once, with the bits of {@linkcode Ready} that hold. One wait per descriptor at a time. */
  wait(fd: number, events: number, onReady: (ready: number) => void): void {
    this.#control(this.#known.has(fd) ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, events | EPOLLONESHOT);
    this.#known.add(fd);
    this.#waiting.set(fd, onReady);
    this.#running ??= this.#run();
  }

  /** {@linkcode wait} for something that the end of a child will bring, and that may come {@linkcode LOOK_MS} late. */
  waitForEnd(fd: number, events: number, onReady: (ready: number) => void): void {
    this.#held.set(fd, { events, onReady, dueMs: systemClock.monotonic() + HOLD_MS });
    this.#cancelLook ??= systemClock.after(LOOK_MS, () => this.#onLook());
  }

  #onLook(): void {
    this.#cancelLook = undefined;
    this.#look();
    const nowMs = systemClock.monotonic();
    for (const [fd, { events, onReady, dueMs }] of this.#held) {
      if (dueMs > nowMs) break;
      this.#held.delete(fd);
      this.wait(fd, events, onReady);
    }
    if (this.#held.size > 0) this.#cancelLook ??= systemClock.after(LOOK_MS, () => this.#onLook());
  }

  /** Tells what is ready of what is held back, without waiting. */
  readonly #look = () => {
    const held = [...this.#held];
    const list = new DataView(new ArrayBuffer(held.length * POLLFD_BYTES));
    for (const [n, [fd, { events }]] of held.entries()) {
      list.setInt32(n * POLLFD_BYTES, fd, true);
      list.setInt16(n * POLLFD_BYTES + 4, events, true);
    }
    if (held.length === 0 || this.#c.poll(list, BigInt(held.length), 0) <= 0) return;
    for (const [n, [fd, one]] of held.entries()) {
      const ready = list.getInt16(n * POLLFD_BYTES + 6, true);
      // A callback may have closed it, and its number may mean another one by now.
      if (ready === 0 || this.#held.get(fd) !== one) continue;
      this.#release(fd);
      one.onReady(ready);
    }
  };

  #release(fd: number): void {
    if (!this.#held.delete(fd) || this.#held.size > 0) return;
    this.#cancelLook?.();
    this.#cancelLook = undefined;
  }

  /** Closes a descriptor and takes its wait back. */
  close(fd: number): void {
    this.#known.delete(fd);
    this.#release(fd);
    const isLast = this.#waiting.delete(fd) && this.#waiting.size === 0;
    this.#c.close(fd);
    if (isLast && this.#running) this.#c.write(this.#bell, new BigUint64Array([1n]), 8n);
  }

  /** Frees everything once nobody waits any more. */
  async end(): Promise<void> {
    await this.#running;
    Deno.removeSignalListener("SIGCHLD", this.#look);
    this.#cancelLook?.();
    this.#c.close(this.#bell);
    this.#c.close(this.#epoll);
  }

  #control(change: number, fd: number, events: number): void {
    this.#change.setUint32(0, events, true);
    this.#change.setInt32(DATA_AT, fd, true);
    if (this.#c.epoll_ctl(this.#epoll, change, fd, this.#change) !== 0) {
      throw new Error(`epoll_ctl failed for descriptor ${fd}`);
    }
  }

  async #run(): Promise<void> {
    while (this.#waiting.size > 0) {
      this.#tell(await this.#c.epoll_wait(this.#epoll, this.#events, MAX_EVENTS, -1));
      // A program that ends closes its pipes first: a moment later its end can be seen as well, without the thread.
    }
    this.#running = undefined;
  }

  #tell(count: number): void {
    for (let n = 0; n < count; n++) {
      const fd = this.#events.getInt32(n * EVENT_BYTES + DATA_AT, true);
      if (fd === this.#bell) this.#c.read(this.#bell, new Uint8Array(8), 8n);
      // A callback may close a descriptor that is ready in the same round: then nobody waits for it any more.
      const onReady = this.#waiting.get(fd);
      this.#waiting.delete(fd);
      onReady?.(this.#events.getUint32(n * EVENT_BYTES, true));
    }
  }
}
