/**
 * Word → executable file, by the facts alone. Owns PATH lookup and the rule which file is executed: the name inside the
 * real parent directory, so that a link swapped in the directory part later changes nothing.
 * Source: node-host.md 7.4 "Executable".
 */
import type { ExecFacts } from "../facts.ts";
import { absolutePath, directoryOf, fileNameOf, hasSlash, isAbsolute } from "./paths.ts";

/** An executable that was found. */
export interface Resolved {
  /** The word as the caller wrote it. */
  readonly word: string;
  /** Absolute path by PATH or by the word; compared with path patterns. */
  readonly path: string;
  /** Same name in the real parent directory; this is what runs, and it is compared with path patterns too. */
  readonly execPath: string;
}

/** Finds the regular executable file a word stands for; `undefined` when there is none. */
export function resolveExecutable(
  word: string,
  cwd: string,
  facts: ExecFacts,
): Resolved | undefined {
  if (word === "" || word.includes("\0")) return undefined;
  if (hasSlash(word, facts.platform) || word.startsWith("~/")) {
    return firstExecutable(word, [absolutePath(word, cwd, facts)], facts);
  }
  // An empty or relative PATH entry means "the current directory" and is never searched: a planted file would win.
  const directories = facts.pathDirs.filter((directory) => isAbsolute(directory, facts.platform));
  return firstExecutable(
    word,
    directories.map((directory) => absolutePath(word, directory, facts)),
    facts,
  );
}

function firstExecutable(
  word: string,
  paths: readonly string[],
  facts: ExecFacts,
): Resolved | undefined {
  for (const path of paths) {
    for (const candidate of withExtensions(path, facts)) {
      const fact = facts.file(candidate);
      if (fact?.kind !== "file" || !fact.executable) continue;
      return {
        word,
        path: candidate,
        execPath: absolutePath(fileNameOf(candidate), fact.parentReal, facts),
      };
    }
  }
  return undefined;
}

function withExtensions(path: string, facts: ExecFacts): string[] {
  if (facts.platform !== "windows") return [path];
  const extensions = facts.pathExt ?? [".EXE", ".CMD", ".BAT", ".COM"];
  const has = extensions.some((one) => path.toLowerCase().endsWith(one.toLowerCase()));
  return has ? [path] : extensions.map((one) => path + one.toLowerCase());
}

/** Whether an executable lies in a directory whose programs are trusted by place (X32). */
export function inTrustedDirectory(resolved: Resolved, trustedDirs: readonly string[]): boolean {
  return trustedDirs.includes(directoryOf(resolved.execPath)) ||
    trustedDirs.includes(directoryOf(resolved.path));
}

/** Directories of the base system; wrappers and safe bins count only there unless the configuration names more. */
export const SYSTEM_DIRS: readonly string[] = ["/bin", "/usr/bin"];
