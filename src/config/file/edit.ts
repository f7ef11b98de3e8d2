/**
 * Changing `openclaw.json`: under a lock, in place, judged as a whole before a byte is written, old version kept as
 * `.bak`. A file that cannot be read is never written (F06). Source: config-and-credentials.md 1, cli.md 7.
 */
import { isObject } from "../../lib/objects.ts";
import { utf8 } from "../../lib/bytes.ts";
import { OpenclawError } from "../../lib/errors.ts";
import { realTarget } from "../../platform/file_safety.ts";
import { ensureFolderOf, withFileLock, writeAtomic } from "../../platform/files.ts";
import { type ConfigPath, parseConfigPath, renderConfigPath } from "../text/config_path.ts";
import type { Env } from "../env.ts";
import { parseJson5 } from "../text/json5.ts";
import { EditError, removeFromText, setInText } from "../text/json5_edit.ts";
import { differences } from "../text/json_value.ts";
import { issueText, judgeText, loadConfig, type LoadedConfig, MAX_CONFIG_BYTES } from "./load.ts";
import type { StatePaths } from "../paths.ts";
import { type Config, keyAt } from "../schema/schema.ts";
import { REDACTED } from "../schema/secret_input.ts";

/** Which configuration. */
export interface ConfigPlace {
  readonly paths: Pick<StatePaths, "configFile" | "configBackupFile">;
  readonly env: Env;
}

/** One change. `merge` takes a merge patch (RFC 7396), `replace` a whole new text. */
export type ConfigChange =
  | { readonly op: "set"; readonly path: ConfigPath; readonly value: unknown }
  | { readonly op: "unset"; readonly path: ConfigPath }
  | {
    readonly op: "merge";
    readonly patch: Readonly<Record<string, unknown>>;
    /** Paths whose objects are replaced instead of merged. */
    readonly replace?: readonly string[];
  }
  | { readonly op: "replace"; readonly text: string };

/** Options of an edit. */
export interface EditOptions {
  /** Judge, but do not write. */
  readonly dryRun?: boolean;
  /** Called under the lock with the configuration as it is; throws to refuse (revision guard). */
  readonly guard?: (before: LoadedConfig) => void;
  /** Called under the lock with the outcome before it is written; throws to refuse. */
  readonly review?: (outcome: EditOutcome) => void;
  /** Longest wait for the lock, milliseconds. Default 10 000. */
  readonly waitMs?: number;
}

/** Each change reads the whole text anew: this many at once, or as many as together read so much. */
const MAX_CHANGES = 50;
const MAX_READ = 20_000_000;

/** What an edit did. */
export interface EditOutcome {
  readonly before: LoadedConfig;
  readonly after: LoadedConfig;
  readonly changedPaths: readonly ConfigPath[];
  /** How a running gateway takes it. */
  readonly effect: ChangeEffect;
}

/** Changed paths by how a running gateway takes them. */
export interface ChangeEffect {
  readonly hot: readonly string[];
  readonly restart: readonly string[];
}

/** `gateway.reload.mode`. */
export type ReloadMode = Config["gateway"]["reload"]["mode"];

/** What a running gateway applies in each mode; a key of another kind waits for a restart. */
const APPLIED: Readonly<Record<ReloadMode, readonly string[]>> = {
  hybrid: ["hot", "listen"],
  hot: ["hot"],
  // The gateway restarts itself.
  restart: [],
  off: [],
};

/** Sorts changed paths by `reload` of their keys; keys a gateway does not use are left out. */
export function changeEffect(paths: readonly ConfigPath[], mode: ReloadMode): ChangeEffect {
  const hot: string[] = [];
  const restart: string[] = [];
  for (const path of paths) {
    const key = keyAt(path);
    const kind = key && (key.facts.reload ?? "hot");
    if (kind === undefined || kind === "none") continue;
    (APPLIED[mode].includes(kind) ? hot : restart).push(renderConfigPath(path));
  }
  return { hot, restart };
}

/**
 * Applies `changes` to the file in one step. Throws `CONFIG_INVALID` (exit 1, nothing written) when the file is no
 * JSON5 or the result has new problems, `CONFIG_PATH_NOT_FOUND` for an `unset` of nothing, and the codes of
 * `platform/files.ts`.
 */
export async function editConfig(
  place: ConfigPlace,
  changes: readonly ConfigChange[],
  options: EditOptions = {},
): Promise<EditOutcome> {
  const { configFile } = place.paths;
  const edit = async () => {
    const before = await loadConfig(place.paths, place.env);
    options.guard?.(before);
    if (before.broken && changes.some((change) => change.op !== "replace")) {
      throw unreadable(before);
    }
    refuseTooMany(changes, before.raw);
    const text = changes.reduce(applyChange, before.exists ? before.raw : "{}\n");
    refuseTooBig(configFile, text);
    const after = await judgeText(configFile, text, place.env);
    refuseNewProblems(before, after);
    const changedPaths = differences(before.parsed, after.parsed);
    const outcome = { before, after, changedPaths, effect: effectOf(before, changedPaths) };
    options.review?.(outcome);
    if (options.dryRun !== true && text !== before.raw) await write(place, before, text);
    return outcome;
  };
  if (options.dryRun === true) return await edit();
  await ensureFolderOf(configFile); // `OPENCLAW_CONFIG_PATH` may lead anywhere
  return await withFileLock(await lockPath(configFile), edit, {
    waitMs: options.waitMs ?? 10_000,
  });
}

function effectOf({ config }: LoadedConfig, paths: readonly ConfigPath[]): ChangeEffect {
  return changeEffect(paths, config.gateway.reload.mode);
}

