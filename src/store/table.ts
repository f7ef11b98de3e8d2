/**
 * One kind of record in memory. Reads come from here; changes go through `store.ts`, which also keeps them on disk.
 * Records are immutable: a change replaces the record.
 */

/** Read side of a record kind. */
export interface ReadTable<T> {
  get(id: string): T | undefined;
  has(id: string): boolean;
  values(): IterableIterator<T>;
  readonly size: number;
}

/** The map behind a {@linkcode ReadTable}. Only the store writes to it. */
export class Table<T> implements ReadTable<T> {
  /** Name of the kind in the database; never change it. */
  readonly kind: string;
  readonly rows = new Map<string, T>();

  constructor(kind: string) {
    this.kind = kind;
  }

  get(id: string): T | undefined {
    return this.rows.get(id);
  }

  has(id: string): boolean {
    return this.rows.has(id);
  }

  values(): IterableIterator<T> {
    return this.rows.values();
  }

  get size(): number {
    return this.rows.size;
  }
}
