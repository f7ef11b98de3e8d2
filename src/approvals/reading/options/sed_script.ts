/**
 * Decides whether a sed call is plainly harmless. GNU sed can run programs (`e`, `s///e`) and write files (`w`), so only
 * a small language is accepted: addresses with `d p q =`, substitutions without `e` or `w`, or the `--sandbox` option.
 */

/** A bracket expression; `open` says whether the delimiter may stand in it. */
function bracket(delimiter: string, open: boolean): string {
  const closed = open ? "" : delimiter;
  return `\\[\\^?\\]?(?:\\[:[a-z]+:\\]|[^\\]\\[\\\\\\n${closed}]|\\\\[^\\]\\n${closed}])*\\]`;
}

function pattern(delimiter: string, open = false): string {
  return `(?:[^\\\\\\n[${delimiter}]|\\\\[^\\n]|${bracket(delimiter, open)})*`;
}

const PLACE = `\\/${pattern("\\/")}\\/I?`;
const ADDRESS = new RegExp(`^(?:\\d+|\\$|${PLACE})(?:,(?:[+~]?\\d+|\\$|${PLACE}))?!?`);

function commandLength(script: string): number {
  const address = ADDRESS.exec(script)?.[0] ?? "";
  const rest = script.slice(address.length);
  if (/^[dpqD=PnNGhHgx](?![A-Za-z0-9])/.test(rest)) return address.length + 1;
  // Text up to the end of the line; with a backslash it could go on, or begin, where another sed sees a command.
  const text = /^[aic] [^\\\n]*(?=\n|$)/.exec(rest)?.[0];
  if (text !== undefined) return address.length + text.length;
  if (!/^[sy][/|,#@!:%+_]/.test(rest)) return 0;
  const d = `\\${rest.charAt(1)}`;
  const plain = `(?:[^\\\\\\n${d}]|\\\\[^\\n])*`;
  const [first, flags] = rest.startsWith("s") ? [pattern(d, true), "[gpiIM0-9]*"] : [plain, ""];
  const match = new RegExp(`^[sy]${d}${first}${d}${plain}${d}${flags}(?![A-Za-z0-9])`).exec(rest);
  if (!match || endsElsewhere(rest, d)) return 0;
  return address.length + match[0].length;
}

/**
 * Seds disagree whether the delimiter inside brackets ends the pattern. Read the other way the command must be one that no
 * sed takes, so that nothing of the script is run: what follows its last delimiter is neither a flag nor an end.
 */
function endsElsewhere(rest: string, d: string): boolean {
  const plain = `(?:[^\\\\\\n${d}]|\\\\[^\\n])*`;
  const strict = new RegExp(`^s${d}${pattern(d)}${d}`).test(rest);
  if (strict || rest.startsWith("y")) return false;
  const other = new RegExp(`^s${d}${plain}${d}${plain}${d}`).exec(rest);
  const next = other ? rest.charAt(other[0].length) : "";
  return next === "" || /[A-Za-z0-9;\s}#]/.test(next);
}

/** Whether a sed script only edits and prints. */
function sedScriptIsHarmless(script: string): boolean {
  let rest = script.trim();
  while (rest !== "") {
    const length = commandLength(rest);
    if (length === 0) return false;
    rest = rest.slice(length).trimStart();
    if (rest !== "" && !/^[;\n]/.test(rest)) return false;
    rest = rest.replace(/^[;\n\s]+/, "");
  }
  return true;
}

/** Whether no part of a sed argv can run a program or write a file of the script's choosing. */
export function sedRunsNothing(argv: readonly string[]): boolean {
  const args = argv.slice(1);
  // Only in front: behind "--" or an option it could be a file name.
  if (args[0] === "--sandbox") return true;
  const scripts: string[] = [];
  let given = false;
  let operand: string | undefined;
  for (let i = 0; i < args.length; i++) {
    const word = args[i] ?? "";
    if (word === "--") {
      operand ??= args[i + 1];
      break;
    }
    if (word === "-e" || word === "--expression" || /^-[nErsuz]+e$/.test(word)) {
      given = true;
      scripts.push(args[++i] ?? "");
    } else if (word.startsWith("--expression=")) {
      given = true;
      scripts.push(word.slice("--expression=".length));
    } else if (
      /^(?:-[nErsuz]+|-i(?:\.[A-Za-z0-9]+)?|-n?i|-[Er]i|-ni|--(?:quiet|silent|regexp-extended|posix|in-place|null-data|separate|unbuffered|debug))$/
        .test(word)
    ) continue;
    else if (word.startsWith("-") && word !== "-") return false;
    else operand ??= word;
  }
  if (!given) scripts.push(operand ?? "");
  return scripts.every(sedScriptIsHarmless);
}
