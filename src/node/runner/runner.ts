/**
 * The runner: a small process of its own between the node and the commands it runs (decision 23). When its input ends,
 * because the node ended in any way, it stops everything it started. Owns jobs, credit and the clean-up; running
 * pipelines is `executor.ts`.
 */
import { systemClock } from "../../lib/clock.ts";
import { messageOf } from "../../lib/errors.ts";
import { platformName } from "../../platform/os.ts";
import { groupExists, signalGroup, signalOne } from "../../platform/process/group.ts";
import { isOwnProgram, startThrough } from "../../platform/process/start.ts";
import { type DescendantGuard, guardDescendants } from "../../platform/process/guard.ts";
import { listProcesses, type ProcessRow } from "../../platform/process/table.ts";
import { ignoreStopSignals } from "../../platform/signals.ts";
import { openSpawner } from "../../platform/process/posix_spawn.ts";
import { isMarked, Job } from "./job.ts";
import {
  encodeJson,
  encodeNumber,
  type Frame,
  FrameType,
  type JobEnd,
  type JobSpec,
  jsonOf,
  numberOf,
  readFrames,
} from "./frames.ts";
import { utf8 } from "../../lib/bytes.ts";

/** How often groups that outlived their job are looked at. */
const SWEEP_MS = 2000;
/** Between TERM and KILL when the node is gone. */
const LAST_GRACE_MS = 500;
/** How often escaped processes are looked for after some were killed. */
const MAX_ROUNDS = 50;

/** Runs until its standard input ends; returns the exit code. Hidden command `__runner`. */
export async function runRunner(): Promise<number> {
  // Ctrl-C in the terminal and a service manager's TERM go to the node, which drains; its end ends this process.
  const stopIgnoring = ignoreStopSignals();
  const runner = new Runner(guardDescendants());
  const spawner = openSpawner();
  if (typeof spawner !== "string") startThrough(spawner);
  // Elsewhere than on Linux the slower way is the only one.
  else if (platformName() === "linux") logLine(`programs start more slowly: ${spawner}`);
  try {
    for await (const frame of readFrames(chunks())) runner.take(frame);
  } finally {
    await runner.end();
    stopIgnoring();
  }
  return 0;
}

/** What the node sends. Read without a stream: that takes half the time. */
async function* chunks(): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  const buffer = new Uint8Array(65_536);
  for (;;) {
    const size = await Deno.stdin.read(buffer);
    if (size === null) return;
    yield buffer.slice(0, size);
  }
}

/** A line for the node's log: it reads what its runner says on standard error. */
function logLine(text: string): void {
  Deno.stderr.writeSync(utf8(`${text}\n`));
}

/**
 * Writes a frame to the node. In place instead of on another thread, which saves a fifth of the time of a short command;
 * the node always reads, and while it is frozen there is nothing to do here either. A broken pipe comes with the end of
 * the input, and that path cleans up.
 */
function send(frame: Uint8Array<ArrayBuffer>): void {
  try {
    for (let at = 0; at < frame.length;) at += Deno.stdout.writeSync(frame.subarray(at));
  } catch (error) {
    if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
  }
}

class Runner {
  readonly #jobs = new Map<number, Job>();
  /** Groups whose job has ended while members still run. */
  readonly #leftovers = new Set<number>();
  readonly #guard: DescendantGuard;
  #cancelSweep = () => {};

  constructor(guard: DescendantGuard) {
    this.#guard = guard;
  }

  take(frame: Frame): void {
    const job = this.#jobs.get(frame.job);
    if (frame.type === FrameType.Start) void this.#start(frame.job, jsonOf<JobSpec>(frame));
    else if (frame.type === FrameType.Input) job?.addInput(frame.bytes);
    else if (frame.type === FrameType.Credit) job?.addCredit(numberOf(frame));
    else if (frame.type === FrameType.Stop) job?.stop();
  }

