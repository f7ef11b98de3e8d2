/**
 * WebSocket close codes and the rule for close reasons. Source: gateway-protocol.md 7.6.
 */
import { MAX_CLOSE_REASON_BYTES } from "./limits.ts";

/** Why a connection ended, as a number on the wire. */
export const CLOSE = {
  /** Handshake timeout or unparsable JSON before hello; reason empty. */
  normal: 1000,
  /** No common protocol version. */
  protocolMismatch: 1002,
  /** Every policy refusal. */
  policy: 1008,
  /** Frame too large. */
  tooBig: 1009,
  /** Internal failure. */
  internal: 1011,
  /** Shutdown and restart. */
  serviceRestart: 1012,
  /** Starting, or about to restart. */
  tryLater: 1013,
  /** Client side: no frame for two ticks, or no answer to connect. */
  tickTimeout: 4000,
  /** The server ends an authenticated session: device removed, secret changed. */
  sessionEnded: 4001,
} as const;

const encoder = new TextEncoder();

/** Cuts a close reason to 123 UTF-8 bytes on a character border, without a mark (the reference adds none). */
export function closeReason(text: string): string {
  const bytes = encoder.encode(text);
  if (bytes.length <= MAX_CLOSE_REASON_BYTES) return text;
  let end = MAX_CLOSE_REASON_BYTES;
  while (end > 0 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end--;
  return new TextDecoder().decode(bytes.subarray(0, end));
}
