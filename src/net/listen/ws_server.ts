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
import { WebSocketServer } from "ws";
import { type Clock, systemClock } from "../../lib/clock.ts";
import { MAX_PREAUTH_FRAME_BYTES } from "../../protocol/limits.ts";
import { AcceptWatch } from "./accept_watch.ts";
import { planDescriptors, Transports } from "./transports.ts";
import { namesOneHost, withBoundedLife } from "./http_life.ts";
import { peerInfo } from "./peer_info.ts";
import { listenError, tlsOptions, usable } from "./checks.ts";
import {
  DEFAULT_LIMITS,
  type ListenLimits,
  type ListenOptions,
  type TlsMaterial,
} from "./options.ts";
import { ServerWsSocket } from "./server_socket.ts";
import { Slots } from "./slots.ts";
import { NOT_HTTP, refuse, TOO_MANY } from "./upgrade_refusal.ts";
import { WS_OPTIONS } from "../ws_frames.ts";

export type { ListenLimits, ListenOptions, TlsMaterial, UpgradeRefusal } from "./options.ts";

/** A running listener. */
export interface Listener {
  readonly port: number;
  /** Sockets that have not authenticated. */
  readonly unauthenticated: number;
  /** New certificate for connections from now on; open ones go on (F22). @throws {OpenclawError} `TLS_UNUSABLE`. */
  setTls(tls: TlsMaterial): void;
  /** Time to authenticate for sockets from now on, milliseconds; those that wait keep theirs. */
  setHandshakeTimeout(timeoutMs: number): void;
  /** Stops listening; open connections stay. */
  stopAccepting(): void;
  /** Drops everything and frees the port. */
  close(): Promise<void>;
}

class WsListener implements Listener {
  port = 0;
  readonly #options: ListenOptions;
  #limits: ListenLimits;
  readonly #clock: Clock;
  /** Another one after the system stopped accepting for this one. */
  #http: HttpServer | HttpsServer;
  #tls: TlsMaterial | undefined;
  readonly #backlog: number;
  readonly #ws = new WebSocketServer(SERVER_OPTIONS);
  readonly #sockets = new Set<ServerWsSocket>();
  readonly #waiting = new Set<ServerWsSocket>();
  readonly #slots: Slots;
  readonly transports: Transports;
  #watch: AcceptWatch | undefined;
  #stopped = false;
  #cancelSweep: (() => void) | undefined;

  constructor(options: ListenOptions, backlog: number) {
    this.#options = options;
    this.#backlog = backlog;
    this.#tls = options.tls;
    this.#limits = { ...DEFAULT_LIMITS, ...options.limits };
    this.#clock = options.clock ?? systemClock;
    this.#slots = new Slots(this.#limits);
    this.transports = new Transports(this.#limits);
    this.#http = this.#create();
  }

  #create(): HttpServer | HttpsServer {
    const { httpLifeMs: lifeMs } = this.#limits;
    const onRequest = withBoundedLife(this.#options.onRequest, { clock: this.#clock, lifeMs });
    const tls = this.#tls;
    // A short interval, because node looks for late headers only this often.
    const connectionsCheckingInterval = Math.min(1_000, this.#limits.headerTimeoutMs / 4);
    const shared = { noDelay: true, keepAliveTimeout: 5_000, connectionsCheckingInterval };
    const secure = { ...shared, handshakeTimeout: this.#limits.tlsTimeoutMs };
    const http = tls
      ? usable(() => createHttps({ ...secure, ...tlsOptions(tls) }, onRequest))
      : createHttp(shared, onRequest);
    http.headersTimeout = this.#limits.headerTimeoutMs;
    http.requestTimeout = this.#limits.requestTimeoutMs;
    http.on("connection", (socket: Socket) => this.#accepted(socket));
    http.on(
      "upgrade",
      (request: IncomingMessage, socket: Duplex, head: Buffer) =>
        this.#upgrade(request, socket as Socket, head),
    );
    http.on("clientError", (_error: Error, socket: Duplex) => {
      // A TLS hello on a plain port gets an answer it can tell from a lost connection.
      if (tls) socket.destroy();
      else refuse(socket, NOT_HTTP);
    });
    return http;
  }

  async listen(): Promise<void> {
    await this.#bind(this.#options.port);
    const host = reachable(this.#options.host);
    this.#watch = new AcceptWatch({
      clock: this.#clock,
      address: { host, port: this.port },
      revive: () => this.#revive(),
    });
  }

  /** Listens anew at the same place. Who is not known yet has to come again: his deadlines belong to the old server. */
  async #revive(): Promise<void> {
    this.#http.close();
    this.transports.destroy();
    this.#http = this.#create();
    await this.#bind(this.port);
    if (this.#stopped) return void this.#http.close();
    this.#options.onRevived?.();
  }

  #bind(port: number): Promise<void> {
    const { host } = this.#options;
    const http = this.#http;
    return new Promise((resolve, reject) => {
      const failed = (error: Error) => reject(listenError(error, host, port));
      http.once("error", failed);
      http.listen({ host, port, backlog: this.#backlog }, () => {
        http.removeListener("error", failed);
        // From here on an error is a failed accept; the watch has the last word.
        http.on("error", () => {});
        this.port = (http.address() as { port: number }).port;
        resolve();
      });
    });
  }

  get unauthenticated(): number {
    return this.#slots.total;
  }

  #accepted(socket: Socket): void {
    this.#watch?.accepted();
    if (this.transports.accept(socket) === "full") this.#watch?.suspect();
  }

  #upgrade(request: IncomingMessage, socket: Socket, head: Buffer): void {
    socket.on("error", destroyThis);
    if (!namesOneHost(request)) return refuse(socket, NOT_HTTP);
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
        if ((socket.waiting?.dueMs ?? Infinity) > nowMs) continue;
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

  setHandshakeTimeout(handshakeTimeoutMs: number): void {
    this.#limits = { ...this.#limits, handshakeTimeoutMs };
  }

  setTls(tls: TlsMaterial): void {
    const server = this.#http as HttpsServer;
    usable(() => server.setSecureContext(tlsOptions(tls)));
    this.#tls = tls;
  }

  #stopWatch(): void {
    this.#stopped = true;
    this.#watch?.stop();
  }

  stopAccepting(): void {
    this.#stopWatch();
    if (this.#http.listening) this.#http.close();
  }

  close(): Promise<void> {
    return new Promise((resolve) => {
      this.#cancelSweep?.();
      this.#cancelSweep = undefined;
      this.#stopWatch();
      const done = () => {
        this.transports.destroy();
        resolve();
      };
      if (this.#http.listening) this.#http.close(done);
      for (const socket of this.#sockets) socket.terminate();
      this.transports.destroy();
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

/** Where a listener is reached from its own machine. */
function reachable(host: string): string {
  return host === "0.0.0.0" ? "127.0.0.1" : host === "::" ? "::1" : host;
}

function destroyThis(this: Socket): void {
  this.destroy();
}

/** Starts listening. @throws {OpenclawError} `PORT_IN_USE`, `LISTEN_FAILED`, `TLS_UNUSABLE`. */
export async function listen(options: ListenOptions): Promise<Listener> {
  const listener = new WsListener(options, await planDescriptors());
  await listener.listen();
  return listener;
}
