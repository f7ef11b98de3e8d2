/**
 * What a program to start is, and what a running one is. Starting it is `start.ts`.
 */

/** What to start. */
export interface ProgramOptions {
  /** Path of the executable, or a name looked up on this process's PATH. */
  readonly file: string;
  /** What the program sees as its own name. Default `file`. */
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

/** What every way to start a program gives; signals and stopping are added by `start.ts`. */
export type StartedProgram = Omit<Program, "signal" | "stop">;
