import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  keepConnected,
  type KeepConnectedOptions,
  type Problem,
} from "../../src/client/keep_connected.ts";
import type { Session } from "../../src/client/session.ts";
import { openSession } from "../../src/client/session.ts";
import { type ErrorFacts, OpenclawError } from "../../src/lib/errors.ts";
import { limitRepeats } from "../../src/lib/log.ts";
import { describeProblem } from "../../src/node/node_log.ts";
import type { CloseInfo } from "../../src/net/socket.ts";
import { within } from "../net/raw.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { FakeGateway } from "./fake_gateway.ts";

const failing = (code: string, facts: ErrorFacts = {}) => new OpenclawError(code, "x", facts);

/** Lets everything that is already due run. */
const settle = () => new Promise<void>((resolve) => setTimeout(resolve, 0));

/** A session that the test ends. */
function endable(): { session: Session; end(info: CloseInfo): void } {
  let end!: (info: CloseInfo) => void;
  const closed = new Promise<CloseInfo>((resolve) => end = resolve);
  const session = { closed, close: () => end({ code: 1000, reason: "" }) } as unknown as Session;
  return { session, end };
}

class Run {
  readonly clock = new FakeClock();
  readonly stop = new AbortController();
  readonly problems: Problem[] = [];
  opens = 0;
  readonly done: Promise<void>;

  constructor(outcomes: (Session | Error)[], options: Partial<KeepConnectedOptions> = {}) {
    this.done = keepConnected({
      open: () => {
        const outcome = outcomes[Math.min(this.opens++, outcomes.length - 1)];
        return outcome instanceof Error
          ? Promise.reject(outcome)
          : Promise.resolve(outcome as Session);
      },
      onSession: () => {},
      onProblem: (problem) => this.problems.push(problem),
      signal: this.stop.signal,
      clock: this.clock,
      random: () => 0.5,
      ...options,
    });
  }

  /** Advances through `count` waits and returns them. */
  async waits(count: number): Promise<(number | undefined)[]> {
    while (this.problems.length < count) {
      await settle();
      this.clock.advance(this.problems.at(-1)?.waitMs ?? 0);
    }
    return this.problems.slice(0, count).map((problem) => problem.waitMs);
  }

  async end(): Promise<void> {
    this.stop.abort();
    await within(2_000, this.done);
    assertEquals(this.clock.pending, 0);
  }
}

Deno.test("F15: an absent gateway is tried for ever at growing waits", async () => {
  const run = new Run([failing("CONNECTION_REFUSED")]);
  assertEquals(await run.waits(8), [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000]);
  await run.end();
});

Deno.test("F15: a gateway away for 8 h: at most one line a minute, back within 30 s of its return", async () => {
  const AWAY_MS = 8 * 3_600_000;
  const lines: string[] = [];
  const { session, end } = endable();
  let isBack = false;
  let backMs: number | undefined;
  const run: Run = new Run([], {
    open: () =>
      isBack
        ? Promise.resolve(session)
        : Promise.reject(failing("CONNECTION_REFUSED", { retryable: true })),
    onSession: () => void (backMs = run.clock.monotonic()),
    onProblem: (problem) => {
      run.problems.push(problem);
      const report = describeProblem(problem);
      if (report) said(report.message);
    },
    random: Math.random,
  });
  const said = limitRepeats((text) => lines.push(text), 60_000, run.clock);
  const seen = () => run.problems.length;
  while (run.clock.monotonic() < AWAY_MS) {
    const before = seen();
    run.clock.advance(run.problems.at(-1)?.waitMs ?? 0);
    await settle();
    assert(seen() - before <= 1, "no bursts");
  }
  assert(lines.length >= 1 && lines.length <= AWAY_MS / 60_000 + 5, `${lines.length} lines`);
  assert(run.problems.every(({ waitMs }) => waitMs !== undefined && waitMs <= 40_000));
  isBack = true;
  const returnedMs = run.clock.monotonic();
  while (backMs === undefined && run.clock.monotonic() < returnedMs + 60_000) {
    run.clock.advance(1_000);
    await settle();
  }
  const tookMs = (backMs ?? Infinity) - returnedMs;
  assert(tookMs <= 30_000, `back only after ${tookMs} ms`);
  end({ code: 1000, reason: "" });
  await run.end();
});

