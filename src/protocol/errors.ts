/**
 * Error codes of the wire, both directions, and the way to throw one from a handler.
 * How an error becomes a response frame is `gateway/dispatch.ts`. Source: gateway-protocol.md 7.
 */
import { OpenclawError } from "../lib/errors.ts";
import { type Problem, problemText } from "../lib/schema.ts";

/** Top-level codes. `FORBIDDEN` becomes `INVALID_REQUEST` on a protocol 3 connection. */
export const WIRE_CODES = [
  "INVALID_REQUEST",
  "UNAVAILABLE",
  "NOT_PAIRED",
  "NOT_LINKED",
  "AGENT_TIMEOUT",
  "APPROVAL_NOT_FOUND",
  "FORBIDDEN",
] as const;

/** One of {@linkcode WIRE_CODES}. */
export type WireCode = typeof WIRE_CODES[number];

/** Finer codes, in `details.code`. */
export const DETAIL = {
  protocolMismatch: "PROTOCOL_MISMATCH",
  missingScope: "MISSING_SCOPE",
  pairingRequired: "PAIRING_REQUIRED",
  pairingChanged: "PAIRING_CHANGED",
  notConnected: "NOT_CONNECTED",
  deviceIdentityRequired: "DEVICE_IDENTITY_REQUIRED",
  controlUiDeviceIdentityRequired: "CONTROL_UI_DEVICE_IDENTITY_REQUIRED",
  controlUiOriginNotAllowed: "CONTROL_UI_ORIGIN_NOT_ALLOWED",
  deviceIdMismatch: "DEVICE_AUTH_DEVICE_ID_MISMATCH",
  signatureExpired: "DEVICE_AUTH_SIGNATURE_EXPIRED",
  nonceRequired: "DEVICE_AUTH_NONCE_REQUIRED",
  nonceMismatch: "DEVICE_AUTH_NONCE_MISMATCH",
  signatureInvalid: "DEVICE_AUTH_SIGNATURE_INVALID",
  approvalNotFound: "APPROVAL_NOT_FOUND",
} as const;

/** The error object of a response frame. */
export interface WireError {
  readonly code: string;
  readonly message: string;
  readonly details?: Readonly<Record<string, unknown>>;
  readonly retryable?: boolean;
  readonly retryAfterMs?: number;
}

/** Optional parts of {@linkcode refusal}. */
export interface RefusalFacts {
  readonly details?: Readonly<Record<string, unknown>>;
  readonly retryable?: boolean;
  readonly retryAfterMs?: number;
}

/** The error a handler throws to answer with exactly this top-level code, message and details. */
export function refusal(
  code: WireCode,
  message: string,
  facts: RefusalFacts = {},
): OpenclawError {
  return new OpenclawError(code, message, facts);
}

/** `missing scope: <scope>`; protocol 3 connections get it without details (7.4). */
export function missingScopeError(scope: string): OpenclawError {
  return refusal("FORBIDDEN", `missing scope: ${scope}`, {
    details: { code: DETAIL.missingScope, missingScope: scope, requiredScopes: [scope] },
  });
}

/** An approval that nobody waits for (any more). Source: 11.7. */
export function approvalNotFound(): OpenclawError {
  return refusal("INVALID_REQUEST", "unknown or expired approval id", {
    details: {
      reason: DETAIL.approvalNotFound,
      remediation: "Re-request the action; pending approvals are cleared after expiry or restart.",
    },
  });
}

/** Param problems in the wording of the wire, which names no allowed values (7.4). */
export function wireProblems(problems: readonly Problem[]): string {
  return problemText(problems.map(({ path, message }) => ({
    path,
    message: message.replace(/(must be equal to one of the allowed values): .*/s, "$1"),
  })));
}
