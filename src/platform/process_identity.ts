/**
 * Names a process so that a later one with the same pid is not taken for it (F31). For records that a running process
 * leaves in files.
 */
import { signalOne } from "./process_group.ts";
import { processRow } from "./process_table.ts";

/** A pid and, where the system tells, the start of the process in clock ticks since boot. */
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
  const startTicks = processRow(pid)?.startTicks;
  return { pid, ...(startTicks === undefined ? {} : { startTicks }) };
}

/** Whether the very process still runs; without a process table (Windows) it is taken to. */
export function stillRuns(identity: ProcessIdentity): boolean {
  const row = processRow(identity.pid);
  if (row) return !row.zombie && (identity.startTicks ?? row.startTicks) === row.startTicks;
  if (Deno.build.os === "linux") return false;
  if (Deno.build.os === "windows") return true;
  // Signal 0 only asks. Deno's type has no 0, the system call does.
  return signalOne(identity.pid, 0 as unknown as Deno.Signal);
}
