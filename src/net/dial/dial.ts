/**
 * Dials a gateway: decides whether it may be dialled at all (plaintext rules, pins) and with what. Short plaintext
 * connections to an address use the runtime's WebSocket and load nothing; everything else is `ws_dial.ts`.
 */
import type { Fingerprint } from "../../identity/fingerprint.ts";
import { systemClock } from "../../lib/clock.ts";
import { OpenclawError } from "../../lib/errors.ts";
import { MAX_FRAME_BYTES } from "../../protocol/limits.ts";
import { BuiltinSocket } from "./builtin_socket.ts";
import { type DialStage, httpRefused, notHttp, socketError, timeoutError } from "./errors.ts";
import { type Endpoint, parseEndpoint, renderEndpoint } from "../endpoint.ts";
import { DIAL_TIMEOUT_MS } from "../limits.ts";
import { type PlaintextConsent, requirePlaintextAllowed } from "../plaintext.ts";
import type { FrameSocket } from "../socket.ts";
import type { LookupAll } from "./tcp.ts";

/** What to dial and whom to accept. */
export interface DialOptions {
  /** `ws://…` or `wss://…`. */
  readonly url: string;
  /** The accepted leaf certificate or key. Without `pin` and `pins`, the system's trust decides. */
  readonly pin?: Fingerprint;
  /** Further accepted ones (the next certificate, announced before a change; F22). */
  readonly pins?: readonly Fingerprint[];
  /** Deadline of the whole dial in milliseconds: name, TCP, TLS, upgrade. Default 10,000. */
  readonly timeoutMs?: number;
  /** Further headers of the upgrade request. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Connect to this unix socket instead of the URL's host (a tunnel of ours); the URL still names the gateway. */
  readonly unixPath?: string;
  /** Largest incoming frame in bytes. Default 25 MiB. */
  readonly maxPayload?: number;
  /** Agreement to plaintext, default none: loopback only. */
  readonly plaintext?: PlaintextConsent;
  /** The connection stays: use the transport that can ping, pause and drop a dead peer at once. Default `false`. */
  readonly longLived?: boolean;
  /** Further certificate authorities, PEM. */
  readonly caPem?: string;
  readonly signal?: AbortSignal;
  /** Replaces the system's name lookup. */
  readonly lookup?: LookupAll;
}

/**
 * Dials; resolves with an open socket.
 * @throws {OpenclawError} `PLAINTEXT_REFUSED` and `PIN_WITHOUT_TLS` before a byte is sent; `CONNECTION_REFUSED`,
 *   `CONNECTION_FAILED`, `CONNECTION_LOST`, `CONNECT_TIMEOUT`, `DNS_FAILED`; `TLS_PIN_MISMATCH` (details `expected`, `actual`),
 *   `TLS_UNTRUSTED` (details `observed`), `TLS_NOT_SPOKEN`, `TLS_FAILED`; `HTTP_REFUSED` (details `status`), `NOT_A_GATEWAY`.
 */
export async function dial(options: DialOptions): Promise<FrameSocket> {
  const endpoint = parseEndpoint(options.url);
  const url = renderEndpoint(endpoint);
  if (!endpoint.secure && pinsOf(options).length > 0) {
    throw new OpenclawError("PIN_WITHOUT_TLS", `A TLS fingerprint needs wss://, not "${url}"`, {
      hint: `use ${renderEndpoint({ ...endpoint, secure: true })}, or drop the fingerprint`,
    });
  }
  if (options.unixPath === undefined) {
    requirePlaintextAllowed(endpoint, options.plaintext ?? { optIn: false });
  }
  options.signal?.throwIfAborted();
  const timeoutMs = options.timeoutMs ?? DIAL_TIMEOUT_MS;
  const stop = new AbortController();
  let stage: DialStage = "tcp";
  const cancel = systemClock.after(
    timeoutMs,
    () => stop.abort(timeoutError(url, timeoutMs, stage)),
  );
  const onAbort = () => stop.abort(options.signal?.reason);
  options.signal?.addEventListener("abort", onAbort, { once: true });
  const run = {
    endpoint,
    options,
    signal: stop.signal,
    stage: (now: DialStage) => void (stage = now),
  };
  try {
    if (isBuiltinEnough(endpoint, options)) return await dialBuiltin(endpoint, stop.signal);
    const { dialWs } = await import("./ws_dial.ts");
    const withDefaults = { maxPayload: MAX_FRAME_BYTES, ...options, pins: pinsOf(options) };
    return await dialWs({
      ...run,
      options: withDefaults,
      ...(options.lookup ? { lookup: options.lookup } : {}),
    });
  } finally {
    cancel();
    options.signal?.removeEventListener("abort", onAbort);
  }
}

/**
 * The fingerprint a host shows on TLS, for a hint that names it (decision 33); never to be trusted unseen. Sends nothing
 * but a TLS hello. `undefined` when there is none within `timeoutMs` (default 3,000).
 */
export async function observeFingerprint(
  options: Pick<DialOptions, "url" | "timeoutMs" | "lookup">,
): Promise<Fingerprint | undefined> {
  const endpoint = { ...parseEndpoint(options.url), secure: true };
  const { observe, trustOf } = await import("./ws_dial.ts");
  const stop = new AbortController();
  const cancel = systemClock.after(options.timeoutMs ?? 3_000, () => stop.abort());
  const { lookup } = options;
  const run = {
    endpoint,
    options,
    signal: stop.signal,
    stage: () => {},
    ...(lookup ? { lookup } : {}),
  };
  try {
    return (await observe(run, trustOf(run)))?.fingerprint;
  } finally {
    cancel();
  }
}

/** All pins of a dial. */
export function pinsOf({ pin, pins = [] }: Pick<DialOptions, "pin" | "pins">): Fingerprint[] {
  return pin === undefined ? [...pins] : [pin, ...pins];
}

/** The built-in WebSocket knows no pins, headers, unix sockets or second address family. */
function isBuiltinEnough(endpoint: Endpoint, options: DialOptions): boolean {
  return !endpoint.secure && !options.longLived && options.unixPath === undefined &&
    options.headers === undefined && (endpoint.ip !== undefined || endpoint.host === "localhost");
}

function dialBuiltin(endpoint: Endpoint, signal: AbortSignal): Promise<FrameSocket> {
  const url = renderEndpoint(endpoint);
  return new Promise((resolve, reject) => {
    const ws = new WebSocket(url);
    const abort = () => {
      ws.onopen = ws.onclose = null;
      ws.close();
      reject(signal.reason);
    };
    signal.addEventListener("abort", abort, { once: true });
    let message = "";
    ws.onerror = (event) => {
      event.preventDefault();
      message = (event as ErrorEvent).message ?? "";
    };
    ws.onopen = () => {
      signal.removeEventListener("abort", abort);
      resolve(new BuiltinSocket(ws));
    };
    ws.onclose = () => {
      signal.removeEventListener("abort", abort);
      builtinProblem(endpoint, message).then(reject);
    };
  });
}

/** The built-in says little; a plain TCP attempt tells why nothing connected. */
async function builtinProblem(endpoint: Endpoint, message: string): Promise<OpenclawError> {
  const url = renderEndpoint(endpoint);
  const status = /Invalid status code: (\d{3})/.exec(message)?.[1];
  if (status) return httpRefused(url, { status: Number(status) });
  if (!/connect error|dns error/.test(message)) return notHttp(url, new Error(message));
  try {
    const conn = await Deno.connect({ hostname: endpoint.host, port: endpoint.port });
    conn.close();
    return socketError(url, new Error(message));
  } catch (error) {
    return socketError(url, error);
  }
}
