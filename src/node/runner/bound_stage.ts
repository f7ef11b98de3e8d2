/**
 * Executes what was hashed (decision 21, A07, A09): opens program, script and folder, compares what was opened with what
 * was approved, and hands out paths to the opened files, so that a rename between check and start changes nothing.
 */
import { basename, dirname, isAbsolute, resolve } from "@std/path";
import { sha256Hex } from "../../lib/bytes.ts";
import { OpenclawError } from "../../lib/errors.ts";
import { quoted } from "../../lib/text.ts";
import { isOpenFolder } from "../../platform/file_safety.ts";
import { userId } from "../../platform/user.ts";
import type { FileBinding, StageSpec } from "./frames.ts";
import { platformName } from "../../platform/os.ts";
import { hold } from "../../platform/windows/held_file.ts";

/** A stage ready to start. */
export interface BoundStage {
  readonly command: {
    readonly file: string;
    readonly argv0?: string;
    readonly args: readonly string[];
    readonly cwd: string;
  };
  /** Closes the opened files; call it when the program has ended. */
  close(): void;
}

const drift = (what: string, path: string) =>
  new OpenclawError("PLAN_DRIFT", `${what} changed before execution: ${quoted(path)}`);

/**
 * Opens and checks everything a stage is bound to. A stage without bindings passes through unchanged.
 * @throws {OpenclawError} `PLAN_DRIFT`; `PLAN_UNBINDABLE` when only a path others can change would be left to execute.
 */
export async function bindStage(stage: StageSpec & { file: string }): Promise<BoundStage> {
  const opened: (() => void)[] = [];
  const args = [...stage.args];
  let { file, cwd } = stage;
  const close = () => opened.splice(0).forEach((closeOne) => closeOne());
  try {
    for (const binding of stage.bindings ?? []) {
      const path = await bindFile(binding, opened);
      if (binding.argvIndex === 0) file = path;
      else args[binding.argvIndex - 1] = path;
    }
    if (stage.bindCwd) cwd = await bindFolder(stage.cwd, opened);
  } catch (error) {
    close();
    throw error;
  }
  // Same name in another folder (`/bin` is `usr/bin`): the path serves as name, and starting is cheaper.
  const renamed = file !== stage.file || basename(stage.argv0) !== basename(file);
  return { command: { file, ...(renamed ? { argv0: stage.argv0 } : {}), args, cwd }, close };
}

/** Reads an open file completely through its descriptor. */
async function openAndHash(path: string, opened: (() => void)[]) {
  const fs = await import("node:fs");
  let fd: number;
  try {
    fd = fs.openSync(path, fs.constants.O_RDONLY | fs.constants.O_NOFOLLOW);
  } catch {
    throw drift("approval script operand", path); // gone, or now a link
  }
  opened.push(() => fs.closeSync(fd));
  if (!fs.fstatSync(fd).isFile()) throw drift("approval script operand", path);
  const content = fs.readFileSync(fd);
  return { fd, content: new Uint8Array(content) };
}

async function bindFile(given: FileBinding, opened: (() => void)[]): Promise<string> {
  const windows = platformName() === "windows";
  const binding = windows ? { ...given, path: heldPath(given.path, "file", opened) } : given;
  const { fd, content } = await openAndHash(binding.path, opened);
  if (await sha256Hex(content) !== binding.sha256) {
    throw drift("approval script operand", binding.path);
  }
  if (platformName() === "linux" && !findsItselfByPath(content)) {
    return `/proc/${Deno.pid}/fd/${fd}`;
  }
  if (windows) return binding.path;
  // The program needs its real path: then nobody else may be able to put another file there.
  await refuseForeignParents(binding.path);
  return binding.path;
}

/** ELF finds itself through /proc; text that names its own path or loads neighbours needs the real one. */
function findsItselfByPath(content: Uint8Array): boolean {
  if (content[0] === 0x7f) return false;
  const text = new TextDecoder().decode(content);
  return /\$\{?0\b|\bBASH_SOURCE\b|__file__|__dirname|__filename|__DIR__|__FILE__|\bFindBin\b|\bimport\b|\brequire|\bfrom\s|^\s*(?:\.|source)\s/m
    .test(text);
}

/** The real path behind `path`, which nobody can change, rename or replace until the program has ended. */
function heldPath(path: string, kind: "file" | "folder", opened: (() => void)[]): string {
  let held: ReturnType<typeof hold>;
  try {
    const real = Deno.realPathSync(path);
    held = hold(real, kind);
    if (held) opened.push(held.close);
    if (held && Deno.realPathSync(path) === real) return real;
  } catch {
    // Gone, or a link in its path leads nowhere by now.
  }
  if (held) throw drift(kind === "file" ? "approval script operand" : "approval cwd", path);
  throw new OpenclawError(
    "PLAN_UNBINDABLE",
    `Cannot bind ${quoted(path)}: it is gone, or a program has it open for writing`,
  );
}

async function refuseForeignParents(path: string): Promise<void> {
  const me = userId();
  for (let folder = dirname(path);; folder = dirname(folder)) {
    const info = await Deno.lstat(folder);
    const foreign = info.uid !== me && info.uid !== 0;
    // Of a sticky folder the entry below is ours or root's.
    if (info.isSymlink || foreign || isOpenFolder(info.mode ?? 0)) {
      throw new OpenclawError(
        "PLAN_UNBINDABLE",
        `Cannot bind ${quoted(path)}: others can change ${quoted(folder)}`,
        { hint: `chmod go-w ${quoted(folder)}` },
      );
    }
    if (dirname(folder) === folder) return;
  }
}

/** Opens the folder, checks that its real path is the approved one, and returns a path to what was opened. */
async function bindFolder(cwd: string, opened: (() => void)[]): Promise<string> {
  const changed = () => drift("approval cwd", cwd);
  if (!isAbsolute(cwd)) throw changed();
  if (platformName() === "windows") {
    const real = heldPath(cwd, "folder", opened);
    if (real.toLowerCase() !== resolve(cwd).toLowerCase()) throw changed();
    return real;
  }
  if (platformName() !== "linux") {
    if (await Deno.realPath(cwd).catch(() => "") !== resolve(cwd)) throw changed();
    return cwd;
  }
  const fs = await import("node:fs");
  let fd: number;
  try {
    fd = fs.openSync(cwd, fs.constants.O_RDONLY | fs.constants.O_DIRECTORY);
  } catch {
    throw changed();
  }
  opened.push(() => fs.closeSync(fd));
  const link = `/proc/${Deno.pid}/fd/${fd}`;
  if (await Deno.readLink(link) !== resolve(cwd)) throw changed();
  return link;
}
