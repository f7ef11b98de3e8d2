/**
 * One kind of record in memory. Reads come from here; changes go through `store.ts`, which also keeps them on disk.
 * Records are immutable: a change replaces the record.
 */
import { isObject } from "../lib/objects.ts";

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
  /** Members without which a record is damaged; none = it is a single text. */
  readonly #needed: readonly (keyof T & string)[];

  constructor(kind: string, ...needed: readonly (keyof T & string)[]) {
    this.kind = kind;
    this.#needed = needed;
  }

  /** Takes a record as it was read from the disk. @throws {TypeError} when it is not one of this kind. */
  restore(id: string, value: unknown): void {
    const isWhole = this.#needed.length === 0
      ? typeof value === "string"
      : isObject(value) && this.#needed.every((key) => value[key] !== undefined);
    if (!isWhole) throw new TypeError(`"${id}" is no ${this.kind}`);
    this.rows.set(id, value as T);
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
