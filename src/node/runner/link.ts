/**
 * The node's side of the runner: starts it at the first command, ends it when nothing was run for a minute, and kills
 * the groups it knows should the runner itself die. What is run is decided by the callers.
 */
import { type Clock, systemClock } from "../../lib/clock.ts";
import { messageOf } from "../../lib/errors.ts";
import type { Logger } from "../../lib/log.ts";
import { type Program, startProgram } from "../../platform/process/start.ts";
import { signalGroup } from "../../platform/process/group.ts";
import {
  encodeFrame,
  encodeJson,
  encodeNumber,
  type Frame,
  FrameType,
  frameWriter,
  type JobEnd,
  type JobSpec,
  jsonOf,
  numberOf,
  readFrames,
} from "./frames.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** How this program starts itself as a runner. */
export interface SelfCommand {
  readonly file: string;
  readonly args: readonly string[];
}

/** The command line that starts this very program with a hidden command. */
export function selfCommand(hidden: string): SelfCommand {
  const file = Deno.execPath();
  if (Deno.build.standalone) return { file, args: [hidden] };
  return { file, args: ["run", "-A", "--quiet", Deno.mainModule, hidden] };
}

/** Options of {@linkcode RunnerLink}. */
export interface RunnerLinkOptions {
  readonly command: SelfCommand;
  /** Environment of the node; only what the runner itself needs is taken from it. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly log: Logger;
  /** End the runner after so long without a job, in milliseconds. Default 60 000. */
  readonly idleMs?: number;
  readonly clock?: Clock;
}

/** What happens in a job. */
export interface JobEvents {
  onOutput(stream: "out" | "err", bytes: Bytes): void;
  /** One chunk given to `input` was taken by the program. */
  onInputTaken?(): void;
}

/** A job in the runner. */
export interface RunningJob {
  /** Never rejects; a lost runner is an `error` with code `RUNNER_LOST`. */
  readonly ended: Promise<JobEnd>;
  addCredit(bytes: number): void;
  /** Sends input; no bytes = its end. */
  input(bytes: Bytes): void;
  /** TERM, then KILL, to all its groups. */
  stop(): void;
}

/** What the runner itself needs to start; nothing else of the node's environment reaches it (decision 20). */
const RUNNER_ENV = ["PATH", "HOME", "DENO_DIR", "XDG_CACHE_HOME", "TMPDIR", "TEMP", "USERPROFILE"]
  .concat("SYSTEMROOT", "WINDIR", "LOCALAPPDATA", "LD_LIBRARY_PATH");

interface LinkedJob {
  readonly events: JobEvents;
  readonly groups: number[];
  readonly ended: PromiseWithResolvers<JobEnd>;
  readonly startMs: number;
}

interface Connection {
  readonly program: Program;
  readonly writer: ReturnType<typeof frameWriter>;
  readonly closed: Promise<void>;
}

/** One runner at most, shared by all commands of a node. */
export class RunnerLink {
  readonly #options: RunnerLinkOptions;
  readonly #clock: Clock;
  readonly #jobs = new Map<number, LinkedJob>();
  #connection: Promise<Connection> | undefined;
  #nextJob = 1;
  #leftovers = 0;
  #cancelIdle = () => {};

  constructor(options: RunnerLinkOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
  }

  /** Number of jobs that have not ended. */
  get running(): number {
    return this.#jobs.size;
  }

  /** Starts a job. Failures to start the runner end the job with an `error`. */
  run(spec: JobSpec, events: JobEvents): RunningJob {
    const id = this.#nextJob++;
    const job: LinkedJob = {
      events,
      groups: [],
      ended: Promise.withResolvers(),
      startMs: this.#clock.monotonic(),
    };
    this.#jobs.set(id, job);
    this.#cancelIdle();
    this.#connection ??= this.#connect();
    const send = (frame: Bytes) => void this.#send(id, frame);
    send(encodeJson(FrameType.Start, id, spec));
    return {
      ended: job.ended.promise,
      addCredit: (bytes) => send(encodeNumber(FrameType.Credit, id, bytes)),
      input: (bytes) => send(encodeFrame(FrameType.Input, id, bytes)),
      stop: () => send(encodeFrame(FrameType.Stop, id)),
    };
  }

