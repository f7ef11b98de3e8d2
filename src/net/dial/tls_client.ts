/**
 * TLS towards a gateway. With a pin, the leaf certificate is the only thing that counts: chain, name and dates are not
 * looked at (F23), and it is compared before a byte above TLS is written (N26). Without a pin the system decides.
 */
import type { Socket } from "node:net";
import { connect, type TLSSocket } from "node:tls";
import { readCertificateParts } from "../../identity/der.ts";
import { type Fingerprint, fingerprintOfDer, matchesPin } from "../../identity/fingerprint.ts";
import { messageOf } from "../../lib/errors.ts";
import { errnoOf, notTls, pinMismatch, socketError, tlsFailed, untrusted } from "./errors.ts";

/** Whom to trust. */
export interface TlsTrust {
  /** For messages. */
  readonly url: string;
  /** Name or IP literal the certificate must be for, when no pin is given. */
  readonly host: string;
  /** The host is an IP literal: no server name is sent. */
  readonly isIp: boolean;
  /** Any of these leaves is right. Empty: the system decides. */
  readonly pins: readonly Fingerprint[];
  /** Further authorities, PEM. */
  readonly caPem?: string;
}

/** TLS over `transport`; on success nothing has been sent above TLS. The transport is destroyed on failure. */
export async function startTls(
  transport: Socket,
  trust: TlsTrust,
  signal: AbortSignal,
): Promise<TLSSocket> {
  const socket = await handshake(transport, trust, signal);
  try {
    await checkPeer(socket, trust);
    signal.throwIfAborted();
    return socket;
  } catch (error) {
    socket.destroy();
    transport.destroy();
    throw error;
  }
}

async function checkPeer(socket: TLSSocket, { pins, url }: TlsTrust): Promise<void> {
  if (pins.length === 0) {
    if (!socket.authorized) throw untrusted(url, String(socket.authorizationError), undefined);
    return;
  }
  const der = leafOf(socket);
  if (!der) throw tlsFailed(url, new Error("the peer showed no certificate"));
  if (!(await matchesPin(der, pins))) throw pinMismatch(url, pins, await fingerprintOfDer(der));
}

function leafOf(socket: TLSSocket): Uint8Array | undefined {
  const { raw } = socket.getPeerCertificate() as { raw?: Uint8Array };
  return raw && raw.length > 0 ? raw : undefined;
}

function handshake(transport: Socket, trust: TlsTrust, signal: AbortSignal): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const socket = connect({
      socket: transport,
      rejectUnauthorized: trust.pins.length === 0,
      host: trust.host,
      ...(trust.isIp ? {} : { servername: trust.host }),
      ...authorities(trust),
      minVersion: "TLSv1.2",
    });
    const settle = (error: unknown) => {
      signal.removeEventListener("abort", abort);
      socket.removeListener("close", closed);
      if (error === undefined) return resolve(socket);
      socket.destroy();
      transport.destroy();
      reject(error);
    };
    const abort = () => settle(signal.reason);
    const closed = () => settle(tlsFailed(trust.url, new Error("the peer closed the connection")));
    // Stays for the life of the socket: an error without a listener would end the process.
    socket.on("error", (error) => settle(tlsProblem(trust, error)));
    socket.once("close", closed);
    socket.once("secureConnect", () => settle(undefined));
    signal.addEventListener("abort", abort, { once: true });
    if (signal.aborted) abort();
  });
}

/**
 * With a pin no authority counts. The list is given nevertheless: connections with the runtime's own list share their
 * sessions (Deno 2.8), and a resumed one shows the certificate of an earlier connection instead of this peer's.
 */
function authorities({ pins, caPem }: TlsTrust): { ca?: string[] } {
  if (pins.length > 0) return { ca: [] };
  return caPem === undefined ? {} : { ca: [caPem] };
}

const NOT_TLS = new Set(["ERR_SSL_WRONG_VERSION_NUMBER", "ERR_SSL_HTTP_REQUEST", "EPROTO"]);

function tlsProblem({ url, pins }: TlsTrust, error: Error): Error {
  const code = errnoOf(error);
  if (NOT_TLS.has(code)) return notTls(url, error);
  if (code === "ECONNRESET" || code === "EPIPE") return tlsFailed(url, error);
  // With a pin nothing about the certificate is judged here: a failure means the peer does not hold its key.
  if (pins.length > 0) return tlsFailed(url, error);
  if (/CERT|ISSUER|VERIFY|ALTNAME|SIGNED/.test(code) || /certificate/i.test(error.message)) {
    return untrusted(url, messageOf(error), undefined);
  }
  return code.startsWith("ERR_SSL") ? tlsFailed(url, error) : socketError(url, error);
}

/** Looks at a peer's leaf without trusting or telling it anything. `undefined` when it shows none. */
export async function observeLeaf(
  transport: Socket,
  trust: TlsTrust,
  signal: AbortSignal,
): Promise<ObservedLeaf | undefined> {
  // A pin nothing can match: the handshake runs, the comparison is left to the caller.
  const socket = await handshake(transport, { ...trust, pins: ["" as Fingerprint] }, signal);
  const der = leafOf(socket);
  socket.destroy();
  transport.destroy();
  if (!der) return undefined;
  const fingerprint = await fingerprintOfDer(der);
  try {
    const { notBeforeMs, notAfterMs } = readCertificateParts(der);
    return { fingerprint, notBeforeMs, notAfterMs };
  } catch {
    return { fingerprint }; // a stranger's certificate may be any bytes
  }
}

/** What a peer shows, seen without trusting it. */
export interface ObservedLeaf {
  readonly fingerprint: Fingerprint;
  /** Dates, when they can be read. */
  readonly notBeforeMs?: number;
  readonly notAfterMs?: number;
}
