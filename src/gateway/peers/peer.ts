/**
 * One live connection as everything behind the handshake sees it. The object itself is `connection.ts`.
 */
import type { Principal } from "./principal.ts";

/** A live connection. All methods are harmless after the close. */
export interface Peer {
  readonly connId: string;
  readonly principal: Principal;
  /** Wall clock of hello-ok. */
  readonly connectedAtMs: number;
  /** Aborted when the connection ends; made on first use. */
  readonly signal: AbortSignal;
  /** Queues one ready frame. Returns false when the connection is closed. Past the buffer cap it is cut (N43). */
  sendText(frame: string): boolean;
  /** Queues a broadcast event: `head` lacks the closing brace, the peer's own sequence number is added. */
  sendEvent(head: string, dropIfSlow: boolean): void;
  /** Ends the session. */
  close(code: number, reason: string): void;
}
