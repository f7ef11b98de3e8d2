/**
 * Whether a regular expression of the approvals file ends in reasonable time on a text. The engine goes back over what it
 * tried; an expression such as `(a+)+$` would hold up the whole node for ever, whoever wrote it.
 */

/** Steps that are worth one answer; some tenths of a second. */
const MAX_STEPS = 1e8;

interface Group {
  /** Holds a repetition or a choice, so that repeating the group multiplies. */
  branches: boolean;
}

/** Quantifier at `at`: its length, whether it repeats, and whether the number of times is open. */
function quantifier(
  pattern: string,
  at: number,
): { length: number; repeats: boolean; varies: boolean } {
  const found = /^(?:[*+?]|\{\d+(?:,\d*)?\})\??/.exec(pattern.slice(at, at + 24))?.[0] ?? "";
  const most = /^\{(?:\d+,)?(\d*)\}/.exec(found)?.[1];
  const repeats = /^[*+]/.test(found) || (most !== undefined && (most === "" || Number(most) > 1));
  return { length: found.length, repeats, varies: found !== "" && !/^\{\d+\}/.test(found) };
}

/** The number of repetitions that can interplay; `undefined` when they are nested or refer back. */
function repetitions(pattern: string): number | undefined {
  const groups: Group[] = [{ branches: false }];
  let count = pattern.startsWith("^") ? 0 : 1;
  for (let at = 0; at < pattern.length;) {
    const char = pattern.charAt(at);
    let closed: Group | undefined;
    if (char === "\\") {
      if (/[1-9k]/.test(pattern.charAt(at + 1))) return undefined;
      at += 2;
    } else if (char === "[") at = afterClass(pattern, at);
    else {
      at++;
      if (char === "(") groups.push({ branches: false });
      else if (char === ")") closed = groups.length > 1 ? groups.pop() : undefined;
      else if (char === "|") groups[groups.length - 1]!.branches = true;
    }
    const { length, repeats, varies } = quantifier(pattern, at);
    if (char === "(" || char === "|" || length === 0) {
      if (closed?.branches) groups[groups.length - 1]!.branches = true;
      continue;
    }
    if (repeats && closed?.branches) return undefined;
    if (repeats) count++;
    if (varies || closed?.branches) groups[groups.length - 1]!.branches = true;
    at += length;
  }
  return count;
}

function afterClass(pattern: string, at: number): number {
  for (let i = at + 1; i < pattern.length; i++) {
    if (pattern.charAt(i) === "\\") i++;
    else if (pattern.charAt(i) === "]") return i + 1;
  }
  return pattern.length;
}

/** Whether `pattern` may be tried on a text of this length. */
export function isBounded(pattern: string, textLength: number): boolean {
  const count = repetitions(pattern);
  return count !== undefined && Math.max(textLength, 2) ** count <= MAX_STEPS;
}
