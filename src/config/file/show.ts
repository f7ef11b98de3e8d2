/**
 * What `config get`, `config schema` and `config validate --reference` show. Secrets leave only through
 * `lookupConfig`, whose caller knows whether a person asked for them. Source: config-and-credentials.md 3, cli.md 7.
 */
import { isObject } from "../../lib/objects.ts";
import { type ConfigPath, parseConfigPath, valueAt } from "../text/config_path.ts";
import type { LoadedConfig } from "./load.ts";
import { isSecretPath, redactValue } from "./redact.ts";
import { type Config, configSchema, schemaAt } from "../schema/schema.ts";
import { type ConfigIssue, type ConfigNode, jsonSchemaOf } from "../schema/schema_kit.ts";

/** What is at a path. */
export interface ConfigLookup {
  /** `unset`: a known path without a value and without a default; `missing`: no such path. */
  readonly found: "set" | "default" | "unset" | "missing";
  /** The value with secrets redacted. */
  readonly shown: unknown;
  /** The value itself; for a parent object still redacted. */
  readonly value: unknown;
  /** The path is a secret: show `value` only on a terminal or when asked to reveal it. */
  readonly secret: boolean;
}

/** Looks up a typed path. A known key that is unset gives its default. Throws `CONFIG_PATH_INVALID`. */
export function lookupConfig(loaded: LoadedConfig, path: string): ConfigLookup {
  const steps = parseConfigPath(path);
  const secret = isSecretPath(steps);
  const own = valueAt(loaded.parsed, steps);
  if (own !== undefined) {
    const shown = redactValue(own, steps);
    return { found: "set", shown, value: secret ? own : shown, secret };
  }
  const value = defaultAt(loaded.config, steps);
  if (value === undefined) {
    const found = schemaAt(steps) ? "unset" as const : "missing" as const;
    return { found, shown: undefined, value: undefined, secret };
  }
  return { found: "default", shown: value, value, secret };
}

/** The default of an unset key: from the schema, or what a gateway would infer. */
function defaultAt(config: Config, path: ConfigPath): unknown {
  const node = schemaAt(path);
  if (node?.kind !== "key") return undefined;
  if (node.fallback !== undefined) return node.fallback;
  const inferred: Record<string, unknown> = {
    "gateway.mode": "local",
    "gateway.bind": "loopback",
    "gateway.remote.transport": "ssh",
    "gateway.remote.remotePort": config.gateway.port,
    "gateway.auth.allowTailscale": config.gateway.tailscale.mode === "serve",
    "gateway.auth.mode": config.gateway.auth.password ? "password" : "token",
  };
  return inferred[path.join(".")];
}

/** JSON Schema of the file. */
export function configJsonSchema(): Record<string, unknown> {
  return { $schema: "http://json-schema.org/draft-07/schema#", ...jsonSchemaOf(configSchema) };
}

/** One node of the schema with its direct children; `undefined` for an unknown path. */
export function lookupSchema(path: string): SchemaLookup | undefined {
  const steps = path.trim() === "" ? [] : parseConfigPath(path);
  const node = schemaAt(steps);
  if (!node) return undefined;
  return {
    path,
    schema: jsonSchemaOf(node),
    ...hintsOf(node, path),
    children: childrenOf(node, path),
  };
}

/** Answer of `config.schema.lookup`. */
export interface SchemaLookup {
  readonly path: string;
  readonly schema: Record<string, unknown>;
  /** How a running gateway takes a change; absent on objects. */
  readonly reloadKind?: "hot" | "restart" | "none";
  readonly hint?: KeyHint;
  /** The path of `hint`. */
  readonly hintPath?: string;
  readonly children: readonly Record<string, unknown>[];
}

/** What a form shows beside a key. */
export interface KeyHint {
  readonly help: string;
  readonly sensitive: boolean;
}

function hintsOf(node: ConfigNode, path: string) {
  if (node.kind !== "key") return {};
  const { summary, secret, reload } = node.facts;
  const hint: KeyHint = { help: summary, sensitive: secret === true };
  // What only moves sockets is applied while the gateway runs, as the wire knows it.
  const reloadKind = reload === "listen" ? "hot" as const : reload ?? "hot" as const;
  return { reloadKind, hint, hintPath: path };
}

function childrenOf(node: ConfigNode, path: string): Record<string, unknown>[] {
  if (node.kind !== "section") return [];
  return Object.entries(node.members).map(([key, member]) => {
    const at = path.trim() === "" ? key : `${path}.${key}`;
    const type = member.kind === "key" ? member.schema.json.type : "object";
    return {
      key,
      path: at,
      ...(type === undefined ? {} : { type }),
      required: false,
      hasChildren: member.kind === "section",
      ...hintsOf(member, at),
    };
  });
}

/** Hints of all keys by dotted path, as clients of `config.schema` expect them. */
export function configUiHints(): Record<string, KeyHint> {
  const out: Record<string, KeyHint> = {};
  visit(configSchema, "", (path, node) => {
    const { hint } = hintsOf(node, path);
    if (hint) out[path] = hint;
  });
  return out;
}

function visit(
  node: ConfigNode,
  path: string,
  seen: (path: string, node: ConfigNode) => void,
): void {
  seen(path, node);
  const inner = (key: string) => path === "" ? key : `${path}.${key}`;
  if (node.kind === "section") {
    for (const [key, member] of Object.entries(node.members)) visit(member, inner(key), seen);
  } else if (node.kind !== "key") visit(node.item, inner("*"), seen);
}

/** Keys in the file that a release of the reference would refuse, for `config validate --reference`. */
export function referenceRefusals(loaded: LoadedConfig): ConfigIssue[] {
  const out: ConfigIssue[] = loaded.unknown.map(({ path, message }) => ({
    path,
    message: `${message} (every release refuses it)`,
  }));
  collect(configSchema, loaded.parsed, "", out);
  return out;
}

const REFUSED_BY = {
  v3: "2026.9.6 (protocol 4) refuses this key",
  v4: "2026.4.29 (protocol 3) refuses this key",
  ours: "every release of the reference refuses this key",
} as const;

function collect(node: ConfigNode, value: unknown, path: string, out: ConfigIssue[]): void {
  if (value === undefined) return;
  if (node.kind === "key") {
    const { only, refusedByV4 } = node.facts;
    if (only) out.push({ path, message: REFUSED_BY[only] });
    if (refusedByV4?.includes(value)) {
      out.push({
        path,
        message: `2026.9.6 (protocol 4) refuses the value ${JSON.stringify(value)}`,
      });
    }
  } else if (node.kind === "list") {
    if (Array.isArray(value)) {
      value.forEach((item, i) => collect(node.item, item, `${path}.${i}`, out));
    }
  } else if (isObject(value)) {
    for (const key of Object.keys(value)) {
      const members = node.kind === "section" ? node.members : { [key]: node.item };
      const member = Object.hasOwn(members, key) ? members[key] : undefined;
      if (member) collect(member, value[key], path === "" ? key : `${path}.${key}`, out);
    }
  }
}
