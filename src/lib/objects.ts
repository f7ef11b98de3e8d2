/**
 * What a value that came from outside is, before its shape is known.
 */

/** A plain object: not null and no list. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
