/**
 * How many files and sockets this process may still open. Needed before the limit is reached: the runtime's accept loop
 * ends silently at the first "too many open files" and never comes back (F36).
 */

/** Descriptors left, or `undefined` where the system does not tell (then no limit is known). */
export async function freeDescriptors(): Promise<number | undefined> {
  try {
    const limits = await Deno.readTextFile("/proc/self/limits");
    const soft = /^Max open files\s+(\d+)/m.exec(limits)?.[1];
    if (soft === undefined) return undefined;
    let used = 0;
    for await (const _entry of Deno.readDir("/proc/self/fd")) used++;
    return Math.max(0, Number(soft) - used);
  } catch {
    return undefined; // no /proc: not Linux
  }
}
