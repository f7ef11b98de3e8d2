/**
 * Who this process runs as, as far as file and process ownership needs it.
 */

/** The numeric user id, or `undefined` where the system has none (Windows). */
export function userId(): number | undefined {
  return Deno.uid() ?? undefined;
}

/** Whether this process has the rights of root. */
export function isRoot(): boolean {
  return Deno.uid() === 0;
}

/** The login name from an environment record, for messages and `ssh` targets; `undefined` when unknown. */
export function userName(env: Readonly<Record<string, string | undefined>>): string | undefined {
  return env["USER"] || env["LOGNAME"] || env["USERNAME"] || undefined;
}
