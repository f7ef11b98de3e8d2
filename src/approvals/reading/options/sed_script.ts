/**
 * Decides whether a sed call is plainly harmless. GNU sed can run programs (`e`, `s///e`) and write files (`w`), so only
 * a small language is accepted: addresses with `d p q =`, substitutions without `e` or `w`, or the `--sandbox` option.
 */

const ADDRESS =
  /^(?:\d+|\$|\/(?:[^\\/\n]|\\[^\n])*\/I?)(?:,(?:[+~]?\d+|\$|\/(?:[^\\/\n]|\\[^\n])*\/I?))?!?/;

function commandLength(script: string): number {
  const address = ADDRESS.exec(script)?.[0] ?? "";
  const rest = script.slice(address.length);
  if (/^[dpqD=PnNGhHgx](?![A-Za-z0-9])/.test(rest)) return address.length + 1;
  const delimiter = rest.charAt(1);
  if (!/^[sy]/.test(rest) || !/[/|,#@!:%+_]/.test(delimiter)) return 0;
  const part = `(?:[^\\\\\\n${escapeForSet(delimiter)}]|\\\\[^\\n])*`;
  const flags = rest.startsWith("s") ? "[gpiIM0-9]*" : "";
  const d = `\\${delimiter}`;
  const match = new RegExp(`^[sy]${d}${part}${d}${part}${d}${flags}(?![A-Za-z0-9])`).exec(rest);
  return match ? address.length + match[0].length : 0;
}

function escapeForSet(char: string): string {
  return `\\${char}`;
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
  if (args.includes("--sandbox")) return true;
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
