/**
 * The machine a service is installed on: its account, environment and the programs of its service manager.
 * Programs are looked for in fixed system folders only, never through PATH.
 */
import { join } from "@std/path";
import { OpenclawError } from "../lib/errors.ts";
import { showableWithin } from "../lib/text.ts";
import { findProgram } from "../platform/find_program.ts";
import { runProgram, type RunResult } from "../platform/process/start.ts";

/** Facts handed in by the command line; tests put a stand-in folder first in `binDirs`. */
export interface ServiceHost {
  readonly env: Readonly<Record<string, string>>;
  readonly home: string;
  /** Numeric user id; `undefined` on Windows. */
  readonly uid: number | undefined;
  readonly userName: string;
  readonly binDirs: readonly string[];
}

/** Folders that hold the system's own tools. */
export function systemBinDirs(
  platform: "linux" | "macos" | "windows",
  env: Readonly<Record<string, string>>,
): string[] {
  if (platform === "windows") {
    const root = env["SYSTEMROOT"] ?? "C:\\Windows";
    return [join(root, "System32"), root];
  }
  return ["/usr/bin", "/bin", "/usr/sbin", "/sbin", "/usr/local/bin"];
}

/** The path of a tool, or `undefined` when the machine does not have it. */
export function findTool(host: ServiceHost, name: string): Promise<string | undefined> {
  return findProgram(host.binDirs, name);
}

/** Variables the managers' tools need to find their session; nothing else of the caller reaches them. */
const TOOL_VARIABLES = [
  "PATH",
  "HOME",
  "USER",
  "LOGNAME",
  "LANG",
  "XDG_RUNTIME_DIR",
  "XDG_CONFIG_HOME",
  "DBUS_SESSION_BUS_ADDRESS",
  "SYSTEMROOT",
  "TEMP",
  "TMP",
  "USERPROFILE",
  "APPDATA",
  "LOCALAPPDATA",
  "USERNAME",
  "USERDOMAIN",
];

/** Runs a tool of the service manager for at most 15 s. Throws `SERVICE_TOOL_MISSING` when it is not installed. */
export async function runTool(
  host: ServiceHost,
  name: string,
  args: readonly string[],
): Promise<RunResult> {
  const file = await findTool(host, name);
  if (!file) {
    throw new OpenclawError(
      "SERVICE_TOOL_MISSING",
      `Cannot find "${name}" in ${host.binDirs.join(", ")}`,
    );
  }
  const env: Record<string, string> = {};
  for (const key of TOOL_VARIABLES) {
    const value = host.env[key];
    if (value !== undefined) env[key] = value;
  }
  env["XDG_RUNTIME_DIR"] ??= host.uid === undefined ? "" : `/run/user/${host.uid}`;
  return await runProgram({ file, args, env, timeoutMs: 15_000 });
}

/** {@linkcode runTool}, but a failure is an error `SERVICE_ACTION_FAILED` that quotes what the tool said. */
export async function mustRunTool(
  host: ServiceHost,
  name: string,
  args: readonly string[],
): Promise<string> {
  const result = await runTool(host, name, args);
  if (result.exitCode === 0) return result.stdout;
  const said = showableWithin((result.stderr || result.stdout).trim(), 400) || "it said nothing";
  throw new OpenclawError(
    "SERVICE_ACTION_FAILED",
    `Cannot run "${name} ${args.join(" ")}": ${
      result.timedOut ? "timed out after 15 s" : `exit code ${result.exitCode}`
    }: ${said}`,
  );
}
