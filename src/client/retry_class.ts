/**
 * What a failed connection means for the next one: one table, decided on codes. Who waits and what is logged is
 * `keep_connected.ts` and the node host. Source: node-host.md 3.1, gateway-protocol.md 7.5, decisions 6, 11, 31.
 */
import { isOpenclawError } from "../lib/errors.ts";

/** What to do after a failure. */
export type RetryVerdict =
  /** Growing waits, for ever. */
  | { readonly kind: "backoff" }
  /** This wait and no longer ones: the gateway is busy or starting. */
  | {
    readonly kind: "soon";
    readonly minMs: number;
    readonly maxMs: number;
    readonly quiet: boolean;
  }
  /** A person has to approve; asked again at the gateway's pace, or at growing ones from 5 to 60 s. */
  | { readonly kind: "pairing"; readonly afterMs?: number }
  /** The gateway said when. */
  | { readonly kind: "after"; readonly afterMs: number }
  /** Cannot work until somebody changes something outside: 30 s growing to 5 min. */
  | { readonly kind: "slow" }
  /** Trying again is useless: the process should end with this error. */
  | { readonly kind: "fatal" };

const FATAL: ReadonlySet<string> = new Set([
  "AUTH_TOKEN_MISSING",
  "AUTH_TOKEN_MISMATCH",
  "AUTH_PASSWORD_MISSING",
  "AUTH_PASSWORD_MISMATCH",
  "AUTH_BOOTSTRAP_TOKEN_INVALID",
  "AUTH_IDENTITY_HEADER_REQUIRED",
  "AUTH_VERIFIED_USER_REQUIRED",
  "CLIENT_VERSION_MISMATCH",
  "PLAINTEXT_REFUSED",
  "PIN_WITHOUT_TLS",
  "PIN_MALFORMED",
  "ENDPOINT_MALFORMED",
  "DEVICE_KEY_UNUSABLE",
  "TOKEN_STORE_UNREADABLE",
  "GATEWAY_SECRET_REF_UNAVAILABLE",
]);

const SLOW: ReadonlySet<string> = new Set([
  "AUTH_DEVICE_TOKEN_MISMATCH",
  "AUTH_SCOPE_MISMATCH",
  "DEVICE_IDENTITY_REQUIRED",
  "CONTROL_UI_DEVICE_IDENTITY_REQUIRED",
  "PROTOCOL_MISMATCH",
]);

/** Wait after a refusal for too many attempts when the gateway does not say. */
const RATE_LIMITED_MS = 60_000;

/** Decides about an error of `openSession`. Errors nobody knows are programmer mistakes and fatal. */
export function decideRetry(error: unknown): RetryVerdict {
  if (!isOpenclawError(error)) return { kind: "fatal" };
  const { code, details = {}, retryAfterMs } = error;
  if (code === "HTTP_REFUSED" && details.status === 503) return busy(retryAfterMs);
  if (details.reason === "startup-sidecars" || code === "GATEWAY_STARTING") {
    const afterMs = Math.min(Math.max(retryAfterMs ?? 500, 100), 2_000);
    return { kind: "soon", minMs: afterMs, maxMs: afterMs, quiet: true };
  }
  if (code === "PAIRING_REQUIRED") return pairing(details, retryAfterMs);
  if (code === "AUTH_RATE_LIMITED") {
    return {
      kind: "after",
      afterMs: Math.min(Math.max(retryAfterMs ?? RATE_LIMITED_MS, 1_000), 600_000),
    };
  }
  if (FATAL.has(code)) return { kind: "fatal" };
  return SLOW.has(code) ? { kind: "slow" } : { kind: "backoff" };
}

/** Decision 11: 100-1000 ms of jitter; a gateway that asks for more than a second gets it. */
function busy(retryAfterMs = 0): RetryVerdict {
  if (retryAfterMs > 1_000) return { kind: "after", afterMs: Math.min(retryAfterMs, 60_000) };
  return { kind: "soon", minMs: 100, maxMs: 1_000, quiet: true };
}

function pairing(
  details: Readonly<Record<string, unknown>>,
  retryAfterMs: number | undefined,
): RetryVerdict {
  const isWaiting = details.recommendedNextStep === "wait_then_retry" ||
    details.pauseReconnect === false;
  if (!isWaiting) return { kind: "pairing" };
  return { kind: "pairing", afterMs: Math.min(Math.max(retryAfterMs ?? 1_500, 500), 60_000) };
}
