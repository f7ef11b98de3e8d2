/** The reader of shell text: what it understands, where it refuses, and that no input breaks it. */
import { assert, assertEquals } from "@std/assert";
import { parseShell } from "../../src/approvals/reading/shell/shell.ts";
import type { Dialect } from "../../src/approvals/reading/shell/text.ts";
import { randomFrom, randomLine } from "./oracle/shell_lines.ts";

function words(script: string, dialect?: Dialect): string[][] | string {
  const parsed = parseShell(script, dialect);
  return parsed.ok
    ? parsed.items.flatMap((item) => item.stages.map((stage) => [...stage.words]))
    : parsed.refusal.code;
}

const read: readonly [script: string, words: string[][]][] = [
  ["a b  c\td", [["a", "b", "c", "d"]]],
  ["a 'b c' \"d e\" f\\ g", [["a", "b c", "d e", "f g"]]],
  ["a ''\"\"", [["a", ""]]],
  ["a 'x'\"y\"z\\'", [["a", "xyz'"]]],
  [`a "\\$x \\\`y\\\` \\"z\\" \\\\ \\n"`, [["a", '$x `y` "z" \\ \\n']]],
  ["a '$(b) `c` $d * ? [ ~ { } & | ; < > #'", [["a", "$(b) `c` $d * ? [ ~ { } & | ; < > #"]]],
  ["a 'x\ny'", [["a", "x\ny"]]],
  ["a && b || c ; d | e", [["a"], ["b"], ["c"], ["d"], ["e"]]],
  ["a&&b||c;d|e", [["a"], ["b"], ["c"], ["d"], ["e"]]],
  ["a;", [["a"]]],
  ["a # b && c", [["a"]]],
  ["a b#c '#d'", [["a", "b#c", "#d"]]],
  ['a "x$" "y$ z" "(q$|r$)"', [["a", "x$", "y$ z", "(q$|r$)"]]],
  ["a HEAD~1 b@{0} {} {1}", [["a", "HEAD~1", "b@{0}", "{}", "{1}"]]],
  ["a 2>&1 b", [["a", "b"]]],
  ["a2 >/dev/null", [["a2"]]],
  ["a '2'>&1", [["a", "2"]]],
  ["a 日本 é", [["a", "日本", "é"]]],
  ["a !x x! =y", [["a", "!x", "x!", "=y"]]],
];

for (const [script, expected] of read) {
  Deno.test(`parseShell() reads ${JSON.stringify(script)}`, () =>
    assertEquals(words(script), expected));
}

const refused: readonly [code: string, scripts: string[], dialect?: Dialect][] = [
  ["expansion", [
    "a $b",
    "a $",
    "a ${b}",
    "a $(b)",
    "a `b`",
    'a "$b"',
    'a "`b`"',
    'a "$(b)"',
    "a *",
    "a b?",
    "a [b",
    "a (b)",
    "(a)",
    "a ~",
    "a ~b",
    "a b=~",
    "a x:~",
    "a {b,c}",
    "a {1..3}",
    "{ a; }",
    "a }",
    "a $'b'",
    'a $"b"',
    "a <(b)",
    "a >(b)",
    "a() { b; }",
  ]],
  ["newline", [
    "a\nb",
    "a \n",
    "\na",
    "a && \n b",
    "a \\\nb",
    'a "b\nc"',
    'a "b\\\nc"',
    "a # b\nc",
    "a\\\n",
  ]],
  ["control", ["a\rb", "a\r\n", "a\0b", "a \ud800", "'\r'"]],
  ["background", ["a &", "a & b", "a &> f", "a &>/dev/null", "a&b"]],
  ["operator", ["a ;; b"]],
  ["pipe-both", ["a |& b"]],
  ["empty-command", [
    "",
    " ",
    "# a",
    "a &&",
    "a ||",
    "a |",
    "| a",
    "; a",
    "a ; ; b",
    "a && && b",
    "2>&1",
    ">/dev/null",
  ]],
  ["unterminated", ["a 'b", 'a "b', "a \\", "a 'b\\'c'"]],
  ["redirection", [
    "a > b",
    "a >b",
    "a >> b",
    "a < b",
    "a >| b",
    "a <> b",
    "a 3>&1",
    "a 2>&3",
    "a >&-",
    "a >& f",
    "a 0>/dev/null",
    "a > '/dev/null/x'",
    "a >",
    "a 2>",
    "a 10>&1",
    "a 1</dev/null",
    "a <&1",
  ]],
  ["heredoc", ["a <<E", "a <<'E'\nx\nE", "a <<-E", "a <<<b"]],
  ["assignment", ["A=1", "A=1 b", "A+=1 b", "a && B=2 c", '"A=1" b', "A='x y' b"]],
  ["builtin", [
    "eval a",
    "exec a",
    ". a",
    "source a",
    "export A",
    ": a",
    "a && exit 1",
    "'eval' a",
    "e\\val a",
    "trap a EXIT",
    "read a",
    "command a",
    "builtin a",
  ]],
  ["compound", [
    "if a",
    "while a",
    "for a",
    "case a",
    "! a",
    "do a",
    "function a",
    "select a",
    "coproc a",
  ]],
  ["echo-escape", ["echo 'a\\nb'", 'echo "a\\b"']],
  ["fish-escape", ["a \\n"], "fish"],
  ["compound", ["and a", "not a", "begin"], "fish"],
  ["expansion", ["a =ls", "a x~y"], "zsh"],
  ["redirection", ["a >/dev/null | b"], "zsh"],
  ["too-long", ["a " + "x".repeat(70_000)]],
  ["too-many", [Array(80).fill("a").join(";")]],
];

