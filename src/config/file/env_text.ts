/**
 * `${NAME}` inside configured texts. Owns the substitution and its rule: unresolved is an error, except in a
 * credential, where it counts as unset (`schema/secret_input.ts`). Source: config-and-credentials.md 1.
 */
import { isObject } from "../../lib/objects.ts";
import { type ConfigPath, renderConfigPath } from "../text/config_path.ts";
import type { Env } from "../env.ts";
import { keyAt } from "../schema/schema.ts";
import type { ConfigIssue } from "../schema/schema_kit.ts";

const PLACEHOLDER = /\$(\$?)\{([A-Z_][A-Z0-9_]*)\}/g;

/** A copy of a parsed file with the placeholders of our own keys filled in; problems go to `issues`. */
export function substituteEnv(parsed: unknown, env: Env, issues: ConfigIssue[]): unknown {
  return walk(parsed, [], env, issues);
}

function walk(value: unknown, path: ConfigPath, env: Env, issues: ConfigIssue[]): unknown {
  if (typeof value === "string") return fill(value, path, env, issues);
  if (Array.isArray(value)) return value.map((item, i) => walk(item, [...path, i], env, issues));
  if (!isObject(value)) return value;
  const entries = Object.entries(value);
  return Object.fromEntries(entries.map(([key, v]) => [key, walk(v, [...path, key], env, issues)]));
}

function fill(text: string, path: ConfigPath, env: Env, issues: ConfigIssue[]): string {
  const key = text.includes("${") ? keyAt(path) : undefined;
  if (!key) return text;
  const secret = key.facts.secret === true;
  // A credential that is one placeholder stays a reference, so that its source can be told.
  if (secret && /^\s*\$\{[A-Z][A-Z0-9_]{0,127}\}\s*$/.test(text)) return text;
  const missing = new Set<string>();
  const filled = text.replace(PLACEHOLDER, (all, escaped: string, name: string) => {
    if (escaped !== "") return all.slice(1);
    const found = env[name];
    if (found === undefined || found === "") missing.add(name);
    return found ?? "";
  });
  if (missing.size === 0) return filled;
  if (secret) return "";
  issues.push({
    path: renderConfigPath(path),
    message: `Environment variable ${[...missing].slice(0, 10).join(", ")} is not set`,
  });
  return text;
}
