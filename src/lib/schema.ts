/**
 * Plain-value schemas: built from a few functions, types inferred from them, checked once at the border.
 * Problems name the JSON path in the wording of the wire contract (gateway-protocol.md 7.4).
 */
import { isObject } from "./objects.ts";

/** One thing wrong with a value. `path` is a JSON pointer, empty for the root. */
export interface Problem {
  readonly path: string;
  readonly message: string;
}

/** Outcome of {@linkcode check}. */
export type Checked<T> = { readonly ok: true; readonly value: T } | {
  readonly ok: false;
  readonly problems: readonly Problem[];
};

/** A schema for values of type `T`. `json` is its JSON Schema, for documentation and `config.schema`. */
export interface Schema<T> {
  /** Adds problems to `problems`; returns the value as `T` (meaningless when a problem was added). */
  readonly read: (value: unknown, path: string, problems: Problem[]) => T;
  readonly json: Readonly<Record<string, unknown>>;
  /** Set on optional members of an object. */
  readonly optional?: true;
}

/** The type a schema describes. */
export type Infer<S> = S extends Schema<infer T> ? T : never;

/** Checks once; afterwards the value is trusted. Collects at most 20 problems. */
export function check<T>(schema: Schema<T>, value: unknown): Checked<T> {
  const problems: Problem[] = [];
  const out = schema.read(value, "", problems);
  return problems.length === 0
    ? { ok: true, value: out }
    : { ok: false, problems: problems.slice(0, 20) };
}

/** `must have required property 'x'; at /a: must be string`. */
export function problemText(problems: readonly Problem[]): string {
  return problems.map((p) =>
    p.message.startsWith("must have required") && p.path === ""
      ? p.message
      : `at ${p.path || "root"}: ${p.message}`
  ).join("; ");
}

function leaf<T>(
  json: Record<string, unknown>,
  test: (value: unknown) => string | undefined,
): Schema<T> {
  return {
    json,
    read(value, path, problems) {
      const message = test(value);
      if (message !== undefined) problems.push({ path, message });
      return value as T;
    },
  };
}

/** Limits of a {@linkcode str}; lengths in UTF-16 units. */
export interface StrLimits {
  readonly min?: number;
  readonly max?: number;
  readonly pattern?: RegExp;
}

/** A string. */
export function str(limits: StrLimits = {}): Schema<string> {
  const { min = 0, max = Infinity, pattern } = limits;
  const json = {
    type: "string",
    ...(min > 0 ? { minLength: min } : {}),
    ...(max < Infinity ? { maxLength: max } : {}),
    ...(pattern ? { pattern: pattern.source } : {}),
  };
  return leaf(json, (value) => {
    if (typeof value !== "string") return "must be string";
    if (value.length < min) return `must NOT have fewer than ${min} characters`;
    if (value.length > max) return `must NOT have more than ${max} characters`;
    return pattern && !pattern.test(value) ? `must match pattern "${pattern.source}"` : undefined;
  });
}

/** Limits of a number, inclusive. */
export interface NumLimits {
  readonly min?: number;
  readonly max?: number;
}

function number(kind: "number" | "integer", limits: NumLimits): Schema<number> {
  const { min = -Infinity, max = Number.MAX_SAFE_INTEGER } = limits;
  const json = {
    type: kind,
    ...(min > -Infinity ? { minimum: min } : {}),
    ...(max < Number.MAX_SAFE_INTEGER ? { maximum: max } : {}),
  };
  return leaf(json, (value) => {
    // N19: 1e309 parses to Infinity, "5" stays a string; neither is a number here.
    if (typeof value !== "number" || !Number.isFinite(value)) return `must be ${kind}`;
    if (kind === "integer" && !Number.isSafeInteger(value)) return "must be integer";
    if (value < min) return `must be >= ${min}`;
    return value > max ? `must be <= ${max}` : undefined;
  });
}

/** A finite number. */
export const num = (limits: NumLimits = {}): Schema<number> => number("number", limits);
/** A safe integer. */
export const int = (limits: NumLimits = {}): Schema<number> => number("integer", limits);
/** A boolean. */
export const bool = (): Schema<boolean> =>
  leaf({ type: "boolean" }, (value) => typeof value === "boolean" ? undefined : "must be boolean");
/** Anything at all, kept as it is. */
export const any = (): Schema<unknown> => leaf({}, () => undefined);

/** One of the given values. */
export function oneOf<const T extends string | number | boolean | null>(
  ...values: readonly T[]
): Schema<T> {
  return leaf(
    { enum: values },
    (value) =>
      values.includes(value as T)
        ? undefined
        : `must be equal to one of the allowed values: ${
          values.map((v) => JSON.stringify(v)).join(", ")
        }`,
  );
}

/** `null` or what `inner` accepts. */
export function nullable<T>(inner: Schema<T>): Schema<T | null> {
  return {
    json: { anyOf: [inner.json, { type: "null" }] },
    read: (value, path, problems) => value === null ? null : inner.read(value, path, problems),
  };
}

