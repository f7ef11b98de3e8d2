/**
 * Which processes exist and how they are related, as far as the system tells (Linux: /proc). Used to tell a living
 * process group from one of zombies, to find escaped descendants, and to recognise a process by more than its pid.
 */

/** One process. `startTicks` with `pid` identifies it: a reused pid has another start. */
export interface ProcessRow {
  readonly pid: number;
  readonly parent: number;
  readonly group: number;
  readonly session: number;
  readonly zombie: boolean;
  /** Start time in clock ticks since boot. */
  readonly startTicks: number;
}

/** Parses `/proc/<pid>/stat`; the name in it may hold blanks and brackets. Source: proc_pid_stat(5). */
export function parseProcStat(text: string): ProcessRow | undefined {
  const end = text.lastIndexOf(") ");
  const fields = text.slice(end + 2).split(" ");
  if (end < 0 || fields.length < 20) return undefined;
  const field = (n: number) => Number(fields[n - 3]);
  return {
    pid: parseInt(text, 10),
    parent: field(4),
    group: field(5),
    session: field(6),
    zombie: fields[0] === "Z" || fields[0] === "X",
    startTicks: field(22),
  };
}

/** One process by pid; `undefined` when it is gone or the system does not tell. */
export function processRow(pid: number | "self"): ProcessRow | undefined {
  try {
    return parseProcStat(Deno.readTextFileSync(`/proc/${pid}/stat`));
  } catch {
    return undefined; // gone, or no /proc here
  }
}

/** All processes of this machine; `undefined` where the system has no /proc. Costs about 20 us per process. */
export function listProcesses(): ProcessRow[] | undefined {
  if (Deno.build.os !== "linux") return undefined;
  const rows: ProcessRow[] = [];
  try {
    for (const entry of Deno.readDirSync("/proc")) {
      const pid = Number(entry.name);
      const row = Number.isInteger(pid) ? processRow(pid) : undefined;
      if (row) rows.push(row);
    }
    return rows;
  } catch {
    return undefined; // hidden by a sandbox
  }
}
