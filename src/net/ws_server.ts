/**
 * Listens for HTTP and WebSocket connections on one port, plain or TLS: `ws` on `node:http`/`node:https`. Owns what must
 * hold before anybody is known: a deadline for each stage (TLS hello, HTTP header, handshake; N13), limits on unknown
 * sockets (N12) and on the first frames (N11). What is said over a socket is `gateway/`.
 */
import {
  createServer as createHttp,
  type IncomingMessage,
  type Server as HttpServer,
} from "node:http";
import { createServer as createHttps, type Server as HttpsServer } from "node:https";
import type { Buffer } from "node:buffer";
import type { Duplex } from "node:stream";
import type { Socket } from "node:net";
import { type WebSocket, WebSocketServer } from "ws";
import { type Clock, systemClock } from "../lib/clock.ts";
import { freeDescriptors } from "../platform/descriptors.ts";
import { MAX_PREAUTH_FRAME_BYTES } from "../protocol/limits.ts";
import { plainAddress } from "./address.ts";
import { peerInfo } from "./peer_info.ts";
import { listenError, tlsOptions, usable } from "./listen_checks.ts";
import {
  DEFAULT_LIMITS,
  type ListenLimits,
  type ListenOptions,
  type TlsMaterial,
} from "./listen_options.ts";
import { Slots } from "./slots.ts";
import type { ServerSocket } from "./socket.ts";
import { NOT_HTTP, refuse, TOO_MANY } from "./upgrade_refusal.ts";
import { WS_OPTIONS, WsSocket } from "./ws_frames.ts";

export type { ListenLimits, ListenOptions, TlsMaterial, UpgradeRefusal } from "./listen_options.ts";

/** A running listener. */
export interface Listener {
  readonly port: number;
  /** Sockets that have not authenticated. */
  readonly unauthenticated: number;
  /** New certificate for connections from now on; open ones go on (F22). @throws {OpenclawError} `TLS_UNUSABLE`. */
  setTls(tls: TlsMaterial): void;
  /** Stops listening; open connections stay. */
  stopAccepting(): void;
  /** Drops everything and frees the port. */
  close(): Promise<void>;
}

class ServerWsSocket extends WsSocket implements ServerSocket {
  readonly remoteAddress: string;
  readonly #server: WsListener;
  /** Until authentication: whose budget pays, and when the handshake must be over. */
  waiting: { readonly address: string; readonly dueMs: number } | undefined;

  constructor(ws: WebSocket, server: WsListener, remoteAddress: string) {
    super(ws);
    this.remoteAddress = remoteAddress;
    this.#server = server;
  }

  raiseLimit(maxBytes: number): void {
    // Private of `ws`, read at every frame header: there is no public way to change the limit later.
    if (this.ws._receiver) this.ws._receiver._maxPayload = maxBytes;
  }

  markAuthenticated(): void {
    this.#server.known(this);
    const transport = this.ws._socket;
    if (transport) this.#server.freeRaw(transport);
  }

  protected override onEnded(): void {
    this.#server.gone(this);
  }
}

class WsListener implements Listener {
  port = 0;
  readonly #options: ListenOptions;
  readonly #limits: ListenLimits;
  readonly #clock: Clock;
  readonly #http: HttpServer | HttpsServer;
  readonly #ws = new WebSocketServer(SERVER_OPTIONS);
  readonly #sockets = new Set<ServerWsSocket>();
  readonly #waiting = new Set<ServerWsSocket>();
  readonly #slots: Slots;
  /** Transports of any stage before authentication, by `address port`. */
  readonly #raw = new Map<string, Socket>();
  readonly #rawSlots: Slots;
  /** Open transports, and how many there may be. */
  #open = 0;
  readonly #maxOpen: number;
  #cancelSweep: (() => void) | undefined;

