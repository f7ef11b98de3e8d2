/**
 * The only file that starts programs. Arguments are a list and no shell is ever added; the environment is exactly what
 * the caller gives; a program in its own group is stopped as a whole. What may run is decided elsewhere.
 */
import { isAbsolute } from "@std/path";
import { systemClock, wait } from "../../lib/clock.ts";
import { messageOf, OpenclawError } from "../../lib/errors.ts";
import { quoted } from "../../lib/text.ts";
import { groupExists, signalGroup, signalOne } from "./group.ts";
import type { Program, ProgramEnd, ProgramOptions, StartedProgram } from "./program.ts";
import { type Budget, collect, drain, emptyStream, feed, pulled } from "./output.ts";
import type { Spawner } from "./posix_spawn.ts";
import { formGroup, noJobReason, releaseGroup, taskkill } from "../windows/group.ts";

export type { Program, ProgramEnd, ProgramOptions } from "./program.ts";

async function startError(options: ProgramOptions, error: unknown): Promise<OpenclawError> {
  const name = (error as { code?: string }).code ?? "";
  const facts = { cause: error, details: { file: options.file } };
  if (options.cwd !== undefined) {
    const dir = await Deno.stat(options.cwd).catch(() => undefined);
    if (!dir?.isDirectory) {
      const found = dir ? "not a directory (ENOTDIR)" : "no such directory (ENOENT)";
      return new OpenclawError(
        "CWD_MISSING",
        `Cannot start ${quoted(options.file)} in ${quoted(options.cwd)}: ${found}`,
        { ...facts, details: { file: options.file, cwd: options.cwd } },
      );
    }
  }
  if (error instanceof Deno.errors.NotFound || name === "ENOENT") {
    return new OpenclawError("PROGRAM_NOT_FOUND", `spawn ${quoted(options.file)} ENOENT`, facts);
  }
  if (error instanceof Deno.errors.PermissionDenied || name === "EACCES") {
    return new OpenclawError(
      "PROGRAM_NOT_EXECUTABLE",
      `spawn ${quoted(options.file)} EACCES`,
      facts,
    );
  }
  const why = name === "E2BIG" || messageOf(error).includes("(os error 7)")
    ? "its words and environment are longer than the system takes (E2BIG)"
    : messageOf(error);
  const text = `Cannot start ${quoted(options.file)}: ${why}`;
  return new OpenclawError("PROGRAM_FAILED_TO_START", text, facts);
}

function startPlain(options: ProgramOptions): StartedProgram {
  const child = new Deno.Command(options.file, {
    args: [...options.args ?? []],
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    clearEnv: true,
    env: { ...options.env },
    stdin: options.stdin === "pipe" ? "piped" : "null",
    stdout: options.stdout === "null" ? "null" : "piped",
    stderr: options.stderr === "null" ? "null" : "piped",
    detached: options.group ?? false,
  }).spawn();
  return {
    pid: child.pid,
    ...(options.stdin === "pipe" ? { stdin: child.stdin } : {}),
    stdout: options.stdout === "null" ? emptyStream() : child.stdout,
    stderr: options.stderr === "null" ? emptyStream() : child.stderr,
    ended: child.status.then((s) => s.signal ? { signal: s.signal } : { exitCode: s.code }),
  };
}

/** `Deno.Command` cannot set argv[0]; Node's API can. */
async function startWithName(options: ProgramOptions, argv0: string): Promise<StartedProgram> {
  const [{ spawn }, { Writable }] = await Promise.all([
    import("node:child_process"),
    import("node:stream"),
  ]);
  const child = spawn(options.file, [...options.args ?? []], {
    argv0,
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    env: { ...options.env },
    stdio: [options.stdin ?? "null", options.stdout ?? "pipe", options.stderr ?? "pipe"]
      .map((kind) => kind === "null" ? "ignore" : "pipe"),
    detached: options.group ?? false,
  });
  const ended = new Promise<ProgramEnd>((resolve) => {
    child.once("exit", (code, signal) => resolve(signal ? { signal } : { exitCode: code ?? 0 }));
  });
  if (child.pid === undefined) throw await new Promise((resolve) => child.once("error", resolve));
  child.on("error", () => {/* a failed kill; `signal` reports it */});
  const { stdin, stdout, stderr } = child;
  return {
    pid: child.pid,
    ...(stdin ? { stdin: Writable.toWeb(stdin) as WritableStream<Uint8Array<ArrayBuffer>> } : {}),
    stdout: stdout ? pulled(stdout) : emptyStream(),
    stderr: stderr ? pulled(stderr) : emptyStream(),
    ended,
  };
}

let spawner: Spawner | undefined;

/**
 * From now on this process starts programs of their own group through `next`: for one that starts many, because the
 * runtime copies the page tables of this process for each (fork: 1.4 to 2.9 ms, growing with memory). `undefined` = as before.
 */
export function startThrough(next: Spawner | undefined): void {
  spawner = next;
}

/** Programs that this process started and that have not ended. */
const children = new Set<number>();

/** Whether a process is a program that this process started, not an orphan it adopted. */
export function isOwnProgram(pid: number): boolean {
  return children.has(pid);
}

async function start(options: ProgramOptions): Promise<StartedProgram> {
  // The C library would take another name from the PATH of this process, or from its folder.
  if (spawner && options.group && isAbsolute(options.file)) return spawner.start(options);
  if (options.argv0 !== undefined) return await startWithName(options, options.argv0);
  return startPlain(options);
}

