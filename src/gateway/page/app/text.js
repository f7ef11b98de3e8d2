/**
 * Text that came from elsewhere, made safe to show, and times in words. The rule of what is hidden is that of
 * `src/lib/text.ts`; a test holds the two together.
 */

// deno-lint-ignore no-control-regex
const HIDDEN =
  /[\u0000-\u001f\u007f-\u009f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\u{e0000}-\u{e0fff}]|[\ud800-\udfff]/gu;

/** @type {Readonly<Record<string, string>>} */
const NAMED = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };

/** @param {string} char */
function escapeOne(char) {
  const code = char.codePointAt(0) ?? 0;
  return NAMED[char] ??
    (code < 0x100 ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u{${code.toString(16)}}`);
}

/**
 * One line with every control, invisible and reordering character shown as an escape (A16, A17).
 * @param {unknown} value
 * @returns {string}
 */
export function showable(value) {
  return String(value ?? "").replace(HIDDEN, escapeOne);
}

/**
 * A name: {@linkcode showable}, cut to 200 characters.
 * @param {unknown} value
 */
export function shownName(value) {
  const text = showable(value);
  return text.length > 200 ? `${text.slice(0, 200)}…` : text;
}

/**
 * A key's SHA-256 in groups of eight, for comparing by eye.
 * @param {unknown} id
 */
export function shownKey(id) {
  return showable(id).replace(/(.{8})(?=.)/g, "$1 ");
}

/**
 * `12 s`, `5 min`, `3 h`, `2 d`.
 * @param {number} ms
 */
export function duration(ms) {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 90) return `${seconds} s`;
  if (seconds < 90 * 60) return `${Math.round(seconds / 60)} min`;
  return seconds < 48 * 3600
    ? `${Math.round(seconds / 3600)} h`
    : `${Math.round(seconds / 86_400)} d`;
}