for (const [code, scripts, dialect] of refused) {
  Deno.test(`parseShell() refuses ${code}${dialect ? ` in ${dialect}` : ""}`, () => {
    for (const script of scripts) {
      assertEquals(words(script, dialect), code, JSON.stringify(script.slice(0, 40)));
    }
  });
}

Deno.test("parseShell() says where", () => {
  const parsed = parseShell("git add 'a b' && rm $X");
  assert(!parsed.ok);
  assertEquals(parsed.refusal, {
    code: "expansion",
    message: 'the shell text has an unquoted "$", an expansion at offset 20',
    at: 20,
    hint: "put the word in single quotes if it is meant literally",
  });
});

Deno.test("parseShell() keeps operators and redirections in order", () => {
  const parsed = parseShell("a 2>&1 >/dev/null | b && c || d; e </dev/null >&2");
  assert(parsed.ok);
  assertEquals(
    parsed.items.map((item) => [item.when, item.stages.map((stage) => stage.redirects)]),
    [
      ["always", [[{ fd: 2, to: 1 }, { fd: 1, to: "null" }], []]],
      ["success", [[]]],
      ["failure", [[]]],
      ["always", [[{ fd: 0, to: "null" }, { fd: 1, to: 2 }]]],
    ],
  );
});

Deno.test("parseShell() answers every random input with words or a refusal, quickly", () => {
  const random = randomFrom(99);
  const alphabet = [
    ..."ab '\"\\$`(){}[]<>|&;#~*?!=\n\r\t0129-/\u200b\u{1f600}é\ud800",
    "/dev/null",
    "2>&1",
    "&&",
    "||",
  ];
  for (let i = 0; i < 50_000; i++) {
    const line = i % 2 === 0
      ? randomLine(random)
      : Array.from({ length: Math.floor(random() * 24) }, () =>
        alphabet[Math.floor(random() * alphabet.length)]).join("");
    for (const dialect of ["posix", "zsh", "fish"] as const) {
      const parsed = parseShell(line, dialect);
      if (parsed.ok) {
        assert(
          parsed.items.every((item) =>
            item.stages.length > 0 && item.stages.every((stage) => stage.words.length > 0)
          ),
        );
      } else assert(parsed.refusal.message !== "" && (parsed.refusal.at ?? 0) <= line.length);
    }
  }
});

Deno.test("parseShell() takes linear time for long input", () => {
  const started = performance.now();
  for (const piece of ["a ", "'a' ", "\\a", '"a"', "a;", "# ", "2>&1 ", "((", "''"]) {
    parseShell("a " + piece.repeat(Math.floor(60_000 / piece.length)));
  }
  assert(performance.now() - started < 1000);
});
