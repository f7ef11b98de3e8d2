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

/** One file per pairing and version, so that suites may run side by side. */
const FOLDER = new URL("./matrix/", import.meta.url);

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

  /** Writes the rows of this pairing and version. */
  async write(): Promise<void> {
    const name = `${this.pairing} ${VERSION[this.kind]}`.toLowerCase().replace(/[^a-z0-9.]+/g, "-");
    await Deno.mkdir(FOLDER, { recursive: true });
    const text = JSON.stringify(this.#rows, null, 1) + "\n";
    await Deno.writeTextFile(new URL(`${name}.json`, FOLDER), text);
  }
}

/** Rows of the last runs. */
export async function readMatrix(): Promise<Row[]> {
  const rows: Row[] = [];
  for await (const entry of Deno.readDir(FOLDER)) {
    rows.push(...JSON.parse(await Deno.readTextFile(new URL(entry.name, FOLDER))));
  }
  return rows;
}
