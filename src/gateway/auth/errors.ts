/**
 * How a failed authentication is told: code, text, hint and next step for each reason. One table.
 * Source: gateway-protocol.md 7.2.
 */
import { isBrowserClient } from "../../protocol/client_ids.ts";
import type { WireError } from "../../protocol/errors.ts";
import type { ProtocolVersion } from "../../protocol/versions.ts";

/** Why authentication failed; `authReason` on the wire. */
export type AuthReason =
  | "token_missing"
  | "token_mismatch"
  | "token_missing_config"
  | "password_missing"
  | "password_mismatch"
  | "password_missing_config"
  | "bootstrap_token_invalid"
  | "device_token_mismatch"
  | "scope_mismatch"
  | "rate_limited"
  | `tailscale_${"user_missing" | "proxy_missing" | "whois_failed" | "user_mismatch"}`
  | `trusted_proxy_${string}`;

/** What the wording depends on. */
export interface AuthFailure {
  readonly reason: AuthReason;
  readonly clientId: string;
  readonly protocol: ProtocolVersion;
  /** Direct loopback client. */
  readonly local: boolean;
  /** A device was presented, `auth.token` sent and no `auth.deviceToken`: worth one more try with it. */
  readonly mayHoldDeviceToken: boolean;
  /** For `rate_limited`. */
  readonly retryAfterMs?: number | undefined;
}

const CODES: Readonly<Record<string, string>> = {
  token_missing: "AUTH_TOKEN_MISSING",
  token_mismatch: "AUTH_TOKEN_MISMATCH",
  token_missing_config: "AUTH_TOKEN_NOT_CONFIGURED",
  password_missing: "AUTH_PASSWORD_MISSING",
  password_mismatch: "AUTH_PASSWORD_MISMATCH",
  password_missing_config: "AUTH_PASSWORD_NOT_CONFIGURED",
  bootstrap_token_invalid: "AUTH_BOOTSTRAP_TOKEN_INVALID",
  device_token_mismatch: "AUTH_DEVICE_TOKEN_MISMATCH",
  scope_mismatch: "AUTH_SCOPE_MISMATCH",
  rate_limited: "AUTH_RATE_LIMITED",
  tailscale_user_missing: "AUTH_TAILSCALE_IDENTITY_MISSING",
  tailscale_proxy_missing: "AUTH_TAILSCALE_PROXY_MISSING",
  tailscale_whois_failed: "AUTH_TAILSCALE_WHOIS_FAILED",
  tailscale_user_mismatch: "AUTH_TAILSCALE_IDENTITY_MISMATCH",
};

const NEXT_STEPS: Readonly<Record<string, string>> = {
  token_missing: "update_auth_configuration",
  token_missing_config: "update_auth_configuration",
  password_missing: "update_auth_configuration",
  password_missing_config: "update_auth_configuration",
  token_mismatch: "update_auth_credentials",
  password_mismatch: "update_auth_credentials",
  device_token_mismatch: "update_auth_credentials",
  rate_limited: "wait_then_retry",
};

/** The error object of an authentication refusal; its message is the close reason too. */
export function authError(failure: AuthFailure): WireError {
  const { reason } = failure;
  const canRetry = reason === "token_mismatch" && failure.mayHoldDeviceToken;
  const details = {
    code: codeOf(reason),
    authReason: reason,
    canRetryWithDeviceToken: canRetry,
    recommendedNextStep: canRetry
      ? "retry_with_device_token"
      : NEXT_STEPS[reason] ?? "review_auth_configuration",
  };
  const retry = reason === "rate_limited"
    ? { retryable: true, retryAfterMs: failure.retryAfterMs ?? 0 }
    : {};
  return {
    code: "INVALID_REQUEST",
    message: `unauthorized: ${textOf(failure)}`,
    ...retry,
    details,
  };
}

function codeOf(reason: AuthReason): string {
  if (reason.startsWith("trusted_proxy_missing_header_")) return "AUTH_IDENTITY_HEADER_REQUIRED";
  return CODES[reason] ?? "AUTH_UNAUTHORIZED";
}

function textOf(failure: AuthFailure): string {
  switch (failure.reason) {
    case "token_missing":
      return `gateway token missing (${tokenHint(failure)})`;
    case "token_mismatch":
      return `gateway token mismatch (${tokenHint(failure)})`;
    case "password_missing":
      return `gateway password missing (${passwordHint(failure)})`;
    case "password_mismatch":
      return `gateway password mismatch (${passwordHint(failure)})`;
    case "token_missing_config":
      return "gateway token not configured on gateway (set gateway.auth.token)";
    case "password_missing_config":
      return "gateway password not configured on gateway (set gateway.auth.password)";
    case "device_token_mismatch":
      return "device token mismatch (rotate/reissue device token)";
    case "scope_mismatch":
      return "device token scope mismatch (re-pair or approve scope upgrade)";
    case "bootstrap_token_invalid":
      return failure.protocol === 3
        ? "bootstrap token invalid or expired (scan a fresh setup code)"
        : "setup code invalid, expired, revoked, or already used " +
          "(create a new code; review `openclaw devices list`)";
    case "rate_limited":
      return "too many failed authentication attempts (retry later)";
    default:
      return failure.reason.replaceAll("_", " ");
  }
}

function tokenHint(failure: AuthFailure): string {
  if (isBrowserClient(failure.clientId)) {
    return "open the dashboard URL and paste the token in Control UI settings";
  }
  if (failure.clientId !== "cli") return "provide gateway auth token";
  return failure.protocol === 4 && failure.local
    ? "use this gateway's gateway.auth.token or pair the device"
    : "set gateway.remote.token to match gateway.auth.token";
}

function passwordHint(failure: AuthFailure): string {
  if (isBrowserClient(failure.clientId)) return "enter the password in Control UI settings";
  return failure.clientId === "cli"
    ? "set gateway.remote.password to match gateway.auth.password"
    : "provide gateway auth password";
}
