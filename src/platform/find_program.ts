/**
 * Finds a program in folders the caller trusts, in their order; PATH is only looked at when the caller put it there.
 */
import { join } from "@std/path";

/** The first ordinary file called one of `names` in `folders`; `undefined` when there is none. */
export async function findProgram(
  folders: readonly string[],
  ...names: string[]
): Promise<string | undefined> {
  for (const folder of folders) {
    for (const name of names) {
      const path = join(folder, name);
      if ((await Deno.stat(path).catch(() => undefined))?.isFile) return path;
    }
  }
  return undefined;
}
