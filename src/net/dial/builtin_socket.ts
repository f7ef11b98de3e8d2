/**
 * A {@linkcode FrameSocket} over the runtime's own WebSocket: loads nothing, so one-shot commands start fast. It cannot
 * ping, pause, or drop a dead connection at once; long-lived clients use `ws_dial.ts`.
 */
import { utf8 } from "../../lib/bytes.ts";
import { closeReason } from "../../protocol/close_codes.ts";
import { CLOSE_TIMEOUT_MS } from "../limits.ts";
import type { CloseInfo, FrameSocket, SocketHandler } from "../socket.ts";

/** An open built-in WebSocket as a {@linkcode FrameSocket}. */
export class BuiltinSocket implements FrameSocket {
  readonly #ws: WebSocket;
  #handler: SocketHandler | undefined;
  #early: (string | Uint8Array)[] = [];
  #closed: CloseInfo | undefined;
  #closeTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(ws: WebSocket) {
    this.#ws = ws;
    ws.binaryType = "arraybuffer";
    ws.onmessage = ({ data }) => {
      const frame = typeof data === "string" ? data : new Uint8Array(data as ArrayBuffer);
      if (this.#handler) this.#deliver(frame, this.#handler);
      else this.#early.push(frame);
    };
    ws.onclose = ({ code, reason }) => this.#ended({ code: code || 1006, reason });
    ws.onerror = (event) => event.preventDefault(); // a close event follows
  }

  attach(handler: SocketHandler): void {
    if (this.#handler) throw new TypeError("a socket is attached once");
    this.#handler = handler;
    const early = this.#early;
    this.#early = [];
    for (const frame of early) this.#deliver(frame, handler);
    if (this.#closed) handler.onClose(this.#closed);
  }

  #deliver(frame: string | Uint8Array, handler: SocketHandler): void {
    if (typeof frame === "string") handler.onText(frame);
    else if (handler.onBinary) handler.onBinary(frame);
    else this.close(1003, "binary frames are not used here");
  }

  #ended(info: CloseInfo): void {
    if (this.#closed) return;
    clearTimeout(this.#closeTimer);
    this.#closed = info;
    this.#handler?.onClose(info);
  }

  send(frame: string | Uint8Array): void {
    if (!this.open) return;
    this.#ws.send(typeof frame === "string" ? frame : new TextDecoder().decode(frame));
  }

  get bufferedBytes(): number {
    return this.#ws.bufferedAmount;
  }

  get open(): boolean {
    return this.#ws.readyState === WebSocket.OPEN && !this.#closed;
  }

  close(code = 1000, reason = ""): void {
    if (this.#closed || this.#closeTimer !== undefined) return;
    // The web API allows an application only 1000 and 3000-4999.
    const allowed = code === 1000 || (code >= 3000 && code < 5000) ? code : 1000;
    const text = closeReason(reason);
    this.#closeTimer = setTimeout(() => this.#ended({ code: 1006, reason: "" }), CLOSE_TIMEOUT_MS);
    this.#ws.close(allowed, utf8(text).length > 0 ? text : undefined);
  }

  terminate(): void {
    if (this.#closed) return;
    this.#ws.close();
    this.#ended({ code: 1006, reason: "" });
  }
}
