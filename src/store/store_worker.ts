/**
 * The writer thread's program. It owns the only writable connection to the gateway database and turns each batch into
 * one transaction, so that fsync never blocks the main loop. `writer.ts` starts and feeds it.
 */
import { DatabaseSync, type StatementSync } from "node:sqlite";

/** One row change. Audit values are in column order. */
export type StoreOp =
  | readonly ["put", kind: string, id: string, json: string]
  | readonly ["del", kind: string, id: string]
  | readonly ["audit", ...values: (string | number | null)[]]
  | readonly ["prune-audit", keepRows: number];

/** A batch for the writer; all of it or nothing reaches the disk. */
export interface StoreBatch {
  /** File URL of the database, which exists and is ours. */
  readonly url: string;
  readonly seq: number;
  readonly ops: readonly StoreOp[];
}

/** Answer to a {@linkcode StoreBatch}, or `closed` after `"close"`. `gone`: the file that holds what was written is not in its place any more. */
export type StoreReply =
  | { readonly seq: number; readonly error?: string; readonly gone?: true }
  | { readonly closed: true };

const SQL: Readonly<Record<StoreOp[0], string>> = {
  "put": "INSERT INTO record(kind, id, json) VALUES(?, ?, ?) " +
    "ON CONFLICT(kind, id) DO UPDATE SET json = excluded.json",
  "del": "DELETE FROM record WHERE kind = ? AND id = ?",
  "audit":
    "INSERT INTO audit(at_ms, event, requester, node_id, command, argv_json, cwd, decision, " +
    "rule, ok, exit_code, duration_ms, output_sha256, output_bytes, error) " +
    "VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
  "prune-audit": "DELETE FROM audit WHERE id <= (SELECT max(id) FROM audit) - ?",
};

let database: DatabaseSync | undefined;
/** The files as they were when they were opened. */
let files: Files | undefined;
let prepared = new Map<string, StatementSync>();

/** Never makes a file: an empty one in its place would be refused at the next start. */
function open(url: string): DatabaseSync {
  const place = new URL(url);
  place.searchParams.set("mode", "rw");
  const opened = new DatabaseSync(place);
  opened.exec("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA busy_timeout=2000");
  prepared = new Map();
  return opened;
}

/** Which files lie in the place of the database and of its log. */
interface Files {
  readonly main: string;
  readonly log: string;
}

function filesAt(url: string): Files {
  return { main: identityOf(url), log: identityOf(`${url}-wal`) };
}

function identityOf(url: string): string {
  try {
    const { dev, ino } = Deno.statSync(new URL(url));
    return `${dev} ${ino}`;
  } catch {
    return "none";
  }
}

/**
 * F01: what is written to a file that somebody removed is gone with the process, however often it was synced. A log that is
 * not there any more is folded into the database by closing it.
 */
function leaveRemovedFiles(url: string): void {
  if (database === undefined || files === undefined) return;
  const now = filesAt(url);
  if (now.main === files.main && now.log === files.log) return;
  const isGone = now.main !== files.main;
  close();
  if (isGone) throw new GoneError("the database was removed or replaced");
}

class GoneError extends Error {}

function run(db: DatabaseSync, [kind, ...values]: StoreOp): void {
  let statement = prepared.get(kind);
  if (statement === undefined) {
    statement = db.prepare(SQL[kind]);
    prepared.set(kind, statement);
  }
  statement.run(...values);
}

function write(batch: StoreBatch): StoreReply {
  try {
    leaveRemovedFiles(batch.url);
    database ??= open(batch.url);
    database.exec("BEGIN IMMEDIATE");
    files ??= filesAt(batch.url);
    for (const op of batch.ops) run(database, op);
    database.exec("COMMIT");
    return { seq: batch.seq };
  } catch (error) {
    // After disk full or EIO the connection is dropped: the next batch starts from a fresh one (F04, F05).
    close();
    return {
      seq: batch.seq,
      error: error instanceof Error ? error.message : String(error),
      ...(error instanceof GoneError ? { gone: true } : {}),
    };
  }
}

function close(): void {
  try {
    database?.close();
  } catch {
    // The open transaction is rolled back by SQLite on the next open.
  }
  database = undefined;
  files = undefined;
}

const scope = self as unknown as {
  onmessage: (event: MessageEvent<StoreBatch | "close">) => void;
  postMessage(reply: StoreReply): void;
};

scope.onmessage = (event) => {
  if (event.data !== "close") return scope.postMessage(write(event.data));
  close();
  scope.postMessage({ closed: true });
};
