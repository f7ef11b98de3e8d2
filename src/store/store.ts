/**
 * Durable records with memory as the authority for reads. A change applies in memory at once and is acknowledged when
 * its batch is on disk; a batch that fails undoes itself and everything built on it, so memory never claims what the
 * disk does not hold (F01, F04, F05). Which kinds of records there are is `gateway_store.ts`.
 */
import { type Clock, systemClock } from "../lib/clock.ts";
import { messageOf, OpenclawError } from "../lib/errors.ts";
import { limitRepeats, type Logger, silentLogger } from "../lib/log.ts";
import { surviveFileSizeLimit } from "../platform/signals.ts";
import {
  loadDatabase,
  type LoadedDatabase,
  restoreDatabase,
  restoreHint,
  setAside,
} from "./database.ts";
import type { StoreOp } from "./store_worker.ts";
import type { Table } from "./table.ts";
import { StoreWriter } from "./writer.ts";

/** How long changes that need no acknowledgement are collected. */
const LATER_MS = 2_000;
/** Unacknowledged rows kept while the disk refuses; older ones are dropped and counted. */
const MAX_LATER_ROWS = 10_000;

/** Inside {@linkcode Store.commit}: changes of one transaction. */
export interface Change {
  put<T>(table: Table<T>, id: string, record: T): void;
  remove<T>(table: Table<T>, id: string): void;
}

interface Pending {
  readonly ops: readonly StoreOp[];
  readonly undo: readonly (() => void)[];
  readonly resolve: () => void;
  readonly reject: (error: OpenclawError) => void;
}

/** Whether the disk takes writes. */
export interface StoreStatus {
  /** Reason of the last failed write, gone after the next good one. */
  readonly degraded?: string;
  /** Rows dropped while the disk refused. */
  readonly droppedRows: number;
}

/** Options of {@linkcode Store.open}. */
export interface StoreOptions {
  readonly path: string;
  readonly clock?: Clock;
  readonly log?: Logger;
}

/** Durable records of one gateway. */
export class Store {
  readonly path: string;
  readonly clock: Clock;
  readonly #writer: StoreWriter;
  readonly #tables: readonly Table<unknown>[];
  readonly #warn: (message: string, fields?: Record<string, unknown>) => void;
  #queue: Pending[] = [];
  #later = new Map<string, StoreOp>();
  #rows: StoreOp[] = [];
  #writing: Promise<void> | undefined;
  #cancelLater: (() => void) | undefined;
  #degraded: string | undefined;
  /** The file was made again and does not hold what was acknowledged yet. */
  #isNew = false;
  #dropped = 0;
  #closed = false;
  readonly #endSurviving: () => void;

  protected constructor(
    options: StoreOptions,
    tables: readonly Table<unknown>[],
    from: LoadedDatabase,
  ) {
    this.path = options.path;
    this.clock = options.clock ?? systemClock;
    this.#writer = new StoreWriter(options.path, this.clock);
    this.#warn = limitRepeats((options.log ?? silentLogger).warn, 60_000, this.clock);
    this.#tables = tables;
    this.#degraded = from.degraded;
    fill(options.path, tables, from);
    this.#endSurviving = surviveFileSizeLimit();
  }

  /** Reads the file for a subclass. Errors as of `loadDatabase`. */
  protected static load(path: string): Promise<LoadedDatabase> {
    return loadDatabase(path);
  }

