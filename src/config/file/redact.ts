/**
 * Configuration without its secrets, as value and as text, and the way back for a text that was edited with the
 * placeholders in it. Source: config-and-credentials.md 3, gateway-protocol.md 11.2.
 */
import { isObject } from "../../lib/objects.ts";
import { type ConfigPath, renderConfigPath, valueAt } from "../text/config_path.ts";
import { type Json5Node, parseJson5Tree } from "../text/json5.ts";
import { keyAt } from "../schema/schema.ts";
import { REDACTED } from "../schema/secret_input.ts";

// Names under which the wider product keeps credentials; our own keys say it themselves (`facts.secret`).
const SECRET_NAME =
  /(?:token|password|passwd|passphrase|secret|api[_-]?key|private[_-]?key|credential|authorization|cookie)s?$/i;
const URL_WITH_PASSWORD = /^[a-z][a-z0-9+.-]*:\/\/[^/?#\s]*:[^/?#\s]*@/i;
/** Characters looked through for copies of secrets, in one text. */
const MAX_SEARCHED = 500_000_000;
const SECRET_PARENT = new Set<unknown>(["env", "headers", "edgeAuth"]);

/** Whether the text at `path` is a secret. `${NAME}` alone is none. */
export function isSecretPath(path: ConfigPath): boolean {
  const key = keyAt(path);
  if (key?.facts.secret) return true;
  // Our own keys are known; a list of secrets is as secret as one.
  const named = path.slice(0, path.findLastIndex((step) => typeof step === "string") + 1);
  const name = String(named.at(-1) ?? "");
  return SECRET_NAME.test(name) || SECRET_PARENT.has(named.at(-2)) ||
    (path[0] === "env" && path.length > 1);
}

function isSecretText(value: unknown, path: ConfigPath): value is string {
  if (typeof value !== "string" || value === "") return false;
  if (URL_WITH_PASSWORD.test(value)) return true;
  return isSecretPath(path) && !/^\$\{[A-Z_][A-Z0-9_]*\}$/.test(value);
}

/** A copy with every secret text replaced by the placeholder; references keep their names. */
export function redactValue(value: unknown, path: ConfigPath = []): unknown {
  if (isSecretText(value, path)) return REDACTED;
  if (Array.isArray(value)) return value.map((item, i) => redactValue(item, [...path, i]));
  if (!isObject(value)) return value;
  if (isRef(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [key, redactValue(item, [...path, key])]),
  );
}

/** A secret reference: where a secret is, not what it is. */
function isRef(value: Record<string, unknown>): boolean {
  return typeof value.source === "string" && typeof value.id === "string" &&
    Object.keys(value).every((key) => key === "source" || key === "provider" || key === "id");
}

/** The text with the placeholder in place of secrets; `null` when one of them also stands elsewhere in it. */
export function redactText(raw: string): string | null {
  const secrets: Json5Node[] = [];
  visit(parseJson5Tree(raw), [], (node, path) => {
    if (isSecretText(node.value, path)) secrets.push(node);
  });
  // More than can be looked for: the text stays hidden.
  if (secrets.length * raw.length > MAX_SEARCHED) return null;
  const text = withReplaced(raw, secrets, () => REDACTED);
  // A copy in a comment, or under a name nobody knows to be secret.
  const leaks = secrets.some(({ value }) => text.includes(String(value)));
  return leaks ? null : text;
}

/** The text with other values in the places of `nodes`, which are in order of appearance. */
function withReplaced(
  raw: string,
  nodes: readonly Json5Node[],
  value: (node: Json5Node, index: number) => unknown,
): string {
  let at = 0;
  const parts = nodes.flatMap((node, i) => {
    const before = raw.slice(at, node.start);
    at = node.end;
    return [before, JSON.stringify(value(node, i))];
  });
  return parts.join("") + raw.slice(at);
}

/**
 * The text with placeholders replaced by the current values at the same paths ("keep the current value").
 * Throws `RangeError` naming a path without a current value.
 */
export function restoreText(raw: string, current: unknown): string {
  const nodes: Json5Node[] = [];
  const values: unknown[] = [];
  visit(parseJson5Tree(raw), [], (node, path) => {
    if (node.value !== REDACTED) return;
    const value = valueAt(current, path);
    if (value === undefined || value === REDACTED) {
      throw new RangeError(`${renderConfigPath(path)}: ${REDACTED} stands for no current value`);
    }
    nodes.push(node);
    values.push(value);
  });
  return withReplaced(raw, nodes, (_, i) => values[i]);
}

function visit(
  node: Json5Node,
  path: ConfigPath,
  onLeaf: (node: Json5Node, path: ConfigPath) => void,
): void {
  if (node.members) {
    if (isRef(node.value as Record<string, unknown>)) return;
    for (const member of node.members) visit(member.node, [...path, member.key], onLeaf);
  } else if (node.items) node.items.forEach((item, i) => visit(item, [...path, i], onLeaf));
  else onLeaf(node, path);
}
