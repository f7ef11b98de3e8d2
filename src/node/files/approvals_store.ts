/**
 * The approvals file and the grants file of this machine: cached reading, careful writing, use recorded in memory and
 * flushed at most once a second. What the rules mean is `approvals/`. Source: node-host.md 7.1, 7.4, 7.7; decision 19.
 */
import {
  type AllowEntry,
  type ApprovalsFile,
  EMPTY_APPROVALS,
  parseApprovals,
  type ParsedApprovals,
  renderApprovals,
} from "../../approvals/file/approvals_file.ts";
import { takeWireApprovals, wireApprovals } from "../../approvals/file/approvals_wire.ts";
import { addEntries, recordUse } from "../../approvals/file/entries.ts";
import { type Grant, parseGrants, renderGrants, spendGrants } from "../../approvals/grants.ts";
import type { ScopedEntry } from "../../approvals/policy.ts";
import { randomBase64Url, sha256Hex } from "../../lib/bytes.ts";
import type { Clock } from "../../lib/clock.ts";
import { isOpenclawError, messageOf, OpenclawError } from "../../lib/errors.ts";
import { limitRepeats, type Logger } from "../../lib/log.ts";
import { fileStamp } from "../../platform/file_facts.ts";
import { readOwned, withFileLock, writeAtomic } from "../../platform/files.ts";
import { isObject } from "../../lib/objects.ts";

const MAX_BYTES = 4 * 1024 * 1024;
/** Uses are written at most this often. Source: node-host.md 7.4. */
const FLUSH_MS = 1000;

/** Options of {@linkcode ApprovalsStore}. */
export interface ApprovalsStoreOptions {
  readonly approvalsFile: string;
  readonly grantsFile: string;
  readonly clock: Clock;
  readonly log: Logger;
}

/** The file as it is on disk now. */
export interface LoadedApprovals {
  readonly parsed: ParsedApprovals;
  readonly exists: boolean;
  /** Raw text; absent when there is no file or it may not be read. */
  readonly text?: string;
  /** Hex SHA-256 of the text, of nothing when there is no file. */
  readonly hash: string;
}

/** What peers see. `raw` and `error` only when the file does not parse (decision 19). */
export interface ApprovalsSnapshot {
  readonly path: string;
  readonly exists: boolean;
  readonly hash: string;
  readonly file: unknown;
  readonly raw?: string;
  readonly error?: string;
}

interface Use {
  readonly entry: ScopedEntry;
  readonly command: string;
  readonly path: string | undefined;
  readonly nowMs: number;
}

const newId = () => crypto.randomUUID();
const refused = (text: string, details?: Record<string, unknown>) =>
  new OpenclawError(
    "INVALID_REQUEST",
    `Error: INVALID_REQUEST: ${text}`,
    details ? { details } : {},
  );

/** One per process. */
export class ApprovalsStore {
  readonly #options: ApprovalsStoreOptions;
  readonly #warn: (message: string, fields?: Record<string, unknown>) => void;
  #cached: { stamp: string; loaded: LoadedApprovals } | undefined;
  #cachedGrants: { stamp: string; grants: readonly Grant[] } | undefined;
  readonly #uses = new Map<string, Use>();
  #cancelFlush: (() => void) | undefined;
  #flushing: Promise<void> = Promise.resolve();

