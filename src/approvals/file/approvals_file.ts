/**
 * exec-approvals.json as a value: text → file, file → text. What peers see and set is `approvals_wire.ts`.
 * An existing text that does not parse is a state of its own and means deny (7.1); unknown keys are kept, and an allow
 * entry with an unknown key never matches, because the key could have narrowed it.
 * Source: node-host.md 7.1, 7.7; decisions.md 19.
 */
import { isObject } from "../../lib/objects.ts";

/** Security levels, strictest first. */
export const SECURITY_LEVELS = ["deny", "allowlist", "full"] as const;
/** Ask modes, strictest first. */
export const ASK_MODES = ["always", "on-miss", "off"] as const;
export type Security = (typeof SECURITY_LEVELS)[number];
export type Ask = (typeof ASK_MODES)[number];

/** One allow rule. */
export interface AllowEntry {
  readonly id: string;
  readonly pattern: string;
  readonly argPattern?: string;
  readonly source?: string;
  readonly lastUsedAt?: number;
  readonly lastUsedCommand?: string;
  readonly lastResolvedPath?: string;
  /** Keys this version does not know. */
  readonly unknown?: Readonly<Record<string, unknown>>;
}

/** Settings of a scope. */
export interface ScopeSettings {
  readonly security?: Security;
  readonly ask?: Ask;
  readonly askFallback?: Security;
  readonly autoAllowSkills?: boolean;
}

/** Settings and rules of an agent or of `*`. */
export interface AgentScope extends ScopeSettings {
  readonly allowlist: readonly AllowEntry[];
  readonly unknown?: Readonly<Record<string, unknown>>;
}

/** The whole file. */
export interface ApprovalsFile {
  readonly version: 1;
  readonly socket?: { readonly path?: string; readonly token?: string };
  readonly defaults: ScopeSettings;
  readonly agents: ReadonlyMap<string, AgentScope>;
  /** Policy test cases, ours; see `cases.ts`. */
  readonly tests?: readonly unknown[];
  readonly unknown?: Readonly<Record<string, unknown>>;
}

/** State of the file on disk. */
export interface ParsedApprovals {
  readonly state: "missing" | "ok" | "unparsable";
  readonly file: ApprovalsFile;
  /** What was dropped or is wrong, for people. */
  readonly problems: readonly string[];
}

/** A file without any setting. */
export const EMPTY_APPROVALS: ApprovalsFile = { version: 1, defaults: {}, agents: new Map() };

/** A JSON object. */
export type Json = Readonly<Record<string, unknown>>;
/** Reads the file's text; `undefined` means there is no file. `newId` makes ids for entries without one. */
export function parseApprovals(text: string | undefined, newId: () => string): ParsedApprovals {
  if (text === undefined) return { state: "missing", file: EMPTY_APPROVALS, problems: [] };
  const problems: string[] = [];
  try {
    const value: unknown = JSON.parse(text);
    if (!isObject(value)) return unparsable("it is not a JSON object");
    if (value.version !== 1) {
      return unparsable(
        `its version is ${JSON.stringify(value.version) ?? "missing"}, this program knows 1`,
      );
    }
    for (const key of ["defaults", "agents"]) {
      if (value[key] !== undefined && !isObject(value[key])) {
        return unparsable(`"${key}" is not an object`);
      }
    }
    return { state: "ok", file: readFile(value, newId, problems), problems };
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return unparsable(error.message);
  }
}

function unparsable(why: string): ParsedApprovals {
  return {
    state: "unparsable",
    file: EMPTY_APPROVALS,
    problems: [`the approvals file cannot be read: ${why}`],
  };
}

function readFile(value: Json, newId: () => string, problems: string[]): ApprovalsFile {
  const agents = new Map<string, AgentScope>();
  for (const [name, scope] of Object.entries(isObject(value.agents) ? value.agents : {})) {
    if (!isObject(scope)) {
      problems.push(`agents.${name} is not an object and is ignored`);
      continue;
    }
    const read = readAgent(scope, `agents.${name}`, newId, problems);
    const target = name === "default" ? "main" : name;
    const other = agents.get(target);
    agents.set(
      target,
      other ? merge(name === "default" ? other : read, name === "default" ? read : other) : read,
    );
  }
  const socket = isObject(value.socket) ? value.socket : undefined;
  const unknown = rest(value, ["version", "socket", "defaults", "agents", "tests"]);
  return {
    version: 1,
    ...(socket ? { socket: { ...text(socket, "path"), ...text(socket, "token") } } : {}),
    defaults: readSettings(isObject(value.defaults) ? value.defaults : {}, "defaults", problems),
    agents,
    ...(Array.isArray(value.tests) ? { tests: value.tests } : {}),
    ...(unknown ? { unknown } : {}),
  };
}

