/**
 * Building blocks of the configuration schema: keys with their facts (summary, default, how a change applies),
 * sections, maps and lists; and one reader that checks a parsed file against them. What the keys are is `schema.ts`.
 */
import { isObject } from "../../lib/objects.ts";
import { check, type Infer, type Problem, type Schema, str } from "../../lib/schema.ts";
import { nearest } from "../../lib/text.ts";

import { parseSecretInput, type SecretInput } from "./secret_input.ts";

/** What is known about a key besides its type. */
export interface KeyFacts {
  readonly summary: string;
  /** How a running gateway takes a change: at once, after a restart, or not its business. Default `hot`. */
  readonly reload?: "hot" | "listen" | "restart" | "none";
  /** Set when not every release of the reference knows the key; `ours` = none does. */
  readonly only?: "v3" | "v4" | "ours";
  /** Values that protocol 4 releases of the reference refuse. */
  readonly refusedByV4?: readonly unknown[];
  readonly secret?: true;
  /** Names a program or its surroundings: changed in the file only, never by RPC (N45). */
  readonly fileOnly?: true;
}

/** A leaf. `T` is what the reader returns for it. */
export interface KeyNode<T> {
  readonly kind: "key";
  readonly schema: Schema<unknown>;
  readonly fallback: T;
  readonly facts: KeyFacts;
}
/** An object with known members. `foreign` members belong to the wider product: kept, never looked at. */
export interface SectionNode<M extends Members = Members> {
  readonly kind: "section";
  readonly members: M;
  readonly foreign: ReadonlySet<string>;
}
/** An object with free keys. */
export interface MapNode<N extends ConfigNode = ConfigNode> {
  readonly kind: "map";
  readonly item: N;
}
/** An array of nodes. */
export interface ListNode<N extends ConfigNode = ConfigNode> {
  readonly kind: "list";
  readonly item: N;
}
/** Anything in the schema. */
export type ConfigNode = KeyNode<unknown> | SectionNode | MapNode | ListNode;
/** Members of a section. */
export interface Members {
  readonly [key: string]: ConfigNode;
}

/** What the reader returns for a node: every member present, `undefined` where unset without default. */
export type Output<N> = N extends KeyNode<infer T> ? T
  : N extends SectionNode<infer M> ? { readonly [K in keyof M]: Output<M[K]> }
  : N extends MapNode<infer I> ? Readonly<Record<string, Output<I>>>
  : N extends ListNode<infer I> ? readonly Output<I>[]
  : never;

/** A key without a default. */
export function key<S extends Schema<unknown>>(
  schema: S,
  facts: KeyFacts,
): KeyNode<Infer<S> | undefined> {
  return { kind: "key", schema, fallback: undefined, facts };
}

/** A key with a default. */
export function keyOr<T>(schema: Schema<T>, fallback: T, facts: KeyFacts): KeyNode<T> {
  return { kind: "key", schema, fallback, facts };
}

const SECRET_JSON = {
  anyOf: [{ type: "string" }, {
    type: "object",
    properties: {
      source: { enum: ["env", "file", "exec"] },
      provider: { type: "string" },
      id: { type: "string" },
    },
    required: ["source", "id"],
    additionalProperties: false,
  }],
};

/** A credential: text, `${NAME}` or a secret reference. */
export function secretKey(facts: KeyFacts): KeyNode<SecretInput | undefined> {
  const schema: Schema<unknown> = {
    json: SECRET_JSON,
    read(value, path, problems) {
      const input = parseSecretInput(value);
      if (typeof input !== "string") return input;
      problems.push({ path, message: input });
      return undefined;
    },
  };
  return { kind: "key", schema, fallback: undefined, facts: { ...facts, secret: true } };
}

/** An object with known members. */
export function section<const M extends Members>(
  members: M,
  foreign: readonly string[] = [],
): SectionNode<M> {
  return { kind: "section", members, foreign: new Set(foreign) };
}

/** An object with free keys. */
export function mapOf<N extends ConfigNode>(item: N): MapNode<N> {
  return { kind: "map", item };
}

/** An array of sections. */
export function listOf<N extends ConfigNode>(item: N): ListNode<N> {
  return { kind: "list", item };
}

/** Something wrong at a dotted path; an empty path is the whole file. */
export interface ConfigIssue {
  readonly path: string;
  readonly message: string;
}

/** A key nobody knows. */
export interface UnknownKey extends ConfigIssue {
  readonly key: string;
  readonly suggestion: string | undefined;
}

/** What a reading collects. */
export interface ReadReport {
  readonly issues: ConfigIssue[];
  readonly unknown: UnknownKey[];
}

/** Reads `value` as `node`: wrong values become issues and their defaults, unknown keys are listed. */
export function readNode<N extends ConfigNode>(
  node: N,
  value: unknown,
  path: string,
  report: ReadReport,
): Output<N> {
  return readAny(node, value, path, report) as Output<N>;
}

