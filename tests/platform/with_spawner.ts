/** Programs started by the C library's `posix_spawn`, for tests of both ways to start one. */
import { openSpawner } from "../../src/platform/process/posix_spawn.ts";
import { startThrough } from "../../src/platform/process/start.ts";

/** Runs with that way in force. */
export async function withSpawner(run: () => Promise<void>): Promise<void> {
  const spawner = openSpawner();
  if (typeof spawner === "string") throw new Error(spawner);
  startThrough(spawner);
  try {
    await run();
  } finally {
    startThrough(undefined);
    await spawner.close();
  }
}
