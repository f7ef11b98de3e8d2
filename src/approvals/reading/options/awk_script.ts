/**
 * Decides whether the program text of an awk call is plainly harmless. awk starts programs with `system()`, with pipes to
 * and from a command, and gawk by indirect calls and loaded libraries; everything else only reads and prints.
 */

import { isInputPath } from "../paths.ts";

/** Options that neither load code nor take the next word; any other is refused, because it could do either. */
const FLAGS =
  /^(?:-[bcCnNrSst]+|-V|--(?:posix|csv|traditional|sandbox|re-interval|characters-as-bytes|non-decimal-data|bignum|optimize|version|help))$/;
const ATTACHED = /^(?:-[vF].|--(?:assign|field-separator)=)/s;
const VALUED = /^(?:-[vF]|--(?:assign|field-separator))$/;

/** A print to a command, a read from one, `system()`, an indirect call, a joined line: any of them may start a program. */
function textStarts(text: string): boolean {
  const pipe = text.replaceAll("||", "  ").lastIndexOf("|");
  return /\bsystem\s*\(|\bgetline\b|@|\\\r?\n/.test(text) ||
    (pipe >= 0 && /\bprintf?\b/.test(text.slice(0, pipe)));
}

/** The part of an awk argv that can start another program; `undefined` when there is none. */
export function awkCode(argv: readonly string[]): string | undefined {
  let fromFile = false;
  for (let at = 1; at < argv.length; at++) {
    const word = argv[at] ?? "";
    const operand = word === "--" ? argv[at + 1] : word;
    if (word === "--" || !word.startsWith("-") || word === "-") {
      return fromFile ? undefined : named(operand);
    }
    // A program file is the file's business, as with other interpreters, unless it is the input.
    if (/^-f./s.test(word) || word === "-f") {
      const file = word.slice(2) || (argv[at + 1] ?? "");
      if (file === "-" || isInputPath(file)) return `${word} ${file}`;
      fromFile = true;
      if (word === "-f") at++;
    } else if (VALUED.test(word)) at++;
    else if (!FLAGS.test(word) && !ATTACHED.test(word)) return word;
  }
  return undefined;
}

function named(text: string | undefined): string | undefined {
  return text !== undefined && textStarts(text) ? text : undefined;
}
