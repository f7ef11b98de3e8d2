/**
 * A WebSocket on the server side: limits that grow once the peer is known, writes that are put together. Who counts it
 * is `ws_server.ts`.
 */
import type { Socket } from "node:net";
import type { WebSocket } from "ws";
import type { ServerSocket } from "../socket.ts";
import { WsSocket } from "../ws_frames.ts";

/** Where an accepted socket is counted. */
export interface SocketOwner {
  readonly transports: { known(transport: Socket): void };
  /** It authenticated. */
  known(socket: ServerWsSocket): void;
  /** It is over. */
  gone(socket: ServerWsSocket): void;
}

/** One accepted WebSocket. */
export class ServerWsSocket extends WsSocket implements ServerSocket {
  readonly remoteAddress: string;
  readonly #server: SocketOwner;
  /** Until authentication: whose budget pays, and when the handshake must be over. */
  waiting: { readonly address: string; readonly dueMs: number } | undefined;

  constructor(ws: WebSocket, server: SocketOwner, remoteAddress: string) {
    super(ws);
    this.remoteAddress = remoteAddress;
    this.#server = server;
  }

  raiseLimit(maxBytes: number): void {
    // Private of `ws`, read at every frame header: there is no public way to change the limit later.
    if (this.ws._receiver) this.ws._receiver._maxPayload = maxBytes;
  }

  get receivedBytes(): number {
    return this.ws._socket?.bytesRead ?? 0;
  }

  hold(): void {
    this.ws._socket?.cork();
  }

  release(): void {
    this.ws._socket?.uncork();
  }

  markAuthenticated(): void {
    this.#server.known(this);
    const transport = this.ws._socket;
    if (transport) this.#server.transports.known(transport);
  }

  protected override onEnded(): void {
    this.#server.gone(this);
  }
}
