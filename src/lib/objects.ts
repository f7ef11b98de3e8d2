/**
 * What a value that came from outside is, before its shape is known.
 */

/** A plain object: not null and no list. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The value of a JSON text; `undefined`, which no such text stands for, when it is none. Bytes are read as UTF-8. */
export function jsonValue(text: string | Uint8Array): unknown {
  try {
    return JSON.parse(typeof text === "string" ? text : new TextDecoder().decode(text));
  } catch {
    return undefined;
  }
}
