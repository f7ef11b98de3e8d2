/** Join lines: our own, the references' setup codes, and what is refused. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { OpenclawError } from "../../src/lib/errors.ts";
import {
  isJoinUrl,
  parseJoinLine,
  readSetupJson,
  renderJoinLine,
  renderSetupCode,
} from "../../src/protocol/setup_code.ts";
import { parseRecording } from "../support/replay.ts";

Deno.test("a rendered line is read back with everything it carries", () => {
  const setup = {
    url: "wss://gw.example:18789",
    urls: ["ssh://me@gw.example:2222", "wss://127.0.0.1:18789"],
    bootstrapToken: "one-time",
    expiresAtMs: 1_795_245_507_016,
    tlsFingerprint: "ab".repeat(32),
  };
  const line = renderJoinLine(renderSetupCode(setup));
  assert(line.startsWith("oc-pair://") && !/[=+/]/.test(line.slice(10)), "base64url, unpadded");
  assertEquals(parseJoinLine(` ${line}\n`), setup);
  assertEquals(parseJoinLine(line.slice(10)), setup, "the code alone");
  const wrapped = line.replace(/.{60}/g, "$&\r\n  ");
  assertEquals(parseJoinLine(wrapped), setup, "wrapped by a mail or a chat");
});

Deno.test("the setup code and join URL answer that a real 2026.9.6 gateway gave are read", async () => {
  const file = new URL("../wire/client/v4.jsonl", import.meta.url);
  const lines = parseRecording(await Deno.readTextFile(file)) as (
    & ReturnType<
      typeof parseRecording
    >[number]
    & { rec: string }
  )[];
  const own = lines.filter(({ rec }) => rec === "v4-setup-code-and-join");
  const made = own.filter(({ frame }) => frame.payload?.setupCode).map(({ frame }) =>
    frame.payload
  );
  assertEquals(made.length, 2);
  const [first, second] = made;
  assertEquals(parseJoinLine(`oc-pair://${first.setupCode}`).url, first.gatewayUrl);
  assert(isJoinUrl(second.joinUrl), "its join URL is one");
  const answer = own.find(({ dir, frame }) => dir === "http" && frame.status === 200)!.frame;
  const fetched = readSetupJson(answer.resBody);
  assertEquals(fetched.url, second.gatewayUrl);
  assert(fetched.bootstrapToken !== "" && fetched.expiresAtMs !== undefined);
});

Deno.test("the older reference's code has an address and a secret only", () => {
  const code = btoa(JSON.stringify({ url: "ws://10.0.0.5:18789", bootstrapToken: "x" }));
  assertEquals(parseJoinLine(code), { url: "ws://10.0.0.5:18789", bootstrapToken: "x" });
});

for (
  const [what, line] of [
    ["nothing", " \n"],
    ["words", "not a line at all!"],
    ["base64 of no JSON", `oc-pair://${btoa("secret-text")}`],
    ["JSON without a secret", `oc-pair://${btoa(JSON.stringify({ url: "ws://x" }))}`],
    [
      "JSON with an empty address",
      btoa(JSON.stringify({ url: "", bootstrapToken: "secret-text" })),
    ],
    ["N14: far too much", "A".repeat(40_000)],
  ] as const
) {
  Deno.test(`parseJoinLine() refuses ${what} without repeating it`, () => {
    const error = assertThrows(() => parseJoinLine(line), OpenclawError);
    assertEquals(error.code, "JOIN_LINE_INVALID");
    assert(!`${error.message} ${error.hint}`.includes("secret-text"));
  });
}

for (
  const [text, is] of [
    ["https://gw.example/j/GHiiyQu2vsDo5cWPRfdBLg", true],
    ["https://gw.example:8443/under/a/path/j/GHiiyQu2vsDo5cWPRfdBLg", true],
    ["https://gw.example/j/short", false],
    ["https://gw.example/j/GHiiyQu2vsDo5cWPRfdBLg?x=1", false],
    ["oc-pair://GHiiyQu2vsDo5cWPRfdBLg", false],
  ] as const
) {
  Deno.test(`isJoinUrl(${text}) is ${is}`, () => assertEquals(isJoinUrl(text), is));
}