/** The first of `schemas` that accepts the value. */
export function union<const S extends readonly Schema<unknown>[]>(
  ...schemas: S
): Schema<Infer<S[number]>> {
  return {
    json: { anyOf: schemas.map((s) => s.json) },
    read(value, path, problems) {
      const all: Problem[][] = [];
      for (const schema of schemas) {
        const own: Problem[] = [];
        const out = schema.read(value, path, own);
        if (own.length === 0) return out as Infer<S[number]>;
        all.push(own);
      }
      // The alternative that got deepest into the value tells most.
      all.sort((a, b) => (b[0]?.path.length ?? 0) - (a[0]?.path.length ?? 0));
      problems.push(...(all[0] ?? []));
      return value as Infer<S[number]>;
    },
  };
}

/** An array. */
export function list<T>(item: Schema<T>, limits: { min?: number; max?: number } = {}): Schema<T[]> {
  const { min = 0, max = 10_000 } = limits;
  return {
    json: { type: "array", items: item.json, ...(min > 0 ? { minItems: min } : {}) },
    read(value, path, problems) {
      if (!Array.isArray(value)) {
        problems.push({ path, message: "must be array" });
        return [];
      }
      if (value.length < min) {
        problems.push({ path, message: `must NOT have fewer than ${min} items` });
      }
      if (value.length > max) {
        problems.push({ path, message: `must NOT have more than ${max} items` });
        return [];
      }
      return value.map((entry, i) => item.read(entry, `${path}/${i}`, problems));
    },
  };
}

/** A map with free keys. The result has no prototype (N17: `__proto__` is an ordinary key). */
export function record<T>(
  item: Schema<T>,
  limits: { max?: number } = {},
): Schema<Record<string, T>> {
  const { max = 10_000 } = limits;
  return {
    json: { type: "object", additionalProperties: item.json },
    read(value, path, problems) {
      const out: Record<string, T> = Object.create(null);
      if (!isObject(value)) {
        problems.push({ path, message: "must be object" });
        return out;
      }
      const keys = Object.keys(value);
      if (keys.length > max) {
        problems.push({ path, message: `must NOT have more than ${max} properties` });
        return out;
      }
      for (const key of keys) out[key] = item.read(value[key], `${path}/${pointer(key)}`, problems);
      return out;
    },
  };
}

/** Marks a member of {@linkcode obj} as optional. `undefined` counts as absent. */
export function opt<T>(inner: Schema<T>): Schema<T> & { readonly optional: true } {
  return { ...inner, optional: true };
}

type Members = Readonly<Record<string, Schema<unknown>>>;
type OptionalKeys<M extends Members> = {
  [K in keyof M]: M[K] extends { optional: true } ? K : never;
}[keyof M];
type Flat<T> = { [K in keyof T]: T[K] };
/** The object type of a member list. */
export type ObjectOf<M extends Members> = Flat<
  & { [K in Exclude<keyof M, OptionalKeys<M>>]: Infer<M[K]> }
  & { [K in OptionalKeys<M>]?: Infer<M[K]> }
>;

/** What to do with unknown members: `refuse` (closed, the default), `drop` or `keep`. */
export interface ObjOptions {
  readonly unknown?: "refuse" | "drop" | "keep";
}

/** An object. Members are read by own key only, so inherited ones never count (N17). */
export function obj<M extends Members>(members: M, options: ObjOptions = {}): Schema<ObjectOf<M>> {
  const unknown = options.unknown ?? "refuse";
  const entries = Object.entries(members);
  return {
    json: {
      type: "object",
      properties: Object.fromEntries(entries.map(([key, member]) => [key, member.json])),
      required: entries.filter(([, member]) => !member.optional).map(([key]) => key),
      additionalProperties: unknown !== "refuse",
    },
    read(value, path, problems) {
      if (!isObject(value)) {
        problems.push({ path, message: "must be object" });
        return {} as ObjectOf<M>;
      }
      const out: Record<string, unknown> = {};
      for (const [key, member] of entries) {
        const present = Object.hasOwn(value, key) && value[key] !== undefined;
        if (present) out[key] = member.read(value[key], `${path}/${pointer(key)}`, problems);
        else if (!member.optional) {
          problems.push({ path, message: `must have required property '${key}'` });
        }
      }
      readUnknown({ value, members, unknown, path, problems, out });
      return out as ObjectOf<M>;
    },
  };
}

interface UnknownFacts {
  readonly value: Record<string, unknown>;
  readonly members: Members;
  readonly unknown: "refuse" | "drop" | "keep";
  readonly path: string;
  readonly problems: Problem[];
  readonly out: Record<string, unknown>;
}

function readUnknown({ value, members, unknown, path, problems, out }: UnknownFacts): void {
  if (unknown === "drop") return;
  for (const key of Object.keys(value)) {
    if (Object.hasOwn(members, key)) continue;
    if (unknown === "refuse") problems.push({ path, message: `unexpected property '${key}'` });
    else {Object.defineProperty(out, key, {
        value: value[key],
        enumerable: true,
        writable: true,
        configurable: true,
      });}
  }
}

function pointer(key: string): string {
  return key.replaceAll("~", "~0").replaceAll("/", "~1");
}
