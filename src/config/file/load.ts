/**
 * Disk → configuration. Reads and judges the file, never writes it: whatever is wrong with it, its bytes stay as
 * they are (F06). Owns the reading order: file checks, bytes, JSON5, duplicate keys, `${NAME}`, schema.
 */
import { isObject } from "../../lib/objects.ts";
import { sha256Hex } from "../../lib/bytes.ts";
import { messageOf, OpenclawError } from "../../lib/errors.ts";
import { readOwned } from "../../platform/files.ts";
import { type ConfigPath, renderConfigPath } from "../text/config_path.ts";
import type { Env } from "../env.ts";
import { substituteEnv } from "./env_text.ts";
import { Json5Error, type Json5Node, parseJson5Tree, positionOf } from "../text/json5.ts";
import type { StatePaths } from "../paths.ts";
import { providerOf } from "../secrets/provider.ts";
import { CONFIG_REFUSAL_EXIT_CODE, throwAsRefusal } from "../refusal.ts";
import { type Config, readConfig, schemaAt } from "../schema/schema.ts";
import type { ConfigIssue, UnknownKey } from "../schema/schema_kit.ts";

/** Largest configuration file that is read, bytes. */
export const MAX_CONFIG_BYTES = 8 * 1024 * 1024;

/** A configuration as found on disk. */
export interface LoadedConfig {
  readonly path: string;
  readonly exists: boolean;
  /** The text, `""` when missing. Holds secrets: show it only through `redact.ts`. */
  readonly raw: string;
  /** The parsed text, placeholders untouched; `{}` when missing or broken. Holds secrets. */
  readonly parsed: Readonly<Record<string, unknown>>;
  readonly config: Config;
  /** SHA-256 of the text, hex; of the empty text when missing. */
  readonly hash: string;
  /** No issue: may start a gateway. */
  readonly valid: boolean;
  /** The text is not JSON5 at all; `config` holds defaults only and nothing may be concluded from it. */
  readonly broken: boolean;
  /** Next step for a broken file: a command that brings back the version before, or one that shows the problem. */
  readonly repairHint: string;
  readonly issues: readonly ConfigIssue[];
  readonly warnings: readonly ConfigIssue[];
  readonly unknown: readonly UnknownKey[];
}

/**
 * Loads the file of `paths`. A missing file is an empty configuration; a bad one is returned with its issues.
 * Throws the codes of `platform/files.ts` when the file must not be read at all (N40: FIFO, foreign owner,
 * writable by others).
 */
export async function loadConfig(
  paths: Pick<StatePaths, "configFile">,
  env: Env,
): Promise<LoadedConfig> {
  const path = paths.configFile;
  const file = await readOwned(path, { maxBytes: MAX_CONFIG_BYTES, followOwnSymlink: true });
  if (!file) return await judgeText(path, undefined, env);
  const raw = decode(file.bytes);
  const judged = await judgeText(path, raw.text, env, raw.problem);
  const loaded = judged.broken ? { ...judged, repairHint: await findRepair(path) } : judged;
  if (!file.tightened) return loaded;
  const note = { path: "", message: `${path} was readable by others; its mode is 0600 now` };
  return { ...loaded, warnings: [note, ...loaded.warnings] };
}

/** Judges a text as the content of `path`; `undefined` = no file. Used before a text is written, too. */
export async function judgeText(
  path: string,
  text: string | undefined,
  env: Env,
  problem?: Json5Error,
): Promise<LoadedConfig> {
  const raw = text ?? "";
  const base = {
    path,
    exists: text !== undefined,
    raw,
    hash: await sha256Hex(raw),
    repairHint: VALIDATE,
  };
  const tree = text === undefined ? undefined : problem ?? parseOrError(raw);
  if (tree instanceof Json5Error) {
    return {
      ...base,
      ...emptyConfig(),
      valid: false,
      broken: true,
      issues: [{ path: "", message: tree.message }],
    };
  }
  const parsed = isObject(tree?.value) ? tree.value : {};
  const issues: ConfigIssue[] = tree && !isObject(tree.value)
    ? [{ path: "", message: "Invalid input: expected object" }]
    : [];
  if (tree) findDuplicates(tree, [], raw, issues);
  findIncludes(parsed, issues);
  const { config, report } = readConfig(substituteEnv(parsed, env, issues));
  issues.push(...report.issues);
  const warnings = [...unknownWarnings(report.unknown), ...orphanWarnings(config)];
  const valid = issues.length === 0;
  const unknown = report.unknown;
  return { ...base, parsed, config, valid, broken: false, issues, warnings, unknown };
}

const VALIDATE = "openclaw config validate";

/** Problems told of one file at most. */
const MAX_ISSUES = 50;

/** F06: the version before the last change, when it is a good one. */
async function findRepair(path: string): Promise<string> {
  const backup = await readOwned(`${path}.bak`, { maxBytes: MAX_CONFIG_BYTES }).catch(() =>
    undefined
  );
  const text = backup && decode(backup.bytes);
  const good = text && !text.problem && !(parseOrError(text.text) instanceof Json5Error);
  return good
    ? `go back to the version before the last change: cp "${path}.bak" "${path}"`
    : VALIDATE;
}

