/**
 * The fixed refusals of the handshake: code, message and details as the wire has them.
 * Source: gateway-protocol.md 2.4, 2.5, 3.5, 4.3, 4.7, 7.3, 7.4.
 */
import type { OpenclawError } from "../../lib/errors.ts";
import type { ConnectParams } from "../../protocol/connect.ts";
import { DETAIL, type WireError } from "../../protocol/errors.ts";
import type { PairingRequired } from "../pairing/desk.ts";

function invalid(message: string, details?: Record<string, unknown>): WireError {
  return details
    ? { code: "INVALID_REQUEST", message, details }
    : { code: "INVALID_REQUEST", message };
}

/** Refusals that do not depend on the peer, or only on one text. */
export const REFUSALS = {
  notConnect: invalid("invalid handshake: first request must be connect"),
  badParams: (detail: string) => invalid(`invalid connect params: ${detail}`),
  badRole: invalid("invalid role"),
  worker: invalid("invalid-handshake"),
  starting: {
    code: "UNAVAILABLE",
    message: "gateway starting; retry shortly",
    retryable: true,
    retryAfterMs: 500,
    details: { reason: "startup-sidecars" },
  } as WireError,
  stopping: {
    code: "UNAVAILABLE",
    message: "gateway restart in progress",
    retryable: true,
    retryAfterMs: 500,
    details: { reason: "gateway-restarting" },
  } as WireError,
  badOrigin: (reason: string) =>
    invalid(
      "origin not allowed (open the Control UI from the gateway host or allow it in " +
        "gateway.controlUi.allowedOrigins)",
      { code: DETAIL.controlUiOriginNotAllowed, reason },
    ),
  controlUiNeedsDevice: invalid(
    "control ui requires device identity (use HTTPS or localhost secure context)",
    { code: DETAIL.controlUiDeviceIdentityRequired },
  ),
  deviceRequired: {
    code: "NOT_PAIRED",
    message: "device identity required",
    details: { code: DETAIL.deviceIdentityRequired },
  } as WireError,
  cannotComplete: {
    code: "UNAVAILABLE",
    message: "gateway cannot complete the handshake now; retry shortly",
    retryable: true,
    retryAfterMs: 1000,
  } as WireError,
  authChanged: {
    code: "UNAVAILABLE",
    message: "gateway auth changed during connect",
    retryable: true,
    retryAfterMs: 500,
  } as WireError,
  tooManySessions: {
    code: "UNAVAILABLE",
    message: "too many sessions of this device are open",
    retryable: true,
    retryAfterMs: 2_000,
  } as WireError,
  pairingChanged: {
    code: "NOT_PAIRED",
    message: "node pairing changed during connect",
  } as WireError,
} as const;

/** A refusal that was thrown on purpose, as the peer is told. */
export function wireErrorOf(error: OpenclawError): WireError {
  const { code, message, retryable, retryAfterMs } = error;
  return { code, message, retryable, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) };
}

/** F32: the second machine is told, and how to end it. */
export function duplicateIdentity(retryAfterMs: number): WireError {
  return {
    code: "UNAVAILABLE",
    message: "this node is connected from elsewhere and that session is alive: was its state " +
      "directory copied? Give one of the two machines a new identity",
    retryable: true,
    retryAfterMs,
    details: { code: "NODE_IDENTITY_DUPLICATE" },
  };
}

/** `protocol mismatch`; a client of the older generation finds `expectedProtocol: 3` and falls back. */
export function protocolError(params: ConnectParams): WireError {
  return invalid("protocol mismatch", {
    code: DETAIL.protocolMismatch,
    clientMinProtocol: params.minProtocol,
    clientMaxProtocol: params.maxProtocol,
    expectedProtocol: 4,
    minimumProbeProtocol: 3,
  });
}

/** What was wrong with a device block. */
export type DeviceProblem =
  | "id-mismatch"
  | "expired"
  | "nonce-required"
  | "nonce-mismatch"
  | "signature";

const DEVICE: Record<DeviceProblem, WireError> = {
  "id-mismatch": invalid("device identity mismatch", {
    code: DETAIL.deviceIdMismatch,
    reason: "device-id-mismatch",
  }),
  "expired": invalid("device signature expired", {
    code: DETAIL.signatureExpired,
    reason: "device-signature-stale",
  }),
  "nonce-required": invalid("device nonce required", {
    code: DETAIL.nonceRequired,
    reason: "device-nonce-missing",
  }),
  "nonce-mismatch": invalid("device nonce mismatch", {
    code: DETAIL.nonceMismatch,
    reason: "device-nonce-mismatch",
  }),
  "signature": invalid("device signature invalid", {
    code: DETAIL.signatureInvalid,
    reason: "device-signature",
  }),
};

/** The refusal of a device block. */
export function deviceRefusal(problem: DeviceProblem): WireError {
  return DEVICE[problem];
}

/** The refusal that carries a pairing request. A waiting node is told to poll (decision 6). */
export function pairingError(required: PairingRequired): WireError {
  const { waiting } = required;
  const details = {
    code: DETAIL.pairingRequired,
    reason: required.reason,
    requestId: required.requestId,
    remediationHint: required.remediationHint,
    deviceId: required.deviceId,
    requestedRole: required.requestedRole,
    ...(required.requestedScopes.length > 0 ? { requestedScopes: required.requestedScopes } : {}),
    ...(required.approvedRoles ? { approvedRoles: required.approvedRoles } : {}),
    ...(required.approvedScopes ? { approvedScopes: required.approvedScopes } : {}),
    ...(waiting ?? {}),
  };
  const base = { code: "NOT_PAIRED", message: `pairing required: ${required.text}`, details };
  return waiting ? { ...base, retryable: true, retryAfterMs: waiting.retryAfterMs } : base;
}
