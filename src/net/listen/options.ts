/**
 * What a listener is told: where, with which certificate, who answers, and the limits on strangers. Listening is
 * `ws_server.ts`.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Clock } from "../../lib/clock.ts";
import {
  HANDSHAKE_TIMEOUT_MS,
  MAX_PREAUTH_PER_ADDRESS,
  MAX_PREAUTH_TOTAL,
} from "../../protocol/limits.ts";
import type { PeerInfo, ServerSocket } from "../socket.ts";

/** Certificate and key, PEM. */
export interface TlsMaterial {
  readonly certPem: string;
  readonly keyPem: string;
  /** Certificate authorities, PEM; peers are not asked for certificates. */
  readonly caPem?: string;
}

/** An HTTP answer instead of an upgrade. */
export interface UpgradeRefusal {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** Plain text. */
  readonly body: string;
}

/** Limits of a listener; all have defaults. */
export interface ListenLimits {
  /** TLS hello, milliseconds after accept. Default 5,000. */
  readonly tlsTimeoutMs: number;
  /** Complete HTTP header, milliseconds after the connection stands. Default 5,000. */
  readonly headerTimeoutMs: number;
  /** Complete HTTP request with body. Default 15,000. */
  readonly requestTimeoutMs: number;
  /** A connection without upgrade ends with its first answer after this. Default 60,000. */
  readonly httpLifeMs: number;
  /** From upgrade to `markAuthenticated()`; then close 1000 without a reason. Default 15,000. */
  readonly handshakeTimeoutMs: number;
  /** Unauthenticated WebSockets per address (default 32) and in total (default 512); decision 11. */
  readonly perAddress: number;
  readonly total: number;
  /** Sockets of any stage before authentication, per address (default 1,024) and in total (default 4,096). */
  readonly rawPerAddress: number;
  readonly rawTotal: number;
}

/** Limits where nothing else is asked for. */
export const DEFAULT_LIMITS: ListenLimits = {
  tlsTimeoutMs: 5_000,
  headerTimeoutMs: 5_000,
  requestTimeoutMs: 15_000,
  httpLifeMs: 60_000,
  handshakeTimeoutMs: HANDSHAKE_TIMEOUT_MS,
  perAddress: MAX_PREAUTH_PER_ADDRESS,
  total: MAX_PREAUTH_TOTAL,
  rawPerAddress: 1_024,
  rawTotal: 4_096,
};

/** What to listen on and who answers. */
export interface ListenOptions {
  readonly host: string;
  /** 0 = any free port. */
  readonly port: number;
  readonly tls?: TlsMaterial;
  /** Ordinary HTTP requests. */
  onRequest(request: IncomingMessage, response: ServerResponse): void;
  /** Looks at an upgrade; a returned refusal is sent instead. Default: everything is upgraded. */
  onUpgrade?(info: PeerInfo): UpgradeRefusal | undefined;
  /**
   * Address that pays for an unauthenticated socket, when it is not the socket's (a trusted proxy in front).
   * Default: `info.remoteAddress`.
   */
  countedAddress?(info: PeerInfo): string;
  /** A new WebSocket. Call `attach` on it before returning. */
  onSocket(socket: ServerSocket, info: PeerInfo): void;
  /** The system had stopped accepting for this listener (F36); it listens again. */
  onRevived?(): void;
  readonly limits?: Partial<ListenLimits>;
  readonly clock?: Clock;
}
