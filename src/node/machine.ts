/**
 * This machine as facts for the pure judgement in `approvals/`: files, folders, PATH, hashes.
 * Reads only; nothing is cached beyond one request, so a judgement sees what execution will see.
 */
import { dirname } from "@std/path";
import type { ExecFacts, FileFact } from "../approvals/facts.ts";
import { hasSlash } from "../approvals/reading/paths.ts";
import { resolveExecutable } from "../approvals/reading/resolve.ts";
import { sha256Hex } from "../lib/bytes.ts";
import { DEFAULT_PATH, homeDir, platformName } from "../platform/os.ts";
import { userId } from "../platform/user.ts";

/** Largest file whose content is bound to an approval. */
const MAX_HASHED_BYTES = 512 * 1024 * 1024;

/** The environment of this process, by name. */
export type Environment = Readonly<Record<string, string>>;

/** Facts that stay the same while the node runs, and the way to ask for those that do not. */
export class Machine {
  readonly env: Environment;
  readonly platform = platformName();
  /** PATH of children, also declared to the gateway as `pathEnv`. */
  readonly pathEnv: string;
  readonly #cwd: string;
  readonly #home: string;

  constructor(env: Environment, cwd: string = Deno.cwd()) {
    this.env = env;
    this.pathEnv = env["PATH"]?.trim() || (this.platform === "windows" ? "" : DEFAULT_PATH);
    this.#cwd = cwd;
    this.#home = homeDir(env) ?? cwd;
  }

  /** Facts for one request. */
  facts(): ExecFacts {
    const seen = new Map<string, FileFact | undefined>();
    const file = (path: string) => {
      if (!seen.has(path)) seen.set(path, factOf(path));
      return seen.get(path);
    };
    const separator = this.platform === "windows" ? ";" : ":";
    const realHome = once(() => realOr(this.#home));
    return {
      platform: this.platform,
      cwd: this.#cwd,
      home: this.#home,
      get homeReal() {
        return realHome();
      },
      pathDirs: this.pathEnv.split(separator).filter((dir) => dir !== ""),
      ...(this.platform === "windows" ? { pathExt: this.#pathExt() } : {}),
      file,
      hashFile,
    };
  }

  /** Endings of PATHEXT that Windows starts by itself; what an association would open is no program. */
  #pathExt(): string[] {
    const named = (this.env["PATHEXT"] ?? "").split(";").filter((ext) =>
      /^\.(?:exe|com|cmd|bat)$/i.test(ext)
    );
    return named.length > 0 ? named : [".EXE", ".CMD", ".BAT", ".COM"];
  }

  /** Absolute path of a program name on PATH: a regular executable file. Source: node-host.md 4. */
  which(name: string): string | undefined {
    if (hasSlash(name, this.platform)) return undefined;
    return resolveExecutable(name, this.#cwd, this.facts())?.path;
  }
}

/** Looks something up when it is first asked for: one request sees one answer. */
function once(find: () => string): () => string {
  let found: string | undefined;
  return () => found ??= find();
}

function realOr(path: string): string {
  try {
    return Deno.realPathSync(path);
  } catch {
    return path;
  }
}

/** Facts of one path; the costly ones are looked up when asked for. */
function factOf(path: string): FileFact | undefined {
  let info: Deno.FileInfo;
  try {
    info = Deno.statSync(path);
  } catch {
    return undefined; // missing, or in a folder we may not search: not executable for us either
  }
  const parentReal = once(() => realOr(dirname(path)));
  return {
    kind: info.isFile ? "file" : info.isDirectory ? "directory" : "other",
    executable: mayExecute(info),
    get parentReal() {
      return parentReal();
    },
    get real() {
      return realOr(path);
    },
    get isLink() {
      return isLink(path);
    },
    get linkInWritableParent() {
      return linkInWritableParent(path);
    },
    get mutable() {
      return isMutable(path, info);
    },
    ...(info.ino === null ? {} : { identity: `${info.dev}:${info.ino}` }),
  };
}

function mayExecute(info: Deno.FileInfo): boolean {
  if (platformName() === "windows") return true;
  const mode = info.mode ?? 0;
  const me = userId();
  if (me === 0) return (mode & 0o111) !== 0;
  if (info.uid === me) return (mode & 0o100) !== 0;
  // Supplementary groups are unknown here: either bit may apply, and the kernel has the last word.
  return (mode & 0o011) !== 0;
}

function isLink(path: string): boolean {
  try {
    return Deno.lstatSync(path).isSymlink;
  } catch {
    return false;
  }
}

/** A09: some component is a link whose folder somebody may write who could retarget it. */
function linkInWritableParent(path: string): boolean {
  for (let at = path; dirname(at) !== at; at = dirname(at)) {
    if (isLink(at) && isWritableFolder(dirname(at))) return true;
  }
  return false;
}

/** Whether this user or others may write the file or put another one in its place. */
function isMutable(path: string, info: Deno.FileInfo): boolean {
  const me = userId();
  // Root can change everything, and so can the commands of a node that runs as root.
  if (me === undefined || me === 0) return true;
  const ours = info.uid === me || ((info.mode ?? 0) & 0o022) !== 0;
  return ours || isWritableFolder(dirname(realOr(path)));
}

function isWritableFolder(path: string): boolean {
  const info = Deno.statSync(path);
  if (platformName() === "windows") return true;
  // Folders of root count as fixed, also when this process is root: `/bin -> usr/bin` is no attack.
  return info.uid !== 0 || ((info.mode ?? 0) & 0o022) !== 0;
}

async function hashFile(path: string): Promise<string | undefined> {
  try {
    const info = await Deno.stat(path);
    if (!info.isFile || info.size > MAX_HASHED_BYTES) return undefined;
    return await sha256Hex(await Deno.readFile(path));
  } catch {
    return undefined; // gone or unreadable
  }
}
