/**
 * The coded reasons why a dial failed, each with the phrase logs and people look for. No credential is in any of them.
 * Source: node-host.md 3.2.
 */
import { messageOf, OpenclawError } from "../../lib/errors.ts";
import { showableWithin } from "../../lib/text.ts";

/** How far a dial had come when it failed. */
export type DialStage = "tcp" | "tls" | "upgrade";

const STAGE: Readonly<Record<DialStage, string>> = {
  tcp: "no connection",
  tls: "no TLS handshake",
  upgrade: "no answer to the WebSocket upgrade",
};

function failure(
  code: string,
  url: string,
  why: string,
  facts: ConstructorParameters<typeof OpenclawError>[2] = {},
): OpenclawError {
  return new OpenclawError(code, `Cannot connect to "${url}": ${why}`, {
    retryable: true,
    ...facts,
  });
}

/** `CONNECT_TIMEOUT`. */
export function timeoutError(url: string, timeoutMs: number, stage: DialStage): OpenclawError {
  return failure("CONNECT_TIMEOUT", url, `${STAGE[stage]} after ${timeoutMs} ms (timed out)`, {
    details: { stage },
  });
}

/** `CONNECTION_REFUSED`, `DNS_FAILED`, `CONNECTION_LOST` or `CONNECTION_FAILED`, from what the system said. */
export function socketError(url: string, error: unknown): OpenclawError {
  const errno = errnoOf(error);
  const facts = { cause: error, details: { errno } };
  if (errno === "ECONNREFUSED") {
    return failure("CONNECTION_REFUSED", url, "connection refused (ECONNREFUSED)", {
      ...facts,
      hint: "is the gateway running there? openclaw gateway run",
    });
  }
  if (errno === "ENOTFOUND" || errno === "EAI_AGAIN" || errno === "ENODATA") {
    return failure("DNS_FAILED", url, `the host name has no address (${errno})`, facts);
  }
  if (errno === "ECONNRESET" || errno === "EPIPE") {
    return failure("CONNECTION_LOST", url, `the connection was dropped (${errno})`, facts);
  }
  return failure("CONNECTION_FAILED", url, showableWithin(messageOf(error), 200), facts);
}

/** The errno name of a Node or Deno error. */
export function errnoOf(error: unknown): string {
  const code = (error as { code?: unknown } | null)?.code;
  if (typeof code === "string") return code;
  const name = error instanceof Error ? error.name : "";
  if (name === "ConnectionRefused") return "ECONNREFUSED";
  if (name === "ConnectionReset" || name === "UnexpectedEof") return "ECONNRESET";
  return name === "NotFound" ? "ENOENT" : "UNKNOWN";
}

/** `TLS_PIN_MISMATCH`: what the peer showed is none of the pins. Nothing was sent to it. */
export function pinMismatch(
  url: string,
  expected: readonly string[],
  actual: string,
): OpenclawError {
  return failure(
    "TLS_PIN_MISMATCH",
    url,
    `gateway tls fingerprint mismatch: certificate fingerprint is "${actual}", expected ${
      expected.map((pin) => `"${pin}"`).join(" or ")
    }`,
    {
      hint:
        "compare with: openclaw gateway fingerprint (on the gateway); a pin is never changed by itself",
      details: { expected: [...expected], actual },
    },
  );
}

/** `TLS_UNTRUSTED`: no pin was given and the system does not trust the certificate. */
export function untrusted(
  url: string,
  why: string,
  leaf: { readonly fingerprint: string; notBeforeMs?: number; notAfterMs?: number } | undefined,
): OpenclawError {
  const observed = leaf?.fingerprint;
  const { notBeforeMs, notAfterMs } = leaf ?? {};
  return failure(
    "TLS_UNTRUSTED",
    url,
    `${showableWithin(why, 120)}${observed ? `; the gateway shows fingerprint "${observed}"` : ""}`,
    {
      ...(observed
        ? {
          hint:
            `if it is the gateway's own (openclaw gateway fingerprint): --tls-fingerprint ${observed}`,
        }
        : {}),
      details: { reason: why, ...(observed ? { observed, notBeforeMs, notAfterMs } : {}) },
    },
  );
}

/** `TLS_NOT_SPOKEN`: something answered, but not TLS. */
export function notTls(url: string, error: unknown): OpenclawError {
  return failure("TLS_NOT_SPOKEN", url, "the other side does not speak TLS", {
    cause: error,
    hint:
      "does the gateway run without TLS? use ws:// through an SSH tunnel, or start it with --tls",
  });
}

/** `TLS_FAILED`: the handshake broke off. */
export function tlsFailed(url: string, error: unknown): OpenclawError {
  return failure(
    "TLS_FAILED",
    url,
    `the TLS handshake failed (${showableWithin(messageOf(error), 160)})`,
    {
      cause: error,
    },
  );
}

/** Facts of an HTTP answer that came instead of an upgrade. */
export interface HttpRefusal {
  readonly status: number;
  readonly body?: string;
  readonly retryAfter?: string | undefined;
}

/** `HTTP_REFUSED`: a proxy or the gateway answered with a status. Redirects are never followed (N22, F39). */
export function httpRefused(url: string, { status, body, retryAfter }: HttpRefusal): OpenclawError {
  const text = showableWithin((body ?? "").trim(), 160);
  const redirect = status >= 300 && status < 400 ? " (a redirect, not followed)" : "";
  const seconds = retryAfter !== undefined && /^\d{1,6}$/.test(retryAfter)
    ? Number(retryAfter)
    : undefined;
  return failure(
    "HTTP_REFUSED",
    url,
    `HTTP status ${status}${redirect}${text ? `: ${text}` : ""}`,
    {
      ...(seconds === undefined ? {} : { retryAfterMs: seconds * 1_000 }),
      details: { status, ...(text ? { body: text } : {}) },
    },
  );
}

/** `NOT_A_GATEWAY`: something answered, but not HTTP. */
export function notHttp(url: string, error: unknown): OpenclawError {
  return failure("NOT_A_GATEWAY", url, "the other side does not speak WebSocket over HTTP", {
    cause: error,
    hint: "does the gateway use TLS there? try wss://",
  });
}
