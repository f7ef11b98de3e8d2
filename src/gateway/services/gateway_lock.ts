/**
 * One gateway per state directory (decision 26). The lock is the operating system's, so a killed gateway or a reused pid
 * cannot leave a stale one (F31). Locks of the reference are read by `reference_lock.ts`.
 */
import type { StatePaths } from "../../config/paths.ts";
import { isOpenclawError, OpenclawError } from "../../lib/errors.ts";
import { quoted } from "../../lib/text.ts";
import { ensureDir, type FileLock, lockFile } from "../../platform/files.ts";

const WAIT_MS = 300;

/** Makes the folders of a gateway, for nobody else; the lines say what was open to others before. */
export async function ensureGatewayDirs(paths: StatePaths): Promise<string[]> {
  const notes: string[] = [];
  for (const path of [paths.stateDir, paths.gatewayDir]) {
    const isClosedNow = await ensureDir(path);
    if (isClosedNow) notes.push(`${path} was open to others; its mode is 0700 now`);
  }
  return notes;
}

/** Takes the lock. @throws {OpenclawError} `GATEWAY_ALREADY_RUNNING` with the pid of the holder. */
export async function lockGateway(paths: StatePaths): Promise<FileLock> {
  try {
    return await lockFile(paths.gatewayLockFile, { waitMs: WAIT_MS });
  } catch (error) {
    if (!isOpenclawError(error, "LOCK_HELD")) throw error;
    const pid = error.details?.pid;
    throw new OpenclawError(
      "GATEWAY_ALREADY_RUNNING",
      `Cannot start a gateway on ${quoted(paths.stateDir)}: ${
        pid === undefined ? "another gateway" : `a gateway with process id ${pid}`
      } already runs on it`,
      {
        cause: error,
        hint: "openclaw gateway status\nopenclaw gateway run --force   # ends that one first",
        ...(error.details ? { details: error.details } : {}),
      },
    );
  }
}
