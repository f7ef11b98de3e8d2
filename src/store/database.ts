/**
 * The gateway database as a file: making it, recognising it, reading all records out of it. Everything here opens it
 * read-only except the making; writing is the writer thread's. A file that is not ours or is newer is never touched (F34).
 * Source: decision 25.
 */
import { dirname } from "@std/path";
import { isOpenclawError, messageOf, OpenclawError } from "../lib/errors.ts";
import { requireOwned } from "../platform/file_safety.ts";
import { platformName } from "../platform/os.ts";

/** `OCLW`: only a database with this application id is opened. */
export const APPLICATION_ID = 0x4f434c57;
/** Version of the layout below; a higher one in the file is refused. */
export const SCHEMA_VERSION = 1;

const SCHEMA = `
CREATE TABLE record(
  kind TEXT NOT NULL, id TEXT NOT NULL, json TEXT NOT NULL, PRIMARY KEY(kind, id)
) WITHOUT ROWID;
CREATE TABLE audit(
  id INTEGER PRIMARY KEY AUTOINCREMENT, at_ms INTEGER NOT NULL, event TEXT NOT NULL, requester TEXT,
  node_id TEXT, command TEXT, argv_json TEXT, cwd TEXT, decision TEXT, rule TEXT, ok INTEGER,
  exit_code INTEGER, duration_ms INTEGER, output_sha256 TEXT, output_bytes INTEGER, error TEXT
);
CREATE INDEX audit_node ON audit(node_id, id);
`;

/** One record as it lies in the file. */
export interface RawRecord {
  readonly kind: string;
  readonly id: string;
  readonly json: string;
}

type Header = { readonly applicationId: number; readonly version: number } | "missing";

function cannotOpen(path: string, why: string, hint: string): OpenclawError {
  return new OpenclawError("STORE_UNREADABLE", `Cannot open gateway database "${path}": ${why}`, {
    hint,
    exitCode: 78,
  });
}

/** The way out of a database that cannot be used. */
export const restoreHint = (path: string): string =>
  `restore a backup, or start over (paired devices then ask for approval once more) with: mv "${path}" "${path}.broken"`;

/** What SQLite keeps: the database and the files beside it. */
const PARTS = ["", "-wal", "-shm", "-journal"];

/**
 * N40: SQLite follows links and waits for a FIFO, so that is looked at before. Whoever can write one of these files can
 * pair devices; whoever can read them sees who is paired.
 */
async function requireOwn(path: string): Promise<void> {
  for (const part of PARTS) {
    try {
      await requireOwned(path + part);
    } catch (error) {
      if (!isOpenclawError(error, "FILE_UNSAFE")) throw error;
      const hint = error.hint ?? `ls -ld "${path + part}"`;
      throw new OpenclawError("STORE_UNREADABLE", error.message, { hint, exitCode: 78 });
    }
  }
}

/** Reads the first 100 bytes without SQLite, so that a foreign or damaged file is not opened at all. */
async function readHeader(path: string): Promise<Header> {
  await requireOwn(path);
  const bytes = new Uint8Array(100);
  let size = 0;
  try {
    using file = await Deno.open(path, { read: true });
    let read = 0;
    while (read < 100) {
      const count = await file.read(bytes.subarray(read));
      if (count === null) break;
      read += count;
    }
    size = (await file.stat()).size;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "missing";
    throw cannotOpen(path, messageOf(error), "check the owner and mode of the state directory");
  }
  const magic = new TextDecoder().decode(bytes.subarray(0, 15));
  if (magic !== "SQLite format 3") {
    throw cannotOpen(path, "it is not an SQLite file", restoreHint(path));
  }
  const view = new DataView(bytes.buffer);
  const pageSize = view.getUint16(16) === 1 ? 65_536 : view.getUint16(16);
  const wanted = pageSize * view.getUint32(28);
  if (size < wanted) {
    throw cannotOpen(path, `it is cut off at ${size} of ${wanted} bytes`, restoreHint(path));
  }
  return { applicationId: view.getUint32(68), version: view.getUint32(60) };
}

function checkHeader(path: string, header: Exclude<Header, "missing">): void {
  if (header.applicationId !== APPLICATION_ID) {
    throw cannotOpen(path, "it belongs to another program", "use another --state-dir");
  }
  if (header.version > SCHEMA_VERSION) {
    throw new OpenclawError(
      "STORE_TOO_NEW",
      `Cannot open gateway database "${path}": its layout is version ${header.version}, this program knows up to ${SCHEMA_VERSION}`,
      { hint: "start the newer openclaw that wrote it", exitCode: 78 },
    );
  }
}

