/**
 * The gateway's sockets: one listener per bind address, all on one port, all with the same door. They can move to
 * other addresses; connections that stand stay where they are.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import { isOpenclawError, messageOf, OpenclawError } from "../../lib/errors.ts";
import { wait } from "../../lib/clock.ts";
import { limitRepeats } from "../../lib/log.ts";
import { quoted, showable } from "../../lib/text.ts";
import type { ServerPlan } from "../../config/server/server_plan.ts";
import type { TlsFiles } from "../../identity/tls_files.ts";
import type { TlsMaterial } from "../../net/listen/options.ts";
import { listen, type Listener } from "../../net/listen/ws_server.ts";
import { findPortHolder } from "../../platform/port_holder.ts";
import type { Door } from "../door.ts";
import { answerHttp, type HttpGateway } from "../http.ts";
import { httpGateway } from "./http_gateway.ts";
import type { GatewayServices } from "../services/services.ts";

/** What the sockets depend on. */
export type ListenPlan = Pick<ServerPlan, "port" | "bind" | "tls" | "handshakeTimeoutMs">;

/** What {@linkcode openListeners} needs. */
export interface ListenersOptions {
  readonly plan: ListenPlan;
  readonly tls: TlsFiles | undefined;
  readonly door: Door;
  readonly services: GatewayServices;
}

/** Open listeners. */
export interface Listeners {
  readonly port: number;
  /** One per address, `ws://` or `wss://`. */
  readonly urls: readonly string[];
  /** Sockets that have not authenticated. */
  readonly unauthenticated: number;
  /** For listeners that speak TLS now. */
  setTls(tls: TlsMaterial): void;
  /** As of `Listener`, for all of them. */
  setHandshakeTimeout(timeoutMs: number): void;
  /** Listens as `plan` says instead. @throws as {@linkcode openListeners}; the old addresses are served again then. */
  rebind(plan: ListenPlan, tls: TlsFiles | undefined): Promise<void>;
  stopAccepting(): void;
  close(): Promise<void>;
}

/** Time for the system to give back the port of a listener that was just closed, milliseconds. */
const PORT_BACK_MS = 2_000;
const PORT_RETRY_MS = 20;

/**
 * Listens on every address of the plan; port 0 is decided by the first.
 * @throws {OpenclawError} `PORT_IN_USE` naming the holder, `LISTEN_FAILED`, `TLS_UNUSABLE`, `FILE_FAILED` (caPath).
 */
export async function openListeners(options: ListenersOptions): Promise<Listeners> {
  const sockets = new Sockets(options);
  await sockets.open(options);
  options.services.log.debug("listening", { urls: sockets.urls.join(" ") });
  return sockets;
}

/** A listener and where it is. */
interface Place {
  readonly host: string;
  readonly port: number;
  readonly listener: Listener;
}

class Sockets implements Listeners {
  readonly #door: Door;
  readonly #http: HttpGateway;
  #now: readonly Place[] = [];
  #isSecure = false;
  /** The plan in force, to go back to. */
  #in: Pick<ListenersOptions, "plan" | "tls">;
  /** Authorities handed to TLS peers (`caPath`). */
  #caPem: string | undefined;
  readonly #warn: (message: string, fields: Record<string, unknown>) => void;
  /** Listeners that accept nobody any more; their connections go on. */
  readonly #retired: Listener[] = [];

  constructor(options: ListenersOptions) {
    this.#door = options.door;
    this.#http = httpGateway(options, () => this.unauthenticated);
    this.#in = options;
    const { log, clock } = options.services;
    this.#warn = limitRepeats((message, fields) => log.warn(message, fields), 60_000, clock);
  }

  get port(): number {
    return this.#now[0]?.port ?? 0;
  }

  get urls(): readonly string[] {
    return this.#now.map(({ host, port }) => urlOf(host, port, this.#isSecure));
  }

  get unauthenticated(): number {
    return this.#all().reduce((sum, listener) => sum + listener.unauthenticated, 0);
  }

  #all(): Listener[] {
    return [...this.#now.map(({ listener }) => listener), ...this.#retired];
  }

  async open({ plan, tls }: Pick<ListenersOptions, "plan" | "tls">): Promise<void> {
    this.#now = await this.#listen(plan, tls);
    this.#isSecure = tls !== undefined;
    this.#in = { plan, tls };
  }

  async rebind(plan: ListenPlan, tls: TlsFiles | undefined): Promise<void> {
    const wanted = { ...plan, port: plan.port === 0 ? this.port : plan.port };
    const before = this.#now;
    const back = this.#in;
    if (wanted.port !== this.port) {
      // Open first: there is no moment at which nobody listens.
      await this.open({ plan: wanted, tls });
      return this.#retire(before);
    }
    const port = this.port;
    this.#retire(before);
    this.#now = [];
    try {
      await this.#openAgain({ plan: wanted, tls });
    } catch (error) {
      await this.#openAgain({ plan: { ...back.plan, port }, tls: back.tls });
      throw error;
    }
  }