  constructor(options: ListenOptions, maxOpen: number) {
    this.#options = options;
    this.#maxOpen = maxOpen;
    this.#limits = { ...DEFAULT_LIMITS, ...options.limits };
    this.#clock = options.clock ?? systemClock;
    this.#slots = new Slots(this.#limits);
    this.#rawSlots = new Slots({
      perAddress: this.#limits.rawPerAddress,
      total: this.#limits.rawTotal,
    });
    this.#http = this.#create();
    this.#http.headersTimeout = this.#limits.headerTimeoutMs;
    this.#http.requestTimeout = this.#limits.requestTimeoutMs;
    this.#http.on("connection", (socket: Socket) => this.#accepted(socket));
    this.#http.on(
      "upgrade",
      (request: IncomingMessage, socket: Duplex, head: Buffer) =>
        this.#upgrade(request, socket as Socket, head),
    );
    this.#http.on("clientError", (_error: Error, socket: Duplex) => {
      // A TLS hello on a plain port gets an answer it can tell from a lost connection.
      if (this.#options.tls) socket.destroy();
      else refuse(socket, NOT_HTTP);
    });
  }

  #create(): HttpServer | HttpsServer {
    const { tls, onRequest } = this.#options;
    // A short interval, because node looks for late headers only this often.
    const connectionsCheckingInterval = Math.min(1_000, this.#limits.headerTimeoutMs / 4);
    const shared = { noDelay: true, keepAliveTimeout: 5_000, connectionsCheckingInterval };
    if (!tls) return createHttp(shared, onRequest);
    return usable(() =>
      createHttps(
        { ...shared, ...tlsOptions(tls), handshakeTimeout: this.#limits.tlsTimeoutMs },
        onRequest,
      )
    );
  }

  listen(): Promise<void> {
    const { host, port } = this.#options;
    return new Promise((resolve, reject) => {
      const failed = (error: Error) => reject(listenError(error, host, port));
      this.#http.once("error", failed);
      this.#http.listen({ host, port }, () => {
        this.#http.removeListener("error", failed);
        // From here on an error is a failed accept; the listener goes on.
        this.#http.on("error", () => {});
        this.port = (this.#http.address() as { port: number }).port;
        resolve();
      });
    });
  }

  get unauthenticated(): number {
    return this.#slots.total;
  }

  #accepted(socket: Socket): void {
    const address = plainAddress(socket.remoteAddress ?? "");
    // F36: newcomers are refused while there are descriptors left to refuse them with.
    if (this.#open >= this.#maxOpen || !this.#rawSlots.take(address)) return void socket.destroy();
    this.#open++;
    const key = rawKey(address, socket.remotePort);
    this.#raw.set(key, socket);
    (socket as Keyed)[RAW_KEY] = key;
    socket.once("close", this.#rawClosed);
  }

  /** One listener for all sockets. The key is kept on the socket, because a closed one has no address any more. */
  readonly #rawClosed = (() => {
    const free = (key: string) => {
      this.#open--;
      this.#freeRawKey(key);
    };
    return function (this: Keyed): void {
      free(this[RAW_KEY] ?? "");
    };
  })();

  /** The transport belongs to somebody known. */
  freeRaw(transport: Socket): void {
    const key = rawKey(plainAddress(transport.remoteAddress ?? ""), transport.remotePort);
    this.#freeRawKey(key);
  }

  #freeRawKey(key: string): void {
    if (this.#raw.delete(key)) this.#rawSlots.free(key.slice(0, key.indexOf(" ")));
  }

  #upgrade(request: IncomingMessage, socket: Socket, head: Buffer): void {
    socket.on("error", destroyThis);
    const info = peerInfo(request, socket, this.#options.tls !== undefined);
    const refusal = this.#options.onUpgrade?.(info);
    if (refusal) return refuse(socket, refusal);
    const address = this.#options.countedAddress?.(info) ?? info.remoteAddress;
    if (!this.#slots.take(address)) return refuse(socket, TOO_MANY);
    let isUpgraded = false;
    this.#ws.handleUpgrade(request, socket, head, (ws) => {
      isUpgraded = true;
      const peer = new ServerWsSocket(ws, this, info.remoteAddress);
      peer.waiting = {
        address,
        dueMs: this.#clock.monotonic() + this.#limits.handshakeTimeoutMs,
      };
      this.#sockets.add(peer);
      this.#waiting.add(peer);
      this.#sweepLater();
      this.#options.onSocket(peer, info);
    });
    // handleUpgrade answers at once, one way or the other.
    if (!isUpgraded) this.#slots.free(address);
  }

  #sweepLater(): void {
    if (this.#cancelSweep || this.#waiting.size === 0) return;
    const everyMs = Math.min(250, this.#limits.handshakeTimeoutMs / 4);
    this.#cancelSweep = this.#clock.after(everyMs, () => {
      this.#cancelSweep = undefined;
      const nowMs = this.#clock.monotonic();
      for (const socket of this.#waiting) {
        const dueMs = socket.waiting?.dueMs ?? Infinity;
        if (dueMs > nowMs) break; // oldest first
        this.#waiting.delete(socket);
        socket.close(1000, "");
      }
      this.#sweepLater();
    });
  }

  /** Ends the handshake deadline of a socket and gives its slot back. */
  known(socket: ServerWsSocket): void {
    const waiting = socket.waiting;
    if (!waiting) return;
    socket.waiting = undefined;
    this.#slots.free(waiting.address);
    this.#waiting.delete(socket);
    if (this.#waiting.size > 0) return;
    this.#cancelSweep?.();
    this.#cancelSweep = undefined;
  }

  gone(socket: ServerWsSocket): void {
    this.known(socket);
    this.#sockets.delete(socket);
  }

  setTls(tls: TlsMaterial): void {
    const server = this.#http as HttpsServer;
    usable(() => server.setSecureContext(tlsOptions(tls)));
  }

  stopAccepting(): void {
    if (this.#http.listening) this.#http.close();
  }

  close(): Promise<void> {
    return new Promise((resolve) => {
      this.#cancelSweep?.();
      this.#cancelSweep = undefined;
      const done = () => {
        for (const socket of this.#raw.values()) socket.destroy();
        resolve();
      };
      if (this.#http.listening) this.#http.close(done);
      for (const socket of this.#sockets) socket.terminate();
      for (const socket of this.#raw.values()) socket.destroy();
      this.#http.closeAllConnections();
      if (!this.#http.listening) done();
    });
  }
}

const SERVER_OPTIONS = {
  ...WS_OPTIONS,
  noServer: true,
  clientTracking: false,
  // N11: checked on the frame header, before anything of the payload is held.
  maxPayload: MAX_PREAUTH_FRAME_BYTES,
};

const RAW_KEY = Symbol("raw");
type Keyed = Socket & { [RAW_KEY]?: string };

function rawKey(address: string, port: number | undefined): string {
  return `${address} ${port}`;
}

function destroyThis(this: Socket): void {
  this.destroy();
}

/** Starts listening. @throws {OpenclawError} `PORT_IN_USE`, `LISTEN_FAILED`, `TLS_UNUSABLE`. */
export async function listen(options: ListenOptions): Promise<Listener> {
  const free = await freeDescriptors() ?? Infinity;
  // A quarter, at most 64, stays for files and outgoing connections.
  const listener = new WsListener(options, Math.floor(free - Math.min(64, free / 4)));
  await listener.listen();
  return listener;
}
