/**
 * Changes one value of a JSON5 text and leaves every other byte alone: comments, quotes, line ends, order. The
 * result is read back and compared with what was meant, so a mistake here ends in an error, never in a wrong file.
 */
import { type ConfigPath, listIndex } from "./config_path.ts";
import {
  Json5Error,
  type Json5Member,
  type Json5Node,
  parseJson5Tree,
  skipBlank,
} from "./json5.ts";
import { render, renderKey, type Style } from "./json5_render.ts";
import { sameValue, withoutValue, withValue } from "./json_value.ts";

/** Why a value cannot be put or removed at a path; the caller names the path. */
export class EditError extends Error {}

/** The text with `value` at `path`; parents are created. An empty path replaces everything. Throws `EditError`. */
export function setInText(text: string, path: ConfigPath, value: unknown): string {
  const root = parseJson5Tree(text);
  const result = splice(text, setEdits(text, root, path, value));
  const wanted = withValue(root.value, path, value);
  return proven(result, wanted);
}

/** The text without what is at `path`; `undefined` when nothing is there. Comments stay. */
export function removeFromText(text: string, path: ConfigPath): string | undefined {
  const root = parseJson5Tree(text);
  const { node, rest } = descend(root, path.slice(0, -1));
  const step = path.at(-1);
  if (rest.length > 0 || step === undefined) return undefined;
  const entries = entriesOf(node);
  const index = entries.findLastIndex((entry) => matches(entry, step, node));
  if (index < 0) return undefined;
  const result = splice(text, removalEdits(text, entries, index));
  // N17: of a key that stands there twice, the first would come to count now.
  const isDoubled = node.members?.filter(({ key }) => key === String(step)).length !== 1;
  if (node.members && isDoubled) return removeFromText(result, path);
  return proven(result, withoutValue(root.value, path));
}

