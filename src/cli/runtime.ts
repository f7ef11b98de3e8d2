/**
 * Which runtimes this program works on, and how it keeps out what it does not need of them.
 */
import { OpenclawError } from "../lib/errors.ts";

/** Oldest release line of Deno, major and minor. */
const OLDEST = [2, 8] as const;

/**
 * An older runtime lacks parts of the interfaces used here and fails in places that tell nobody why.
 * @throws {OpenclawError} `RUNTIME_TOO_OLD`, exit code 78: trying again on the same runtime heals nothing.
 */
export function requireRuntime(version: string): void {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  if (major > OLDEST[0] || (major === OLDEST[0] && minor >= OLDEST[1])) return;
  throw new OpenclawError(
    "RUNTIME_TOO_OLD",
    `This program needs Deno ${OLDEST.join(".")} or newer; it was started with Deno ${version}`,
    { exitCode: 78, hint: "deno upgrade" },
  );
}

/**
 * Loads `@std/path` while the global `process` is out of sight: the library asks it which system this is, and for the
 * answer the runtime loads Node's modules, a seventh of the time of a short command. Without it the library asks `Deno`.
 * For a process in which nothing else runs yet.
 */
export async function loadPathLibrary(): Promise<void> {
  const own = Object.getOwnPropertyDescriptor(globalThis, "process");
  if (!own?.configurable) return;
  Object.defineProperty(globalThis, "process", { value: undefined, configurable: true });
  try {
    await import("@std/path");
  } finally {
    Object.defineProperty(globalThis, "process", own);
  }
}