function emptyConfig() {
  return { parsed: {}, config: readConfig({}).config, warnings: [], unknown: [] };
}

function parseOrError(text: string): Json5Node | Json5Error {
  try {
    return parseJson5Tree(text);
  } catch (error) {
    if (error instanceof Json5Error) return error;
    throw error;
  }
}

/** F06: a file that is no plain UTF-8 text is refused with the place of the first bad byte. */
function decode(bytes: Uint8Array): { text: string; problem?: Json5Error } {
  const text = new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
  const at = (message: string, offset: number) => {
    const { line, column } = positionOf(text, offset);
    return { text, problem: new Json5Error(message, line, column) };
  };
  if (text.startsWith("\ufeff")) return at("File starts with a byte order mark", 0);
  const nul = text.indexOf("\0");
  if (nul >= 0) return at("NUL byte", nul);
  const bad = text.indexOf("\ufffd");
  if (bad >= 0 && !isUtf8(bytes)) return at("Bytes that are not UTF-8", bad);
  return { text };
}

function isUtf8(bytes: Uint8Array): boolean {
  try {
    new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    return true;
  } catch {
    return false; // TypeError: the only thing a fatal decoder throws
  }
}

/** N17: with a key given twice a reader sees the first value and the program uses the last. */
function findDuplicates(node: Json5Node, path: ConfigPath, text: string, issues: ConfigIssue[]) {
  const kind = path.length === 0 ? "section" : schemaAt(path)?.kind;
  if (node.members && (kind === "section" || kind === "map")) {
    const seen = new Map<string, number>();
    for (const { key, start, node: value } of node.members) {
      if (issues.length >= MAX_ISSUES) return;
      const first = seen.get(key);
      if (first !== undefined && schemaAt([...path, key])) {
        const lines = [first, start].map((offset) => positionOf(text, offset).line).join(" and ");
        issues.push({
          path: renderConfigPath(path),
          message: `Key ${JSON.stringify(key)} is given twice, on lines ${lines}`,
        });
      }
      seen.set(key, start);
      findDuplicates(value, [...path, key], text, issues);
    }
  }
  if (kind === "list") {
    node.items?.forEach((item, i) => findDuplicates(item, [...path, i], text, issues));
  }
}

/** An include that is skipped in silence could hide the access rules in the other file. */
function findIncludes(parsed: Record<string, unknown>, issues: ConfigIssue[]): void {
  const places: [string, unknown][] = [["", parsed], ["gateway", parsed.gateway]];
  for (const [path, value] of places) {
    if (!isObject(value) || !Object.hasOwn(value, "$include")) continue;
    issues.push({ path, message: "$include is not supported: put the included keys here" });
  }
}

/** As many as a person reads; the rest as a number. */
function unknownWarnings(unknown: readonly UnknownKey[]): ConfigIssue[] {
  const shown = unknown.slice(0, MAX_ISSUES).map(({ path, message, suggestion }) => ({
    path,
    message: suggestion ? `${message} (did you mean ${JSON.stringify(suggestion)}?)` : message,
  }));
  const left = unknown.length - shown.length;
  return left > 0 ? [...shown, { path: "", message: `and ${left} more unknown keys` }] : shown;
}

/** References to a provider that is not there: no error, since they may never be asked for. */
function orphanWarnings(config: Config): ConfigIssue[] {
  const { auth, remote } = config.gateway;
  const places = [["gateway.auth", auth], ["gateway.remote", remote]] as const;
  return places.flatMap(([path, { token, password }]) =>
    Object.entries({ token, password }).flatMap(([kind, input]) => {
      if (input?.kind !== "ref") return [];
      try {
        providerOf(config, input.ref);
        return [];
      } catch (error) {
        return [{ path: `${path}.${kind}`, message: messageOf(error) }];
      }
    })
  );
}

/** `gateway.port: Invalid input: …`, or the message alone for the whole file. */
export function issueText(issue: ConfigIssue): string {
  return issue.path === "" ? issue.message : `${issue.path}: ${issue.message}`;
}

/** Options of {@linkcode requireValid}. */
export interface RequireOptions {
  /** Only a file that is not JSON5 counts; wrong values fall back to their defaults. Default `false`. */
  readonly readable?: boolean;
  /** Exit code of the error; 78 for the gateway. Default 1. */
  readonly exitCode?: number;
}

/** Throws `CONFIG_INVALID` unless the configuration may be relied on. */
export function requireValid(loaded: LoadedConfig, options: RequireOptions = {}): LoadedConfig {
  if (options.readable ? !loaded.broken : loaded.valid) return loaded;
  const text = loaded.issues.map(issueText).join("; ");
  throw new OpenclawError("CONFIG_INVALID", `Cannot use config ${loaded.path}: ${text}`, {
    hint: loaded.repairHint,
    exitCode: options.exitCode ?? 1,
    details: { path: loaded.path, issues: loaded.issues },
  });
}

/** The configuration for a gateway: whatever is wrong with it is a refusal with exit code 78. */
export async function loadServerConfig(
  paths: Pick<StatePaths, "configFile">,
  env: Env,
): Promise<LoadedConfig> {
  return requireValid(await loadConfig(paths, env).catch(throwAsRefusal), {
    exitCode: CONFIG_REFUSAL_EXIT_CODE,
  });
}
