/**
 * The only file that starts programs. Arguments are a list and no shell is ever added; the environment is exactly what
 * the caller gives; a program in its own group is stopped as a whole. What may run is decided elsewhere.
 */
import { isAbsolute } from "@std/path";
import { systemClock, wait } from "../lib/clock.ts";
import { messageOf, OpenclawError } from "../lib/errors.ts";
import { quoted } from "../lib/text.ts";
import { groupExists, signalGroup, signalOne } from "./process_group.ts";
import { type Budget, collect, drain, feed, pulled } from "./program_output.ts";

/** What to start. */
export interface ProgramOptions {
  /** Path of the executable, or a name looked up on this process's PATH. */
  readonly file: string;
  /** What the program sees as its own name. Default `file`. Needs `node:child_process`, about 2 ms more per start. */
  readonly argv0?: string;
  readonly args?: readonly string[];
  /** Working directory. Default that of this process. */
  readonly cwd?: string;
  /** The whole environment; nothing is inherited (E11). */
  readonly env: Readonly<Record<string, string>>;
  /** `pipe` gives `stdin`, `null` an empty input. Default `null`. */
  readonly stdin?: "null" | "pipe";
  /** `null` throws the output away. Default `pipe`. */
  readonly stdout?: "null" | "pipe";
  readonly stderr?: "null" | "pipe";
  /** Start in an own session and process group, so that `stop` reaches all descendants in it. Default `false`. */
  readonly group?: boolean;
}

/** How a program ended: an exit code, or the signal that ended it. */
export interface ProgramEnd {
  readonly exitCode?: number;
  readonly signal?: string;
}

/** A running program. Read or cancel both outputs, or it stalls and leaks; with `null` they are empty. */
export interface Program {
  readonly pid: number;
  /** Present with `stdin: "pipe"`. */
  readonly stdin?: WritableStream<Uint8Array<ArrayBuffer>>;
  readonly stdout: ReadableStream<Uint8Array<ArrayBuffer>>;
  readonly stderr: ReadableStream<Uint8Array<ArrayBuffer>>;
  /** Settles when the program itself is gone; pipes may still be held by its children. Never rejects. */
  readonly ended: Promise<ProgramEnd>;
  /** Sends a signal to the group (or the process); `false` when nothing is left. */
  signal(name: Deno.Signal): boolean;
  /** TERM, up to `graceMs` (default 500), then KILL. Resolves to whether KILL was needed. */
  stop(options?: { graceMs?: number }): Promise<boolean>;
}

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
  const text = `Cannot start ${quoted(options.file)}: ${messageOf(error)}`;
  return new OpenclawError("PROGRAM_FAILED_TO_START", text, facts);
}

type Parts = Omit<Program, "signal" | "stop">;

function emptyStream(): Program["stdout"] {
  return new ReadableStream({ start: (controller) => controller.close() });
}

/**
 * `setsid(1)`, which makes the group before it becomes the program. Deno's `detached` copies the page tables of this
 * process instead (fork, not vfork): 1.4 to 2.9 ms per start and growing with memory, against a steady 1.2 ms.
 */
const SETSID = "/usr/bin/setsid";
let hasSetsid: boolean | undefined;

function usesSetsid(options: ProgramOptions): boolean {
  if (!options.group || Deno.build.os !== "linux" || !isAbsolute(options.file)) return false;
  hasSetsid ??= isExecutable(SETSID);
  // Told apart here, because setsid would report a missing program in its own words.
  return hasSetsid && isExecutable(options.file);
}

function isExecutable(path: string): boolean {
  try {
    const info = Deno.statSync(path);
    return info.isFile && ((info.mode ?? 0) & 0o111) !== 0;
  } catch {
    return false;
  }
}

function startPlain(options: ProgramOptions): Parts {
  const wrap = usesSetsid(options);
  const args = options.args ?? [];
  const child = new Deno.Command(wrap ? SETSID : options.file, {
    args: wrap ? [options.file, ...args] : [...args],
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    clearEnv: true,
    env: { ...options.env },
    stdin: options.stdin === "pipe" ? "piped" : "null",
    stdout: options.stdout === "null" ? "null" : "piped",
    stderr: options.stderr === "null" ? "null" : "piped",
    detached: (options.group ?? false) && !wrap,
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
async function startWithName(options: ProgramOptions, argv0: string): Promise<Parts> {
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

/**
 * Starts a program.
 * @throws {OpenclawError} `PROGRAM_NOT_FOUND`, `PROGRAM_NOT_EXECUTABLE`, `CWD_MISSING`, `PROGRAM_FAILED_TO_START`.
 */
export async function startProgram(options: ProgramOptions): Promise<Program> {
  let parts: Parts;
  try {
    parts = options.argv0 === undefined
      ? startPlain(options)
      : await startWithName(options, options.argv0);
  } catch (error) {
    throw await startError(options, error);
  }
  const group = options.group ?? false;
  let gone = false;
  const ended = parts.ended.then((end) => {
    gone = true;
    return end;
  });
  // Until setsid has run there is no group yet, only the process.
  const signal = (name: Deno.Signal) =>
    group && signalGroup(parts.pid, name) || !gone && signalOne(parts.pid, name);
  const stop = async ({ graceMs = 500 } = {}) => {
    const alive = () => !gone || group && groupExists(parts.pid);
    return await stopWith({ pid: parts.pid, group, alive, signal, graceMs });
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
  if (Deno.build.os === "windows") return await taskkill(facts.pid);
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

/** Windows has no groups; `taskkill /T` walks the tree. */
async function taskkill(pid: number): Promise<boolean> {
  const system = Deno.env.get("SystemRoot") ?? "C:\\Windows";
  const command = new Deno.Command(`${system}\\System32\\taskkill.exe`, {
    args: ["/T", "/F", "/PID", String(pid)],
    stdin: "null",
    stdout: "null",
    stderr: "null",
  });
  return (await command.output()).success;
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
