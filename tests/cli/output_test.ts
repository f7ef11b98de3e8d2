import { assert, assertEquals } from "@std/assert";
import { Output, styled } from "../../src/cli/terminal/output.ts";
import { ageText, tableLines, textWidth, wrap } from "../../src/cli/terminal/table.ts";
import { OpenclawError } from "../../src/lib/errors.ts";
import { cli } from "./support.ts";

function recorder(options: { json?: boolean; colour?: boolean; terminal?: boolean }) {
  const written = { out: "", err: "" };
  const decoder = new TextDecoder();
  const output = new Output({
    out: (bytes) => written.out += decoder.decode(bytes),
    err: (bytes) => written.err += decoder.decode(bytes),
    outIsTerminal: options.terminal ?? false,
    errIsTerminal: options.terminal ?? false,
    columns: 100,
  }, { json: options.json ?? false, colour: options.colour ?? false });
  return { output, written };
}

const HOSTILE = "\x1b[2K\x1b[1A\x1b]52;c;aGk=\x07\u009b31m\u202e\u200b\u3164\u{e0041}\r\nforged";

Deno.test("A17: no control sequence reaches the terminal from text, table, error or JSON", () => {
  const { output, written } = recorder({ terminal: true, colour: true });
  output.text(`name ${HOSTILE}`);
  output.text(styled("good", HOSTILE));
  output.table([{ title: "Node" }], [[HOSTILE]]);
  output.failure(new OpenclawError("X", HOSTILE, { hint: HOSTILE }));
  output.document({ name: HOSTILE });
  const all = (written.out + written.err).replaceAll(/\x1b\[(1|2|22|31|32|33|39)m/g, "");
  // deno-lint-ignore no-control-regex
  assert(!/[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e\u200b\u3164]|\u{e0041}/u.test(all), all);
});

Deno.test("A16: invisible characters are shown as escapes, and JSON stays the same document", () => {
  const { output, written } = recorder({ json: true });
  output.document({ name: HOSTILE });
  assert(written.out.includes("\\u202e"));
  assertEquals(JSON.parse(written.out), { name: HOSTILE });
});

Deno.test("colour: NO_COLOR wins, FORCE_COLOR beats a dumb terminal, and that one shows none", async () => {
  const rows: [env: Record<string, string>, coloured: boolean][] = [
    [{}, true],
    [{ TERM: "dumb" }, false],
    [{ TERM: "dumb", FORCE_COLOR: "1" }, true],
    [{ NO_COLOR: "1", FORCE_COLOR: "1" }, false],
  ];
  for (const [env, coloured] of rows) {
    const { stderr } = await cli(["nosuch"], { env, terminal: true });
    assertEquals(stderr.includes("\x1b["), coloured, JSON.stringify(env));
  }
});

Deno.test("colour appears on a terminal only, and never without leave", () => {
  for (
    const [terminal, colour, coloured] of [[true, true, true], [true, false, false], [
      false,
      true,
      false,
    ]]
  ) {
    const { output, written } = recorder({
      terminal: terminal as boolean,
      colour: colour as boolean,
    });
    output.text(styled("bad", "x"));
    assertEquals(written.out.includes("\x1b["), coloured);
  }
});

Deno.test("failure() prints error, context and hint, and one JSON document with --json", () => {
  const { output, written } = recorder({ json: true });
  output.failure(
    new OpenclawError("CODE", "It broke", {
      hint: "openclaw fix",
      details: { context: ["Where: here"] },
    }),
  );
  assertEquals(written.err, "error: It broke\nWhere: here\nhint: openclaw fix\n");
  const document = JSON.parse(written.out);
  assertEquals(document.ok, false);
  assertEquals(document.error.type, "cli_error");
  assertEquals(document.error.code, "CODE");
  assertEquals(document.error.hint, "openclaw fix");
});

Deno.test("tableLines() wraps flexible columns and never cuts an id", () => {
  const id = "7c1e4a02-9b1d-4d7e-8a53-0f6f9a1d2c3b";
  const lines = tableLines(
    [{ title: "Request", fixed: true }, { title: "Device" }],
    [[id, "a long name of a machine that cannot fit into the line at all · 10.0.0.7"]],
    80,
  );
  assert(lines.every((line) => textWidth(line) <= 80));
  assert(lines.some((line) => line.includes(id)));
  assertEquals(lines[0]?.startsWith("┌"), true);
});

Deno.test("tableLines() becomes blocks when ids do not fit", () => {
  const id = "a".repeat(64);
  const columns = [{ title: "ID", fixed: true }, { title: "Name" }];
  const lines = tableLines(columns, [[id, "x"], [id, ""]], 60);
  assertEquals(lines, [`ID:   ${id}`, "Name: x", "", `ID:   ${id}`], "and say nothing of nothing");
});

Deno.test("wrap() keeps every character", () => {
  const words = "one two " + "x".repeat(30) + " three";
  assertEquals(wrap(words, 10).join("").replaceAll(" ", ""), words.replaceAll(" ", ""));
});

Deno.test("textWidth() counts wide characters twice and combining marks not at all", () => {
  assertEquals([textWidth("abc"), textWidth("日本"), textWidth("e\u0301")], [3, 4, 1]);
});

Deno.test("ageText() speaks of minutes, hours and days", () => {
  const now = 10 * 86_400_000;
  assertEquals(
    [1_000, 59_999, 60_000, 3_600_000, 86_400_000].map((ms) => ageText(now - ms, now)),
    ["just now", "just now", "1m ago", "1h ago", "1d ago"],
  );
  assertEquals(ageText(undefined, now), "never");
});
