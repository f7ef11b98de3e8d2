/**
 * The writer thread's program. It owns the only writable connection to the gateway database and turns each batch into
 * one transaction, so that fsync never blocks the main loop. It is started from its own text (see `writer.ts`), so the
 * function may use nothing from outside its body.
 */

/** One row change. Audit values are in column order. */
export type StoreOp =
  | readonly ["put", kind: string, id: string, json: string]
  | readonly ["del", kind: string, id: string]
  | readonly ["audit", ...values: (string | number | null)[]]
  | readonly ["prune-audit", keepRows: number];

/** A batch for the writer; all of it or nothing reaches the disk. */
export interface StoreBatch {
  readonly seq: number;
  readonly ops: readonly StoreOp[];
}

/** Answer to a {@linkcode StoreBatch}, or `closed` after `"close"`. */
export type StoreReply =
  | { readonly seq: number; readonly error?: string }
  | { readonly closed: true };

/** Body of the writer thread. `path` is the database, which exists and is ours. */
export function storeWorkerMain(path: string): void {
  interface Statement {
    run(...values: (string | number | null)[]): unknown;
  }
  interface Database {
    exec(sql: string): void;
    prepare(sql: string): Statement;
    close(): void;
  }
  const scope = self as unknown as {
    onmessage: (event: { data: StoreBatch | "close" }) => void;
    postMessage(reply: StoreReply): void;
  };
  const statements: Record<string, string> = {
    "put": "INSERT INTO record(kind, id, json) VALUES(?, ?, ?) " +
      "ON CONFLICT(kind, id) DO UPDATE SET json = excluded.json",
    "del": "DELETE FROM record WHERE kind = ? AND id = ?",
    "audit":
      "INSERT INTO audit(at_ms, event, requester, node_id, command, argv_json, cwd, decision, " +
      "rule, ok, exit_code, duration_ms, output_sha256, output_bytes, error) " +
      "VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    "prune-audit": "DELETE FROM audit WHERE id <= (SELECT max(id) FROM audit) - ?",
  };
  let database: Database | undefined;
  let prepared = new Map<string, Statement>();

  async function open(): Promise<Database> {
    const sqlite = await import("node:sqlite");
    const opened = new sqlite.DatabaseSync(path) as unknown as Database;
    opened.exec("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA busy_timeout=2000");
    prepared = new Map();
    return opened;
  }

  function run(db: Database, op: StoreOp): void {
    const [kind, ...values] = op;
    let statement = prepared.get(kind);
    if (statement === undefined) {
      statement = db.prepare(statements[kind] ?? "");
      prepared.set(kind, statement);
    }
    statement.run(...values);
  }

  async function write(batch: StoreBatch): Promise<void> {
    try {
      database ??= await open();
      database.exec("BEGIN IMMEDIATE");
      for (const op of batch.ops) run(database, op);
      database.exec("COMMIT");
      scope.postMessage({ seq: batch.seq });
    } catch (error) {
      // After disk full or EIO the connection is dropped: the next batch starts from a fresh one (F04, F05).
      try {
        database?.close();
      } catch {
        // The open transaction is rolled back by SQLite on the next open.
      }
      database = undefined;
      scope.postMessage({ seq: batch.seq, error: String((error as Error)?.message ?? error) });
    }
  }

  scope.onmessage = (event) => {
    if (event.data !== "close") return void write(event.data);
    try {
      database?.close();
    } finally {
      scope.postMessage({ closed: true });
    }
  };
}