/** `main` wins over the old name `default`; rules of both stay. */
function merge(main: AgentScope, old: AgentScope): AgentScope {
  return { ...old, ...main, allowlist: [...main.allowlist, ...old.allowlist] };
}

const SETTING_KEYS = ["security", "ask", "askFallback", "autoAllowSkills"];

function readAgent(value: Json, path: string, newId: () => string, problems: string[]): AgentScope {
  const unknown = rest(value, [...SETTING_KEYS, "allowlist"]);
  if (value.allowlist !== undefined && !Array.isArray(value.allowlist)) {
    problems.push(`${path}.allowlist is not a list and is ignored`);
  }
  const list = Array.isArray(value.allowlist) ? value.allowlist : [];
  return {
    ...readSettings(value, path, problems),
    allowlist: list.flatMap((entry: unknown, i: number) =>
      readEntry(entry, `${path}.allowlist[${i}]`, newId, problems)
    ),
    ...(unknown ? { unknown } : {}),
  };
}

function readSettings(value: Json, path: string, problems: string[]): ScopeSettings {
  const pick = <T extends string>(key: string, allowed: readonly T[]): T | undefined => {
    const found = value[key];
    if (found === undefined) return undefined;
    if (allowed.includes(found as T)) return found as T;
    problems.push(
      `${path}.${key} is ${JSON.stringify(found)}, expected one of ${
        allowed.join(", ")
      }; it is ignored`,
    );
    return undefined;
  };
  const security = pick("security", SECURITY_LEVELS);
  const ask = pick("ask", ASK_MODES);
  const askFallback = pick("askFallback", SECURITY_LEVELS);
  return {
    ...(security ? { security } : {}),
    ...(ask ? { ask } : {}),
    ...(askFallback ? { askFallback } : {}),
    ...(typeof value.autoAllowSkills === "boolean"
      ? { autoAllowSkills: value.autoAllowSkills }
      : {}),
  };
}

const ENTRY_KEYS = [
  "id",
  "pattern",
  "argPattern",
  "source",
  "lastUsedAt",
  "lastUsedCommand",
  "lastResolvedPath",
  "commandText",
];

function readEntry(
  value: unknown,
  path: string,
  newId: () => string,
  problems: string[],
): AllowEntry[] {
  const entry = typeof value === "string"
    ? { pattern: value }
    : isObject(value)
    ? value
    : undefined;
  const pattern = typeof entry?.pattern === "string" ? entry.pattern.trim() : "";
  if (!entry || pattern === "") {
    problems.push(`${path} has no pattern and is ignored`);
    return [];
  }
  if ("argPattern" in entry && typeof entry.argPattern !== "string") {
    problems.push(`${path}.argPattern is not text; the entry is ignored`);
    return [];
  }
  const unknown = rest(entry, ENTRY_KEYS);
  if (unknown) {
    problems.push(
      `${path} has the unknown key ${JSON.stringify(Object.keys(unknown)[0])} and never matches`,
    );
  }
  return [{
    id: typeof entry.id === "string" && entry.id !== "" ? entry.id : newId(),
    pattern,
    ...text(entry, "argPattern"),
    ...text(entry, "source"),
    ...(typeof entry.lastUsedAt === "number" ? { lastUsedAt: entry.lastUsedAt } : {}),
    ...text(entry, "lastUsedCommand"),
    ...text(entry, "lastResolvedPath"),
    ...(unknown ? { unknown } : {}),
  }];
}

function text<K extends string>(value: Json, key: K): { [P in K]?: string } {
  return typeof value[key] === "string" ? { [key]: value[key] } as { [P in K]?: string } : {};
}

function rest(value: Json, known: readonly string[]): Json | undefined {
  const entries = Object.entries(value).filter(([key]) => !known.includes(key));
  return entries.length === 0 ? undefined : Object.fromEntries(entries);
}

/** JSON form of a rule. */
function entryJson({ unknown, ...entry }: AllowEntry): Json {
  return { ...entry, ...unknown };
}

/** JSON form of a scope. */
export function agentJson({ unknown, allowlist, ...settings }: AgentScope): Json {
  return {
    ...settings,
    ...(allowlist.length > 0 ? { allowlist: allowlist.map(entryJson) } : {}),
    ...unknown,
  };
}

/** The file's text: two-space JSON and a final newline. */
export function renderApprovals(file: ApprovalsFile): string {
  return JSON.stringify(approvalsJson(file), null, 2) + "\n";
}

function approvalsJson({ version, socket, defaults, agents, tests, unknown }: ApprovalsFile): Json {
  return {
    version,
    ...(socket ? { socket } : {}),
    defaults,
    agents: Object.fromEntries([...agents].map(([name, scope]) => [name, agentJson(scope)])),
    ...(tests ? { tests } : {}),
    ...unknown,
  };
}
