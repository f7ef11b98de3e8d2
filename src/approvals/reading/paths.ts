/**
 * Paths as text: absolute, joined, cleaned, split. No file system; links are the business of the facts.
 * A cleaned path has no `.`, `..` or doubled slash, so a pattern cannot be passed by `/opt/ok/../../bin/sh`.
 */
import type { ExecFacts, ExecPlatform } from "../facts.ts";

const WINDOWS_ABSOLUTE = /^(?:[A-Za-z]:[\\/]|\\\\)/;

/** Lower-case name for recognition: basename by either slash, without `.exe .cmd .bat .com`. Source: node-host.md 7.4. */
export function baseName(path: string): string {
  const cut = Math.max(path.lastIndexOf("/"), path.lastIndexOf("\\"));
  // Windows drops dots and blanks at the end: "cmd.exe." is cmd.exe.
  return path.slice(cut + 1).toLowerCase().replace(/[. ]+$/, "").replace(
    /\.(?:exe|cmd|bat|com)$/,
    "",
  );
}

/** Whether a word names a path rather than something to look up in PATH. */
export function hasSlash(word: string, platform: ExecPlatform): boolean {
  return word.includes("/") ||
    (platform === "windows" && (word.includes("\\") || /^[A-Za-z]:/.test(word)));
}

/** Whether a path is absolute on this platform. */
export function isAbsolute(path: string, platform: ExecPlatform): boolean {
  return platform === "windows" ? WINDOWS_ABSOLUTE.test(path) : path.startsWith("/");
}

/** Removes `.`, `..` and doubled separators from an absolute path. */
export function cleanPath(path: string, platform: ExecPlatform): string {
  const windows = platform === "windows";
  const separator = windows ? "\\" : "/";
  const text = windows ? path.replaceAll("/", "\\") : path;
  const root = windows ? /^(?:[A-Za-z]:\\|\\\\[^\\]+\\[^\\]+\\?|\\)/.exec(text)?.[0] ?? "" : "/";
  const parts: string[] = [];
  for (const part of text.slice(root.length).split(separator)) {
    if (part === "" || part === ".") continue;
    if (part === "..") parts.pop();
    else parts.push(part);
  }
  return (root.endsWith(separator) || parts.length === 0 ? root : root + separator) +
    parts.join(separator);
}

/** `word` seen from `cwd`; `~` and `~/…` mean the home directory. */
export function absolutePath(
  word: string,
  cwd: string,
  facts: Pick<ExecFacts, "platform" | "home">,
): string {
  const { platform, home } = facts;
  if (word === "~" || word.startsWith("~/") || (platform === "windows" && word.startsWith("~\\"))) {
    return cleanPath(`${home}/${word.slice(2)}`, platform);
  }
  return cleanPath(isAbsolute(word, platform) ? word : `${cwd}/${word}`, platform);
}

/** Directory part of a clean absolute path. */
export function directoryOf(path: string): string {
  const cut = Math.max(path.lastIndexOf("/"), path.lastIndexOf("\\"));
  return cut <= 0 ? path.slice(0, 1) : path.slice(0, cut);
}

/** Last part of a path, case kept. */
export function fileNameOf(path: string): string {
  return path.slice(Math.max(path.lastIndexOf("/"), path.lastIndexOf("\\")) + 1);
}

/**
 * Whether a word names a program's own input or another open file of it: `/dev/stdin`, `/proc/self/fd/0`, and by a detour
 * `../stdin` or `/dev/shm/../fd/0`.
 */
export function isInputPath(word: string): boolean {
  return /(?:^|\/)(?:dev\/+(?:\.\/+)*(?:stdin|tty|fd\/)|proc\/.*\/fd\/)/.test(word) ||
    /(?:^|\/)(?:stdin|fd\/+(?:\.\/+)*\d+)$/.test(word) || /\.\.\/+(?:\.\/+)*tty$/.test(word);
}

/** Whether names in this directory stand for devices and open files instead of files: `/dev`, `/proc/self/fd`. */
export function holdsOpenFiles(directory: string): boolean {
  return /^\/(?:dev|proc)(?:\/|$)/.test(directory) && !/^\/dev\/shm(?:\/|$)/.test(directory);
}
