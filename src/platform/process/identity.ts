/**
 * Names a process so that a later one with the same pid is not taken for it (F31). For records that a running process
 * leaves in files.
 */
import { signalOne } from "./group.ts";
import { processRow } from "./table.ts";
import { processStart } from "../windows/process_start.ts";

/**
 * A pid and, where the system tells, the start of the process: clock ticks since boot, on Windows milliseconds since 1601.
 */
export interface ProcessIdentity {
  readonly pid: number;
  readonly startTicks?: number;
}

/** The identity of this process. */
export function ownIdentity(): ProcessIdentity {
  return identityOf(Deno.pid);
}

/** The identity of another process that runs now. */
export function identityOf(pid: number): ProcessIdentity {
  const startTicks = processRow(pid)?.startTicks ?? processStart(pid);
  return { pid, ...(startTicks === undefined ? {} : { startTicks }) };
}

/** Whether the very process still runs. */
export function stillRuns(identity: ProcessIdentity): boolean {
  const row = processRow(identity.pid);
  if (row) return !row.zombie && (identity.startTicks ?? row.startTicks) === row.startTicks;
  if (Deno.build.os === "linux") return false;
  if (Deno.build.os === "windows") {
    const start = processStart(identity.pid);
    return start !== undefined && (identity.startTicks ?? start) === start;
  }
  try {
    // Signal 0 only asks. Deno's type has no 0, the system call does.
    return signalOne(identity.pid, 0 as unknown as Deno.Signal);
  } catch {
    return false; // the pid belongs to another user by now
  }
}
