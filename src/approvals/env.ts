/**
 * The environment of a child: which of the caller's variables are accepted, and what is inherited from the node.
 * All-or-nothing for refused overrides, so that a caller learns at once which name was wrong (E01-E08, E11).
 * Source: node-host.md 6, decisions.md 20.
 */
import {
  INHERIT_ONLY,
  INHERIT_ONLY_PREFIXES,
  isInheritOnlyShape,
  NEVER,
  NEVER_OVERRIDE,
  NEVER_OVERRIDE_PREFIXES,
  NEVER_PREFIXES,
  PRODUCT_SECRET,
  SHELL_WRAPPER_KEEPS,
} from "./env_names.ts";
import { showableWithin } from "../lib/text.ts";
import type { ExecPlatform } from "./facts.ts";

/** What became of a caller's overrides. */
export interface EnvVerdict {
  /** Overrides the child gets. */
  readonly accepted: Readonly<Record<string, string>>;
  /** Harmless names dropped because the argv is a shell wrapper. */
  readonly reduced: readonly string[];
  /** Refused names, sorted. */
  readonly blocked: readonly string[];
  /** Names that no portable program could read, sorted. */
  readonly invalid: readonly string[];
  /** Wire text when anything was refused; answer it with `INVALID_REQUEST` before looking at the policy. */
  readonly refusal?: string;
}

/** Longest name in a message. */
const MAX_NAME_BYTES = 200;

const VALID_NAME = /^[A-Za-z_][A-Za-z0-9_()]*$/;

/** Whether no caller may set this name. */
export function isBlockedOverride(name: string): boolean {
  const upper = name.toUpperCase();
  return NEVER.has(upper) || NEVER_OVERRIDE.has(upper) || INHERIT_ONLY.has(upper) ||
    isInheritOnlyShape(upper) ||
    [...NEVER_PREFIXES, ...NEVER_OVERRIDE_PREFIXES, ...INHERIT_ONLY_PREFIXES].some((prefix) =>
      upper.startsWith(prefix)
    );
}

/** Whether a child must not inherit this name from the node. Names of the product's own secrets always count. */
function isBlockedInherited(name: string): boolean {
  const upper = name.toUpperCase();
  if (INHERIT_ONLY.has(upper)) return false;
  return NEVER.has(upper) || NEVER_OVERRIDE.has(upper) || PRODUCT_SECRET.test(upper) ||
    [...NEVER_PREFIXES, ...NEVER_OVERRIDE_PREFIXES].some((prefix) => upper.startsWith(prefix));
}

/** Names as one line of a message: a caller chooses them, and could write over the reader's terminal with them (A17). */
export function shownNames(names: readonly string[]): string {
  return names.map((name) => showableWithin(name, MAX_NAME_BYTES)).join(", ");
}

/** Judges the overrides of a request. Values that are no strings are ignored. */
export function judgeEnv(
  overrides: Readonly<Record<string, unknown>>,
  options: { readonly shellWrapper: boolean },
): EnvVerdict {
  const accepted: Record<string, string> = Object.create(null);
  const blocked: string[] = [];
  const invalid: string[] = [];
  const reduced: string[] = [];
  for (const [name, value] of Object.entries(overrides)) {
    if (typeof value !== "string") continue;
    // BASH_FUNC_x%% is no valid name; it is named as blocked, which says more.
    if (isBlockedOverride(name)) blocked.push(name);
    else if (!VALID_NAME.test(name) || value.includes("\0")) invalid.push(name);
    else if (options.shellWrapper && !SHELL_WRAPPER_KEEPS.test(name.toUpperCase())) {
      reduced.push(name);
    } else accepted[name] = value;
  }
  blocked.sort();
  invalid.sort();
  if (blocked.length === 0 && invalid.length === 0) return { accepted, reduced, blocked, invalid };
  const parts = [
    ...(blocked.length > 0 ? [`blocked override keys: ${shownNames(blocked)}`] : []),
    ...(invalid.length > 0 ? [`invalid non-portable override keys: ${shownNames(invalid)}`] : []),
  ];
  const text = `SYSTEM_RUN_DENIED: environment override rejected (${parts.join("; ")})`;
  return { accepted: Object.create(null), reduced, blocked, invalid, refusal: text };
}

/** Inputs of {@linkcode childEnv}. */
export interface ChildEnvFacts {
  /** Environment of the node process. */
  readonly base: Readonly<Record<string, string>>;
  /** Accepted overrides. */
  readonly accepted: Readonly<Record<string, string>>;
  /** `nodeHost.env.pass`: names inherited although they are on the list. Set in the configuration file only. */
  readonly pass?: readonly string[];
  /** Names that a SecretRef of the configuration reads; never passed on. */
  readonly secretNames?: readonly string[];
  /** Windows takes names that differ in case for one variable; then an override replaces the inherited one. */
  readonly platform?: ExecPlatform;
}

/** The exact environment of a child. Deterministic order: inherited, then overrides, then the marker. */
export function childEnv(
  { base, accepted, pass = [], secretNames = [], platform }: ChildEnvFacts,
): Record<string, string> {
  const passed = new Set(pass.map((name) => name.toUpperCase()));
  const secrets = new Set(secretNames.map((name) => name.toUpperCase()));
  const replaced = new Set(Object.keys(accepted).map((name) => name.toUpperCase()));
  const out: Record<string, string> = Object.create(null);
  for (const [name, value] of Object.entries(base)) {
    const upper = name.toUpperCase();
    if (platform === "windows" && replaced.has(upper)) continue;
    if (secrets.has(upper) || PRODUCT_SECRET.test(upper)) continue;
    if (isBlockedInherited(name) && !passed.has(upper)) continue;
    out[name] = value;
  }
  for (const [name, value] of Object.entries(accepted)) {
    if (secrets.has(name.toUpperCase())) continue;
    out[name] = value;
  }
  out.OPENCLAW_CLI = "1";
  return out;
}