Deno.test("decision 11: 503 does not grow the waits of what comes after", async () => {
  const busy = failing("HTTP_REFUSED", { details: { status: 503 } });
  const run = new Run([busy, busy, busy, failing("CONNECTION_REFUSED")]);
  assertEquals(await run.waits(5), [550, 550, 550, 1_000, 2_000]);
  await run.end();
});

Deno.test("a 503 that never ends is taken as an outage after 30 answers", async () => {
  const run = new Run([failing("HTTP_REFUSED", { details: { status: 503 } })]);
  assertEquals((await run.waits(33)).slice(29), [550, 1_000, 2_000, 4_000]);
  await run.end();
});

Deno.test("decision 6: pairing is asked at the gateway's pace, elsewhere at 5 to 60 s", async () => {
  const ours = new Run([
    failing("PAIRING_REQUIRED", {
      details: { recommendedNextStep: "wait_then_retry" },
      retryAfterMs: 1_500,
    }),
  ]);
  assertEquals(await ours.waits(3), [1_500, 1_500, 1_500]);
  await ours.end();
  const real = new Run([failing("PAIRING_REQUIRED")]);
  assertEquals(await real.waits(6), [5_000, 10_000, 20_000, 40_000, 60_000, 60_000]);
  await real.end();
});

Deno.test("decision 31: a refused credential ends the foreground process, and is asked again slowly in a service", async () => {
  const error = failing("AUTH_TOKEN_MISMATCH");
  const foreground = new Run([error]);
  assertEquals(await assertRejects(() => foreground.done), error);
  assertEquals(foreground.problems, []);
  const service = new Run([error], { staysUp: true });
  assertEquals(await service.waits(6), [30_000, 60_000, 120_000, 240_000, 300_000, 300_000]);
  await service.end();
});

Deno.test("F16: a session that lived reset the waits, a flapping one did not", async () => {
  const [short, long] = [endable(), endable()];
  const run = new Run([
    failing("CONNECTION_REFUSED"),
    short.session,
    long.session,
    failing("CONNECTION_REFUSED"),
  ]);
  await run.waits(1);
  while (run.opens < 2) {
    run.clock.advance(1_000);
    await settle();
  }
  short.end({ code: 1006, reason: "" });
  await settle();
  assertEquals(run.problems.at(-1)?.waitMs, 2_000);
  assertEquals(run.problems.at(-1)?.closed?.code, 1006);
  while (run.opens < 3) {
    run.clock.advance(1_000);
    await settle();
  }
  run.clock.advance(60_000);
  long.end({ code: 1012, reason: "service restart" });
  await settle();
  assertEquals(run.problems.at(-1)?.waitMs, 1_000);
  await run.end();
});

Deno.test("stopping closes the open session and resolves; stopping while waiting resolves at once", async () => {
  const open = endable();
  const run = new Run([open.session]);
  await settle();
  await run.end();
  assertEquals((await open.session.closed).code, 1000);
  assertEquals(run.problems, []);
});

Deno.test("against a real gateway: back after it drops the connection, gone after stop", async () => {
  const gateway = await FakeGateway.start({ onConnect: (side) => side.hello() });
  const stop = new AbortController();
  let sessions = 0, second!: () => void;
  const twice = new Promise<void>((resolve) => second = resolve);
  const kept = keepConnected({
    open: (signal) =>
      openSession({
        dial: { url: gateway.url, signal, longLived: true },
        hello: {
          client: { id: "node-host", mode: "node", version: "x", platform: "linux" },
          role: "node",
          scopes: [],
        },
        credentials: {},
      }),
    onSession: () => {
      if (++sessions === 1) gateway.sides[0]?.socket.terminate();
      else second();
    },
    signal: stop.signal,
  });
  await within(5_000, twice, "the second session");
  stop.abort();
  await within(5_000, kept, "the end");
  assert(sessions === 2);
  await gateway.close();
});
