/**
 * Starts programs with `posix_spawn(3)` of the C library, for a process that starts many (decision 7). Each program gets
 * a session and process group of its own, the environment and the descriptors it was given and no others, no blocked
 * signal, and the usual reaction to a broken pipe.
 */
import type { ProgramEnd, ProgramOptions, StartedProgram } from "./program.ts";
import { emptyStream } from "./output.ts";
import { type CLibrary, cText, cTexts, O_CLOEXEC, openCLibrary } from "./c_library.ts";
import { readableOf, writableOf } from "./pipes.ts";
import { Poller, Ready } from "./poller.ts";
import { endOfStatus, systemError } from "./system_names.ts";

// Source: <spawn.h>, fcntl(2), pidfd_open(2), wait(2), signal(7); the same on x86-64 and arm64.
const SPAWN_SETSIGDEF = 0x04;
const SPAWN_SETSIGMASK = 0x08;
const SPAWN_SETSID = 0x80;
/**
 * Signals with the usual reaction: SIGPIPE, which the runtime ignores for itself, and the two the library uses between
 * threads and would make a program ignore.
 */
const USUAL_SIGNALS = [13, 32, 33];
const F_SETFL = 4;
const O_RDONLY = 0;
const O_WRONLY = 1;
const O_NONBLOCK = 0o4000;
const PIDFD_OPEN = 434n;
const WNOHANG = 1;
const ENOEXEC = 8;
const EMFILE = 24;
const SHELL = "/bin/sh";
/** More than the library's own structures take (at most 336). */
const STRUCTURE_BYTES = 512;

/** Starts programs for the whole life of a process. */
export interface Spawner {
  /** Starts a program by absolute path. @throws {Error} With `code`, the name of the system's error. */
  start(options: ProgramOptions): StartedProgram;
  /** Waits until all programs ended and their pipes are closed, then frees the library. */
  close(): Promise<void>;
}

/** Opens the C library and tries what may be missing, or says why it cannot be used. */
export function openSpawner(): Spawner | string {
  const library = openCLibrary();
  if (typeof library === "string") return library;
  const probe = openPid(library, Deno.pid);
  if (probe < 0) {
    library.close();
    return "the kernel gives no descriptor for a process (Linux before 5.3, or a sandbox)";
  }
  library.symbols.close(probe);
  return new PosixSpawner(library);
}

/** A descriptor that becomes readable when the process ends; negative = refused. */
function openPid({ symbols }: CLibrary, pid: number): number {
  return Number(symbols.syscall(PIDFD_OPEN, BigInt(pid), 0n));
}

class PosixSpawner implements Spawner {
  readonly #library: CLibrary;
  readonly #poller: Poller;
  readonly #attributes = new Uint8Array(STRUCTURE_BYTES);
  readonly #nullDevice = cText("/dev/null");
  /** Where the library puts a pid or a status. */
  readonly #number = new Int32Array(1);
  /** Keeps the texts of one start in memory while the library looks at them. */
  #held: unknown;

