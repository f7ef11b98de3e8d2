/**
 * Which runtimes this program works on. An older one lacks parts of the interfaces it uses and fails in places that
 * tell nobody why.
 */
import { OpenclawError } from "../lib/errors.ts";

/** Oldest release line of Deno, major and minor. */
const OLDEST = [2, 8] as const;

/** @throws {OpenclawError} `RUNTIME_TOO_OLD`, exit code 78: trying again on the same runtime heals nothing. */
export function requireRuntime(version: string): void {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  if (major > OLDEST[0] || (major === OLDEST[0] && minor >= OLDEST[1])) return;
  throw new OpenclawError(
    "RUNTIME_TOO_OLD",
    `This program needs Deno ${OLDEST.join(".")} or newer; it was started with Deno ${version}`,
    { exitCode: 78, hint: "deno upgrade" },
  );
}
