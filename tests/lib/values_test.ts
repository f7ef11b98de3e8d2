import { assertEquals, assertRejects } from "@std/assert";
import {
  fromBase64,
  fromHex,
  sha256Hex,
  toBase64,
  toBase64Url,
  toHex,
  utf8,
} from "../../src/lib/bytes.ts";
import { withDeadline } from "../../src/lib/deadline.ts";
import { isOpenclawError, messageOf, OpenclawError } from "../../src/lib/errors.ts";
import {
  createLogger,
  limitRepeats,
  type LogRecord,
  renderJson,
  renderText,
} from "../../src/lib/log.ts";
import { Secret, secretOf } from "../../src/lib/secret.ts";
import { FakeClock } from "../support/fake_clock.ts";

Deno.test("Secret shows itself in no rendering", () => {
  const secret = new Secret("hunter2");
  const shown = [`${secret}`, JSON.stringify({ secret }), Deno.inspect({ secret })].join(" ");
  assertEquals(shown.includes("hunter2"), false);
  assertEquals(secret.reveal(), "hunter2");
});

Deno.test("Secret.equals() compares values of any length", async () => {
  assertEquals(await new Secret("a").equals("a"), true);
  assertEquals(await new Secret("a").equals(new Secret("ab")), false);
});

Deno.test("secretOf() treats a blank credential as unset", () => {
  assertEquals(secretOf("  "), undefined);
  assertEquals(secretOf(" x ")?.reveal(), "x");
});

Deno.test("bytes survive base64, base64url and hex", () => {
  const bytes = crypto.getRandomValues(new Uint8Array(100_001 % 60_000));
  assertEquals(fromBase64(toBase64(bytes)), bytes);
  assertEquals(fromBase64(toBase64Url(bytes)), bytes);
  assertEquals(fromHex(toHex(bytes)), bytes);
  assertEquals(fromBase64("a"), undefined);
  assertEquals(fromBase64("a b="), undefined);
  assertEquals(fromHex("abc"), undefined);
});

Deno.test("sha256Hex() of the empty text is the known digest", async () => {
  assertEquals(
    await sha256Hex(utf8("")),
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
  );
});

Deno.test("withDeadline() rejects with TIMEOUT on the handed-in clock and clears its timer", async () => {
  const clock = new FakeClock();
  const never = new Promise<void>(() => {});
  const bounded = withDeadline(never, { timeoutMs: 500, what: "an answer", clock });
  clock.advance(500);
  const error = await assertRejects(
    () => bounded,
    OpenclawError,
    "Timed out after 500 ms: an answer",
  );
  assertEquals(isOpenclawError(error, "TIMEOUT"), true);
  await withDeadline(Promise.resolve(), { timeoutMs: 500, what: "x", clock });
  assertEquals(clock.pending, 0);
});

Deno.test("N32: a log line with hostile fields stays one line of text and one of JSON", () => {
  const records: LogRecord[] = [];
  const log = createLogger({ subsystem: "gateway", sink: (r) => records.push(r) });
  log.with({ conn: "c1" }).info("socket refused", {
    origin: "x\r\n2026 error forged\x1b[2J",
    note: "n".repeat(100_000),
  });
  log.info("lists and objects", {
    addresses: Array(10_000).fill("x\r\ny"),
    deep: { a: ["z".repeat(9000)] },
  });
  for (const line of records.flatMap((r) => [renderText(r), renderJson(r)])) {
    // deno-lint-ignore no-control-regex
    assertEquals(/[\r\n\x1b]/.test(line), false);
    assertEquals(line.length < 2000, true);
  }
});

Deno.test("a logger leaves out what is below its level and never shows a Secret", () => {
  const records: LogRecord[] = [];
  const log = createLogger({ subsystem: "x", sink: (r) => records.push(r), level: "warn" });
  log.info("no");
  log.warn("yes", { token: new Secret("hunter2") });
  assertEquals(records.map((r) => r.message), ["yes"]);
  assertEquals(
    renderText(records[0]!).includes("hunter2") || renderJson(records[0]!).includes("hunter2"),
    false,
  );
});

Deno.test("limitRepeats() logs on change, then once a period with a count", () => {
  const clock = new FakeClock();
  const lines: string[] = [];
  const log = limitRepeats((m, f) => lines.push(m + JSON.stringify(f)), 60_000, clock);
  log("waiting");
  log("waiting");
  log("other");
  log("waiting");
  log("waiting");
  clock.advance(60_000);
  log("waiting");
  assertEquals(lines, ["waiting{}", "other{}", "waiting{}", 'waiting{"repeated":1}']);
});

Deno.test("messageOf() puts any thrown thing on one line", () => {
  assertEquals(messageOf(new Error("a\n  b")), "a b");
  assertEquals(messageOf("x"), "x");
});