  /**
   * Applies `change` in memory now and resolves with its result when it is on disk. When `change` throws, nothing happened.
   * @throws `STORE_UNAVAILABLE` (retryable): the write failed and memory is as before.
   */
  commit<R>(change: (tx: Change) => R): Promise<R> {
    const ops: StoreOp[] = [];
    const undo: (() => void)[] = [];
    let result: R;
    try {
      result = change(recorder(ops, undo, this.#later));
    } catch (error) {
      rollBack(undo);
      return Promise.reject(error);
    }
    if (ops.length === 0) return Promise.resolve(result);
    return new Promise<R>((resolve, reject) => {
      this.#queue.push({ ops, undo, resolve: () => resolve(result), reject });
      this.#pump();
    });
  }

  /** Changes a record without waiting for the disk: last-seen times and the like. A crash may lose the last seconds. */
  later<T>(table: Table<T>, id: string, record: T): void {
    table.rows.set(id, record);
    this.#later.set(`${table.kind}\n${id}`, ["put", table.kind, id, JSON.stringify(record)]);
    this.#schedule();
  }

  /** Queues a row that is only ever appended (audit). */
  protected append(op: StoreOp): void {
    if (this.#rows.length >= MAX_LATER_ROWS) {
      this.#rows.shift();
      this.#dropped++;
    }
    this.#rows.push(op);
    this.#schedule();
  }

  /** Resolves when everything queued up to now is on disk or was undone: the batch under way and the one behind it. */
  async settled(): Promise<void> {
    await this.#writing;
    await this.#writing;
  }

  async #idle(): Promise<void> {
    while (this.#writing !== undefined) await this.#writing;
  }

  /** Writes what `later` and `append` collected, now. */
  async flush(): Promise<void> {
    await this.#idle();
    this.#pump(true);
    await this.#idle();
  }

  get status(): StoreStatus {
    return {
      ...(this.#degraded === undefined ? {} : { degraded: this.#degraded }),
      droppedRows: this.#dropped,
    };
  }

  /** Writes what is left and ends the writer thread. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#cancelLater?.();
    await this.flush();
    await this.#writer.close();
    this.#endSurviving();
  }

  #schedule(): void {
    if (this.#cancelLater !== undefined || this.#closed) return;
    this.#cancelLater = this.clock.after(LATER_MS, () => {
      this.#cancelLater = undefined;
      this.#pump(true);
    });
  }

  #pump(withLater = false): void {
    if (this.#writing !== undefined) return;
    const idle = this.#queue.length === 0 &&
      !(withLater && (this.#later.size > 0 || this.#rows.length > 0));
    if (idle) return;
    this.#writing = this.#writeBatch().finally(() => {
      this.#writing = undefined;
      this.#pump();
    });
  }

  async #writeBatch(): Promise<void> {
    const batch = this.#queue;
    const later = this.#later;
    const rows = this.#rows;
    this.#queue = [];
    this.#later = new Map();
    this.#rows = [];
    // Collected changes go first: a commit that replaces the same record must win.
    const ops = [...later.values(), ...batch.flatMap((pending) => pending.ops), ...rows];
    const error = await this.#write(ops);
    if (error === undefined) {
      if (this.#degraded !== undefined) this.#warn("store writes again", { path: this.path });
      this.#degraded = undefined;
      for (const pending of batch) pending.resolve();
      return;
    }
    this.#degraded = error;
    this.#warn("store cannot write", { path: this.path, error });
    this.#keepForLater(later, rows);
    this.#undo([...batch, ...this.#queue.splice(0)], error);
  }

  /** After trouble, or when somebody took it away, the file is made again, with everything memory holds. */
  async #write(ops: readonly StoreOp[]): Promise<string | undefined> {
    const all = () => this.#isNew ? [...this.#everything(), ...ops] : ops;
    try {
      if (this.#degraded !== undefined && await restoreDatabase(this.path)) this.#isNew = true;
      let failure = await this.#writer.write(all());
      if (failure?.gone) {
        await setAside(this.path);
        await restoreDatabase(this.path);
        this.#isNew = true;
        this.#warn("the database was taken away; made again", { path: this.path });
        failure = await this.#writer.write(all());
      }
      if (failure === undefined) this.#isNew = false;
      return failure?.error;
    } catch (error) {
      return messageOf(error);
    }
  }

  #everything(): StoreOp[] {
    return this.#tables.flatMap((table) =>
      [...table.rows].map(([id, row]): StoreOp => ["put", table.kind, id, JSON.stringify(row)])
    );
  }

  /** Everything queued behind the failed batch was built on it and goes with it. */
  #undo(failed: readonly Pending[], error: string): void {
    for (const pending of [...failed].reverse()) rollBack(pending.undo);
    for (const pending of failed) {
      pending.reject(
        new OpenclawError("STORE_UNAVAILABLE", `Cannot save to "${this.path}": ${error}`, {
          retryable: true,
          retryAfterMs: 5_000,
          hint: "free disk space or make the state directory writable; the gateway keeps running",
        }),
      );
    }
  }

  #keepForLater(later: Map<string, StoreOp>, rows: StoreOp[]): void {
    for (const [key, op] of later) if (!this.#later.has(key)) this.#later.set(key, op);
    this.#rows = [...rows, ...this.#rows];
    const over = this.#rows.length - MAX_LATER_ROWS;
    if (over > 0) {
      this.#rows.splice(0, over);
      this.#dropped += over;
    }
    this.#schedule();
  }
}

function fill(path: string, tables: readonly Table<unknown>[], from: LoadedDatabase): void {
  const byKind = new Map(tables.map((table) => [table.kind, table]));
  for (const raw of from.records) {
    try {
      byKind.get(raw.kind)?.restore(raw.id, JSON.parse(raw.json));
    } catch {
      throw new OpenclawError(
        "STORE_UNREADABLE",
        `Cannot read gateway database "${path}": record "${raw.kind}" "${raw.id}" is damaged`,
        { hint: restoreHint(path), exitCode: 78 },
      );
    }
  }
}

function recorder(ops: StoreOp[], undo: (() => void)[], later: Map<string, StoreOp>): Change {
  const remember = <T>(table: Table<T>, id: string) => {
    const before = table.rows.get(id);
    const existed = table.rows.has(id);
    undo.push(() => existed ? table.rows.set(id, before as T) : table.rows.delete(id));
    // A collected older value must not be written after this change.
    later.delete(`${table.kind}\n${id}`);
  };
  return {
    put(table, id, record) {
      remember(table, id);
      table.rows.set(id, record);
      ops.push(["put", table.kind, id, JSON.stringify(record)]);
    },
    remove(table, id) {
      if (!table.rows.has(id)) return;
      remember(table, id);
      table.rows.delete(id);
      ops.push(["del", table.kind, id]);
    },
  };
}

function rollBack(undo: readonly (() => void)[]): void {
  for (let i = undo.length - 1; i >= 0; i--) undo[i]?.();
}
