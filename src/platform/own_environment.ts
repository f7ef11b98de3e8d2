/**
 * The environment this process got: how it is read, and how secrets are removed from where the kernel shows them to every
 * process of the same user (and with that to commands a node runs) as long as the process lives. Decision 20.
 */

/** Fields of /proc/self/stat after the name. Source: proc_pid_stat(5), field 50. */
const ENV_START_FIELD = 50;

/** The environment of this process. On Windows all names are upper-case: `Path` and `PATH` are one variable there. */
export function ownEnvironment(): Record<string, string> {
  const env = Deno.env.toObject();
  return Deno.build.os === "windows" ? upperCaseNames(env) : env;
}

/** The record under upper-case names. */
export function upperCaseNames(env: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(env).map(([name, value]) => [name.toUpperCase(), value]),
  );
}

/**
 * Overwrites the values of `names` in the memory that `/proc/<pid>/environ` shows and removes them from the environment.
 * Call it once the values were read. Returns the names that are still visible to others (not Linux, or refused).
 */
export function hideFromOthers(names: readonly string[]): string[] {
  const present = names.filter((name) => Deno.env.get(name) !== undefined);
  if (present.length === 0) return [];
  const hidden = Deno.build.os === "linux" && overwrite(present);
  for (const name of present) Deno.env.delete(name);
  return hidden ? [] : present;
}

function overwrite(names: readonly string[]): boolean {
  try {
    const stat = Deno.readTextFileSync("/proc/self/stat");
    const fields = stat.slice(stat.lastIndexOf(") ") + 2).split(" ");
    const start = Number(fields[ENV_START_FIELD - 3]);
    const environ = Deno.readFileSync("/proc/self/environ");
    if (!Number.isSafeInteger(start) || start === 0) return false;
    using memory = Deno.openSync("/proc/self/mem", { read: true, write: true });
    for (const { at, length } of valuesOf(environ, new Set(names))) {
      memory.seekSync(start + at, Deno.SeekMode.Start);
      memory.writeSync(new Uint8Array(length).fill(0x78));
    }
    return true;
  } catch {
    return false; // hidden by a sandbox: the caller says so
  }
}

/** Places of the values in the block of `NAME=value\0` texts. */
function* valuesOf(environ: Uint8Array, names: ReadonlySet<string>) {
  const decoder = new TextDecoder();
  for (let at = 0; at < environ.length;) {
    const end = environ.indexOf(0, at);
    const stop = end < 0 ? environ.length : end;
    const equals = environ.indexOf(0x3d, at);
    if (equals > at && equals < stop && names.has(decoder.decode(environ.subarray(at, equals)))) {
      yield { at: equals + 1, length: stop - equals - 1 };
    }
    at = stop + 1;
  }
}
