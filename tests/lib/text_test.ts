import { assertEquals } from "@std/assert";
import { cutBytes, nearest, showable, showableWithin } from "../../src/lib/text.ts";

const rows: [name: string, text: string, shown: string][] = [
  ["plain text", "build-1 ü 日本", "build-1 ü 日本"],
  ["A17: cursor movement", "\x1b[2K\x1b[1A", "\\x1b[2K\\x1b[1A"],
  ["A17: OSC 52", "\x1b]52;c;aGk=\x07", "\\x1b]52;c;aGk=\\x07"],
  ["A16: right-to-left override", "a\u202eb", "a\\u{202e}b"],
  ["A16: zero width space", "ec\u200bho", "ec\\u{200b}ho"],
  ["A16: Hangul filler", "\u3164", "\\u{3164}"],
  ["A16: tag characters", "a\u{e0041}", "a\\u{e0041}"],
  ["N32: line breaks", "a\r\nb", "a\\r\\nb"],
  ["a lone surrogate", "a\ud800", "a\\u{d800}"],
];

for (const [name, text, shown] of rows) {
  Deno.test(`showable() renders ${name}`, () => assertEquals(showable(text), shown));
}

Deno.test("N32: showableWithin() cuts 100 KB to 512 bytes on a character border", () => {
  const cut = showableWithin("ü".repeat(100_000), 512);
  assertEquals(new TextEncoder().encode(cut).length <= 512, true);
  assertEquals(cut.endsWith("…"), true);
  assertEquals(cut.includes("\ufffd"), false);
});

Deno.test("cutBytes() leaves a short text alone", () => assertEquals(cutBytes("abc", 3), "abc"));

Deno.test("nearest() finds a mistyped word and nothing far away", () => {
  assertEquals(nearest("gatway", ["gateway", "node"]), "gateway");
  assertEquals(nearest("rnu", ["list", "run", "rename"]), "run");
  assertEquals(nearest("zzz", ["gateway", "node"]), undefined);
});
