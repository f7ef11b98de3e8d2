/**
 * Finds the functions of a formatted source text and their lengths, by indentation: `deno fmt`
 * guarantees that a function ends at the first line as far in as its first one.
 */

const FUNCTION_START =
  /^\s*(?:(?:export|default|async|static|override|private|public|get|set)\s+)*(?:function\*?\s+(\w+)|(?:const\s+)?([\w#$]+)\s*(?:=|:)\s*(?:async\s*)?\(|\*?([\w#$]+)\()/;
const NOT_FUNCTIONS = new Set([
  "if",
  "for",
  "while",
  "switch",
  "catch",
  "return",
  "throw",
  "await",
]);

/** Every function, method and named arrow function, with its length in lines. */
export function* functionsOf(
  lines: readonly string[],
): Generator<{ name: string; length: number }> {
  for (let start = 0; start < lines.length; start++) {
    const match = FUNCTION_START.exec(lines[start]!);
    const name = match?.[1] ?? match?.[2] ?? match?.[3];
    if (name === undefined || NOT_FUNCTIONS.has(name)) continue;
    const indent = /^\s*/.exec(lines[start]!)![0];
    let open = start;
    if (!lines[start]!.endsWith("{")) {
      // A signature over several lines: its closing line stands at the same indentation.
      open = lines.findIndex((line, n) => n > start && startsAt(line, indent));
      if (open < 0 || !/^\s*\).*\{$/.test(lines[open]!)) continue;
    }
    const end = lines.findIndex((line, n) => n > open && startsAt(line, indent));
    if (end > 0) yield { name, length: end - start + 1 };
  }
}

function startsAt(line: string, indent: string): boolean {
  return line.startsWith(indent) && /^\S/.test(line.slice(indent.length));
}
