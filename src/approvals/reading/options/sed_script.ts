/**
 * Decides whether a sed call is plainly harmless. GNU sed can run programs (`e`, `s///e`) and write files (`w`), so only
 * a small language is accepted: addresses with `d p q =`, substitutions without `e` or `w`, or the `--sandbox` option.
 */

/** A bracket expression without the delimiter: seds disagree whether "[/]" ends the pattern, so it is not accepted. */
function bracket(delimiter: string): string {
  return `\\[\\^?\\]?(?:\\[:[a-z]+:\\]|[^\\]\\[\\\\\\n${delimiter}]|\\\\[^\\]\\n${delimiter}])*\\]`;
}

function pattern(delimiter: string): string {
  return `(?:[^\\\\\\n[${delimiter}]|\\\\[^\\n]|${bracket(delimiter)})*`;
}

const PLACE = `\\/${pattern("\\/")}\\/I?`;
const ADDRESS = new RegExp(`^(?:\\d+|\\$|${PLACE})(?:,(?:[+~]?\\d+|\\$|${PLACE}))?!?`);

function commandLength(script: string): number {
  const address = ADDRESS.exec(script)?.[0] ?? "";
  const rest = script.slice(address.length);
  if (/^[dpqD=PnNGhHgx](?![A-Za-z0-9])/.test(rest)) return address.length + 1;
  if (!/^[sy][/|,#@!:%+_]/.test(rest)) return 0;
  const d = `\\${rest.charAt(1)}`;
  const plain = `(?:[^\\\\\\n${d}]|\\\\[^\\n])*`;
  const [first, flags] = rest.startsWith("s") ? [pattern(d), "[gpiIM0-9]*"] : [plain, ""];
  const match = new RegExp(`^[sy]${d}${first}${d}${plain}${d}${flags}(?![A-Za-z0-9])`).exec(rest);
  return match ? address.length + match[0].length : 0;
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
