/**
 * Dials with `ws` over a socket of ours: pinned or CA-trusted TLS, unix sockets, names with several addresses, and
 * long-lived connections. Imported lazily by `dial.ts`, because `ws` and `node:tls` cost start-up time.
 */
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { WebSocket } from "ws";
import { isOpenclawError, OpenclawError } from "../../lib/errors.ts";
import { httpRefused, notHttp, socketError, untrusted } from "./errors.ts";
import { type Endpoint, renderEndpoint, urlHost } from "../endpoint.ts";
import type { FrameSocket } from "../socket.ts";
import { type LookupAll, openTcp } from "./tcp.ts";
import { type ObservedLeaf, observeLeaf, startTls, type TlsTrust } from "./tls_client.ts";
import type { DialOptions } from "./dial.ts";
import { WS_OPTIONS, WsSocket } from "../ws_frames.ts";

/** A dial under way: the outer deadline and what to say when it strikes. */
export interface DialRun {
  readonly endpoint: Endpoint;
  readonly options: DialOptions;
  readonly signal: AbortSignal;
  /** Tells the stage, for the message of a timeout. */
  stage(stage: "tcp" | "tls" | "upgrade"): void;
  readonly lookup?: LookupAll;
}

/** Dials; every failure is a coded error or `signal.reason`. */
export async function dialWs(run: DialRun): Promise<FrameSocket> {
  const { endpoint } = run;
  const transport = await connectTo(run);
  if (!endpoint.secure) return await upgrade(run, transport);
  run.stage("tls");
  const trust = trustOf(run);
  try {
    return await upgrade(run, await startTls(transport, trust, run.signal));
  } catch (error) {
    if (!isOpenclawError(error, "TLS_UNTRUSTED")) throw error;
    throw untrusted(trust.url, String(error.details?.reason), await observe(run, trust));
  }
}

/** Whom a dial trusts. */
export function trustOf({ endpoint, options }: DialRun): TlsTrust {
  return {
    url: renderEndpoint(endpoint),
    host: endpoint.host,
    isIp: endpoint.ip !== undefined,
    pins: options.pins ?? [],
    ...(options.caPem === undefined ? {} : { caPem: options.caPem }),
  };
}

async function connectTo(run: DialRun) {
  const { endpoint, options } = run;
  try {
    return await openTcp(
      options.unixPath !== undefined ? { unixPath: options.unixPath } : {
        host: endpoint.host,
        port: endpoint.port,
        ...(run.lookup ? { lookup: run.lookup } : {}),
      },
      run.signal,
    );
  } catch (error) {
    if (error instanceof OpenclawError) throw error;
    throw run.signal.aborted ? error : socketError(renderEndpoint(endpoint), error);
  }
}

/** A look at a peer's leaf, so that a message can tell its fingerprint. Nothing but a TLS hello is sent to it. */
export async function observe(run: DialRun, trust: TlsTrust): Promise<ObservedLeaf | undefined> {
  try {
    return await observeLeaf(await connectTo(run), trust, run.signal);
  } catch {
    return undefined; // the first reason stands
  }
}

function upgrade(
  { endpoint, options, signal, stage }: DialRun,
  transport: Duplex,
): Promise<FrameSocket> {
  stage("upgrade");
  const url = renderEndpoint(endpoint);
  return new Promise((resolve, reject) => {
    // Plain `ws:` also over TLS: the transport is already secured.
    const ws = new WebSocket(`ws://${urlHost(endpoint.host)}:${endpoint.port}${endpoint.path}`, {
      ...WS_OPTIONS,
      createConnection: () => transport,
      followRedirects: false,
      ...(options.maxPayload === undefined ? {} : { maxPayload: options.maxPayload }),
      ...(options.headers === undefined ? {} : { headers: { ...options.headers } }),
    });
    const settle = (error?: unknown) => {
      signal.removeEventListener("abort", abort);
      if (error === undefined) return;
      ws.on("error", () => {});
      ws.terminate();
      transport.destroy();
      reject(error);
    };
    const abort = () => settle(signal.reason);
    const failed = (error: Error) => settle(upgradeProblem(url, error));
    ws.once("error", failed);
    ws.once("unexpected-response", (_request, response) => {
      readExcerpt(response).then((body) => {
        const retryAfter = response.headers["retry-after"];
        settle(httpRefused(url, { status: response.statusCode ?? 0, body, retryAfter }));
      });
    });
    ws.once("open", () => {
      ws.removeListener("error", failed);
      settle();
      resolve(new WsSocket(ws));
    });
    signal.addEventListener("abort", abort, { once: true });
    if (signal.aborted) abort();
  });
}

function upgradeProblem(url: string, error: Error): Error {
  const code = (error as { code?: string }).code ?? "";
  if (
    code.startsWith("HPE_") || /Parse Error|Invalid (?:Upgrade|Sec-WebSocket)/.test(error.message)
  ) {
    return notHttp(url, error);
  }
  return socketError(
    url,
    code === "" && /socket hang up|closed/i.test(error.message)
      ? Object.assign(error, { code: "ECONNRESET" })
      : error,
  );
}

/** At most 512 bytes of a refusal's body, and not longer than a second. */
function readExcerpt(response: IncomingMessage): Promise<string> {
  return new Promise((resolve) => {
    let text = "";
    const timer = setTimeout(() => done(), 1_000);
    const done = () => {
      clearTimeout(timer);
      response.removeAllListeners("data");
      resolve(text.slice(0, 512));
    };
    response.on("data", (chunk: Uint8Array) => {
      text += new TextDecoder().decode(chunk);
      if (text.length >= 512) done();
    });
    response.once("end", done);
    response.once("error", done);
  });
}
