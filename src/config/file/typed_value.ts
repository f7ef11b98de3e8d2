/** A value as a person types it for `config set`. Where it goes decides what a doubtful one means. */
import { OpenclawError } from "../../lib/errors.ts";
import { check } from "../../lib/schema.ts";
import { quoted } from "../../lib/text.ts";
import { schemaAt } from "../schema/schema.ts";
import type { ConfigPath } from "../text/config_path.ts";
import { doubledKey, Json5Error, type Json5Node, parseJson5Tree } from "../text/json5.ts";

/** Options of {@linkcode parseConfigValue}. */
export interface ValueOptions {
  /** JSON only. */
  readonly strictJson?: boolean;
  /** Where it goes: a key for texts keeps a text that looks like a number, for instance a token of digits. */
  readonly path?: ConfigPath;
}

/** A value as typed on a command line: JSON5, else the text itself. Throws `CONFIG_VALUE_INVALID` (exit code 2). */
export function parseConfigValue(text: string, options: ValueOptions = {}): unknown {
  const tree = read(text, options.strictJson ?? false);
  if (!tree) return text;
  const doubled = doubledKey(tree);
  // N17: which of the two was meant is not for us to guess.
  if (doubled) throw invalid(`key ${quoted(doubled.key)} is given twice`, "give every key once");
  const key = options.strictJson ? undefined : schemaAt(options.path ?? []);
  const isText = key?.kind === "key" && typeof tree.value !== "string" &&
    !check(key.schema, tree.value).ok && check(key.schema, text).ok;
  return isText ? text : tree.value;
}

function read(text: string, strictJson: boolean): Json5Node | undefined {
  try {
    if (strictJson) JSON.parse(text);
    return parseJson5Tree(text);
  } catch (error) {
    if (!strictJson && error instanceof Json5Error) return undefined;
    throw invalid(undefined, "quote text: '\"lan\"', or leave out --strict-json");
  }
}

function invalid(reason: string | undefined, hint: string): OpenclawError {
  const what = "Cannot read the value as JSON";
  return new OpenclawError("CONFIG_VALUE_INVALID", reason ? `${what}: ${reason}` : what, {
    hint,
    exitCode: 2,
  });
}