function readAny(node: ConfigNode, value: unknown, path: string, report: ReadReport): unknown {
  if (node.kind === "key") return readKey(node, value, path, report);
  if (node.kind === "list") return readList(node, value, path, report);
  if (value !== undefined && !isObject(value)) {
    report.issues.push({ path, message: mismatch("object", value) });
  }
  const source = isObject(value) ? value : {};
  return node.kind === "map"
    ? readMap(node, source, path, report)
    : readSection(node, source, path, report);
}

function readKey(node: KeyNode<unknown>, value: unknown, path: string, report: ReadReport) {
  if (value === undefined) return node.fallback;
  const checked = check(node.schema, value);
  if (checked.ok) return checked.value ?? node.fallback;
  for (const problem of checked.problems) {
    report.issues.push({
      path: path + problem.path.replaceAll("/", "."),
      message: describe(problem, node.schema.json, value),
    });
  }
  return node.fallback;
}

function readList(node: ListNode, value: unknown, path: string, report: ReadReport): unknown[] {
  if (value === undefined) return [];
  if (Array.isArray(value)) {
    return value.map((item, i) => readAny(node.item, item, `${path}.${i}`, report));
  }
  report.issues.push({ path, message: mismatch("array", value) });
  return [];
}

function readMap(
  node: MapNode,
  value: Record<string, unknown>,
  path: string,
  report: ReadReport,
): Record<string, unknown> {
  const out: Record<string, unknown> = Object.create(null);
  for (const name of Object.keys(value)) {
    out[name] = readAny(node.item, value[name], join(path, name), report);
  }
  return out;
}

function readSection(
  node: SectionNode,
  value: Record<string, unknown>,
  path: string,
  report: ReadReport,
): Record<string, unknown> {
  const out: Record<string, unknown> = {};
  for (const [name, member] of Object.entries(node.members)) {
    const own = Object.hasOwn(value, name) ? value[name] : undefined;
    out[name] = readAny(member, own, join(path, name), report);
  }
  const known = [...Object.keys(node.members), ...node.foreign];
  for (const name of Object.keys(value)) {
    if (Object.hasOwn(node.members, name) || node.foreign.has(name)) continue;
    // Bounds the work on a file that is hostile or no configuration at all.
    const guess = report.unknown.length < MAX_SUGGESTIONS && name.length <= MAX_SHOWN;
    report.unknown.push({
      path,
      key: name,
      message: `Unrecognized key: ${JSON.stringify(shortened(name))}`,
      suggestion: guess ? nearest(name, known) : undefined,
    });
  }
  return out;
}

/** Unknown keys that get a suggestion, and the longest name that is shown whole. */
const MAX_SUGGESTIONS = 20;
const MAX_SHOWN = 200;

const shortened = (name: string) =>
  name.length <= MAX_SHOWN ? name : `${name.slice(0, MAX_SHOWN)}…`;

const join = (path: string, name: string) =>
  path === "" ? shortened(name) : `${path}.${shortened(name)}`;

function kindOf(value: unknown): string {
  if (value === null) return "null";
  return Array.isArray(value) ? "array" : typeof value;
}

function mismatch(wanted: string, value: unknown): string {
  return `Invalid input: expected ${wanted}, received ${kindOf(value)}`;
}

/** The wording of the reference where it has one. Source: config-and-credentials.md 1. */
function describe(problem: Problem, json: Readonly<Record<string, unknown>>, value: unknown) {
  if (/^(Invalid input|Unrecognized key)/.test(problem.message)) return problem.message;
  let at: unknown = value;
  let schema: Readonly<Record<string, unknown>> = json;
  for (const step of problem.path.split("/").slice(1)) {
    at = isObject(at) ? at[step] : Array.isArray(at) ? at[Number(step)] : undefined;
    const inner = isObject(schema.properties) ? schema.properties[step] : schema.items;
    schema = isObject(inner) ? inner : {};
  }
  if (Array.isArray(schema.enum)) {
    return `Invalid input (allowed: ${schema.enum.map((v) => JSON.stringify(v)).join(", ")})`;
  }
  const wanted = schema.type === "integer" ? "number" : schema.type;
  return typeof wanted === "string" && wanted !== kindOf(at)
    ? mismatch(wanted, at)
    : `Invalid input: ${problem.message}`;
}

/** A text without surrounding meaning: anything but blank. */
export const filledStr = (): Schema<string> => str({ min: 1, max: 4096 });

/** JSON Schema of a node, for `config schema`. */
export function jsonSchemaOf(node: ConfigNode): Record<string, unknown> {
  switch (node.kind) {
    case "key":
      return {
        ...node.schema.json,
        description: node.facts.summary,
        ...(node.fallback === undefined ? {} : { default: node.fallback }),
      };
    case "list":
      return { type: "array", items: jsonSchemaOf(node.item) };
    case "map":
      return { type: "object", additionalProperties: jsonSchemaOf(node.item) };
    case "section":
      return {
        type: "object",
        properties: Object.fromEntries(
          Object.entries(node.members).map(([name, member]) => [name, jsonSchemaOf(member)]),
        ),
        additionalProperties: true,
      };
  }
}
