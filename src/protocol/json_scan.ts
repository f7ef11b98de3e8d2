/**
 * One pass over JSON text before `JSON.parse`: refuses what would block or confuse the parser and everything
 * behind it. It does not validate JSON; the parser does. Attacks stopped: N16 (depth, keys, digits),
 * N17 (`__proto__`, a key given twice). Source: decision 30.
 */
import {
  MAX_JSON_DEPTH,
  MAX_JSON_KEY_CHARS,
  MAX_JSON_KEYS,
  MAX_JSON_KEYS_CHARS,
  MAX_JSON_NUMBER_CHARS,
  MAX_JSON_VALUES,
} from "./limits.ts";

/** Why a text was refused; `undefined` = may be parsed. */
export type ScanProblem =
  | "nested too deeply"
  | "too many keys"
  | "too many values"
  | "number too long"
  | "key too long"
  | "duplicate key"
  | "forbidden key"
  | undefined;

const BLANK = 0x20, QUOTE = 0x22, BACKSLASH = 0x5c, COLON = 0x3a, COMMA = 0x2c;
const OPEN_OBJECT = 0x7b, CLOSE_OBJECT = 0x7d, OPEN_ARRAY = 0x5b, CLOSE_ARRAY = 0x5d;

/** Keys of one object are compared one by one up to here, through a set beyond. */
const FEW_KEYS = 16;

// Scratch space shared by all scans (they never overlap: the scan is synchronous). One row per depth.
const keyStart = new Int32Array((MAX_JSON_DEPTH + 1) * FEW_KEYS);
const keyEnd = new Int32Array((MAX_JSON_DEPTH + 1) * FEW_KEYS);
const keyCount = new Int32Array(MAX_JSON_DEPTH + 1);
const isObject = new Uint8Array(MAX_JSON_DEPTH + 1);

/** Looks through `text`; linear, without allocating for ordinary frames. */
export function scanJson(text: string): ScanProblem {
  const manyKeys: (Set<string> | undefined)[] = [];
  let depth = 0, keys = 0, keyChars = 0, values = 0, stringStart = 0, stringEnd = -1;
  for (let i = 0; i < text.length; i++) {
    const char = text.charCodeAt(i);
    if (char <= BLANK) continue;
    if (char === QUOTE) {
      stringStart = i + 1;
      stringEnd = endOfString(text, stringStart);
      if (stringEnd < 0) return undefined; // unterminated: the parser says so
      i = stringEnd;
    } else if (char === COLON) {
      keyChars += stringEnd - stringStart;
      if (++keys > MAX_JSON_KEYS || keyChars > MAX_JSON_KEYS_CHARS) return "too many keys";
      if (isObject[depth] !== 1) continue;
      const problem = noteKey(text, stringStart, stringEnd, depth, manyKeys);
      if (problem !== undefined) return problem;
    } else if (char === OPEN_OBJECT || char === OPEN_ARRAY) {
      if (++depth > MAX_JSON_DEPTH) return "nested too deeply";
      isObject[depth] = char === OPEN_OBJECT ? 1 : 0;
      keyCount[depth] = 0;
      manyKeys[depth] = undefined;
    } else if (char === CLOSE_OBJECT || char === CLOSE_ARRAY) {
      if (depth > 0) depth--;
    } else if (char === COMMA) {
      if (++values > MAX_JSON_VALUES) return "too many values";
    } else if (isNumberChar(char)) {
      const start = i;
      while (i + 1 < text.length && isNumberChar(text.charCodeAt(i + 1))) i++;
      if (i - start >= MAX_JSON_NUMBER_CHARS) return "number too long";
    }
  }
  return undefined;
}

function isNumberChar(char: number): boolean {
  return (char >= 0x30 && char <= 0x39) || char === 0x2d || char === 0x2b || char === 0x2e;
}

/** Escaped quotes that are looked for one by one; a string with more is read character by character. */
const FEW_ESCAPES = 16;

/** Index of the closing quote, or -1. `indexOf` makes long strings cheap. */
function endOfString(text: string, start: number): number {
  let end = text.indexOf('"', start);
  for (let escapes = 0; end >= 0; end = text.indexOf('"', end + 1)) {
    let back = end - 1;
    while (back >= start && text.charCodeAt(back) === BACKSLASH) back--;
    if ((end - 1 - back) % 2 === 0) return end;
    if (++escapes === FEW_ESCAPES) return endOfEscaped(text, end + 1);
  }
  return -1;
}

/** As {@linkcode endOfString}, from a place that no backslash stands before. */
function endOfEscaped(text: string, start: number): number {
  for (let i = start; i < text.length; i++) {
    const char = text.charCodeAt(i);
    if (char === BACKSLASH) i++;
    else if (char === QUOTE) return i;
  }
  return -1;
}

function noteKey(
  text: string,
  start: number,
  end: number,
  depth: number,
  manyKeys: (Set<string> | undefined)[],
): ScanProblem {
  const length = end - start;
  // Keys are compared with each other: long ones that differ at their end would take a second.
  if (length > MAX_JSON_KEY_CHARS) return "key too long";
  const hasEscape = holdsBackslash(text, start, end);
  if (!hasEscape && length === 9 && text.startsWith("__proto__", start)) return "forbidden key";
  const count = keyCount[depth] ?? 0;
  const many = manyKeys[depth];
  if (many === undefined && !hasEscape && count < FEW_KEYS) {
    const row = depth * FEW_KEYS;
    for (let k = row; k < row + count; k++) {
      if (sameText(text, keyStart[k] ?? 0, keyEnd[k] ?? 0, start, length)) return "duplicate key";
    }
    keyStart[row + count] = start;
    keyEnd[row + count] = end;
    keyCount[depth] = count + 1;
    return undefined;
  }
  const set = many ?? startSet(text, depth, count);
  manyKeys[depth] = set;
  const key = hasEscape ? unescaped(text.slice(start - 1, end + 1)) : text.slice(start, end);
  if (key === "__proto__") return "forbidden key";
  if (set.has(key)) return "duplicate key";
  set.add(key);
  return undefined;
}

function holdsBackslash(text: string, start: number, end: number): boolean {
  for (let k = start; k < end; k++) if (text.charCodeAt(k) === BACKSLASH) return true;
  return false;
}

function startSet(text: string, depth: number, count: number): Set<string> {
  const set = new Set<string>();
  for (let k = depth * FEW_KEYS; k < depth * FEW_KEYS + count; k++) {
    set.add(text.slice(keyStart[k], keyEnd[k]));
  }
  return set;
}

function sameText(text: string, a: number, aEnd: number, b: number, length: number): boolean {
  if (aEnd - a !== length) return false;
  for (let k = 0; k < length; k++) {
    if (text.charCodeAt(a + k) !== text.charCodeAt(b + k)) return false;
  }
  return true;
}

/** A key written with escapes, as the parser will see it; the raw text when it is not valid JSON. */
function unescaped(quotedText: string): string {
  try {
    return String(JSON.parse(quotedText));
  } catch {
    return quotedText;
  }
}
