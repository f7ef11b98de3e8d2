/**
 * The gateway's sockets: one listener per bind address, all on one port, all with the same door.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import { isOpenclawError, OpenclawError } from "../lib/errors.ts";
import { showable } from "../lib/text.ts";
import type { ServerPlan } from "../config/server/server_plan.ts";
import type { TlsFiles } from "../identity/tls_files.ts";
import type { TlsMaterial } from "../net/listen_options.ts";
import { listen, type Listener } from "../net/ws_server.ts";
import { findPortHolder } from "../platform/port_holder.ts";
import type { Door } from "./door.ts";
import { answerHttp, type HttpGateway } from "./http.ts";
import { metricsText } from "./http_metrics.ts";
import { callTool } from "./http_tools.ts";
import { answerPage } from "./page/page.ts";
import type { GatewayServices } from "./services/services.ts";

/** What {@linkcode openListeners} needs. */
export interface ListenersOptions {
  readonly plan: ServerPlan;
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
  setTls(tls: TlsMaterial): void;
  stopAccepting(): void;
  close(): Promise<void>;
}

/**
 * Listens on every address of the plan; port 0 is decided by the first.
 * @throws {OpenclawError} `PORT_IN_USE` naming the holder, `LISTEN_FAILED`, `TLS_UNUSABLE`.
 */
export async function openListeners(options: ListenersOptions): Promise<Listeners> {
  const { plan, services } = options;
  const open: Listener[] = [];
  const unauthenticated = () => open.reduce((sum, listener) => sum + listener.unauthenticated, 0);
  const http = httpGateway(options, unauthenticated);
  const urls: string[] = [];
  let port = plan.port;
  try {
    for (const { host, required } of plan.bind.addresses) {
      const listener = await listenOn(options, http, { host, port, required });
      if (!listener) continue;
      port = listener.port;
      open.push(listener);
      urls.push(urlOf(host, port, options.tls !== undefined));
    }
  } catch (error) {
    await Promise.all(open.map((listener) => listener.close()));
    throw error;
  }
  services.log.debug("listening", { urls: urls.join(" ") });
  return {
    port,
    urls,
    get unauthenticated() {
      return unauthenticated();
    },
    setTls: (tls) => open.forEach((listener) => listener.setTls(tls)),
    stopAccepting: () => open.forEach((listener) => listener.stopAccepting()),
    async close() {
      await Promise.all(open.map((listener) => listener.close()));
    },
  };
}

async function listenOn(
  { plan, tls, door }: ListenersOptions,
  http: HttpGateway,
  at: { host: string; port: number; required: boolean },
): Promise<Listener | undefined> {
  try {
    return await listen({
      host: at.host,
      port: at.port,
      ...(tls ? { tls: { certPem: tls.certPem, keyPem: tls.keyPem } } : {}),
      limits: { handshakeTimeoutMs: plan.handshakeTimeoutMs },
      onRequest: (request: IncomingMessage, response: ServerResponse) =>
        answerHttp(http, request, response),
      onUpgrade: (info) => door.refuseUpgrade(info),
      countedAddress: (info) => door.judge(info).clientAddress,
      onSocket: (socket, info) => door.accept(socket, info),
    });
  } catch (error) {
    if (!at.required && isOpenclawError(error, "LISTEN_FAILED", "PORT_IN_USE")) return undefined;
    throw isOpenclawError(error, "PORT_IN_USE") ? portInUse(error, at) : error;
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

function httpGateway(
  { door, services }: ListenersOptions,
  unauthenticated: () => number,
): HttpGateway {
  return {
    phase: () => door.phase(),
    uptimeMs: () => Math.round(services.clock.monotonic() - services.facts.startedAtMs),
    failing: () => services.health.failing(),
    auth: () => door.auth(),
    throttle: door.throttle,
    joins: services.joins,
    judge: (request) => door.judgeRequest(request),
    origins: () => door.origins(),
    callTool: (tool, facts, signal) => {
      const authMethod = door.auth().mode === "password" ? "password" : "token";
      return callTool(door.dispatcher, tool, { facts, authMethod, signal });
    },
    hsts: () => {
      const { securityHeaders } = services.config.current.config.gateway.http;
      return securityHeaders.strictTransportSecurity || undefined;
    },
    metrics: () => {
      const ready = door.phase() === "ready" && services.health.failing().length === 0;
      return metricsText(services, { ready, unauthenticated: unauthenticated() });
    },
    page: (request, response) =>
      answerPage(services.config.current.config.gateway.controlUi, request, response),
  };
}
