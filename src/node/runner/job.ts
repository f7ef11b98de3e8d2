/**
 * One job inside the runner: its credit, its input queue, its time limit and its groups.
 */
import { systemClock } from "../../lib/clock.ts";
import type { ProcessRow } from "../../platform/process/table.ts";
import { type ExecEnd, runItems, runningTimer } from "./executor.ts";
import { encodeFrame, encodeJson, FrameType, type JobEnd, type JobSpec } from "./frames.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** Environment variable that marks every process of a job, so that one that left its group is still found (F40). */
export const RUN_MARK = "OPENCLAW_RUN_MARK";

/** Whether a process carries the mark of any job; what we may not look at counts as marked. */
export function isMarked(pid: number): boolean {
  try {
    return Deno.readTextFileSync(`/proc/${pid}/environ`).includes(`${RUN_MARK}=`);
  } catch {
    return true;
  }
}

/** A running job. */
export class Job {
  /** No other job has run beside it so far. */
  ranAlone = true;
  readonly #startTicks = ticksNow();
  /** Groups of all programs started so far. */
  readonly groups = new Set<number>();
  readonly #id: number;
  readonly #spec: JobSpec;
  readonly #write: (frame: Bytes) => void;
  readonly #startMs = systemClock.monotonic();
  readonly #stop = new AbortController();
  readonly #mark = crypto.randomUUID();
  readonly #inputs: Bytes[] = [];
  #inputWaiters: (() => void)[] = [];
  #credit: number;
  #creditWaiters: (() => void)[] = [];
  #keepLeft: number;
  #outputBytes = 0;
  #cut = false;
  #over = Promise.withResolvers<void>();

  constructor(id: number, spec: JobSpec, write: (frame: Bytes) => void) {
    this.#id = id;
    this.#spec = { ...spec, env: { ...spec.env, [RUN_MARK]: this.#mark } };
    this.#write = write;
    this.#credit = spec.credit;
    this.#keepLeft = spec.keepBytes ?? Infinity;
  }

  get wasStopped(): boolean {
    return this.#stop.signal.aborted;
  }

  /** Runs to the end. */
  async run(): Promise<JobEnd> {
    const cancelTimer = this.#spec.timeoutMs === undefined
      ? () => {}
      : runningTimer(this.#spec.timeoutMs, () => this.#stop.abort("timeout"));
    try {
      const end = await runItems(this.#spec, {
        write: (stream, bytes) => this.#send(stream, bytes),
        input: () => this.#peekInput(),
        inputTaken: () => this.#inputTaken(),
        onGroup: (group) => {
          this.groups.add(group);
          this.#write(encodeJson(FrameType.Started, this.#id, group));
        },
        stop: this.#stop.signal,
      });
      return this.#result(end);
    } finally {
      cancelTimer();
      this.#over.resolve();
    }
  }

  /** The result of a job that failed by our own fault. */
  failure(message: string): JobEnd {
    const error = { code: "RUNNER_FAILED", message };
    return this.#result({ error, killed: false, truncated: false });
  }

  #result(end: ExecEnd): JobEnd {
    const reason = this.#stop.signal.reason;
    return {
      ...end,
      truncated: end.truncated || this.#cut,
      timedOut: reason === "timeout",
      cancelled: reason === "cancel",
      outputBytes: this.#outputBytes,
      durationMs: Math.round(systemClock.monotonic() - this.#startMs),
    };
  }

  /** TERM, then KILL, to all its groups. */
  stop(): void {
    this.#stop.abort("cancel");
  }

  /** Stops it when nobody will read its output any more; resolves when it is over. */
  async abandon(): Promise<void> {
    this.#keepLeft = 0;
    this.stop();
    this.addCredit(0);
    this.addInput(new Uint8Array());
    await this.#over.promise;
  }

  /** Whether a process carries the mark of this job. */
  owns(pid: number): boolean {
    try {
      return Deno.readTextFileSync(`/proc/${pid}/environ`).includes(`${RUN_MARK}=${this.#mark}`);
    } catch {
      return false; // gone, or not ours to look at
    }
  }

  /** Whether a process began in the time of this job; within one tick the numbers of processes tell. */
  isOlderThan({ pid, startTicks }: ProcessRow): boolean {
    if (startTicks !== this.#startTicks) return startTicks > this.#startTicks;
    return pid > Math.min(...this.groups);
  }

  addInput(bytes: Bytes): void {
    this.#inputs.push(bytes);
    this.#inputWaiters.splice(0).forEach((wake) => wake());
  }

  async #peekInput(): Promise<Bytes | undefined> {
    while (this.#inputs.length === 0) {
      await new Promise<void>((resolve) => this.#inputWaiters.push(resolve));
    }
    const next = this.#inputs[0]!;
    return next.length === 0 ? undefined : next; // the empty one stays: the end is the end for every reader
  }

  #inputTaken(): void {
    this.#inputs.shift();
    this.#write(encodeFrame(FrameType.InputTaken, this.#id));
  }

  addCredit(bytes: number): void {
    this.#credit += bytes;
    this.#creditWaiters.splice(0).forEach((wake) => wake());
  }

  /** Forwards output while there is credit; a reader without it leaves the pipe full, which slows the program (F18). */
  async #send(stream: "out" | "err", bytes: Bytes): Promise<void> {
    this.#outputBytes += bytes.length;
    let rest = bytes;
    while (rest.length > 0) {
      if (this.#keepLeft <= 0) {
        this.#cut = true;
        return;
      }
      const size = Math.min(rest.length, this.#credit, this.#keepLeft);
      if (size <= 0) {
        await new Promise<void>((resolve) => this.#creditWaiters.push(resolve));
        continue;
      }
      this.#credit -= size;
      this.#keepLeft -= size;
      const type = stream === "out" ? FrameType.Out : FrameType.Err;
      this.#write(encodeFrame(type, this.#id, rest.subarray(0, size)));
      rest = rest.subarray(size);
    }
  }
}

/** Now, in the unit of the process table; `Infinity` where there is none. */
function ticksNow(): number {
  try {
    // Source: proc_uptime(5), proc_pid_stat(5): both count from boot; a hundred ticks are a second on every Linux.
    return Math.floor(parseFloat(Deno.readTextFileSync("/proc/uptime")) * 100);
  } catch {
    return Infinity;
  }
}
