/**
 * Types of the parts of the npm package `ws` this project uses (the package ships none, and its
 * community types would pull a second copy of the Node types). Declare only what is used.
 */

declare module "ws" {
  import type { EventEmitter } from "node:events";
  import type { Agent, ClientRequest, IncomingMessage, Server as HttpServer } from "node:http";
  import type { Server as HttpsServer } from "node:https";
  import type { Buffer } from "node:buffer";
  import type { Duplex } from "node:stream";
  import type { Socket } from "node:net";

  /** Message bytes as `ws` hands them over; a `Buffer` with the default `binaryType`. */
  export type RawData = Buffer | ArrayBuffer | Buffer[];

  export interface ClientOptions {
    agent?: Agent;
    /** Makes the transport socket; used to hand in one whose TLS peer was already checked. */
    createConnection?: (...args: never[]) => Duplex;
    finishRequest?: (request: ClientRequest, websocket: WebSocket) => void;
    followRedirects?: boolean;
    handshakeTimeout?: number;
    headers?: Record<string, string>;
    host?: string;
    maxPayload?: number;
    origin?: string;
    perMessageDeflate?: boolean;
    skipUTF8Validation?: boolean;
    socketPath?: string;
    timeout?: number;
    allowSynchronousEvents?: boolean;
    autoPong?: boolean;
  }

  export interface SendOptions {
    binary?: boolean;
    compress?: boolean;
    fin?: boolean;
    mask?: boolean;
  }

  export class WebSocket extends EventEmitter {
    static readonly CONNECTING: 0;
    static readonly OPEN: 1;
    static readonly CLOSING: 2;
    static readonly CLOSED: 3;
    constructor(address: string | URL | null, options?: ClientOptions);
    constructor(
      address: string | URL,
      protocols?: string | string[],
      options?: ClientOptions,
    );
    readonly bufferedAmount: number;
    readonly isPaused: boolean;
    readonly protocol: string;
    readonly readyState: 0 | 1 | 2 | 3;
    readonly url: string;
    /** Private: the frame parser; `_maxPayload` is read at every frame header. */
    readonly _receiver?: { _maxPayload: number };
    /** Private: the transport socket. */
    readonly _socket?: Socket;
    send(data: string | Uint8Array, callback?: (error?: Error) => void): void;
    send(
      data: string | Uint8Array,
      options: SendOptions,
      callback?: (error?: Error) => void,
    ): void;
    close(code?: number, reason?: string | Uint8Array): void;
    terminate(): void;
    pause(): void;
    resume(): void;
    ping(data?: string | Uint8Array, mask?: boolean, callback?: (error: Error) => void): void;
    pong(data?: string | Uint8Array, mask?: boolean, callback?: (error: Error) => void): void;
    on(event: "open", listener: () => void): this;
    on(event: "message", listener: (data: RawData, isBinary: boolean) => void): this;
    on(event: "close", listener: (code: number, reason: Buffer) => void): this;
    on(event: "error", listener: (error: Error) => void): this;
    on(event: "ping" | "pong", listener: (data: Buffer) => void): this;
    on(event: "upgrade", listener: (request: IncomingMessage) => void): this;
    on(
      event: "unexpected-response",
      listener: (request: ClientRequest, response: IncomingMessage) => void,
    ): this;
    once(event: "open", listener: () => void): this;
    once(event: "message", listener: (data: RawData, isBinary: boolean) => void): this;
    once(event: "close", listener: (code: number, reason: Buffer) => void): this;
    once(event: "error", listener: (error: Error) => void): this;
    once(event: "ping" | "pong", listener: (data: Buffer) => void): this;
    once(event: "upgrade", listener: (request: IncomingMessage) => void): this;
    once(
      event: "unexpected-response",
      listener: (request: ClientRequest, response: IncomingMessage) => void,
    ): this;
  }

  export interface ServerOptions {
    allowSynchronousEvents?: boolean;
    autoPong?: boolean;
    backlog?: number;
    clientTracking?: boolean;
    host?: string;
    maxPayload?: number;
    noServer?: boolean;
    path?: string;
    perMessageDeflate?: boolean;
    port?: number;
    server?: HttpServer | HttpsServer;
    skipUTF8Validation?: boolean;
  }

  export class WebSocketServer extends EventEmitter {
    constructor(options?: ServerOptions, callback?: () => void);
    readonly clients: Set<WebSocket>;
    address(): { port: number; family: string; address: string } | string | null;
    close(callback?: (error?: Error) => void): void;
    handleUpgrade(
      request: IncomingMessage,
      socket: Duplex,
      head: Buffer,
      callback: (client: WebSocket, request: IncomingMessage) => void,
    ): void;
    on(
      event: "connection",
      listener: (socket: WebSocket, request: IncomingMessage) => void,
    ): this;
    on(event: "error", listener: (error: Error) => void): this;
    on(event: "listening" | "close", listener: () => void): this;
    on(
      event: "wsClientError",
      listener: (error: Error, socket: Duplex, request: IncomingMessage) => void,
    ): this;
  }

  export default WebSocket;
}
