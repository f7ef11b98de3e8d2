/**
 * Which machine this is: system, family, architecture, name and home. Everything else takes these as values.
 * Source: gateway-protocol.md 2.2, decisions.md 9.
 */

/** The system as the wire spells it since protocol 4. */
export type PlatformName = "linux" | "macos" | "windows";

/** `linux`, `macos` or `windows`; other Unix systems count as `linux`. */
export function platformName(): PlatformName {
  if (Deno.build.os === "darwin") return "macos";
  return Deno.build.os === "windows" ? "windows" : "linux";
}

/** The family next to {@linkcode platformName} on the wire. Source: node-host.md 2. */
export function deviceFamily(): "Linux" | "Mac" | "Windows" {
  return ({ linux: "Linux", macos: "Mac", windows: "Windows" } as const)[platformName()];
}

/** The spelling protocol 3 uses (`process.platform` of Node). */
export function legacyPlatformName(): "linux" | "darwin" | "win32" {
  return ({ linux: "linux", macos: "darwin", windows: "win32" } as const)[platformName()];
}

/** Processor architecture: `x86_64` or `aarch64`. */
export function arch(): "x86_64" | "aarch64" {
  return Deno.build.arch;
}

/** The release of the system's kernel. */
export function osRelease(): string {
  return Deno.osRelease();
}

/** The machine's name without its domain; `localhost` when the system will not tell. */
export function hostName(): string {
  try {
    const name = Deno.hostname().split(".")[0]?.trim();
    return name || "localhost";
  } catch {
    return "localhost"; // uname(2) denied by a sandbox: a name is a label, not a reason to stop
  }
}

/** The user's home folder from an environment record, else from the user database; `undefined` when neither has one. */
export function homeDir(env: Readonly<Record<string, string | undefined>>): string | undefined {
  const home = platformName() === "windows" ? env["USERPROFILE"] || env["HOME"] : env["HOME"];
  return home?.trim() || databaseHome();
}

/** A job of cron or a bare service has no HOME: its state belongs where that of its user's shell is. */
function databaseHome(): string | undefined {
  const uid = Deno.uid();
  if (uid === null) return undefined;
  try {
    const rows = Deno.readTextFileSync("/etc/passwd").split("\n").map((line) => line.split(":"));
    const home = rows.find((row) => row.length === 7 && row[2] === String(uid))?.[5];
    return home?.startsWith("/") ? home : undefined;
  } catch {
    return undefined; // kept elsewhere, or hidden by a sandbox
  }
}

/** The folder for temporary files of an environment record, as Node.js finds it; no slash at its end. */
export function temporaryDir(env: Readonly<Record<string, string | undefined>>): string {
  const windows = platformName() === "windows";
  const names = windows ? ["TEMP", "TMP"] : ["TMPDIR", "TMP", "TEMP"];
  const named = names.map((name) => env[name]).find((value) => value !== undefined && value !== "");
  const path = named ?? (windows ? "C:\\Windows\\Temp" : "/tmp");
  return path.length > 1 ? path.replace(/[/\\]$/, "") : path;
}

/** PATH of a process whose environment has none. Source: node-host.md 2. */
export const DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
