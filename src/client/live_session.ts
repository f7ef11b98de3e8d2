/**
 * An open connection to a gateway as everything else uses it: requests, events, one end. Opening one (dial, handshake,
 * credentials, retries) is `session.ts`.
 */
import type { Clock } from "../lib/clock.ts";
import { OpenclawError } from "../lib/errors.ts";
import type { CloseInfo, FrameSocket, SocketHandler } from "../net/socket.ts";
import { CLOSE } from "../protocol/close_codes.ts";
import { PendingRequests, type RequestOptions } from "./pending.ts";
import { Watchdog } from "./watchdog.ts";
import { closedError, readIncoming, type SessionHello } from "./wire.ts";

/** Gets every event of a session, in order. */
export type EventHandler = (event: string, payload: unknown) => void;

/** A session with a gateway after hello. */
export interface Session {
  readonly hello: SessionHello;
  /** Protocol in force, 3 or 4. */
  readonly protocol: number;
  /** Outgoing bytes the gateway has not taken yet. */
  readonly bufferedBytes: number;
  /**
   * Calls a method.
   * @throws {OpenclawError} the gateway's refusal (`code` = `details.code` or the top-level code), `REQUEST_TIMEOUT`, or
   *   `CONNECTION_LOST` and its kin when the session ends first; `signal.reason` when aborted.
   */
  request(method: string, params?: unknown, options?: RequestOptions): Promise<unknown>;
  /** Listens to events; those that came before the first listener are delivered to it. Returns how to stop. */
  onEvent(handler: EventHandler): () => void;
  /** Resolves when the connection is over, whoever ended it. Never rejects. */
  readonly closed: Promise<CloseInfo>;
  /** Asks the gateway for a sign of life; a session that stays silent for 2 s is over. */
  check(): void;
  /** Ends the session; open requests fail. */
  close(code?: number, reason?: string): void;
}

/** Events kept for the first listener. */
const MAX_EARLY_EVENTS = 256;

/** Parts of a {@linkcode LiveSession}. */
export interface LiveSessionParts {
  readonly socket: FrameSocket;
  readonly hello: SessionHello;
  readonly clock: Clock;
  readonly onGap?: ((gap: { expected: number; received: number }) => void) | undefined;
  /** Sees every event, the early ones too, and takes none from the listeners. */
  readonly watch?: EventHandler | undefined;
}

/** A session over a socket whose handshake is done. The owner of the socket forwards what comes in. */
export class LiveSession implements Session, SocketHandler {
  readonly hello: SessionHello;
  readonly closed: Promise<CloseInfo>;
  readonly #parts: LiveSessionParts;
  readonly #pending: PendingRequests;
  readonly #watchdog: Watchdog;
  readonly #handlers = new Set<EventHandler>();
  #early: [string, unknown][] = [];
  #lastSeq: number | undefined;
  #end: CloseInfo | undefined;
  #resolveClosed!: (info: CloseInfo) => void;

  constructor(parts: LiveSessionParts) {
    this.#parts = parts;
    this.hello = parts.hello;
    this.#pending = new PendingRequests(parts.clock);
    this.closed = new Promise((resolve) => this.#resolveClosed = resolve);
    const { socket } = parts;
    this.#watchdog = new Watchdog({
      tickIntervalMs: parts.hello.policy.tickIntervalMs,
      clock: parts.clock,
      ...(socket.ping ? { ping: () => socket.ping?.() } : {}),
      onSilent: () => this.#silent(),
    });
  }

  get protocol(): number {
    return this.hello.protocol;
  }

  get bufferedBytes(): number {
    return this.#parts.socket.bufferedBytes;
  }

  request(method: string, params?: unknown, options: RequestOptions = {}): Promise<unknown> {
    if (this.#end) return Promise.reject(closedError(this.#end, method));
    const id = this.#pending.nextId();
    const answer = this.#pending.wait(id, method, options);
    if (!options.signal?.aborted) {
      this.#parts.socket.send(JSON.stringify({
        type: "req",
        id,
        method,
        ...(params === undefined ? {} : { params }),
      }));
    }
    return answer;
  }

  onEvent(handler: EventHandler): () => void {
    this.#handlers.add(handler);
    const early = this.#early;
    this.#early = [];
    for (const [event, payload] of early) handler(event, payload);
    return () => void this.#handlers.delete(handler);
  }

  onText(text: string): void {
    this.#watchdog.heard();
    const frame = readIncoming(text);
    if (frame?.type === "res") {
      return frame.ok
        ? this.#pending.answer(frame.id, true, frame.payload, {})
        : this.#pending.answer(frame.id, false, undefined, frame.error);
    }
    if (!frame) return;
    if (frame.seq !== undefined) this.#countSeq(frame.seq);
    this.#parts.watch?.(frame.event, frame.payload);
    if (this.#handlers.size > 0) {
      for (const handler of this.#handlers) handler(frame.event, frame.payload);
    } else if (this.#early.length < MAX_EARLY_EVENTS) {
      this.#early.push([frame.event, frame.payload]);
    }
  }

  /** A gap means the gateway left out events because we were slow; it is told, not repaired (1.1). */
  #countSeq(seq: number): void {
    const expected = this.#lastSeq === undefined ? seq : this.#lastSeq + 1;
    this.#lastSeq = seq;
    if (seq !== expected) this.#parts.onGap?.({ expected, received: seq });
  }

  onPong(): void {
    this.#watchdog.heard();
  }

  onClose(info: CloseInfo): void {
    if (this.#end) return;
    this.#end = info;
    this.#watchdog.stop();
    this.#pending.failAll((method) => closedError(info, method));
    this.#resolveClosed(info);
  }

  #silent(): void {
    const { socket } = this.#parts;
    socket.close(CLOSE.tickTimeout, "tick timeout");
    // Nobody is there to answer the close frame.
    this.onClose({ code: CLOSE.tickTimeout, reason: "tick timeout" });
    socket.terminate();
  }

  check(): void {
    if (!this.#end) this.#watchdog.suspect();
  }

  close(code = 1000, reason = ""): void {
    if (this.#end) return;
    this.#watchdog.stop();
    this.#pending.failAll((method) =>
      new OpenclawError("SESSION_CLOSED", `the session was closed while ${method} was open`)
    );
    this.#parts.socket.close(code, reason);
  }
}
