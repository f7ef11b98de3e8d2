/**
 * A {@linkcode FrameSocket} over a connection of the `ws` package, server or client side. Shared listeners find their
 * owner through a property of the connection, so that an idle connection costs no closures.
 */
import type { RawData, WebSocket } from "ws";
import { utf8 } from "../lib/bytes.ts";
import { closeReason } from "../protocol/close_codes.ts";
import { CLOSE_TIMEOUT_MS } from "./limits.ts";
import type { CloseInfo, FrameSocket, SocketHandler } from "./socket.ts";

const OWNER = Symbol("owner");
type Owned<T> = T & { [OWNER]?: WsSocket };

/** Options that make `ws` safe and small on both sides; limits in bytes and counts. */
export const WS_OPTIONS = {
  perMessageDeflate: false,
  // N14: a message in more pieces than this is an attack on memory, not a message.
  maxFragments: 1024,
  maxBufferedChunks: 32 * 1024,
  closeTimeout: CLOSE_TIMEOUT_MS,
} as const;

/** A connection of `ws` as a {@linkcode FrameSocket}. */
export class WsSocket implements FrameSocket {
  protected readonly ws: Owned<WebSocket>;
  #handler: SocketHandler | undefined;
  #closed: CloseInfo | undefined;

  constructor(ws: WebSocket) {
    this.ws = ws;
    this.ws[OWNER] = this;
    ws.on("close", onClose);
    ws.on("error", onError);
    ws.pause(); // nothing is lost before attach()
  }

  attach(handler: SocketHandler): void {
    if (this.#handler) throw new TypeError("a socket is attached once");
    this.#handler = handler;
    this.ws.on("message", onMessage);
    if (handler.onPong) this.ws.on("pong", onPong);
    const transport: Owned<NonNullable<WebSocket["_socket"]>> | undefined = this.ws._socket;
    if (handler.onDrain && transport) {
      transport[OWNER] = this;
      transport.on("drain", onDrain);
    }
    if (this.#closed) handler.onClose(this.#closed);
    else this.ws.resume();
  }

  /** Called by the listeners below. */
  deliver(data: RawData, isBinary: boolean): void {
    const handler = this.#handler;
    if (!handler || this.#closed) return;
    const bytes = data as Uint8Array & { toString(encoding: "utf8"): string };
    if (!isBinary) handler.onText(bytes.toString("utf8"));
    else if (handler.onBinary) handler.onBinary(bytes);
    else this.close(1003, "binary frames are not used here");
  }

  /** Called by the listeners below. */
  ended(info: CloseInfo): void {
    if (this.#closed) return;
    this.#closed = info;
    this.onEnded();
    this.#handler?.onClose(info);
  }

  /** For subclasses: the connection is over. */
  protected onEnded(): void {}

  /** Called by the listeners below. */
  ponged(): void {
    this.#handler?.onPong?.();
  }

  /** Called by the listeners below. */
  drained(): void {
    if (!this.#closed) this.#handler?.onDrain?.();
  }

  send(frame: string | Uint8Array): void {
    if (this.ws.readyState !== 1) return;
    this.ws.send(frame, TEXT);
  }

  get bufferedBytes(): number {
    return this.ws.bufferedAmount;
  }

  get open(): boolean {
    return this.ws.readyState === 1;
  }

  close(code = 1000, reason = ""): void {
    this.ws.resume(); // a paused connection would never read the answer to the close frame
    this.ws.close(code, closeReason(reason));
  }

  terminate(): void {
    this.ws.terminate();
  }

  pause(): void {
    this.ws.pause();
  }

  resume(): void {
    this.ws.resume();
  }

  ping(): void {
    if (this.ws.readyState === 1) this.ws.ping();
  }
}

const TEXT = { binary: false } as const;
const EMPTY = utf8("");

function onMessage(this: Owned<WebSocket>, data: RawData, isBinary: boolean): void {
  this[OWNER]?.deliver(data, isBinary);
}

function onClose(this: Owned<WebSocket>, code: number, reason: Uint8Array = EMPTY): void {
  this[OWNER]?.ended({ code, reason: new TextDecoder().decode(reason) });
}

function onPong(this: Owned<WebSocket>): void {
  this[OWNER]?.ponged();
}

function onDrain(this: { [OWNER]?: WsSocket }): void {
  this[OWNER]?.drained();
}

/** `ws` closes by itself with the right code after an error; without a listener the process would end. */
function onError(): void {}
