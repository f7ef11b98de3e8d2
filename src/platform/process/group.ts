/**
 * Signals to one process or to a whole process group. Starting programs is `start.ts`.
 */
import { listProcesses } from "./table.ts";
import { endGroup, groupIsAlive } from "../windows/group.ts";

/** Sends a signal to one process; `false` when it is gone. */
export function signalOne(pid: number, name: Deno.Signal): boolean {
  try {
    Deno.kill(pid, name);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.PermissionDenied) throw error;
    return false;
  }
}

/**
 * Sends a signal to every process of a group; `false` when the group is empty. On Windows any signal ends the group, and
 * one formed by another process is left alone: it ended with that process, and its number may mean another by now (F31).
 */
export function signalGroup(groupId: number, name: Deno.Signal): boolean {
  if (groupId <= 1) throw new RangeError(`Not a process group: ${groupId}`);
  return Deno.build.os === "windows" ? endGroup(groupId) : signalOne(-groupId, name);
}

/** Whether a process group has living members. Where the system does not tell, zombies count as living. */
export function groupExists(groupId: number): boolean {
  if (Deno.build.os === "windows") return groupIsAlive(groupId);
  try {
    // Signal 0 only asks. Deno's type has no 0, the system call does.
    Deno.kill(-groupId, 0 as unknown as Deno.Signal);
  } catch (error) {
    return error instanceof Deno.errors.PermissionDenied;
  }
  const rows = listProcesses();
  return rows === undefined || rows.some((row) => row.group === groupId && !row.zombie);
}
