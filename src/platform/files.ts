/**
 * Files this program owns: atomic writes, safe reads and locks. Attacks stopped here (N40): a state file that is a
 * link, a FIFO or a device, belongs to someone else, or can be written by others. What the files mean is up to callers.
 */
import { basename, dirname, join } from "@std/path";
import { joinBytes, utf8 } from "../lib/bytes.ts";
import { systemClock, wait } from "../lib/clock.ts";
import { OpenclawError } from "../lib/errors.ts";
import { quoted } from "../lib/text.ts";
import {
  fileError,
  IS_POSIX,
  lstatOrMissing,
  realTarget,
  refuseForeign,
  STICKY,
  tighten,
  unsafe,
} from "./file_safety.ts";

/** Options of {@linkcode writeAtomic}. */
export interface WriteOptions {
  /** Permission bits, set before any content is visible and whatever the umask is. Default `0o600`. */
  readonly mode?: number;
  /** Write through a symbolic link that belongs to us (decisions.md 29: only `openclaw.json`). Default `false`. */
  readonly followOwnSymlink?: boolean;
}

/** Options of {@linkcode readOwned}. */
export interface ReadOptions {
  /** Longest file that is read; a longer one is an error `FILE_TOO_BIG`. */
  readonly maxBytes: number;
  /** Read through a symbolic link that belongs to us (decisions.md 29: only `openclaw.json`). Default `false`. */
  readonly followOwnSymlink?: boolean;
  /** Also accept a file that belongs to root. Default `false`. */
  readonly allowRootOwner?: boolean;
}

/** What {@linkcode readOwned} found. */
export interface OwnedFile {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Permission bits after tightening. */
  readonly mode: number;
  /** Others could read the file, and no longer can. Tell the user. */
  readonly tightened: boolean;
  /** Last change, milliseconds since the Unix epoch; for caches. */
  readonly modifiedMs: number;
}

/** A held lock. It ends with `close()` or with the process, never with a pid (F31). */
export interface FileLock {
  readonly path: string;
  close(): void;
}

async function readUpTo(file: Deno.FsFile, path: string, maxBytes: number) {
  const parts: Uint8Array[] = [];
  let total = 0;
  const chunk = new Uint8Array(65536);
  for (;;) {
    const n = await file.read(chunk);
    if (n === null) break;
    total += n;
    if (total > maxBytes) {
      throw new OpenclawError(
        "FILE_TOO_BIG",
        `Cannot read ${quoted(path)}: it is longer than ${maxBytes} bytes`,
        { details: { path, maxBytes } },
      );
    }
    parts.push(chunk.slice(0, n));
  }
  return joinBytes(parts);
}

/** Looks at a file that is replaced each time: our own writers replace it whole, and then the new one is looked at. */
const LOOKS = 10;

/**
 * Reads a file of ours; `undefined` when it does not exist. Readable by others = tightened and said so.
 * @throws {OpenclawError} `FILE_UNSAFE` for a link, FIFO, device, foreign owner or a file others can write;
 *   `FILE_TOO_BIG`; `FILE_FAILED`.
 */
export async function readOwned(
  path: string,
  options: ReadOptions,
): Promise<OwnedFile | undefined> {
  const target = await realTarget(path, options.followOwnSymlink ?? false);
  for (let looks = 1;; looks++) {
    const found = await readSame(target, options);
    if (found !== "replaced") return found;
    if (looks === LOOKS) throw unsafe(target, "it was replaced while it was opened");
  }
}

async function readSame(
  target: string,
  options: ReadOptions,
): Promise<OwnedFile | "replaced" | undefined> {
  const before = await lstatOrMissing(target);
  if (!before) return undefined;
  // Looked at before opening: opening a FIFO would wait for a writer.
  refuseForeign(target, before, options.allowRootOwner ?? false);
  try {
    using file = await Deno.open(target, { read: true });
    const info = await file.stat();
    // The file that was looked at must be the file that was opened.
    if (IS_POSIX && (info.ino !== before.ino || info.dev !== before.dev)) return "replaced";
    const bytes = await readUpTo(file, target, options.maxBytes);
    const tightened = await tighten(target, info);
    const mode = (info.mode ?? 0) & (tightened ? 0o700 : 0o777);
    return { bytes, mode, tightened, modifiedMs: info.mtime?.getTime() ?? 0 };
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw fileError("read", target, error);
  }
}

async function syncFolder(folder: string): Promise<void> {
  if (!IS_POSIX) return;
  using dir = await Deno.open(folder, { read: true });
  await dir.sync();
}

async function writeAll(file: Deno.FsFile, bytes: Uint8Array): Promise<void> {
  let at = 0;
  while (at < bytes.length) at += await file.write(bytes.subarray(at));
}

/**
 * Replaces a file so that a reader sees the old or the new content and a crash or a full disk leaves the old one:
 * temporary file in the same folder, mode first, fsync, rename, fsync of the folder.
 * @throws {OpenclawError} `DISK_FULL`, `STATE_READ_ONLY`, `FILE_UNSAFE` (the target is a link), `FILE_FAILED`.
 */
