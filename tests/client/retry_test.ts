import { assert, assertEquals } from "@std/assert";
import { Backoff } from "../../src/client/backoff.ts";
import { decideRetry } from "../../src/client/retry_class.ts";
import { Watchdog } from "../../src/client/watchdog.ts";
import { type ErrorFacts, OpenclawError } from "../../src/lib/errors.ts";
import { FakeClock } from "../support/fake_clock.ts";

const error = (code: string, facts: ErrorFacts = {}) => new OpenclawError(code, "x", facts);

const CLASSES: readonly [string, unknown, ReturnType<typeof decideRetry>][] = [
  ["refused", error("CONNECTION_REFUSED"), { kind: "backoff" }],
  ["DNS", error("DNS_FAILED"), { kind: "backoff" }],
  ["timeout", error("CONNECT_TIMEOUT"), { kind: "backoff" }],
  ["lost", error("CONNECTION_LOST", { details: { closeCode: 1006 } }), { kind: "backoff" }],
  ["restart", error("SERVICE_RESTART"), { kind: "backoff" }],
  ["pin mismatch (never gives up, never sends the token)", error("TLS_PIN_MISMATCH"), {
    kind: "backoff",
  }],
  ["untrusted certificate", error("TLS_UNTRUSTED"), { kind: "backoff" }],
  ["device proof refused", error("DEVICE_AUTH_SIGNATURE_EXPIRED"), { kind: "backoff" }],
  ["token not configured on the gateway", error("AUTH_TOKEN_NOT_CONFIGURED"), { kind: "backoff" }],
  ["F39: 502 in the way", error("HTTP_REFUSED", { details: { status: 502 } }), { kind: "backoff" }],
  [
    "503 is jitter without growth",
    error("HTTP_REFUSED", { details: { status: 503 }, retryAfterMs: 1_000 }),
    { kind: "soon", minMs: 100, maxMs: 1_000, quiet: true },
  ],
  [
    "503 with a long Retry-After",
    error("HTTP_REFUSED", { details: { status: 503 }, retryAfterMs: 9_000 }),
    { kind: "after", afterMs: 9_000 },
  ],
  [
    "gateway starting",
    error("UNAVAILABLE", { details: { reason: "startup-sidecars" }, retryAfterMs: 500 }),
    { kind: "soon", minMs: 500, maxMs: 500, quiet: true },
  ],
  ["starting with an odd delay is clamped", error("GATEWAY_STARTING", { retryAfterMs: 60_000 }), {
    kind: "soon",
    minMs: 2_000,
    maxMs: 2_000,
    quiet: true,
  }],
  [
    "pairing, gateway waits with us",
    error("PAIRING_REQUIRED", {
      details: { recommendedNextStep: "wait_then_retry" },
      retryAfterMs: 1_500,
    }),
    { kind: "pairing", afterMs: 1_500 },
  ],
  [
    "pairing, pauseReconnect false",
    error("PAIRING_REQUIRED", { details: { pauseReconnect: false } }),
    { kind: "pairing", afterMs: 1_500 },
  ],
  ["pairing on another gateway", error("PAIRING_REQUIRED"), { kind: "pairing" }],
  ["rate limited with a delay", error("AUTH_RATE_LIMITED", { retryAfterMs: 20_000 }), {
    kind: "after",
    afterMs: 20_000,
  }],
  ["rate limited without", error("AUTH_RATE_LIMITED"), { kind: "after", afterMs: 60_000 }],
  ["token missing", error("AUTH_TOKEN_MISSING"), { kind: "fatal" }],
  ["token mismatch", error("AUTH_TOKEN_MISMATCH"), { kind: "fatal" }],
  ["password missing", error("AUTH_PASSWORD_MISSING"), { kind: "fatal" }],
  ["password mismatch", error("AUTH_PASSWORD_MISMATCH"), { kind: "fatal" }],
  ["bootstrap token", error("AUTH_BOOTSTRAP_TOKEN_INVALID"), { kind: "fatal" }],
  ["version", error("CLIENT_VERSION_MISMATCH"), { kind: "fatal" }],
  ["plaintext", error("PLAINTEXT_REFUSED"), { kind: "fatal" }],
  ["pin without TLS", error("PIN_WITHOUT_TLS"), { kind: "fatal" }],
  ["stale device token", error("AUTH_DEVICE_TOKEN_MISMATCH"), { kind: "slow" }],
  ["device identity demanded", error("DEVICE_IDENTITY_REQUIRED"), { kind: "slow" }],
  ["F35: no common protocol is asked again slowly", error("PROTOCOL_MISMATCH"), { kind: "slow" }],
  ["a bug of ours", new TypeError("x"), { kind: "fatal" }],
];
for (const [name, thrown, verdict] of CLASSES) {
  Deno.test(`decideRetry(): ${name}`, () => assertEquals(decideRetry(thrown), verdict));
}