  /** Ends the runner and with it everything it started. A job that comes meanwhile gets a new runner. */
  async close(): Promise<void> {
    this.#cancelIdle();
    const closing = this.#connection;
    const jobs = [...this.#jobs.keys()];
    this.#connection = undefined;
    this.#leftovers = 0;
    const connection = await closing?.catch(() => undefined);
    if (!connection) return;
    await connection.writer.close();
    await connection.closed;
    this.#loseAll(jobs);
  }

  async #send(id: number, frame: Bytes): Promise<void> {
    try {
      // Only a start opens a runner: credit for a job that just ended must not.
      const connection = await this.#connection;
      if (this.#jobs.has(id)) await connection?.writer.write(frame);
    } catch (error) {
      this.#connection = undefined;
      this.#end(
        id,
        this.#lost("RUNNER_FAILED", `Cannot start the runner: ${messageOf(error)}`, id),
      );
    }
  }

  async #connect(): Promise<Connection> {
    const { command, env, log } = this.#options;
    const own: Record<string, string> = { NO_COLOR: "1" };
    for (const name of RUNNER_ENV) if (env[name] !== undefined) own[name] = env[name];
    // A session of its own: Ctrl-C in the node's terminal must not reach it before the node has drained.
    const program = await startProgram({ ...command, env: own, stdin: "pipe", group: true });
    log.debug("runner started", { pid: program.pid });
    const writer = frameWriter(program.stdin!, () => {/* the end of its output says the same */});
    const reading = this.#read(program);
    void logLines(program.stderr, log);
    const closed = Promise.all([reading, program.ended]).then(() => writer.close());
    const connection = { program, writer, closed };
    void closed.then(() => this.#onClosed(connection));
    return connection;
  }

  async #read(program: Program): Promise<void> {
    try {
      for await (const frame of readFrames(program.stdout)) this.#take(frame);
    } catch (error) {
      this.#options.log.error("runner sent nonsense", { error: messageOf(error) });
      program.signal("SIGKILL");
    }
  }

  #take(frame: Frame): void {
    if (frame.type === FrameType.Leftovers) {
      this.#leftovers = numberOf(frame);
      return this.#watchIdle();
    }
    const job = this.#jobs.get(frame.job);
    if (!job) return;
    if (frame.type === FrameType.Out) job.events.onOutput("out", frame.bytes);
    else if (frame.type === FrameType.Err) job.events.onOutput("err", frame.bytes);
    else if (frame.type === FrameType.InputTaken) job.events.onInputTaken?.();
    else if (frame.type === FrameType.Started) job.groups.push(jsonOf<number>(frame));
    else if (frame.type === FrameType.Exit) this.#end(frame.job, jsonOf<JobEnd>(frame));
  }

  #end(id: number, end: JobEnd): void {
    const job = this.#jobs.get(id);
    this.#jobs.delete(id);
    job?.ended.resolve(end);
    this.#watchIdle();
  }

  #watchIdle(): void {
    this.#cancelIdle();
    // Ending the runner would end what finished jobs left running on purpose.
    if (this.#jobs.size > 0 || this.#leftovers > 0 || !this.#connection) return;
    this.#cancelIdle = this.#clock.after(this.#options.idleMs ?? 60_000, () => void this.close());
  }

  async #onClosed(closed: Connection): Promise<void> {
    // After `close` the jobs of now belong to another runner.
    if (await this.#connection?.catch(() => undefined) !== closed) return;
    this.#connection = undefined;
    this.#leftovers = 0;
    this.#cancelIdle();
    this.#loseAll([...this.#jobs.keys()]);
  }

  #loseAll(jobs: readonly number[]): void {
    for (const id of jobs) {
      for (const group of this.#jobs.get(id)?.groups ?? []) signalGroup(group, "SIGKILL");
      this.#end(id, this.#lost("RUNNER_LOST", "The runner process ended unexpectedly", id));
    }
  }

  #lost(code: string, message: string, id: number): JobEnd {
    const startMs = this.#jobs.get(id)?.startMs ?? this.#clock.monotonic();
    return {
      timedOut: false,
      cancelled: false,
      killed: false,
      truncated: true,
      outputBytes: 0,
      durationMs: Math.round(this.#clock.monotonic() - startMs),
      error: { code, message },
    };
  }
}

async function logLines(stream: Program["stderr"], log: Logger): Promise<void> {
  let rest = "";
  for await (const text of stream.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split("\n");
    rest = (lines.pop() ?? "").slice(-2000);
    for (const line of lines) log.warn("runner", { line });
  }
  if (rest) log.warn("runner", { line: rest });
}
