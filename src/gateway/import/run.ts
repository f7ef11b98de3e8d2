/**
 * `openclaw import`: an import into the store of a gateway that is not running, under its lock (decision 26: nothing is
 * edited behind a running one).
 */
import type { StatePaths } from "../../config/paths.ts";
import { type Clock, systemClock } from "../../lib/clock.ts";
import { isOpenclawError, OpenclawError } from "../../lib/errors.ts";
import { quoted } from "../../lib/text.ts";
import { GatewayStore } from "../../store/gateway_store.ts";
import { ensureGatewayDirs, lockGateway } from "../services/gateway_lock.ts";
import { type ImportReport, importState } from "./import.ts";

/** What to import where. */
export interface ImportOptions {
  /** State directory of the existing set-up. May be our own: the reference's files lie beside ours. */
  readonly from: string;
  readonly paths: StatePaths;
  readonly clock?: Clock;
}

/**
 * Imports and reports. Called by the CLI.
 * @throws `IMPORT_NOTHING` when the folder holds no store of the reference, `IMPORT_UNREADABLE` for a damaged one,
 * `GATEWAY_ALREADY_RUNNING`, `STORE_UNREADABLE`, `STORE_TOO_NEW`.
 */
export async function runImport(options: ImportOptions): Promise<ImportReport> {
  const { from, paths, clock = systemClock } = options;
  await ensureGatewayDirs(paths);
  const lock = await lockOrExplain(paths);
  try {
    const store = await GatewayStore.open({ path: paths.gatewayDbFile, clock });
    try {
      const report = await importState(from, { store, clock, paths });
      if (report !== undefined) return report;
    } finally {
      await store.close();
    }
  } finally {
    lock.close();
  }
  throw new OpenclawError(
    "IMPORT_NOTHING",
    `Cannot import from ${
      quoted(from)
    }: it holds neither devices/paired.json nor state/openclaw.sqlite`,
  );
}

async function lockOrExplain(paths: StatePaths) {
  try {
    return await lockGateway(paths);
  } catch (error) {
    if (!isOpenclawError(error, "GATEWAY_ALREADY_RUNNING")) throw error;
    throw new OpenclawError(error.code, `Cannot import: ${error.message}`, {
      hint: "openclaw gateway stop",
      cause: error,
    });
  }
}
