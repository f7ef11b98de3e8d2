/**
 * Paths into the configuration as people type them: `gateway.port`, `agents.list[0].id`, `a["key.with.dot"]`.
 * Owns their grammar and reading a value at a path; changing one is `json5_edit.ts`.
 */
import { isObject } from "../../lib/objects.ts";
import { OpenclawError } from "../../lib/errors.ts";
import { quoted } from "../../lib/text.ts";

/** Keys and array indexes from the root. */
export type ConfigPath = readonly (string | number)[];

const STEP = /(?:(?<=.)\.|^)([^.[\]"'\s]+)|\[(\d{1,6})\]|\[("(?:[^"\\]|\\.)*"|'[^']*')\]/y;
// N17: these names reach the prototype of plain objects.
const REFUSED = new Set(["__proto__", "constructor", "prototype"]);

/**
 * Reads a path as typed. Throws `CONFIG_PATH_INVALID` (exit code 2) for an empty or malformed path and for steps
 * that reach a prototype (N17). Source: cli.md 7.
 */
export function parseConfigPath(text: string): ConfigPath {
  const steps: (string | number)[] = [];
  const source = text.trim();
  STEP.lastIndex = 0;
  while (STEP.lastIndex < source.length) {
    const match = STEP.exec(source);
    if (!match) throw pathError(text, "expected keys joined by dots, indexes as [0]");
    steps.push(stepOf(match));
  }
  if (steps.length === 0) throw pathError(text, "it is empty");
  const refused = steps.find((step) => REFUSED.has(String(step)));
  if (refused !== undefined) throw pathError(text, `${quoted(String(refused))} is not allowed`);
  return steps;
}

function stepOf(match: RegExpExecArray): string | number {
  const [, plain, index, quotedKey] = match;
  if (index !== undefined) return Number(index);
  if (plain !== undefined) return plain;
  const text = quotedKey ?? "";
  return text.startsWith("'") ? text.slice(1, -1) : JSON.parse(text) as string;
}

function pathError(text: string, reason: string): OpenclawError {
  return new OpenclawError(
    "CONFIG_PATH_INVALID",
    `Cannot read config path ${quoted(text)}: ${reason}`,
    { hint: "openclaw config get gateway.port", exitCode: 2 },
  );
}

/** The path as one text that {@linkcode parseConfigPath} reads back. */
export function renderConfigPath(path: ConfigPath): string {
  return path.map((step, i) => {
    if (typeof step === "number") return `[${step}]`;
    if (!/^[^.[\]"'\s]+$/.test(step)) return `[${JSON.stringify(step)}]`;
    return i === 0 ? step : `.${step}`;
  }).join("");
}

/** The index a step means in a list, `-1` for none: `0x1` and `1e0` are names, not indexes. */
export function listIndex(step: string | number): number {
  return /^(?:0|[1-9]\d{0,5})$/.test(String(step)) ? Number(step) : -1;
}

/** The value at a path, own keys only; a number step also names a key of an object. `undefined` when absent. */
export function valueAt(root: unknown, path: ConfigPath): unknown {
  let value: unknown = root;
  for (const step of path) {
    if (Array.isArray(value)) value = value[listIndex(step)];
    else if (isObject(value) && Object.hasOwn(value, String(step))) value = value[String(step)];
    else return undefined;
  }
  return value;
}
