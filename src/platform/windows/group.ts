/**
 * Process groups of Windows: a job object per group, known by the number of its first program. `taskkill` is left for a
 * program that no job could be put around; the reason is told.
 */
import { JobObject } from "./job_object.ts";

const groups = new Map<number, JobObject>();
/** Programs without a job, with the reason. */
const withoutJob = new Map<number, string>();

/** Makes the program just started the first of a group. */
export function formGroup(pid: number): void {
  const made = JobObject.around(pid);
  if (typeof made === "string") withoutJob.set(pid, made);
  else groups.set(pid, made);
}

/** Forgets the group of a program that has ended, unless others of it still run; those end with this process. */
export function releaseGroup(pid: number): void {
  withoutJob.delete(pid);
  groupIsAlive(pid);
}

/** Whether members of a group run. A group that was formed elsewhere is not known here. */
export function groupIsAlive(pid: number): boolean {
  const job = groups.get(pid);
  if (!job) return false;
  if (job.active > 0) return true;
  groups.delete(pid);
  job.close();
  return false;
}

/** Ends a group at once, as no signal could; `false` when it is empty or not known here. */
export function endGroup(pid: number): boolean {
  return groups.get(pid)?.terminate() ?? false;
}

/** Why no job object holds a program; `undefined` when one does. */
export function noJobReason(pid: number): string | undefined {
  return withoutJob.get(pid);
}

/** Ends a program and the children that can still be found below it, for one that has no job. */
export async function taskkill(pid: number): Promise<boolean> {
  const system = Deno.env.get("SystemRoot") ?? "C:\\Windows";
  const command = new Deno.Command(`${system}\\System32\\taskkill.exe`, {
    args: ["/T", "/F", "/PID", String(pid)],
    stdin: "null",
    stdout: "null",
    stderr: "null",
  });
  return (await command.output()).success;
}
