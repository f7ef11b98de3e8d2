/**
 * Plain JSON values: change without mutation, equality, and the paths at which two of them differ.
 */
import { isObject } from "../../lib/objects.ts";
import { type ConfigPath } from "./config_path.ts";

/** A copy of `root` with `value` at `path`. */
export function withValue(root: unknown, path: ConfigPath, value: unknown): unknown {
  const [step, ...rest] = path;
  if (step === undefined) return value;
  if (Array.isArray(root)) {
    const copy = [...root];
    copy[Number(step)] = withValue(root[Number(step)], rest, value);
    return copy;
  }
  if (typeof step === "number" && !isObject(root)) return [withValue(undefined, rest, value)];
  const base = isObject(root) ? root : {};
  const own = Object.hasOwn(base, String(step)) ? base[String(step)] : undefined;
  return { ...base, [step]: withValue(own, rest, value) };
}

/** A copy of `root` without what is at `path`. */
export function withoutValue(root: unknown, path: ConfigPath): unknown {
  const [step, ...rest] = path;
  if (step === undefined) return undefined;
  if (Array.isArray(root)) {
    return rest.length === 0
      ? root.toSpliced(Number(step), 1)
      : root.map((item, i) => i === Number(step) ? withoutValue(item, rest) : item);
  }
  if (!isObject(root)) return root;
  const { [String(step)]: inner, ...others } = root;
  if (rest.length === 0) return others;
  return Object.hasOwn(root, String(step)) ? { ...root, [step]: withoutValue(inner, rest) } : root;
}

/** Equality of JSON values; the order of keys does not count. */
export function sameValue(a: unknown, b: unknown): boolean {
  if (a === b || (Number.isNaN(a) && Number.isNaN(b))) return true;
  if (Array.isArray(a) && Array.isArray(b)) {
    return a.length === b.length && a.every((item, i) => sameValue(item, b[i]));
  }
  if (!isObject(a) || !isObject(b)) return false;
  const defined = (value: Record<string, unknown>) =>
    Object.keys(value).filter((key) => value[key] !== undefined);
  const keys = defined(a);
  return keys.length === defined(b).length &&
    keys.every((key) => Object.hasOwn(b, key) && sameValue(a[key], b[key]));
}

/** Paths of the leaves at which two values differ; arrays count as one leaf. */
export function differences(a: unknown, b: unknown, path: ConfigPath = []): ConfigPath[] {
  if (sameValue(a, b)) return [];
  if (!isObject(a) && !isObject(b)) return [path];
  const [left, right] = [isObject(a) ? a : {}, isObject(b) ? b : {}];
  const keys = [...new Set([...Object.keys(left), ...Object.keys(right)])];
  const own = (value: Record<string, unknown>, key: string) =>
    Object.hasOwn(value, key) ? value[key] : undefined;
  const inner = keys.flatMap((key) => differences(own(left, key), own(right, key), [...path, key]));
  return inner.length > 0 ? inner : [path];
}