interface Edit {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

/** A member or an item, with the range it covers. */
interface Entry {
  readonly key: string | number;
  readonly start: number;
  readonly end: number;
  readonly node: Json5Node;
}

function splice(text: string, edits: readonly Edit[]): string {
  let out = text;
  for (const edit of edits.toSorted((a, b) => b.start - a.start || b.end - a.end)) {
    out = out.slice(0, edit.start) + edit.text + out.slice(edit.end);
  }
  return out;
}

function entriesOf(node: Json5Node): Entry[] {
  const member = ({ key, start, node: value }: Json5Member) => ({
    key,
    start,
    end: value.end,
    node: value,
  });
  return node.members?.map(member) ??
    node.items?.map((item, i) => ({ key: i, start: item.start, end: item.end, node: item })) ?? [];
}

function matches(entry: Entry, step: string | number, parent: Json5Node): boolean {
  return parent.items ? entry.key === listIndex(step) : entry.key === String(step);
}

/** The deepest node on the way, and the steps that are left. */
function descend(root: Json5Node, path: ConfigPath): { node: Json5Node; rest: ConfigPath } {
  let node = root;
  for (const [i, step] of path.entries()) {
    const found = entriesOf(node).findLast((entry) => matches(entry, step, node));
    if (!found) return { node, rest: path.slice(i) };
    node = found.node;
  }
  return { node, rest: [] };
}

function setEdits(text: string, root: Json5Node, path: ConfigPath, value: unknown): Edit[] {
  const { node, rest } = descend(root, path);
  const [step, ...deeper] = rest;
  const style = styleOf(text, root);
  if (step === undefined) {
    const indent = indentAt(text, node.start);
    return [{
      start: node.start,
      end: node.end,
      text: render(value, indent, style, text[node.start]),
    }];
  }
  const content = deeper.reduceRight<unknown>(nest, value);
  if (node.items) {
    if (listIndex(step) !== node.items.length) {
      throw new EditError(
        `the list has ${node.items.length} entries, index ${step} is not the next`,
      );
    }
  } else if (!node.members) throw new EditError("its parent is no object");
  return insertion(text, node, node.items ? undefined : String(step), content, style);
}

function nest(inner: unknown, step: string | number): unknown {
  if (typeof step === "string") return { [step]: inner };
  if (step === 0) return [inner];
  throw new EditError(`there is no list yet, index ${step} is not the next`);
}

function styleOf(text: string, root: Json5Node): Style {
  const first = root.members?.[0];
  const eol = text.includes("\r\n") ? "\r\n" : "\n";
  if (!first) return { unit: "  ", eol, keyQuote: '"' };
  const quote = text[first.start];
  const indent = indentAt(text, first.start);
  return {
    unit: onOwnLine(text, first.start) && indent !== "" ? indent : "  ",
    eol,
    keyQuote: quote === '"' || quote === "'" ? quote : "",
  };
}

function lineStart(text: string, offset: number): number {
  return Math.max(text.lastIndexOf("\n", offset - 1), text.lastIndexOf("\r", offset - 1)) + 1;
}

function indentAt(text: string, offset: number): string {
  return /^[ \t]*/.exec(text.slice(lineStart(text, offset), offset))?.[0] ?? "";
}

function onOwnLine(text: string, offset: number): boolean {
  return /^[ \t]*$/.test(text.slice(lineStart(text, offset), offset));
}

/** A new last entry of an object (`key` given) or of an array. */
function insertion(
  text: string,
  parent: Json5Node,
  key: string | undefined,
  value: unknown,
  style: Style,
): Edit[] {
  const entries = entriesOf(parent);
  const last = entries.at(-1);
  const first = entries[0];
  const head = (indent: string) =>
    (key === undefined ? "" : `${renderKey(key, style)}: `) + render(value, indent, style);
  if (!last || !first) return [intoEmpty(text, parent, head, style)];
  const comma = commaBehind(text, last.end);
  const addComma: Edit[] = comma < 0 ? [{ start: last.end, end: last.end, text: "," }] : [];
  const trailing = comma < 0 ? "" : ",";
  if (!onOwnLine(text, first.start)) {
    const at = comma < 0 ? last.end : comma + 1;
    const indent = indentAt(text, parent.start);
    return [...addComma, { start: at, end: at, text: ` ${head(indent)}${trailing}` }]
      .reduce<Edit[]>(joinAtSamePlace, []);
  }
  const indent = indentAt(text, first.start);
  const at = endOfLineComments(text, comma < 0 ? last.end : comma + 1);
  const line = `${style.eol}${indent}${head(indent)}${trailing}`;
  return [...addComma, { start: at, end: at, text: line }].reduce<Edit[]>(joinAtSamePlace, []);
}

/** Two insertions at one place become one, so that their order is certain. */
function joinAtSamePlace(edits: Edit[], next: Edit): Edit[] {
  const last = edits.at(-1);
  if (!last || last.start !== next.start) return [...edits, next];
  return [...edits.slice(0, -1), { ...last, text: last.text + next.text }];
}

function intoEmpty(
  text: string,
  parent: Json5Node,
  head: (indent: string) => string,
  style: Style,
): Edit {
  const outer = indentAt(text, parent.start);
  const indent = outer + style.unit;
  const close = parent.end - 1;
  const inside = text.slice(parent.start + 1, close);
  // Comments inside stay where they are; the new entry goes behind them.
  const start = parent.start + 1 + inside.trimEnd().length;
  return {
    start,
    end: close,
    text: `${style.eol}${indent}${head(indent)}${style.eol}${outer}`,
  };
}

/** Offset of the comma behind an entry, or -1. */
function commaBehind(text: string, end: number): number {
  const at = skipBlank(text, end);
  return text[at] === "," ? at : -1;
}

/** Behind the comments that follow on the same line. */
function endOfLineComments(text: string, offset: number): number {
  let at = offset;
  for (;;) {
    const rest = text.slice(at);
    const comment = /^[ \t]*(?:\/\/[^\n\r\u2028\u2029]*|\/\*(?:(?!\*\/)[^\n\r])*\*\/)/.exec(rest)
      ?.[0];
    if (comment === undefined) return at;
    at += comment.length;
  }
}

function removalEdits(text: string, entries: readonly Entry[], index: number): Edit[] {
  const entry = entries[index];
  if (!entry) return [];
  const comma = commaBehind(text, entry.end);
  const edits: Edit[] = [];
  const previous = entries[index - 1];
  // The last entry leaves no comma behind that strict JSON would refuse.
  if (index === entries.length - 1 && comma < 0 && previous) {
    const before = commaBehind(text, previous.end);
    edits.push({ start: before, end: before + 1, text: "" });
  }
  const end = comma === skipSpaces(text, entry.end) ? comma + 1 : entry.end;
  if (comma >= end) edits.push({ start: comma, end: comma + 1, text: "" });
  edits.push({ ...wholeLine(text, entry.start, end), text: "" });
  return edits;
}

function skipSpaces(text: string, offset: number): number {
  let at = offset;
  while (text[at] === " " || text[at] === "\t") at++;
  return at;
}

/** The range widened to its lines when nothing else stands on them, else to the blanks in front. */
function wholeLine(text: string, start: number, end: number): { start: number; end: number } {
  const behind = skipSpaces(text, end);
  const lineEnd = /^(?:\r\n|[\n\r])/.exec(text.slice(behind, behind + 2))?.[0];
  if (onOwnLine(text, start)) {
    return lineEnd === undefined
      ? { start, end: behind }
      : { start: lineStart(text, start), end: behind + lineEnd.length };
  }
  let from = start;
  while (text[from - 1] === " " || text[from - 1] === "\t") from--;
  return { start: from, end };
}

/** The edited text, once it is proven to mean what was meant. */
function proven(text: string, wanted: unknown): string {
  if (!sameValue(readBack(text), wanted)) {
    throw new EditError("the edited text would not read back as meant");
  }
  return text;
}

function readBack(text: string): unknown {
  try {
    return parseJson5Tree(text).value;
  } catch (error) {
    if (!(error instanceof Json5Error)) throw error;
    throw new EditError(`the edited text could not be read: ${error.message}`);
  }
}
