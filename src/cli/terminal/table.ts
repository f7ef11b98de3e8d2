/**
 * Box tables as text. Pure. Cells may come from devices: every cell is made showable (A17) and wrapped, ids
 * are never shortened: a table that does not fit becomes one block of `name: value` lines per row.
 */
import { showable } from "../../lib/text.ts";

/** A column: its title, and whether its cells may be wrapped to make the table fit. */
export interface Column {
  readonly title: string;
  /** Cells of a fixed column (ids, states) are never wrapped. */
  readonly fixed?: boolean;
  /** When the table does not fit, cells may be cut to this many characters (ids a prefix of which is enough). */
  readonly cutTo?: number;
  /** When the table still does not fit, the column may be left out. */
  readonly optional?: boolean;
}

/** Flexible columns are wrapped, but not to less than this. */
const MIN_FLEXIBLE = 16;

/** Lines of a table that is at most `width` characters wide. */
export function tableLines(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  width: number,
): string[] {
  const cells = rows.map((row) => columns.map((_, i) => showable(row[i] ?? "")));
  for (const { columns: shown, cells: shownCells } of narrower(columns, cells)) {
    const widths = fit(shown, shownCells, width);
    if (widths) return boxLines(shown, shownCells, widths);
  }
  return blocks(columns, cells);
}

type Cells = readonly (readonly string[])[];

/** The table as it is, then with cut ids, then without its optional columns. */
function* narrower(columns: readonly Column[], cells: Cells) {
  yield { columns, cells };
  const cut = cells.map((row) => row.map((cell, i) => cutCell(cell, columns[i]?.cutTo)));
  yield { columns, cells: cut };
  const kept = columns.map((_, i) => i).filter((i) => !columns[i]?.optional);
  const pick = <T>(list: readonly T[]) => kept.map((i) => list[i] as T);
  yield { columns: pick(columns), cells: cut.map(pick) };
}

function cutCell(cell: string, cutTo: number | undefined): string {
  return cutTo === undefined || cell.length <= cutTo ? cell : `${cell.slice(0, cutTo)}…`;
}

function boxLines(columns: readonly Column[], cells: Cells, widths: readonly number[]): string[] {
  const rule = (left: string, mid: string, right: string) =>
    left + widths.map((w) => "─".repeat(w + 2)).join(mid) + right;
  return [
    rule("┌", "┬", "┐"),
    ...rowLines(columns.map((c) => c.title), widths),
    rule("├", "┼", "┤"),
    ...cells.flatMap((row) => rowLines(row, widths)),
    rule("└", "┴", "┘"),
  ];
}

/** Column widths that fit, or `undefined` when even wrapped columns do not. */
function fit(
  columns: readonly Column[],
  cells: readonly (readonly string[])[],
  width: number,
): number[] | undefined {
  const natural = columns.map((c, i) =>
    Math.max(textWidth(c.title), ...cells.map((row) => textWidth(row[i] ?? "")))
  );
  const room = width - 3 * columns.length - 1;
  const sum = (list: readonly number[]) => list.reduce((a, b) => a + b, 0);
  if (sum(natural) <= room) return natural;
  const widths = [...natural];
  const floor = columns.map((c, i) =>
    c.fixed ? natural[i] as number : Math.min(natural[i] as number, MIN_FLEXIBLE)
  );
  if (sum(floor) > room) return undefined;
  while (sum(widths) > room) {
    // The widest column that may still shrink gives first.
    let best = -1;
    for (let i = 0; i < widths.length; i++) {
      const canShrink = (widths[i] as number) > (floor[i] as number);
      if (canShrink && (best < 0 || (widths[i] as number) > (widths[best] as number))) best = i;
    }
    if (best < 0) return undefined;
    widths[best] = (widths[best] as number) - 1;
  }
  return widths;
}

function rowLines(cells: readonly string[], widths: readonly number[]): string[] {
  const wrapped = cells.map((cell, i) => wrap(cell, widths[i] as number));
  const height = Math.max(1, ...wrapped.map((lines) => lines.length));
  return Array.from(
    { length: height },
    (_, line) =>
      "│ " + wrapped.map((lines, i) => pad(lines[line] ?? "", widths[i] as number)).join(" │ ") +
      " │",
  );
}

function pad(text: string, width: number): string {
  return text + " ".repeat(Math.max(0, width - textWidth(text)));
}

/** Wraps at blanks; a longer word is broken, it is still all there. */
export function wrap(text: string, width: number): string[] {
  if (textWidth(text) <= width) return [text];
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    let left = word;
    if (line !== "" && textWidth(line) + 1 + textWidth(left) <= width) {
      line += ` ${left}`;
      continue;
    }
    if (line !== "") lines.push(line);
    while (textWidth(left) > width) {
      const head = takeWidth(left, width);
      lines.push(head);
      left = left.slice(head.length);
    }
    line = left;
  }
  if (line !== "") lines.push(line);
  return lines;
}

function takeWidth(text: string, width: number): string {
  let out = "";
  for (const char of text) {
    if (out !== "" && textWidth(out + char) > width) break;
    out += char;
  }
  return out;
}

function blocks(columns: readonly Column[], cells: readonly (readonly string[])[]): string[] {
  const width = Math.max(...columns.map((c) => c.title.length)) + 1;
  return cells.flatMap((row, i) => [
    ...(i > 0 ? [""] : []),
    ...columns.flatMap((c, j) => row[j] ? [`${`${c.title}:`.padEnd(width)} ${row[j]}`] : []),
  ]);
}

// East Asian wide and fullwidth ranges and emoji, enough to keep borders aligned.
const WIDE =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]/u;

/** Columns a text takes on a terminal; combining marks take none. */
export function textWidth(text: string): number {
  let width = 0;
  for (const char of text) {
    if (/\p{M}/u.test(char)) continue;
    width += WIDE.test(char) ? 2 : 1;
  }
  return width;
}

/** Whether a word is the start of an id, at least six characters, as typed or as a table cut it. */
export function startsId(id: string, word: string): boolean {
  const start = word.replace(/(?:…|\.\.\.)$/, "");
  return start.length >= 6 && id.startsWith(start);
}

/** `just now`, `5m ago`, `3h ago`, `2d ago`; `never` for an absent time. */
export function ageText(timeMs: number | undefined | null, nowMs: number): string {
  if (timeMs === undefined || timeMs === null || timeMs <= 0) return "never";
  const seconds = Math.max(0, Math.floor((nowMs - timeMs) / 1000));
  if (seconds < 60) return "just now";
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m ago`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)}h ago`;
  return `${Math.floor(seconds / 86_400)}d ago`;
}
