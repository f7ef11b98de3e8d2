/**
 * Random shell lines for the oracle tests: plain lists of harmless commands, with quoting of every kind, into which
 * hostile constructs are put now and then. Seeded, so that a failing line can be made again.
 */

/** Small repeatable random numbers (mulberry32). */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** Names of the harmless programs that lines may start, and of the one they must not. */
export const HARMLESS = ["aa", "bb", "cc", "dd"];
export const FORBIDDEN = "evil";

const HOSTILE = [
  "$(evil X)",
  "`evil X`",
  '"$(evil X)"',
  '"`evil X`"',
  "; evil X",
  "&& evil X",
  "|| evil X",
  "| evil X",
  "& evil X",
  "\nevil X",
  "<(evil X)",
  ">(evil X)",
  "${x:-$(evil X)}",
  "$((`evil X`))",
  "\\\nevil X",
  "# c\nevil X",
  "|& evil X",
  "<<E\n$(evil X)\nE",
  "$'\\x3b' evil X",
  "{ evil X; }",
  "(evil X)",
  "! evil X",
  "eval evil X",
  "exec evil X",
  ". ./evil",
  "if evil X; then aa; fi",
  "command evil X",
  "X=1 evil X",
  "env X=1 evil X",
  "env -S 'evil X'",
  "nice evil X",
  "timeout 5 evil X",
  "sh -c 'evil X'",
  "time evil X",
  "xargs evil",
  "find . -exec evil X ';'",
  "'; evil X",
  '"; evil X',
  "\\; evil X",
  "\r evil X",
  "\u00a0evil X",
  "; e\\vil X",
  "; 'evil' X",
  ';"e"vil X',
  "&&evil X",
  "|evil X",
  "; ev''il X",
  "\f; evil X",
  "\v evil X",
  "trap 'evil X' EXIT;",
  "a() { evil X; };a",
  "alias aa=evil;aa",
  "; ./bin/evil X",
  "; ../s/bin/evil X",
  "> >(evil X)",
  "2>&1 & evil X",
  ">&evil",
  "2>&1;evil X",
  "2>&1|evil X",
];

const PIECES = [
  "x",
  "-n",
  "--opt=1",
  "a b",
  "a'b",
  'a"b',
  "$HOME",
  "`",
  "\\",
  "*",
  "?",
  "[a]",
  "~",
  "~root",
  "{a,b}",
  "{}",
  "@{0}",
  "#x",
  "x#",
  "!",
  "=x",
  "a=b",
  "%1",
  "^x",
  ";",
  "&",
  "|",
  "<",
  ">",
  "(",
  ")",
  "\t",
  "é",
  "日本",
  "\u200b",
  "a\\nb",
  "$",
  "x$",
  "$x",
  "2",
  "2>&1",
  "-",
  "--",
  "/dev/null",
  "HEAD~1",
  "a:~",
  "a=~",
];

type Random = () => number;
const pick = <T>(random: Random, from: readonly T[]): T =>
  from[Math.floor(random() * from.length)] as T;

/** One word in some quoting; most of them come out as a literal word, some do not. */
function word(random: Random): string {
  const piece = pick(random, PIECES);
  const kind = random();
  if (kind < 0.3) return `'${piece.replaceAll("'", `'\\''`)}'`;
  if (kind < 0.5) return `"${piece.replaceAll(/[\\"$`]/g, "\\$&")}"`;
  if (kind < 0.6) return [...piece].map((char) => `\\${char}`).join("");
  if (kind < 0.7) {
    return `${pick(random, ["x", "'q r'", '"s t"'])}${pick(random, ["y", "'u'", '"v"', "\\ "])}`;
  }
  if (kind < 0.8) return `"${piece}"`;
  if (kind < 0.85) return piece;
  return pick(random, [
    "x",
    "-l",
    "file.txt",
    "a/b/c",
    "--name=value",
    "k:v",
    "1,2",
    "a@b",
    "100%",
    "x+y",
  ]);
}

function redirection(random: Random): string {
  return pick(random, [
    "2>&1",
    ">/dev/null",
    "2>/dev/null",
    "</dev/null",
    ">/dev/null 2>&1",
    "2>&1 >/dev/null",
    "1>&2",
    ">&2",
    ">> /dev/null",
    "> f",
    "2>'/dev/null'",
    "&>/dev/null",
    "< f",
    "3>&1",
    ">|/dev/null",
  ]);
}

function command(random: Random): string {
  const prefix = random() < 0.12
    ? pick(random, [
      "env ",
      "nice ",
      "nice -n 2 ",
      "timeout 5 ",
      "nohup ",
      "stdbuf -oL ",
      "timeout -k 1 5 ",
      "env env ",
    ])
    : "";
  const name = random() < 0.04
    ? pick(random, ["evil", "'evil'", "ev\\il", "unknown"])
    : pick(random, [...HARMLESS, `'${pick(random, HARMLESS)}'`, "a\\a", '"bb"']);
  const words = Array.from({ length: Math.floor(random() * 4) }, () => word(random));
  const after = random() < 0.15 ? [redirection(random)] : [];
  const at = Math.floor(random() * (words.length + 1));
  return prefix +
    [name, ...words.slice(0, at), ...after, ...words.slice(at)].join(random() < 0.9 ? " " : "  ");
}

/** One random line. */
export function randomLine(random: Random): string {
  const kind = random();
  if (kind < 0.04) return soup(random);
  let line = random() < 0.1
    ? `cd ${pick(random, ["sub", "./sub", "'sub'", "nowhere", ".", "-", "~"])} && `
    : "";
  line += command(random);
  for (let i = Math.floor(random() * 3.2); i > 0; i--) {
    line += pick(random, [" && ", " || ", " ; ", "; ", " | ", "&&", "|", ";"]) + command(random);
  }
  if (random() < 0.18) {
    const at = Math.floor(random() * (line.length + 1));
    line = line.slice(0, at) + pick(random, ["", " "]) + pick(random, HOSTILE) + line.slice(at);
  }
  if (random() < 0.05) line += pick(random, [" # note", ";", " ;", "\n", " &", " #; evil X"]);
  return line;
}

const SOUP = [
  "aa",
  "evil",
  " ",
  " ",
  "'",
  '"',
  "\\",
  "$",
  "`",
  "(",
  ")",
  ";",
  "&",
  "|",
  "<",
  ">",
  "\n",
  "#",
  "{",
  "}",
  "=",
  "~",
  "*",
  "!",
  "x",
  "2",
  "1",
  "\t",
  "-",
];

function soup(random: Random): string {
  return Array.from({ length: 1 + Math.floor(random() * 16) }, () => pick(random, SOUP)).join("");
}
