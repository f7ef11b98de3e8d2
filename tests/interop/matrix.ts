/**
 * Collects one row per scenario and writes them where the README's matrix is made from (`render_matrix.ts`).
 */
import { type PeerKind, VERSION } from "../support/reference.ts";

/** One line of the matrix. */
export interface Row {
  /** Who plays what, for instance `node v4 -> our gateway`. */
  readonly pairing: string;
  readonly version: string;
  readonly scenario: string;
  readonly result: "ok" | "failed";
}

const FILE = new URL("./matrix.json", import.meta.url);

/** Rows of one pairing; each scenario is a test step, so one failure does not hide the others. */
export class Matrix {
  readonly #rows: Row[] = [];

  constructor(readonly pairing: string, readonly kind: PeerKind) {}

  /** Runs one scenario, records and prints its line. */
  async scenario(t: Deno.TestContext, scenario: string, body: () => Promise<void>): Promise<void> {
    let why = "";
    const ok = await t.step(scenario, async () => {
      try {
        await body();
      } catch (error) {
        why = ` | ${error instanceof Error ? error.message : error}`.slice(0, 1500);
        throw error;
      }
    });
    const row: Row = {
      pairing: this.pairing,
      version: VERSION[this.kind],
      scenario,
      result: ok ? "ok" : "failed",
    };
    this.#rows.push(row);
    console.log(`matrix | ${row.pairing} | ${row.version} | ${row.scenario} | ${row.result}${why}`);
  }

  /** Merges the rows into the file; rows of other pairings stay. */
  async write(): Promise<void> {
    const mine = (row: Row) => row.pairing === this.pairing && row.version === VERSION[this.kind];
    const others = (await readMatrix()).filter((row) => !mine(row));
    await Deno.writeTextFile(FILE, JSON.stringify([...others, ...this.#rows], null, 1) + "\n");
  }
}

/** Rows of the last runs. */
export async function readMatrix(): Promise<Row[]> {
  const text = await Deno.readTextFile(FILE).catch(() => "[]");
  return JSON.parse(text);
}
