import { assertEquals, assertStringIncludes } from "@std/assert";
import { decideRetry } from "../../src/client/retry_class.ts";
import { OpenclawError } from "../../src/lib/errors.ts";
import { describeProblem } from "../../src/node/node_log.ts";

function line(error: OpenclawError, closed?: { code: number; reason: string }) {
  return describeProblem({ error, verdict: decideRetry(error), ...(closed ? { closed } : {}) });
}

const rows: [string, OpenclawError, string[]][] = [
  [
    "refused connection",
    new OpenclawError(
      "CONNECTION_REFUSED",
      'Cannot connect to "ws://h:1": connection refused (ECONNREFUSED)',
    ),
    ["connection refused", "ECONNREFUSED"],
  ],
  [
    "bad credential",
    new OpenclawError("AUTH_TOKEN_MISMATCH", "unauthorized: gateway token mismatch"),
    ["authentication failed", "unauthorized", "detail=AUTH_TOKEN_MISMATCH"],
  ],
  [
    "wrong pin",
    new OpenclawError(
      "TLS_PIN_MISMATCH",
      'gateway tls fingerprint mismatch: certificate fingerprint is "aa", expected "bb"',
    ),
    ["tls fingerprint mismatch", "aa", "bb"],
  ],
  [
    "self-signed certificate without a pin",
    new OpenclawError(
      "TLS_UNTRUSTED",
      'self-signed certificate; the gateway shows fingerprint "aa"',
      {
        hint: "--tls-fingerprint aa",
      },
    ),
    ["self-signed certificate", "--tls-fingerprint aa"],
  ],
  [
    "pending pairing",
    new OpenclawError("PAIRING_REQUIRED", "pairing required: device is not approved yet", {
      details: { requestId: "req-1" },
    }),
    ["pairing required", "requestId: req-1", "openclaw devices approve req-1"],
  ],
];

for (const [name, error, phrases] of rows) {
  Deno.test(`describeProblem() says what scripts look for: ${name}`, () => {
    const message = line(error)?.message ?? "";
    for (const phrase of phrases) assertStringIncludes(message, phrase);
  });
}

Deno.test("describeProblem() names code and reason of a closed session", () => {
  const closed = { code: 1012, reason: "service restart" };
  const error = new OpenclawError("SERVICE_RESTART", "gateway closed the connection (1012)");
  assertEquals(line(error, closed)?.message, "node host gateway closed (1012): service restart");
});

Deno.test("describeProblem() is silent while a gateway starts", () => {
  const error = new OpenclawError("UNAVAILABLE", "gateway starting", {
    details: { reason: "startup-sidecars" },
    retryAfterMs: 500,
  });
  assertEquals(line(error), undefined);
});
