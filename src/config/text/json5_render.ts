/**
 * Values as JSON5 text in the style of the file they go into: indentation, line ends and quotes of its keys.
 */
import { isObject } from "../../lib/objects.ts";

/** How a file is written. `keyQuote` is empty when its keys have none. */
export interface Style {
  readonly unit: string;
  readonly eol: string;
  /** Keys without quotes, or the quote character. */
  readonly keyQuote: '"' | "'" | "";
}

/** A key in the style of the file. */
export function renderKey(key: string, style: Style): string {
  if (style.keyQuote === "" && /^[A-Za-z_$][\w$]*$/.test(key)) return key;
  return renderString(key, style.keyQuote === "'" ? "'" : '"');
}

function renderString(value: string, quote: '"' | "'"): string {
  const json = JSON.stringify(value);
  if (quote === '"') return json;
  return `'${json.slice(1, -1).replaceAll('\\"', '"').replaceAll("'", "\\'")}'`;
}

/** A value as text; `was` is the first character of what it replaces, whose quote is kept. */
export function render(value: unknown, indent: string, style: Style, was?: string): string {
  if (typeof value === "string") {
    return renderString(value, was === "'" || style.keyQuote === "'" ? "'" : '"');
  }
  if (typeof value === "number" && !Number.isFinite(value)) return String(value);
  const inner = indent + style.unit;
  const block = (open: string, lines: string[], close: string) =>
    lines.length === 0
      ? open + close
      : `${open}${style.eol}${
        lines.map((line) => inner + line).join(`,${style.eol}`)
      }${style.eol}${indent}${close}`;
  if (Array.isArray(value)) {
    if (value.every((item) => typeof item !== "object" || item === null)) {
      return `[${value.map((item) => render(item, inner, style)).join(", ")}]`;
    }
    return block("[", value.map((item) => render(item, inner, style)), "]");
  }
  if (!isObject(value)) return JSON.stringify(value);
  const lines = Object.entries(value).filter(([, item]) => item !== undefined)
    .map(([key, item]) => `${renderKey(key, style)}: ${render(item, inner, style)}`);
  return block("{", lines, "}");
}