  /** The port was ours a moment ago. */
  async #openAgain(options: Pick<ListenersOptions, "plan" | "tls">): Promise<void> {
    const endMs = performance.now() + PORT_BACK_MS;
    for (;;) {
      try {
        return await this.open(options);
      } catch (error) {
        if (!isOpenclawError(error, "PORT_IN_USE") || performance.now() > endMs) throw error;
        await wait(PORT_RETRY_MS);
      }
    }
  }

  #retire(places: readonly Place[]): void {
    for (const { listener } of places) {
      listener.stopAccepting();
      this.#retired.push(listener);
    }
  }

  async #listen(plan: ListenPlan, tls: TlsFiles | undefined): Promise<Place[]> {
    const open: Place[] = [];
    this.#caPem = tls && await readAuthorities(plan.tls.caPath);
    const material = tls && this.#material(tls);
    let { port } = plan;
    try {
      for (const { host, required } of plan.bind.addresses) {
        const listener = await this.#listenOn(plan, material, { host, port, required });
        if (!listener) continue;
        port = listener.port;
        open.push({ host, port, listener });
      }
    } catch (error) {
      await Promise.all(open.map(({ listener }) => listener.close()));
      throw error;
    }
    return open;
  }

  async #listenOn(
    plan: ListenPlan,
    tls: TlsMaterial | undefined,
    at: { host: string; port: number; required: boolean },
  ): Promise<Listener | undefined> {
    const door = this.#door;
    try {
      return await listen({
        host: at.host,
        port: at.port,
        ...(tls ? { tls } : {}),
        limits: { handshakeTimeoutMs: plan.handshakeTimeoutMs },
        onRequest: (request: IncomingMessage, response: ServerResponse) =>
          answerHttp(this.#http, request, response),
        onUpgrade: (info) => door.refuseUpgrade(info),
        countedAddress: (info) => door.judge(info).clientAddress,
        onSocket: (socket, info) => door.accept(socket, info),
        onRevived: () => this.#warn("listener no longer accepted; opened again", { host: at.host }),
      });
    } catch (error) {
      if (!at.required && isOpenclawError(error, "LISTEN_FAILED", "PORT_IN_USE")) return undefined;
      throw isOpenclawError(error, "PORT_IN_USE") ? portInUse(error, at) : error;
    }
  }

  setHandshakeTimeout(handshakeTimeoutMs: number): void {
    this.#in = { ...this.#in, plan: { ...this.#in.plan, handshakeTimeoutMs } };
    for (const { listener } of this.#now) listener.setHandshakeTimeout(handshakeTimeoutMs);
  }

  setTls(tls: TlsMaterial): void {
    if (!this.#isSecure) return;
    for (const { listener } of this.#now) listener.setTls(this.#material(tls));
  }

  #material({ certPem, keyPem }: TlsMaterial): TlsMaterial {
    return { certPem, keyPem, ...(this.#caPem === undefined ? {} : { caPem: this.#caPem }) };
  }

  stopAccepting(): void {
    for (const listener of this.#all()) listener.stopAccepting();
  }

  async close(): Promise<void> {
    await Promise.all(this.#all().map((listener) => listener.close()));
  }
}

/** @throws {OpenclawError} `FILE_FAILED`, exit code 78: a restart heals nothing. */
async function readAuthorities(path: string | undefined): Promise<string | undefined> {
  if (path === undefined) return undefined;
  try {
    return await Deno.readTextFile(path);
  } catch (error) {
    throw new OpenclawError(
      "FILE_FAILED",
      `Cannot read the certificate authorities of gateway.tls.caPath from ${quoted(path)}: ${
        messageOf(error)
      }`,
      { exitCode: 78, cause: error },
    );
  }
}

/** F30: names the holder, so that nobody has to search for it. */
function portInUse(error: OpenclawError, at: { host: string; port: number }): OpenclawError {
  const holder = findPortHolder(at.port);
  const who = holder ? `process ${holder.pid} (${showable(holder.name)})` : "another process";
  return new OpenclawError(
    "PORT_IN_USE",
    `Cannot listen on ${at.host}:${at.port}: ${who} already listens there`,
    {
      cause: error,
      hint: `openclaw gateway run --port ${at.port < 65_535 ? at.port + 1 : 18_789}`,
      details: { ...error.details, ...(holder ? { pid: holder.pid } : {}) },
    },
  );
}

function urlOf(host: string, port: number, encrypted: boolean): string {
  const name = host.includes(":") ? `[${host}]` : host;
  return `${encrypted ? "wss" : "ws"}://${name}:${port}`;
}
