/**
 * Whether a gateway of the reference runs on the same state or configuration: its lock files are read, never written,
 * renamed or removed. Its releases keep them in the temporary folder (2026.4) or below the state directory (2026.9).
 * Source: decision 26, cli.md 6.
 */
import { join } from "@std/path";
import type { Env } from "../../config/env.ts";
import type { StatePaths } from "../../config/paths.ts";
import { OpenclawError } from "../../lib/errors.ts";
import { isObject } from "../../lib/objects.ts";
import { quoted } from "../../lib/text.ts";
import { stillRuns } from "../../platform/process/identity.ts";
import { platformName, temporaryDir } from "../../platform/os.ts";
import { userId } from "../../platform/user.ts";

/** Lock files are far smaller; more than this is not one. */
const MAX_BYTES = 64 * 1024;
/** A folder of locks holds one or two files for each gateway. */
const MAX_FILES = 200;

/** What a lock file says about its owner. */
interface LockOwner {
  readonly path: string;
  readonly pid: number;
  readonly startTicks?: number;
  readonly configPath: unknown;
  readonly stateDir: unknown;
}

/**
 * Stops two gateways on one configuration. A lock whose owner is gone does not count, nor does a pid that another
 * process has now (F31). @throws {OpenclawError} `GATEWAY_ALREADY_RUNNING`.
 */
export async function refuseReferenceGateway(paths: StatePaths, env: Env): Promise<void> {
  const stateDir = await realPath(paths.stateDir);
  const configFile = await realPath(paths.configFile);
  const uid = userId();
  const folder = uid === undefined ? "openclaw" : `openclaw-${uid}`;
  const folders = [join(temporaryDir(env), folder), join(stateDir, "tmp", folder)];
  for (const owner of folders.flatMap(readLocks)) {
    const same = await isSame(owner.configPath, configFile) ||
      await isSame(owner.stateDir, stateDir);
    if (same && stillRuns(owner)) throw alreadyRuns(paths, owner);
  }
}

async function isSame(path: unknown, wanted: string): Promise<boolean> {
  return typeof path === "string" && (path === wanted || await realPath(path) === wanted);
}

async function realPath(path: string): Promise<string> {
  return await Deno.realPath(path).catch(() => path); // not there yet
}

function readLocks(folder: string): LockOwner[] {
  try {
    return [...Deno.readDirSync(folder)].map(({ name }) => name)
      .filter((name) => /^gateway\.[\w-]+\.lock$/.test(name)).slice(0, MAX_FILES)
      .flatMap((name) => readLock(join(folder, name)) ?? []);
  } catch {
    return []; // no such folder: the reference never ran here
  }
}

/** Attack stopped: a lock planted in the shared temporary folder by somebody else keeps nobody from starting. */
function readLock(path: string): LockOwner | undefined {
  try {
    const info = Deno.lstatSync(path);
    const foreign = userId() !== undefined && info.uid !== userId();
    if (!info.isFile || foreign || info.size > MAX_BYTES) return undefined;
    const value: unknown = JSON.parse(Deno.readTextFileSync(path));
    if (!isObject(value) || !Number.isSafeInteger(value.pid) || Number(value.pid) <= 0) {
      return undefined;
    }
    // Other roles (one-time jobs on its own store) do not listen.
    if (value.role !== undefined && value.role !== "gateway") return undefined;
    const ticks = platformName() === "linux" ? value.startTime : undefined;
    return {
      path,
      pid: Number(value.pid),
      ...(typeof ticks === "number" ? { startTicks: ticks } : {}),
      configPath: value.configPath,
      stateDir: value.stateDir,
    };
  } catch {
    return undefined; // being written or removed, or no lock of this form
  }
}

function alreadyRuns(paths: StatePaths, { pid, path }: LockOwner): OpenclawError {
  return new OpenclawError(
    "GATEWAY_ALREADY_RUNNING",
    `Cannot start a gateway on ${
      quoted(paths.stateDir)
    }: process ${pid} runs another OpenClaw gateway on it ` +
      `(lock file ${quoted(path)})`,
    { hint: `kill ${pid}`, details: { pid, lockFile: path } },
  );
}