/** A program that was written a moment ago may still be open for writing in a process that was forked meanwhile. */
const BUSY_TRIES = 5;
const BUSY_WAIT_MS = 20;

async function startWhenWritten(options: ProgramOptions): Promise<StartedProgram> {
  for (let left = BUSY_TRIES;; left--) {
    try {
      return await start(options);
    } catch (error) {
      const busy = /\bETXTBSY\b|text file busy/i.test(messageOf(error));
      if (!busy || left === 0) throw error;
      await wait(BUSY_WAIT_MS);
    }
  }
}

/**
 * Starts a program.
 * @throws {OpenclawError} `PROGRAM_NOT_FOUND`, `PROGRAM_NOT_EXECUTABLE`, `CWD_MISSING`, `PROGRAM_FAILED_TO_START`.
 */
export async function startProgram(options: ProgramOptions): Promise<Program> {
  let parts: StartedProgram;
  try {
    parts = await startWhenWritten(options);
  } catch (error) {
    throw await startError(options, error);
  }
  const { pid } = parts;
  const group = options.group ?? false;
  children.add(pid);
  const inJob = group && Deno.build.os === "windows";
  if (inJob) formGroup(pid);
  const ended = parts.ended.then((end) => {
    children.delete(pid);
    if (inJob) releaseGroup(pid);
    return end;
  });
  const running = () => children.has(pid);
  const signal = (name: Deno.Signal) =>
    group && signalGroup(pid, name) || running() && signalOne(pid, name);
  const stop = async ({ graceMs = 500 } = {}) => {
    const alive = () => running() || group && groupExists(pid);
    return await stopWith({ pid, group, alive, signal, graceMs });
  };
  return { ...parts, ended, signal, stop };
}

interface StopFacts {
  readonly pid: number;
  readonly group: boolean;
  readonly alive: () => boolean;
  readonly signal: (name: Deno.Signal) => boolean;
  readonly graceMs: number;
}

async function stopWith(facts: StopFacts): Promise<boolean> {
  if (Deno.build.os === "windows") return await endNow(facts);
  if (!facts.signal("SIGTERM")) return false;
  const endMs = systemClock.monotonic() + facts.graceMs;
  // The leader may obey while a child of it ignores TERM, so the group is watched, not the process.
  while (facts.alive()) {
    const leftMs = endMs - systemClock.monotonic();
    if (leftMs <= 0) {
      facts.signal("SIGKILL");
      return true;
    }
    await wait(Math.min(20, leftMs));
  }
  return false;
}

/** Windows has no TERM: what runs is ended at once. Without a job object `taskkill` is left, which misses orphans. */
async function endNow({ pid, group, alive, signal }: StopFacts): Promise<boolean> {
  if (!alive()) return false;
  const inJob = !group || noJobReason(pid) === undefined;
  return inJob ? signal("SIGKILL") : await taskkill(pid);
}

/** Options of {@linkcode runProgram}. */
export interface RunOptions extends ProgramOptions {
  /** Written to its input, which is then closed. */
  readonly input?: string;
  /** Stop the program after this many milliseconds. */
  readonly timeoutMs: number;
  /** Bytes kept of both outputs together, first ones win. Default 1 MiB. */
  readonly maxOutputBytes?: number;
  /** Stops the program when aborted. */
  readonly signal?: AbortSignal;
}

/** How a run ended. Each way to die has its own flag. */
export interface RunResult extends ProgramEnd {
  /** UTF-8 with replacement of bad sequences. */
  readonly stdout: string;
  readonly stderr: string;
  readonly durationMs: number;
  readonly timedOut: boolean;
  readonly cancelled: boolean;
  /** Output was longer than the cap, or was still held open by an orphan. */
  readonly truncated: boolean;
  /** TERM was not enough. */
  readonly killed: boolean;
}

/** Runs a program to its end in its own group. @throws {OpenclawError} as {@linkcode startProgram}. */
export async function runProgram(options: RunOptions): Promise<RunResult> {
  const startMs = systemClock.monotonic();
  const stdin = options.input === undefined ? options.stdin ?? "null" : "pipe";
  const program = await startProgram({ ...options, stdin, group: options.group ?? true });
  const budget: Budget = { left: options.maxOutputBytes ?? 1024 * 1024, truncated: false };
  const outputs = [collect(program.stdout, budget), collect(program.stderr, budget)] as const;
  const fed = feed(program.stdin, options.input ?? "");
  const flags = { timedOut: false, cancelled: false };
  let stopping: Promise<boolean> | undefined;
  const end = (flag: "timedOut" | "cancelled") => {
    flags[flag] = !stopping;
    stopping ??= program.stop();
  };
  const cancelTimer = systemClock.after(options.timeoutMs, () => end("timedOut"));
  const onAbort = () => end("cancelled");
  options.signal?.addEventListener("abort", onAbort, { once: true });
  if (options.signal?.aborted) onAbort();
  const ended = await program.ended;
  cancelTimer();
  options.signal?.removeEventListener("abort", onAbort);
  const killed = await stopping ?? false;
  await drain(outputs, budget);
  await fed;
  return {
    ...ended,
    ...flags,
    stdout: outputs[0].text(),
    stderr: outputs[1].text(),
    durationMs: systemClock.monotonic() - startMs,
    truncated: budget.truncated,
    killed,
  };
}