export async function writeAtomic(
  path: string,
  content: string | Uint8Array,
  options: WriteOptions = {},
): Promise<void> {
  const target = await realTarget(path, options.followOwnSymlink ?? false);
  const folder = dirname(target);
  const temp = join(folder, `.${basename(target)}.${crypto.randomUUID().slice(0, 8)}.tmp`);
  try {
    {
      // createNew = O_EXCL: a planted file or link of that name is not opened.
      using file = await Deno.open(temp, { write: true, createNew: true, mode: 0o600 });
      if (IS_POSIX) await Deno.chmod(temp, options.mode ?? 0o600);
      await writeAll(file, typeof content === "string" ? utf8(content) : content);
      await file.sync();
    }
    await Deno.rename(temp, target);
    await syncFolder(folder);
  } catch (error) {
    await Deno.remove(temp).catch(() => {/* never created, or already renamed */});
    throw fileError("write", path, error);
  }
}

/** Creates the folder of a file that people place anywhere; an existing one stays as it is: it may hold other things. */
export async function ensureFolderOf(path: string): Promise<void> {
  const folder = dirname(path);
  await Deno.mkdir(folder, { recursive: true, mode: 0o700 }).catch((error) => {
    throw fileError("create the folder", folder, error);
  });
}

/**
 * Creates a folder of ours with its parents, `mode` whatever the umask; an existing one of ours is tightened to it. One that
 * everybody shares (`/tmp`) is left alone for root, whose it is: others need it.
 * @returns whether an existing folder was tightened.
 * @throws {OpenclawError} `FILE_UNSAFE` when it is no directory or others can write it and it is not ours.
 */
export async function ensureDir(path: string, mode = 0o700): Promise<boolean> {
  try {
    const existing = await Deno.stat(path).catch((error) => {
      if (error instanceof Deno.errors.NotFound) return undefined;
      throw error;
    });
    if (!existing) {
      if (dirname(path) !== path) await ensureParents(dirname(path), mode);
      await Deno.mkdir(path, { mode }).catch((error) => {
        if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
      });
      if (IS_POSIX) await Deno.chmod(path, mode);
      return false;
    }
    if (!existing.isDirectory) throw unsafe(path, "it is not a directory");
    if (!IS_POSIX) return false;
    const bits = (existing.mode ?? 0) & 0o777;
    if (existing.uid !== Deno.uid()) {
      if (bits & 0o022) {
        throw unsafe(path, `it belongs to user ${existing.uid} and others can write it`);
      }
      return false;
    }
    const isShared = ((existing.mode ?? 0) & STICKY) !== 0;
    if (isShared || (bits & ~mode) === 0) return false;
    return await Deno.chmod(path, bits & mode).then(() => true, () => false);
  } catch (error) {
    throw fileError("create the folder", path, error);
  }
}

/** Missing parents get the same mode; existing ones are left alone. */
async function ensureParents(path: string, mode: number): Promise<void> {
  try {
    await Deno.stat(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    await ensureDir(path, mode);
  }
}

async function openLockFile(path: string): Promise<Deno.FsFile> {
  const before = await lstatOrMissing(path);
  if (before) refuseForeign(path, before, false);
  try {
    return await Deno.open(path, { read: true, write: true, create: true, mode: 0o600 });
  } catch (error) {
    const failure = fileError("open the lock", path, error);
    // F05: on a disk that became read-only the lock is as good, only the holder's name cannot be written.
    if (!before || failure.code !== "STATE_READ_ONLY") throw failure;
    return await Deno.open(path, { read: true });
  }
}

/**
 * Takes an exclusive OS lock, or `undefined` when somebody holds it. The kernel drops it with its owner, so a crash or
 * a reused pid cannot leave a stale one (F31). The file stays: removing it would let two owners in.
 */
export async function tryLockFile(path: string): Promise<FileLock | undefined> {
  const file = await openLockFile(path);
  try {
    if (await file.tryLock(true)) {
      await writeHolder(file).catch(() => {/* F04, F05: only the holder's name is lost */});
      return { path, close: () => file.close() };
    }
  } catch (error) {
    file.close();
    throw fileError("lock", path, error);
  }
  file.close();
  return undefined;
}

async function writeHolder(file: Deno.FsFile): Promise<void> {
  await file.truncate(0);
  await writeAll(file, utf8(`${Deno.pid}\n`));
}

/**
 * Takes the lock, trying for `waitMs` (default 10 s).
 * @throws {OpenclawError} `LOCK_HELD` with the pid written by the holder.
 */
export async function lockFile(path: string, options: { waitMs?: number } = {}): Promise<FileLock> {
  const waitMs = options.waitMs ?? 10_000;
  const endMs = systemClock.monotonic() + waitMs;
  for (let pauseMs = 2;; pauseMs = Math.min(50, pauseMs * 2)) {
    const lock = await tryLockFile(path);
    if (lock) return lock;
    const leftMs = endMs - systemClock.monotonic();
    if (leftMs <= 0) throw await lockHeld(path, waitMs);
    await wait(Math.min(pauseMs, leftMs));
  }
}

async function lockHeld(path: string, waitMs: number): Promise<OpenclawError> {
  const text = await Deno.readTextFile(path).catch(() => "");
  const pid = /^\d{1,10}\n$/.test(text) ? Number(text) : undefined;
  return new OpenclawError(
    "LOCK_HELD",
    `Cannot lock ${quoted(path)} within ${waitMs} ms: ${
      pid ? `process ${pid}` : "another process"
    } holds it`,
    { retryable: true, details: { path, ...(pid ? { pid } : {}) } },
  );
}

/** Runs `work` while holding the lock of `path`. @throws {OpenclawError} `LOCK_HELD` after `waitMs` (default 10 s). */
export async function withFileLock<T>(
  path: string,
  work: () => Promise<T>,
  options: { waitMs?: number } = {},
): Promise<T> {
  const lock = await lockFile(path, options);
  try {
    return await work();
  } finally {
    lock.close();
  }
}