Deno.test("Backoff: 1 s doubled to 30 s, each within 20 % and none longer (F15), and back to 1 s after a success", () => {
  for (const [random, factor] of [[() => 0, 0.8], [() => 0.5, 1], [() => 1, 1.2]] as const) {
    const backoff = new Backoff({ random });
    const waits = Array.from({ length: 7 }, () => backoff.next());
    const wanted = [1, 2, 4, 8, 16, 30, 30].map((s) => Math.round(s * 1_000 * factor));
    assertEquals(waits, wanted.map((ms) => Math.min(ms, 30_000)));
    backoff.reset();
    assertEquals(backoff.next(), Math.round(1_000 * factor));
  }
});

function watched(tickIntervalMs: number, canPing: boolean) {
  const clock = new FakeClock();
  const log: string[] = [];
  const dog = new Watchdog({
    tickIntervalMs,
    clock,
    ...(canPing ? { ping: () => log.push("ping") } : {}),
    onSilent: () => log.push("silent"),
  });
  return { clock, log, dog };
}

Deno.test("F10, F11: silence ends after 2 ticks (60 s), with pings after 1.25 (37.5 s)", () => {
  const plain = watched(30_000, false);
  plain.clock.advance(59_999);
  assertEquals(plain.log, []);
  plain.clock.advance(1);
  assertEquals(plain.log, ["silent"]);
  assertEquals(plain.clock.pending, 0);
  const pinging = watched(30_000, true);
  pinging.clock.advance(37_499);
  assertEquals(pinging.log, ["ping", "ping"]);
  pinging.clock.advance(1);
  assertEquals(pinging.log.at(-1), "silent");
});

Deno.test("F12: whatever is heard keeps the connection, and silence is broken by pings before 55 s", () => {
  const { clock, log, dog } = watched(30_000, true);
  for (let i = 0; i < 20; i++) {
    clock.advance(30_000);
    dog.heard();
  }
  assert(!log.includes("silent"));
  assert(log.length >= 20, `${log.length} pings in 10 min`);
  dog.stop();
  assertEquals(clock.pending, 0);
});

Deno.test("F19: a stepped wall clock neither ends nor extends the wait", () => {
  const { clock, log } = watched(30_000, false);
  clock.stepWall(10 * 365 * 86_400_000);
  clock.advance(59_000);
  assertEquals(log, []);
  clock.stepWall(-20 * 365 * 86_400_000);
  clock.advance(1_000);
  assertEquals(log, ["silent"]);
});

/** A clock whose timers fire late, as after SIGSTOP or a suspended laptop. */
class FrozenClock extends FakeClock {
  frozenMs = 0;
  override monotonic(): number {
    return super.monotonic() + this.frozenMs;
  }
}

Deno.test("F20: after a freeze the peer is asked first; no answer within 5 s ends it", () => {
  for (const answers of [true, false]) {
    const clock = new FrozenClock();
    const log: string[] = [];
    const dog = new Watchdog({
      tickIntervalMs: 30_000,
      clock,
      ping: () => log.push("ping"),
      onSilent: () => log.push("silent"),
    });
    clock.frozenMs = 600_000;
    clock.advance(15_000);
    assertEquals(log, ["ping"]);
    if (answers) dog.heard();
    clock.advance(5_000);
    assertEquals(log.includes("silent"), !answers);
    dog.stop();
  }
});
