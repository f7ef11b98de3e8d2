/**
 * Which files may be trusted, and how a failure of the file system is told. Attacks stopped here (N40): links, FIFOs,
 * devices, foreign owners, files others can write. Reading and writing is `files.ts`.
 */
import { dirname, resolve } from "@std/path";
import { messageOf, OpenclawError } from "../lib/errors.ts";
import { cutBytes, quoted } from "../lib/text.ts";

/** Whether files have owners and modes here. */
export const IS_POSIX = Deno.build.os !== "windows";

/** In a folder with this bit nobody can take away or replace what belongs to another. */
export const STICKY = 0o1000;

/** Whether others than the owner of a folder of this mode can replace the files in it. */
export function isOpenFolder(mode: number): boolean {
  return (mode & 0o022) !== 0 && (mode & STICKY) === 0;
}

function codeOf(error: unknown): string {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === "string" ? code : error instanceof Error ? error.name : "";
}

const NOT_ALLOWED: ReadonlySet<string> = new Set(["EACCES", "EPERM", "PermissionDenied"]);

/** An error of the file system as an {@linkcode OpenclawError}: `DISK_FULL`, `STATE_READ_ONLY` or `FILE_FAILED`. */
export function fileError(what: string, path: string, error: unknown): OpenclawError {
  if (error instanceof OpenclawError) return error;
  const code = codeOf(error);
  const facts = { cause: error, details: { path, errno: code } };
  if (code === "ENOSPC" || code === "EDQUOT") {
    return new OpenclawError(
      "DISK_FULL",
      `Cannot ${what} ${quoted(path)}: no space left (${code})`,
      {
        ...facts,
        hint: `df -h ${quoted(dirname(path))}`,
        retryable: true,
      },
    );
  }
  if (code === "EROFS") {
    return new OpenclawError(
      "STATE_READ_ONLY",
      `Cannot ${what} ${quoted(path)}: the file system is read-only (EROFS)`,
      {
        ...facts,
        hint: `findmnt -T ${quoted(dirname(path))}   # or OPENCLAW_STATE_DIR=<another folder>`,
        retryable: true,
      },
    );
  }
  return new OpenclawError(
    "FILE_FAILED",
    `Cannot ${what} ${quoted(path)}: ${cutBytes(messageOf(error), 400)}`,
    NOT_ALLOWED.has(code) ? { ...facts, hint: `ls -ld ${quoted(dirname(path))}` } : facts,
  );
}

/** A `FILE_UNSAFE` refusal; without a better hint a look at what is there. */
export function unsafe(
  path: string,
  found: string,
  hint = `ls -ld ${quoted(path)}`,
): OpenclawError {
  return new OpenclawError("FILE_UNSAFE", `Refused to use ${quoted(path)}: ${found}`, {
    details: { path },
    hint,
  });
}

/** What is at `path`, links not followed; `undefined` when nothing is. */
export async function lstatOrMissing(path: string): Promise<Deno.FileInfo | undefined> {
  try {
    return await Deno.lstat(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw fileError("look at", path, error);
  }
}

/** The path behind a link of ours, or the path itself. Refuses links (N40) unless `follow`. */
export async function realTarget(path: string, follow: boolean): Promise<string> {
  const info = await lstatOrMissing(path);
  if (!info?.isSymlink) return path;
  if (!follow) throw unsafe(path, "it is a symbolic link");
  if (IS_POSIX && info.uid !== Deno.uid()) {
    throw unsafe(path, `it is a symbolic link of user ${info.uid}`);
  }
  try {
    return await Deno.realPath(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw fileError("resolve", path, error);
    return resolve(dirname(path), await Deno.readLink(path));
  }
}

/** N40: only an ordinary file of ours that nobody else can write. */
export function refuseForeign(path: string, info: Deno.FileInfo, allowRootOwner: boolean): void {
  if (info.isSymlink) throw unsafe(path, "it is a symbolic link");
  if (info.isDirectory) throw unsafe(path, "it is a directory");
  if (!info.isFile) throw unsafe(path, "it is not an ordinary file (FIFO, socket or device)");
  if (!IS_POSIX) return;
  const me = Deno.uid();
  if (info.uid !== me && !(allowRootOwner && info.uid === 0)) {
    throw unsafe(path, `it belongs to user ${info.uid}, this process runs as user ${me}`);
  }
  const mode = (info.mode ?? 0) & 0o777;
  if (mode & 0o022) {
    throw unsafe(
      path,
      `others can write it (mode ${mode.toString(8).padStart(4, "0")})`,
      `check its content, then: chmod 600 ${quoted(path)}`,
    );
  }
}

/** Removes the bits for group and others when the file is ours. Whether anything changed. */
export async function tighten(path: string, info: Deno.FileInfo): Promise<boolean> {
  if (!IS_POSIX || ((info.mode ?? 0) & 0o077) === 0 || info.uid !== Deno.uid()) return false;
  try {
    await Deno.chmod(path, (info.mode ?? 0) & 0o700);
    return true;
  } catch {
    // A read-only state directory (F05): the content is still good, so reading goes on.
    return false;
  }
}

/**
 * Looks at a file that something else opens by its path (SQLite, a log): same rules as for reading. Whether it exists.
 * @throws {OpenclawError} `FILE_UNSAFE`, `FILE_FAILED`.
 */
export async function requireOwned(path: string): Promise<boolean> {
  const info = await lstatOrMissing(path);
  if (!info) return false;
  refuseForeign(path, info, false);
  await tighten(path, info);
  return true;
}
