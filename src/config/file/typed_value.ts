/** A value as a person types it for `config set`. Where it goes decides what a doubtful one means. */
import { OpenclawError } from "../../lib/errors.ts";
import { check } from "../../lib/schema.ts";
import { schemaAt } from "../schema/schema.ts";
import type { ConfigPath } from "../text/config_path.ts";
import { Json5Error, parseJson5 } from "../text/json5.ts";

/** Options of {@linkcode parseConfigValue}. */
export interface ValueOptions {
  /** JSON only. */
  readonly strictJson?: boolean;
  /** Where it goes: a key for texts keeps a text that looks like a number, for instance a token of digits. */
  readonly path?: ConfigPath;
}

/** A value as typed on a command line: JSON5, else the text itself. Throws `CONFIG_VALUE_INVALID` (exit code 2). */
export function parseConfigValue(text: string, options: ValueOptions = {}): unknown {
  try {
    if (options.strictJson) JSON.parse(text);
    const value = parseJson5(text);
    const key = options.strictJson ? undefined : schemaAt(options.path ?? []);
    const isText = key?.kind === "key" && typeof value !== "string" &&
      !check(key.schema, value).ok && check(key.schema, text).ok;
    return isText ? text : value;
  } catch (error) {
    if (!options.strictJson && error instanceof Json5Error) return text;
    throw new OpenclawError("CONFIG_VALUE_INVALID", "Cannot read the value as JSON", {
      hint: "quote text: '\"lan\"', or leave out --strict-json",
      exitCode: 2,
    });
  }
}
