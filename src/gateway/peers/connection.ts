/**
 * One connection: its socket, its outgoing queue with a cap, its life as a session. Holds no timer and no closure of its
 * own, so that thousands of idle nodes stay cheap; deadlines and pings are process-wide sweeps in `gateway/server.ts`.
 */
import type { Clock } from "../../lib/clock.ts";
import type { CloseInfo, ServerSocket, SocketHandler } from "../../net/socket.ts";
import { CLOSE } from "../../protocol/close_codes.ts";
import { MAX_BUFFERED_BYTES, MAX_FRAME_BYTES } from "../../protocol/limits.ts";
import type { Holder, Outgoing } from "./outgoing.ts";
import type { Peer } from "./peer.ts";
import type { Principal } from "./principal.ts";

/** Close reason of a connection that does not read. */
export const SLOW_CONSUMER = "slow consumer";

/** Takes the frames of a connection until hello-ok. */
export interface HandshakeHandler {
  onText(text: string): void;
  onClose(): void;
}

/** Who is told about frames and the end of live connections. One object for all connections. */
export interface ConnectionHost {
  /** What slow readers hold together. */
  readonly outgoing?: Outgoing | undefined;
  /** Is told of every frame that is sent. */
  readonly frames?: { sent(connection: Connection, frame: string): void } | undefined;
  /** A frame of a live connection. */
  onFrame(connection: Connection, text: string): void;
  /** A live connection ended; called once. */
  onEnded(connection: Connection, info: CloseInfo): void;
}

/** A connection from upgrade to close. Before hello-ok it has no principal and only its handshake talks to it. */
export class Connection implements Peer, SocketHandler, Holder {
  readonly connId: string = crypto.randomUUID();
  connectedAtMs = 0;
  /** `unauthorized role` answers so far. */
  roleErrors = 0;
  /** Requests whose answer is still due. */
  running = 0;
  readonly #socket: ServerSocket;
  readonly #host: ConnectionHost;
  #handshake: HandshakeHandler | undefined;
  #principal: Principal | undefined;
  #abort: AbortController | undefined;
  #ended = false;
  #onSign: Set<() => void> | undefined;
  #seq = 0;
  /** -1 = not asked yet. */
  #bytesWhenAsked = -1;

  constructor(socket: ServerSocket, host: ConnectionHost) {
    this.#socket = socket;
    this.#host = host;
  }

  /** Starts reading; the handshake gets every frame until {@linkcode Connection.goLive}. */
  start(handshake: HandshakeHandler): void {
    this.#handshake = handshake;
    this.#socket.attach(this);
  }

  get principal(): Principal {
    if (!this.#principal) throw new TypeError("a connection has no principal before hello-ok");
    return this.#principal;
  }

  /** Id of the node at the other end; empty for an operator without a device. */
  get nodeId(): string {
    return this.principal.deviceId ?? "";
  }

  /** Whether hello-ok was sent and the connection did not end. */
  get live(): boolean {
    return this.#principal !== undefined && !this.#ended;
  }

  /** The handshake is over: larger frames are allowed, the slot of an unknown socket is given back. */
  goLive(principal: Principal, nowMs: number): void {
    this.#principal = principal;
    this.#handshake = undefined;
    this.connectedAtMs = nowMs;
    this.#socket.raiseLimit(MAX_FRAME_BYTES);
    this.#socket.markAuthenticated();
  }

  get signal(): AbortSignal {
    this.#abort ??= new AbortController();
    if (this.#ended) this.#abort.abort();
    return this.#abort.signal;
  }

  onText(text: string): void {
    if (this.#ended) return;
    if (this.#handshake) this.#handshake.onText(text);
    else this.#host.onFrame(this, text);
  }

  onPong(): void {
    this.#signOfLife();
  }

  /** Whether the other end is there: asks it, and waits at most `timeoutMs`. */
  answersPing(timeoutMs: number, clock: Clock): Promise<boolean> {
    if (this.#ended) return Promise.resolve(false);
    const listeners = this.#onSign ??= new Set();
    return new Promise((resolve) => {
      const done = (answered: boolean) => {
        cancel();
        listeners.delete(onSign);
        resolve(answered);
      };
      const onSign = () => done(!this.#ended);
      const cancel = clock.after(timeoutMs, () => done(false));
      listeners.add(onSign);
      this.#socket.ping?.();
    });
  }

  /** A pong or the end: both answer a ping. */
  #signOfLife(): void {
    for (const onSign of [...this.#onSign ?? []]) onSign();
  }

  onClose(info: CloseInfo): void {
    this.#end(info);
  }

  sendText(frame: string): boolean {
    if (this.#ended) return false;
    // N43: whoever does not read is cut, so that nobody else pays for its buffer.
    if (this.#socket.bufferedBytes > MAX_BUFFERED_BYTES) {
      this.cut();
      return false;
    }
    this.#host.frames?.sent(this, frame);
    this.#socket.send(frame);
    this.#host.outgoing?.sent(this);
    return !this.#ended;
  }

  get bufferedBytes(): number {
    return this.#ended ? 0 : this.#socket.bufferedBytes;
  }

  cut(): void {
    this.close(CLOSE.policy, SLOW_CONSUMER);
  }

  sendEvent(head: string, dropIfSlow: boolean): void {
    if (this.#ended) return;
    // A dropped event still takes a number: the gap tells the client that it missed something.
    const seq = ++this.#seq;
    if (dropIfSlow && this.#socket.bufferedBytes > MAX_BUFFERED_BYTES / 2) return;
    this.sendText(`${head},"seq":${seq}}`);
  }

  /** Keeps what is sent until {@linkcode release}: an idle connection is written to once for all of it. */
  hold(): void {
    this.#socket.hold();
  }

  /** Ends {@linkcode hold}. */
  release(): void {
    this.#socket.release();
  }

  /** Pings: {@linkcode dropIfSilent} wants to have heard something after it. */
  askForSign(): void {
    if (this.#ended) return;
    this.#bytesWhenAsked = this.#socket.receivedBytes;
    this.#socket.ping?.();
  }

  /**
   * Drops a peer that sent nothing since it was asked (F10, F11). Any byte counts: behind a large frame on a slow line the
   * answer comes late.
   */
  dropIfSilent(): void {
    if (!this.#ended && this.#socket.receivedBytes === this.#bytesWhenAsked) this.terminate();
  }

  close(code: number, reason: string): void {
    if (this.#ended) return;
    this.#socket.close(code, reason);
    // The session is over now, whether the peer answers the close frame or not (I12).
    this.#end({ code, reason });
  }

  /** Drops the connection without a close frame. */
  terminate(): void {
    this.#socket.terminate();
    this.#end({ code: 1006, reason: "" });
  }

  #end(info: CloseInfo): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#host.outgoing?.forget(this);
    this.#signOfLife();
    const handshake = this.#handshake;
    this.#handshake = undefined;
    this.#abort?.abort();
    if (this.#principal) this.#host.onEnded(this, info);
    else handshake?.onClose();
  }
}