  async #start(id: number, spec: JobSpec): Promise<void> {
    const job = new Job(id, spec, send);
    if (this.#jobs.size > 0) {
      for (const one of [job, ...this.#jobs.values()]) {
        one.ranAlone = false;
      }
    }
    this.#jobs.set(id, job);
    let end: JobEnd;
    try {
      end = await job.run();
    } catch (error) {
      end = { ...job.failure(messageOf(error)) };
    }
    this.#jobs.delete(id);
    const escaped = job.wasStopped ? this.#stopEscaped(job) : [];
    send(encodeJson(FrameType.Exit, id, escaped.length > 0 ? { ...end, escaped } : end));
    // Afterwards: who waits for the end need not wait for this as well.
    this.#keepLeftovers(job);
  }

  /**
   * F40: kills what left the groups of a stopped job and names it: what carries its mark, what these started, and, when
   * no other job ran beside it, also what began meanwhile with an emptied environment. Killing makes more orphans, so it looks again.
   */
  #stopEscaped(job: Job): number[] {
    const found = new Set<number>();
    for (let round = 0; round < MAX_ROUNDS; round++) {
      const rows = listProcesses() ?? [];
      const mine = (row: ProcessRow) =>
        job.owns(row.pid) ||
        (job.ranAlone && job.isOlderThan(row) && !isMarked(row.pid));
      const roots = this.#adopted(rows).filter(mine).map((row) => row.pid);
      const escaped = withDescendants(roots, rows);
      if (escaped.length === 0) break;
      for (const pid of escaped) {
        found.add(pid);
        signalOne(pid, "SIGKILL");
      }
    }
    return [...found];
  }

  /** Orphans that this process adopted and that belong to no program it started itself. */
  #adopted(rows: readonly ProcessRow[] = listProcesses() ?? []): ProcessRow[] {
    if (!this.#guard.adopts) return [];
    const adopted = rows.filter((row) => row.parent === Deno.pid && !isOwnProgram(row.pid));
    for (const row of adopted) if (row.zombie) this.#guard.reap(row.pid);
    return adopted.filter((row) => !row.zombie);
  }

  #keepLeftovers(job: Job): void {
    for (const group of job.groups) if (groupExists(group)) this.#leftovers.add(group);
    if (this.#leftovers.size > 0) this.#sweep();
  }

  /** Forgets groups that are empty by now: a number kept too long could come to mean another program (F31). */
  #sweep(): void {
    this.#cancelSweep();
    for (const group of this.#leftovers) if (!groupExists(group)) this.#leftovers.delete(group);
    const adopted = this.#adopted().length;
    send(encodeNumber(FrameType.Leftovers, 0, Math.max(this.#leftovers.size, adopted)));
    if (this.#leftovers.size + adopted === 0) return;
    this.#cancelSweep = systemClock.after(SWEEP_MS, () => this.#sweep());
  }

  /** F02: the node is gone. Stops every job, every leftover group and every adopted process. */
  async end(): Promise<void> {
    this.#cancelSweep();
    const jobs = [...this.#jobs.values()];
    for (const group of this.#leftovers) signalGroup(group, "SIGTERM");
    for (const { pid } of this.#adopted()) signalOne(pid, "SIGTERM");
    await Promise.all(jobs.map((job) => job.abandon()));
    const endMs = systemClock.monotonic() + LAST_GRACE_MS;
    const left = () => [...this.#leftovers].some(groupExists) || this.#adopted().length > 0;
    while (left() && systemClock.monotonic() < endMs) await new Promise((r) => setTimeout(r, 20));
    for (const group of this.#leftovers) signalGroup(group, "SIGKILL");
    for (let round = 0; round < MAX_ROUNDS && this.#adopted().length > 0; round++) {
      for (const { pid } of this.#adopted()) signalOne(pid, "SIGKILL");
    }
  }
}

/** Processes and everything below them that still runs. */
function withDescendants(roots: readonly number[], rows: readonly ProcessRow[]): number[] {
  const found = new Set(roots);
  for (let size = -1; size !== found.size;) {
    size = found.size;
    for (const { pid, parent, zombie } of rows) if (found.has(parent) && !zombie) found.add(pid);
  }
  return [...found];
}
