/**
 * `doctor --fix`: repairs what has one safe repair and nothing else: modes of our own files, leftovers of programs that
 * were killed, a byte order mark, a missing gateway token. Content a person wrote is never changed but for the mark.
 */
import { dirname, join } from "@std/path";
import { judgeText, loadConfig, MAX_CONFIG_BYTES } from "../../config/file/load.ts";
import { type StatePaths, statePaths } from "../../config/paths.ts";
import { loadServerAuth, makeToken } from "../../config/server/server_plan.ts";
import { isOpenclawError } from "../../lib/errors.ts";
import { readRuntime } from "../../node/files/runtime_file.ts";
import { IS_POSIX } from "../../platform/file_safety.ts";
import { withFileLock, writeAtomic } from "../../platform/files.ts";
import { userId } from "../../platform/user.ts";
import { readRecord, recordFile } from "../../remote/tunnel_record.ts";
import type { Io } from "../terminal/io.ts";
import { readRunningGateway, runningGatewayFile } from "../connect/running_gateway.ts";

/** Temporary files of `writeAtomic`; none lives this long. */
const TEMP_FILE = /^\..+\.[0-9a-f]{8}\.tmp$|^\.doctor-[0-9a-f-]{36}$/;
const TEMP_AGE_MS = 60_000;

/** Repairs; returns what was done, one line each. A repair that does not work is left to the diagnosis. */
export async function repair(io: Io): Promise<string[]> {
  const paths = statePaths(io.env);
  const done: string[] = [];
  for (const fix of [fixModes, fixTempFiles, fixRecords, fixSockets, fixMark, fixToken]) {
    try {
      done.push(...await fix(paths, io));
    } catch (error) {
      // The walk that follows says what is wrong, with its code.
      if (!isOpenclawError(error) && !(error instanceof Deno.errors.PermissionDenied)) throw error;
    }
  }
  return done;
}

type Fix = (paths: StatePaths, io: Io) => Promise<string[]>;

/** Tightens what is ours and open to others. */
const fixModes: Fix = async (paths) => {
  if (!IS_POSIX) return [];
  const folders = foldersOf(paths);
  const files = [
    ...[paths.configFile, paths.configBackupFile, paths.nodeFile, paths.approvalsFile],
    ...[paths.grantsFile, paths.deviceKeyFile, paths.operatorKeyFile, paths.tlsKeyFile],
    ...["operator-tokens.json", "node-tokens.json"].map((name) => join(paths.identityDir, name)),
  ];
  const fixed: string[] = [];
  for (const [path, mode] of [...folders.map(withMode(0o700)), ...files.map(withMode(0o600))]) {
    const info = await lstat(path);
    // N40: a link is not followed, a stranger's file is not ours to mend.
    if (info?.mode == null || info.isSymlink || info.uid !== userId()) continue;
    const bits = info.mode & 0o777;
    if ((bits & ~mode) === 0) continue;
    await Deno.chmod(path, bits & mode);
    const hint = (bits & 0o022) !== 0 && info.isFile ? "; others could write it: read it over" : "";
    fixed.push(`${path}: mode ${octal(bits)} is now ${octal(bits & mode)}${hint}`);
  }
  return fixed;
};

const withMode = (mode: number) => (path: string) => [path, mode] as const;
const octal = (bits: number) => bits.toString(8).padStart(3, "0");
const lstat = (path: string) => Deno.lstat(path).catch(() => undefined);

function foldersOf(paths: StatePaths): string[] {
  return [
    ...[paths.stateDir, paths.identityDir, paths.gatewayDir, paths.tlsDir, paths.logsDir],
    ...[paths.serviceEnvDir, paths.tunnelsDir],
  ];
}