/** Builds an empty database beside its place and renames it there, so that a crash leaves all or nothing. */
async function create(path: string): Promise<void> {
  const { DatabaseSync } = await import("node:sqlite");
  const fresh = `${path}.new`;
  await Deno.remove(fresh).catch(ignoreMissing);
  await Deno.remove(`${fresh}-journal`).catch(ignoreMissing);
  (await Deno.open(fresh, { write: true, createNew: true, mode: 0o600 })).close();
  const database = new DatabaseSync(fresh);
  try {
    database.exec("PRAGMA synchronous=EXTRA");
    database.exec(`PRAGMA application_id=${APPLICATION_ID}; PRAGMA user_version=${SCHEMA_VERSION}`);
    database.exec(SCHEMA);
  } finally {
    database.close();
  }
  await Deno.rename(fresh, path);
  if (platformName() !== "windows") {
    using folder = await Deno.open(dirname(path));
    await folder.sync();
  }
}

function ignoreMissing(error: unknown): void {
  if (!(error instanceof Deno.errors.NotFound)) throw error;
}

/** Everything in the database, or why it could only be read from a copy. */
export interface LoadedDatabase {
  readonly records: readonly RawRecord[];
  /** Set when the folder cannot be written: the gateway runs from memory (F05). */
  readonly degraded?: string;
}

/**
 * Makes the database when it is missing and reads all records.
 * @throws `STORE_UNREADABLE` for a foreign, cut or damaged file, `STORE_TOO_NEW` for a newer layout; both untouched.
 */
export async function loadDatabase(path: string): Promise<LoadedDatabase> {
  const header = await readHeader(path);
  if (header === "missing") {
    try {
      await create(path);
      return { records: [] };
    } catch (error) {
      return { records: [], degraded: messageOf(error) };
    }
  }
  checkHeader(path, header);
  try {
    return { records: await readRecords(path) };
  } catch (error) {
    if (error instanceof OpenclawError) throw error;
    if (/is locked/i.test(messageOf(error))) {
      throw cannotOpen(path, "another program keeps it locked", `fuser -v "${path}"`);
    }
    if (!/unable to open|readonly|read-only/i.test(messageOf(error))) {
      throw cannotOpen(path, messageOf(error), restoreHint(path));
    }
    return { records: await readCopy(path), degraded: messageOf(error) };
  }
}

async function readRecords(path: string): Promise<RawRecord[]> {
  const { DatabaseSync } = await import("node:sqlite");
  const database = new DatabaseSync(path, { readOnly: true });
  try {
    const row = database.prepare("PRAGMA user_version").get() as { user_version: number };
    checkHeader(path, { applicationId: APPLICATION_ID, version: row.user_version });
    return database.prepare("SELECT kind, id, json FROM record").all() as unknown as RawRecord[];
  } finally {
    database.close();
  }
}

/** A WAL database in a read-only folder cannot be opened in place; its copy can. */
async function readCopy(path: string): Promise<RawRecord[]> {
  const folder = await Deno.makeTempDir({ prefix: "openclaw-store-" });
  try {
    const copy = `${folder}/gateway.sqlite`;
    await Deno.copyFile(path, copy);
    await Deno.copyFile(`${path}-wal`, `${copy}-wal`).catch(ignoreMissing);
    return await readRecords(copy);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Makes the database when it is missing. Returns whether it did. */
export async function restoreDatabase(path: string): Promise<boolean> {
  if (await readHeader(path) !== "missing") return false;
  await create(path);
  return true;
}

/** Keeps what somebody put in the place of the database, under another name: it is theirs, and none of ours is in it. */
export async function setAside(path: string): Promise<void> {
  for (const part of PARTS) {
    await Deno.rename(path + part, `${path}.replaced${part}`).catch(ignoreMissing);
  }
}

/** Rows of the audit table, newest first. Opened for the question only; the caller flushes before. */
export async function readAudit(
  path: string,
  query: { readonly limit: number; readonly beforeId?: number; readonly nodeId?: string },
): Promise<Record<string, unknown>[]> {
  const { DatabaseSync } = await import("node:sqlite");
  const database = new DatabaseSync(path, { readOnly: true });
  try {
    const sql = "SELECT * FROM audit WHERE id < ? " +
      (query.nodeId === undefined ? "" : "AND node_id = ? ") + "ORDER BY id DESC LIMIT ?";
    const before = query.beforeId ?? Number.MAX_SAFE_INTEGER;
    const values = query.nodeId === undefined
      ? [before, query.limit]
      : [before, query.nodeId, query.limit];
    return database.prepare(sql).all(...values) as Record<string, unknown>[];
  } finally {
    database.close();
  }
}
