/**
 * Text that came from elsewhere, made safe to show or to log. Attacks stopped here: terminal escapes (A17),
 * invisible and reordering characters (A16), forged log lines (N32).
 */

// C0, DEL, C1, soft hyphen, Arabic letter mark, Hangul fillers, Mongolian separator, zero width and bidi controls,
// line and paragraph separators, invisible operators, interlinear marks, variation selectors, BOM, tag characters,
// lone surrogates.
const HIDDEN =
  // deno-lint-ignore no-control-regex
  /[\u0000-\u001f\u007f-\u009f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\u{e0000}-\u{e0fff}]|[\ud800-\udfff]/gu;

function escapeOne(char: string): string {
  if (char === "\n") return "\\n";
  if (char === "\r") return "\\r";
  if (char === "\t") return "\\t";
  const code = char.codePointAt(0) ?? 0;
  if (code < 0x100) return `\\x${code.toString(16).padStart(2, "0")}`;
  return `\\u{${code.toString(16)}}`;
}

/** One line with every control, invisible and reordering character shown as an escape. */
export function showable(text: string): string {
  return text.replace(HIDDEN, escapeOne);
}

/**
 * Finished JSON text with every control, invisible and reordering character inside its strings written as
 * `\uXXXX`: the same document, safe on a terminal. JSON's own line breaks stay.
 */
export function showableJson(json: string): string {
  return json.replace(
    HIDDEN,
    (char) =>
      char === "\n" ? char : Array.from(
        { length: char.length },
        (_, i) => `\\u${char.charCodeAt(i).toString(16).padStart(4, "0")}`,
      ).join(""),
  );
}

/** {@linkcode showable}, cut to `maxBytes` UTF-8 bytes with `…` at the end when something was cut. */
export function showableWithin(text: string, maxBytes: number): string {
  return cutBytes(
    showable(text.length > 4 * maxBytes ? text.slice(0, 4 * maxBytes) : text),
    maxBytes,
  );
}

/** Cuts a text to `maxBytes` UTF-8 bytes on a character border, marking the cut with `…`. */
export function cutBytes(text: string, maxBytes: number): string {
  const bytes = new TextEncoder().encode(text);
  if (bytes.length <= maxBytes) return text;
  let end = Math.max(0, maxBytes - 3);
  while (end > 0 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end--;
  return new TextDecoder().decode(bytes.subarray(0, end)) + "…";
}

/** A text in double quotes for a message: shown safely and cut to 200 bytes. */
export function quoted(text: string): string {
  return `"${showableWithin(text, 200)}"`;
}

/** The candidate nearest to `word` (edit distance at most a third of its length), for "did you mean". */
export function nearest(word: string, candidates: Iterable<string>): string | undefined {
  let best: string | undefined;
  let bestDistance = Math.max(1, Math.floor(word.length / 3)) + 1;
  for (const candidate of candidates) {
    if (Math.abs(candidate.length - word.length) >= bestDistance) continue;
    const distance = editDistance(word, candidate);
    if (distance < bestDistance) [best, bestDistance] = [candidate, distance];
  }
  return best;
}

/** Edits between two words; two neighbours changing places count as one, the commonest slip of all. */
function editDistance(a: string, b: string): number {
  let before: number[] = [];
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const changed = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
        ? (before[j - 2] ?? 0) + 1
        : Infinity;
      next.push(Math.min((row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1, changed, swapped));
    }
    [before, row] = [row, next];
  }
  return row[b.length] ?? 0;
}

/** A name as people compare names: small letters and digits of any alphabet, everything else one `-`. */
export function slugOf(text: string): string {
  return text.toLowerCase().replace(/[^\p{L}\p{N}]+/gu, "-").replace(/^-+|-+$/g, "");
}