/** Two names of one file (a link and its target) must share one lock, also before the target is there (F08). */
async function lockPath(configFile: string): Promise<string> {
  return `${await realTarget(configFile, true)}.write.lock`;
}

/** A file that could not be read again must not be written. */
function refuseTooBig(configFile: string, text: string): void {
  if (text.length <= MAX_CONFIG_BYTES / 4 || utf8(text).length <= MAX_CONFIG_BYTES) return;
  throw new OpenclawError(
    "CONFIG_INVALID",
    `Cannot change ${configFile}: it would be longer than ${MAX_CONFIG_BYTES} bytes`,
  );
}

async function write(place: ConfigPlace, before: LoadedConfig, text: string): Promise<void> {
  if (before.exists) await writeAtomic(place.paths.configBackupFile, before.raw);
  await writeAtomic(place.paths.configFile, text, { followOwnSymlink: true });
}

/** Attack stopped: a patch of very many keys that keeps the gateway busy for hours. */
function refuseTooMany(changes: readonly ConfigChange[], text: string): void {
  if (changes.length <= MAX_CHANGES || changes.length * text.length <= MAX_READ) return;
  throw new OpenclawError(
    "CONFIG_INVALID",
    `Cannot make ${changes.length} changes of a text of ${text.length} characters at once`,
    { hint: "change the file itself, or fewer keys at a time" },
  );
}

function applyChange(text: string, change: ConfigChange): string {
  if (change.op === "replace") return change.text;
  if (change.op === "merge") {
    const replaced = new Set(change.replace);
    const changes = patchChanges(change.patch, parseJson5(text), replaced);
    refuseTooMany(changes, text);
    return changes.reduce(applyChange, text);
  }
  const name = renderConfigPath(change.path);
  try {
    if (change.op === "set") {
      refuseRedacted(change.value, name);
      return setInText(text, change.path, change.value);
    }
    const without = removeFromText(text, change.path);
    if (without !== undefined) return without;
  } catch (error) {
    if (!(error instanceof EditError)) throw error;
    throw new OpenclawError("CONFIG_INVALID", `Cannot change ${name}: ${error.message}`);
  }
  throw new OpenclawError("CONFIG_PATH_NOT_FOUND", `Config path not found: ${name}`, {
    hint: "openclaw config get gateway",
  });
}

/** Section 3: what is shown instead of a secret must not become the secret. */
function refuseRedacted(value: unknown, path: string): void {
  if (value === REDACTED) {
    throw new OpenclawError(
      "CONFIG_INVALID",
      `Config validation failed: ${path}: ${REDACTED} is what is shown instead of a secret`,
    );
  }
  if (Array.isArray(value)) value.forEach((item, i) => refuseRedacted(item, `${path}[${i}]`));
  if (isObject(value)) {
    for (const [key, item] of Object.entries(value)) refuseRedacted(item, `${path}.${key}`);
  }
}

function unreadable(before: LoadedConfig): OpenclawError {
  return new OpenclawError(
    "CONFIG_INVALID",
    `Cannot change ${before.path}: ${before.issues.map(issueText).join("; ")} (file left as it is)`,
    { hint: before.repairHint, details: { path: before.path, issues: before.issues } },
  );
}

/** Problems the file had before do not stop a change that repairs or ignores them; new ones do. */
function refuseNewProblems(before: LoadedConfig, after: LoadedConfig): void {
  const had = new Set([...before.issues, ...before.unknown].map(issueText));
  const issues = after.issues.filter((issue) => !had.has(issueText(issue)));
  const unknown = after.unknown.filter((issue) => !had.has(issueText(issue)));
  const first = issues[0] ?? unknown[0];
  if (!first) return;
  const all = [...issues, ...unknown.map(({ path, message }) => ({ path, message }))];
  const suggestion = unknown[0]?.suggestion;
  const place = unknown[0]?.path ? `${unknown[0].path}.` : "";
  throw new OpenclawError(
    "CONFIG_INVALID",
    `Config validation failed: ${all.map(issueText).join("; ")}`,
    {
      ...(suggestion === undefined ? {} : { hint: `did you mean ${place}${suggestion}?` }),
      details: { path: after.path, issues: all },
    },
  );
}

/** Sets one value at a typed path, creating its parents. */
export async function setConfigValue(
  place: ConfigPlace,
  path: string,
  value: unknown,
  options?: EditOptions,
): Promise<EditOutcome> {
  return await editConfig(place, [{ op: "set", path: parseConfigPath(path), value }], options);
}

/** The single changes a merge patch means for `current`: objects merge, `null` removes, the rest replaces. */
function patchChanges(
  patch: unknown,
  current: unknown,
  replaced: ReadonlySet<string>,
  path: ConfigPath = [],
): ConfigChange[] {
  if (!isObject(patch)) return [{ op: "set", path, value: patch }];
  return Object.entries(patch).flatMap(([key, value]): ConfigChange[] => {
    const at = parseStep(path, key);
    const own = isObject(current) && Object.hasOwn(current, key) ? current[key] : undefined;
    if (value === null) return own === undefined ? [] : [{ op: "unset", path: at }];
    const merges = isObject(value) && isObject(own) && !replaced.has(renderConfigPath(at));
    if (merges) return patchChanges(value, own, replaced, at);
    return [{ op: "set", path: at, value: withoutNulls(value) }];
  });
}

/** N17: a patch reaches prototypes no more than a typed path does. */
function parseStep(path: ConfigPath, key: string): ConfigPath {
  parseConfigPath(`[${JSON.stringify(key)}]`);
  return [...path, key];
}

function withoutNulls(value: unknown): unknown {
  if (!isObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value).filter(([, item]) => item !== null)
      .map(([key, item]) => [key, withoutNulls(item)]),
  );
}