/** Removes temporary files of writes that a crash cut short. */
const fixTempFiles: Fix = async (paths) => {
  const fixed: string[] = [];
  const { configFile } = paths;
  // Through a link of ours a write goes to the folder of its target.
  const real = await Deno.realPath(configFile).catch(() => configFile);
  for (const folder of new Set([...foldersOf(paths), dirname(configFile), dirname(real)])) {
    for (const name of await namesIn(folder)) {
      const path = join(folder, name);
      const info = TEMP_FILE.test(name) ? await lstat(path) : undefined;
      const ageMs = Date.now() - (info?.mtime?.getTime() ?? Date.now());
      if (!info?.isFile || !isOurs(info) || ageMs < TEMP_AGE_MS) continue;
      await Deno.remove(path);
      fixed.push(`${path}: removed, left over by a write that did not end`);
    }
  }
  return fixed;
};

const isOurs = (info: Deno.FileInfo) => !IS_POSIX || info.uid === userId();

async function namesIn(folder: string): Promise<string[]> {
  try {
    return (await Array.fromAsync(Deno.readDir(folder))).map(({ name }) => name);
  } catch {
    return []; // not there, or not readable: nothing of it can be removed
  }
}

/** Removes what a killed gateway, node or tunnel said about itself; locks need nothing, they end with their owner. */
const fixRecords: Fix = async (paths) => {
  const records: (readonly [path: string, read: () => Promise<unknown>])[] = [
    [runningGatewayFile(paths), () => readRunningGateway(paths)],
    [paths.runtimeFile, () => readRuntime(paths.runtimeFile)],
    [recordFile(paths.tunnelsDir), () => readRecord(paths.tunnelsDir)],
  ];
  const fixed: string[] = [];
  for (const [path, read] of records) {
    const info = await lstat(path);
    if (!info?.isFile || !isOurs(info) || await read() !== undefined) continue;
    await Deno.remove(path);
    fixed.push(`${path}: removed, its process is gone`);
  }
  return fixed;
};

/** Removes tunnel sockets nobody listens on. */
const fixSockets: Fix = async (paths) => {
  const fixed: string[] = [];
  for (const name of await namesIn(paths.tunnelsDir)) {
    const path = join(paths.tunnelsDir, name);
    const info = await lstat(path);
    if (!info?.isSocket || !isOurs(info) || await answers(path)) continue;
    await Deno.remove(path);
    fixed.push(`${path}: removed, nobody listens on it`);
  }
  return fixed;
};

async function answers(path: string): Promise<boolean> {
  try {
    (await Deno.connect({ transport: "unix", path })).close();
    return true;
  } catch (error) {
    return !(error instanceof Deno.errors.ConnectionRefused);
  }
}

/** An editor's byte order mark: removed when all behind it is good; the file as it was stays beside it (F06). */
const fixMark: Fix = async (paths, io) => {
  const { configFile } = paths;
  const info = await lstat(configFile);
  if (!info?.isFile || !isOurs(info) || info.size > MAX_CONFIG_BYTES) return [];
  return await withFileLock(`${await Deno.realPath(configFile)}.write.lock`, async () => {
    const bytes = await Deno.readFile(configFile);
    if (![0xef, 0xbb, 0xbf].every((byte, i) => bytes[i] === byte)) return [];
    const text = decodeOrNothing(bytes.subarray(3));
    const isGood = text !== undefined && (await judgeText(configFile, text, io.env)).valid;
    if (!isGood) return [];
    await writeAtomic(`${configFile}.bad`, bytes);
    await writeAtomic(configFile, text);
    return [`${configFile}: byte order mark removed (as it was: ${configFile}.bad)`];
  });
};

function decodeOrNothing(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined; // damaged elsewhere too: not for us to guess
  }
}

/** A gateway of this machine without any secret gets one, as its start would make it. */
const fixToken: Fix = async (paths, { env }) => {
  const loaded = await loadConfig(paths, env);
  const { mode } = loaded.config.gateway;
  const hasGateway = mode === "local" || await lstat(paths.gatewayDbFile) !== undefined;
  if (!loaded.valid || mode === "remote" || !hasGateway) return [];
  const facts = { flags: {}, env, loaded };
  if (!(await loadServerAuth(facts)).makeToken) return [];
  const { where } = await makeToken({ ...facts, paths });
  return where === "saved" ? [`${paths.configFile}: a gateway token was made`] : [];
};