  constructor(library: CLibrary) {
    this.#library = library;
    this.#poller = new Poller(library);
    const { symbols } = library;
    const none = new Uint8Array(STRUCTURE_BYTES);
    const usual = new Uint8Array(STRUCTURE_BYTES);
    for (const signal of USUAL_SIGNALS) usual[(signal - 1) >> 3]! |= 1 << ((signal - 1) & 7);
    symbols.posix_spawnattr_init(this.#attributes);
    symbols.posix_spawnattr_setsigmask(this.#attributes, none);
    symbols.posix_spawnattr_setsigdefault(this.#attributes, usual);
    const flags = SPAWN_SETSID | SPAWN_SETSIGDEF | SPAWN_SETSIGMASK;
    symbols.posix_spawnattr_setflags(this.#attributes, flags);
  }

  async close(): Promise<void> {
    await this.#poller.end();
    this.#library.close();
  }

  start(options: ProgramOptions): StartedProgram {
    const pipes = new Pipes(this.#library);
    const { stdin, stdout, stderr } = options;
    try {
      const input = stdin === "pipe" ? pipes.open("input") : undefined;
      const outputs = [stdout, stderr].map((kind) =>
        kind === "null" ? undefined : pipes.open("output")
      );
      const ends = [input, ...outputs].map((pipe) => pipe?.theirs);
      const pid = this.#spawn(options, ends) ?? this.#spawn(byShell(options), ends)!;
      const ended = this.#watch(pid);
      pipes.closeTheirs();
      const [library, poller] = [this.#library, this.#poller];
      const [out, err] = outputs.map((pipe) =>
        pipe ? readableOf(pipe.ours, library, poller) : emptyStream()
      );
      return {
        pid,
        ...(input ? { stdin: writableOf(input.ours, library, poller) } : {}),
        stdout: out!,
        stderr: err!,
        ended,
      };
    } catch (error) {
      pipes.closeAll();
      throw error;
    }
  }

  /** Starts with `ends` as descriptors 0 to 2; `undefined` = the null device. No pid = ENOEXEC. */
  #spawn(options: ProgramOptions, ends: readonly (number | undefined)[]): number | undefined {
    const { symbols } = this.#library;
    const path = cText(options.file);
    const argv = cTexts([options.argv0 ?? options.file, ...options.args ?? []]);
    const env = cTexts(environment(options.env));
    this.#held = [argv, env];
    const cwd = options.cwd === undefined ? undefined : cText(options.cwd);
    const actions = new Uint8Array(STRUCTURE_BYTES);
    symbols.posix_spawn_file_actions_init(actions);
    for (const [n, end] of ends.entries()) {
      // The copy that dup2 makes is passed on, the original is not.
      if (end !== undefined) symbols.posix_spawn_file_actions_adddup2(actions, end, n);
      else {
        const mode = n === 0 ? O_RDONLY : O_WRONLY;
        symbols.posix_spawn_file_actions_addopen(actions, n, this.#nullDevice, mode, 0);
      }
    }
    if (cwd) symbols.posix_spawn_file_actions_addchdir_np(actions, cwd);
    const errno = symbols.posix_spawn(
      this.#number,
      path,
      actions,
      this.#attributes,
      argv.pointers,
      env.pointers,
    );
    symbols.posix_spawn_file_actions_destroy(actions);
    this.#held = undefined;
    if (errno === ENOEXEC && options.file !== SHELL) return undefined;
    if (errno !== 0) throw systemError("posix_spawn", errno);
    return this.#number[0]!;
  }

  #watch(pid: number): Promise<ProgramEnd> {
    const fd = openPid(this.#library, pid);
    if (fd < 0) {
      // Started, but nobody would see its end: without descriptors it must not run at all.
      Deno.kill(-pid, "SIGKILL");
      this.#library.symbols.waitpid(pid, this.#number, 0);
      throw systemError("pidfd_open", EMFILE);
    }
    return new Promise((resolve) => {
      const look = () => {
        const seen = this.#library.symbols.waitpid(pid, this.#number, WNOHANG);
        if (seen === 0) return this.#poller.wait(fd, Ready.Read, look); // woken too early
        this.#poller.close(fd);
        resolve(endOfStatus(this.#number[0]!));
      };
      this.#poller.waitForEnd(fd, Ready.Read, look);
    });
  }
}

/** An executable text without a `#!` line, as execvp(3) starts it and with that every other way to start a program. */
function byShell({ argv0: _, ...options }: ProgramOptions): ProgramOptions {
  return { ...options, file: SHELL, args: [options.file, ...options.args ?? []] };
}

/** `NAME=value` texts. @throws {TypeError} For a name that would set another variable than it says (E11). */
function environment(env: Readonly<Record<string, string>>): string[] {
  return Object.entries(env).map(([name, value]) => {
    if (name === "" || name.includes("=")) throw new TypeError(`environment name "${name}"`);
    return `${name}=${value}`;
  });
}

/** The pipes of one start. No program inherits them: each end is closed by `exec`, copies of `dup2` are not. */
class Pipes {
  readonly #symbols: CLibrary["symbols"];
  readonly #ours: number[] = [];
  readonly #theirs: number[] = [];

  constructor({ symbols }: CLibrary) {
    this.#symbols = symbols;
  }

  open(direction: "input" | "output") {
    const pair = new Int32Array(2);
    if (this.#symbols.pipe2(pair, O_CLOEXEC) !== 0) throw systemError("pipe2", EMFILE);
    const [reading, writing] = [pair[0]!, pair[1]!];
    const pipe = direction === "input"
      ? { ours: writing, theirs: reading }
      : { ours: reading, theirs: writing };
    if (direction === "input") this.#symbols.fcntl(writing, F_SETFL, O_NONBLOCK);
    this.#ours.push(pipe.ours);
    this.#theirs.push(pipe.theirs);
    return pipe;
  }

  closeTheirs(): void {
    for (const end of this.#theirs.splice(0)) this.#symbols.close(end);
  }

  closeAll(): void {
    this.closeTheirs();
    for (const end of this.#ours.splice(0)) this.#symbols.close(end);
  }
}