  constructor(options: ApprovalsStoreOptions) {
    this.#options = options;
    this.#warn = limitRepeats(
      (message, fields) => options.log.warn(message, fields),
      60_000,
      options.clock,
    );
  }

  /** The rules in force; one `lstat` when nothing changed. Never rejects: what cannot be read denies everything. */
  async load(): Promise<LoadedApprovals> {
    const { approvalsFile } = this.#options;
    const stamp = fileStamp(approvalsFile);
    if (this.#cached?.stamp === stamp) return this.#cached.loaded;
    const loaded = await readApprovals(approvalsFile);
    for (const problem of loaded.parsed.problems) {
      this.#warn("exec approvals file has a problem", { path: approvalsFile, problem });
    }
    this.#cached = { stamp, loaded };
    return loaded;
  }

  /** `system.execApprovals.get`. */
  async snapshot(): Promise<ApprovalsSnapshot> {
    return snapshotOf(this.#options.approvalsFile, await this.load());
  }

  /** `system.execApprovals.set`. @throws {OpenclawError} `INVALID_REQUEST` for a missing or stale hash or a bad file. */
  async set(wire: unknown, baseHash: string | undefined): Promise<ApprovalsSnapshot> {
    if (!isObject(wire)) {
      throw refused("exec approvals file required");
    }
    await this.#change((before) => {
      if (before.exists && !baseHash) {
        throw refused("exec approvals base hash required; reload and retry");
      }
      if (baseHash !== undefined && baseHash !== before.hash) {
        throw refused("exec approvals changed; reload and retry", { hash: before.hash });
      }
      const taken = takeWireApprovals(before.parsed.file, wire, newId);
      if (!taken.ok) throw refused(taken.problem);
      return taken.file;
    });
    return await this.snapshot();
  }

  /** Appends learned rules (allow-always); durable when it resolves. Returns how many were new. */
  async learn(agent: string, entries: readonly AllowEntry[]): Promise<number> {
    let added = 0;
    await this.#change((before) => {
      if (before.parsed.state === "unparsable") {
        throw new OpenclawError("APPROVALS_UNREADABLE", "The approvals file does not parse");
      }
      const next = addEntries(before.parsed.file, agent, entries);
      added = next.added;
      return next.file;
    });
    return added;
  }

  /** Remembers that rules were used; written soon, in the background. A failed write never blocks a run. */
  recordUse(used: readonly ScopedEntry[], command: string, path: string | undefined): void {
    const nowMs = this.#options.clock.now();
    for (const entry of used) {
      this.#uses.set(`${entry.agent}\n${entry.entry.id}`, { entry, command, path, nowMs });
    }
    if (this.#uses.size === 0) return;
    this.#cancelFlush ??= this.#options.clock.after(FLUSH_MS, () => {
      this.#cancelFlush = undefined;
      this.#flushing = this.#flush();
    });
  }

  async #flush(): Promise<void> {
    const uses = [...this.#uses.values()];
    if (uses.length === 0) return;
    try {
      await this.#change((before) => {
        // A file that was broken or removed meanwhile is not touched for the sake of a date.
        if (before.parsed.state !== "ok") return undefined;
        return uses.reduce((file, use) => recordUse(file, [use.entry], use), before.parsed.file);
      });
      for (const [key, use] of this.#uses) if (uses.includes(use)) this.#uses.delete(key);
    } catch (error) {
      this.#warn("exec approvals use could not be recorded", { error: messageOf(error) });
    }
  }

  /** Rewrites the file under its lock. */
  async #change(edit: (before: LoadedApprovals) => ApprovalsFile | undefined): Promise<void> {
    const { approvalsFile } = this.#options;
    await withFileLock(`${approvalsFile}.lock`, async () => {
      const before = await readApprovals(approvalsFile);
      const after = edit(before);
      if (!after) return;
      const text = renderApprovals(withSocket(after, approvalsFile));
      // A file that could not be read again would deny everything from then on.
      if (text.length > MAX_BYTES / 2) throw refused("exec approvals file is too large");
      if (text !== before.text) await writeAtomic(approvalsFile, text);
      this.#cached = undefined;
    });
  }

  /** Live and dead grants with a clock; an unreadable file holds none. */
  async grants(): Promise<readonly Grant[]> {
    const { grantsFile } = this.#options;
    const stamp = fileStamp(grantsFile);
    if (this.#cachedGrants?.stamp === stamp) return this.#cachedGrants.grants;
    const grants = await readGrants(grantsFile).catch((error: unknown) => {
      this.#warn("exec grants file cannot be used", { error: messageOf(error) });
      return [];
    });
    this.#cachedGrants = { stamp, grants };
    return grants;
  }

  /** Rewrites the grants under their lock; durable when it resolves. */
  async changeGrants(edit: (grants: readonly Grant[]) => readonly Grant[]): Promise<void> {
    const { grantsFile } = this.#options;
    await withFileLock(`${grantsFile}.lock`, async () => {
      await writeAtomic(grantsFile, renderGrants(edit(await readGrants(grantsFile))));
      this.#cachedGrants = undefined;
    });
  }

  /** Takes one run from each grant, before the run: a grant for one run must not serve two at once. `false` = none left. */
  async spend(ids: readonly string[]): Promise<boolean> {
    if (ids.length === 0) return true;
    let enough = true;
    await this.changeGrants((grants) => {
      const nowMs = this.#options.clock.now();
      const usable = new Set(
        grants.filter((g) => g.runsLeft === undefined || g.runsLeft > 0).map((g) => g.id),
      );
      enough = ids.every((id) => usable.has(id));
      return enough ? spendGrants(grants, ids, nowMs) : grants;
    });
    return enough;
  }

  /** Writes what is still in memory. */
  async close(): Promise<void> {
    this.#cancelFlush?.();
    this.#cancelFlush = undefined;
    await this.#flushing;
    await this.#flush();
  }
}

async function readApprovals(path: string): Promise<LoadedApprovals> {
  try {
    const found = await readOwned(path, { maxBytes: MAX_BYTES });
    const text = found && new TextDecoder().decode(found.bytes);
    const hash = await sha256Hex(text ?? "");
    const parsed = parseApprovals(text, newId);
    return { parsed, exists: found !== undefined, hash, ...(text === undefined ? {} : { text }) };
  } catch (error) {
    if (!isOpenclawError(error)) throw error;
    // N40: a link, a foreign owner, a file others can write: as bad as one that does not parse.
    const problems = [error.message];
    const parsed = { state: "unparsable", file: EMPTY_APPROVALS, problems } as const;
    return { parsed, exists: true, hash: await sha256Hex("") };
  }
}

async function readGrants(path: string): Promise<Grant[]> {
  const found = await readOwned(path, { maxBytes: MAX_BYTES });
  return parseGrants(found && new TextDecoder().decode(found.bytes));
}

/** The macOS app expects the channel's path and token in the file; created with it. Source: node-host.md 7.1. */
function withSocket(file: ApprovalsFile, path: string): ApprovalsFile {
  const socket = {
    path: file.socket?.path ?? path.replace(/\.json$/, ".sock"),
    token: file.socket?.token ?? randomBase64Url(24),
  };
  return { ...file, socket };
}

function snapshotOf(
  path: string,
  { parsed, exists, hash, text }: LoadedApprovals,
): ApprovalsSnapshot {
  const base = { path, exists, hash, file: wireApprovals(parsed.file) };
  if (parsed.state !== "unparsable") return base;
  return {
    ...base,
    ...(text === undefined ? {} : { raw: text }),
    error: parsed.problems[0] ?? "the file does not parse",
  };
}
