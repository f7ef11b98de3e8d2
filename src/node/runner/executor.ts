/**
 * Runs a judged plan: lists (`&&`, `||`, `;`) and pipelines from their parsed words, without any shell (decision 22).
 * What is executed is what was judged. Runs inside the runner; frames and credit belong to `runner.ts`.
 */
import { type Clock, systemClock } from "../../lib/clock.ts";
import { messageOf, OpenclawError } from "../../lib/errors.ts";
import { type Program, startProgram } from "../../platform/process/start.ts";
import { bindStage, type BoundStage } from "./bound_stage.ts";
import { Pump } from "./pump.ts";
import type { ItemSpec, JobEnd, JobSpec, StageSpec } from "./frames.ts";
import { utf8 } from "../../lib/bytes.ts";

/** What a job gets from its surroundings. */
export interface JobIo {
  /** Takes output; resolves when more may come (back-pressure, F18). */
  write(stream: "out" | "err", bytes: Uint8Array<ArrayBuffer>): Promise<void>;
  /** The next input, `undefined` at its end; the same one until `inputTaken`. */
  input(): Promise<Uint8Array<ArrayBuffer> | undefined>;
  /** The input was taken by a program. */
  inputTaken(): void;
  /** A program was started in a group of its own. */
  onGroup(groupId: number): void;
  /** Aborted = stop everything, with reason `timeout` or `cancel`. */
  readonly stop: AbortSignal;
}

/** How the programs of a job ended, without the bookkeeping of the runner. */
export type ExecEnd = Pick<JobEnd, "exitCode" | "signal" | "error" | "killed" | "truncated">;

interface Stage {
  readonly program?: Program;
  readonly bound?: BoundStage;
  readonly error?: OpenclawError;
}

/** Runs all items of a job; the status is that of the last pipeline that ran. */
export async function runItems(spec: JobSpec, io: JobIo): Promise<ExecEnd> {
  const single = spec.items.length === 1 && spec.items[0]?.stages.length === 1;
  let end: ExecEnd = { exitCode: 0, killed: false, truncated: false };
  for (const item of spec.items) {
    if (io.stop.aborted) break;
    const succeeded = end.exitCode === 0;
    if (item.when === "success" && !succeeded || item.when === "failure" && succeeded) continue;
    const next = await runPipeline(item, { spec, io, single });
    end = {
      ...next,
      killed: end.killed || next.killed,
      truncated: end.truncated || next.truncated,
    };
    if (end.error) break;
  }
  return end;
}

interface PipelineFacts {
  readonly spec: JobSpec;
  readonly io: JobIo;
  /** The job is one program: a failed start is the result, not a line on stderr. */
  readonly single: boolean;
}

async function runPipeline(item: ItemSpec, facts: PipelineFacts): Promise<ExecEnd> {
  const { io, single } = facts;
  const stages: Stage[] = [];
  let killed = false;
  let stopping: Promise<unknown> | undefined;
  const onStop = () => {
    stopping = Promise.all(stages.map(async (stage) => {
      if (await stage.program?.stop()) killed = true;
    }));
  };
  try {
    for (const [i, stage] of item.stages.entries()) stages.push(await start(stage, i, facts));
    const failed = stages.find((stage) => stage.error)?.error;
    // A drifted binding stops the whole job: nothing of a plan that no longer holds may go on.
    if (failed && (single || failed.code === "PLAN_DRIFT")) {
      for (const stage of stages) await discard(stage.program);
      return failedEnd(failed);
    }
    io.stop.addEventListener("abort", onStop, { once: true });
    if (io.stop.aborted) onStop();
    const pumps = connect(item, stages, facts);
    const ends = await Promise.all(
      stages.map((stage) => stage.program?.ended ?? { exitCode: 127 }),
    );
    for (const pump of pumps) pump.programEnded();
    const whole = await Promise.all(pumps.map((pump) => pump.done));
    await stopping;
    return { ...ends.at(-1), killed, truncated: whole.includes(false) };
  } finally {
    io.stop.removeEventListener("abort", onStop);
    for (const stage of stages) stage.bound?.close();
  }
}

function failedEnd(error: OpenclawError): ExecEnd {
  const { code, message } = error;
  return { error: { code, message }, killed: false, truncated: false };
}

async function start(stage: StageSpec, index: number, facts: PipelineFacts): Promise<Stage> {
  const { spec, io } = facts;
  let bound: BoundStage | undefined;
  try {
    if (stage.file === undefined) {
      throw new OpenclawError("PROGRAM_NOT_FOUND", `spawn "${stage.argv0}" ENOENT`);
    }
    bound = await bindStage({ ...stage, file: stage.file });
    const wantsInput = stage.stdio.stdin === "inherit" && (index > 0 || spec.stdin);
    const program = await startProgram({
      ...bound.command,
      env: { ...spec.env, PWD: stage.cwd },
      stdin: wantsInput ? "pipe" : "null",
      stdout: stage.stdio.stdout === "null" ? "null" : "pipe",
      stderr: stage.stdio.stderr === "null" ? "null" : "pipe",
      group: true,
    });
    io.onGroup(program.pid);
    return { program, bound };
  } catch (error) {
    bound?.close();
    if (error instanceof OpenclawError) return { error };
    return { error: new OpenclawError("PROGRAM_FAILED_TO_START", messageOf(error)) };
  }
}

async function discard(program: Program | undefined): Promise<void> {
  if (!program) return;
  await Promise.all([
    program.stop(),
    program.stdin?.abort().catch(() => {/* already closed */}),
    program.stdout.cancel(),
    program.stderr.cancel(),
    program.ended,
  ]);
}

/** Connects the stages of a pipeline and returns the pumps whose end completes its output. */
function connect(item: ItemSpec, stages: readonly Stage[], { io }: PipelineFacts): Pump[] {
  const pumps: Pump[] = [];
  for (const [i, { program, error }] of stages.entries()) {
    const spec = item.stages[i]!;
    const last = i === stages.length - 1;
    if (error) {
      const line = utf8(`openclaw: ${error.message}\n`);
      pumps.push(new Pump(new Blob([line]).stream(), (bytes) => accept(io.write("err", bytes))));
    }
    if (i === 0 && program?.stdin) void feedInput(program.stdin, program.ended, io);
    const onward = last ? undefined : pipeInto(stages[i + 1]?.program?.stdin);
    const target = (where: "out" | "err") => (bytes: Uint8Array<ArrayBuffer>) =>
      where === "out" && onward ? onward.write(bytes) : accept(io.write(where, bytes));
    const own: Pump[] = [];
    if (program) {
      const { stdout, stderr } = spec.stdio;
      own.push(new Pump(program.stdout, target(stdout === "err" ? "err" : "out")));
      own.push(new Pump(program.stderr, target(stderr === "out" ? "out" : "err")));
    }
    // The next program sees the end of its input when everything that writes into the pipe is done.
    void Promise.all(own.map((pump) => pump.done)).then(() => onward?.close());
    pumps.push(...own);
  }
  return pumps;
}

const accept = (taken: Promise<void>): Promise<boolean> => taken.then(() => true);

/** The pipe into the next program; `write` is false once that program no longer reads. */
function pipeInto(stdin: Program["stdin"]) {
  const writer = stdin?.getWriter();
  // Nobody reads `closed`; without this a program that ends early would be an unhandled rejection.
  writer?.closed.catch(() => {/* reported by write */});
  return {
    write: (bytes: Uint8Array<ArrayBuffer>) =>
      writer ? writer.write(bytes).then(() => true, () => false) : Promise.resolve(false),
    close: () => void writer?.close().catch(() => {/* the reader is gone */}),
  };
}

/** Passes the input of the job on until its end or the end of the program; what is left waits for the next item. */
async function feedInput(
  stdin: NonNullable<Program["stdin"]>,
  ended: Promise<unknown>,
  io: JobIo,
): Promise<void> {
  const pipe = pipeInto(stdin);
  const over = ended.then(() => "over" as const);
  for (;;) {
    const bytes = await Promise.race([io.input(), over]);
    if (bytes === "over" || bytes === undefined) break;
    if (await Promise.race([pipe.write(bytes), over]) === true) io.inputTaken();
    else break;
  }
  pipe.close();
}

/** Calls `onLimit` after `limitMs` of running time; time in which this process was frozen does not count (F20). */
export function runningTimer(
  limitMs: number,
  onLimit: () => void,
  clock: Clock = systemClock,
): () => void {
  const STEP_MS = 500;
  let leftMs = limitMs;
  let cancel = () => {};
  const step = () => {
    if (leftMs <= 0) return onLimit();
    const planned = Math.min(STEP_MS, leftMs);
    const startMs = clock.monotonic();
    cancel = clock.after(planned, () => {
      leftMs -= Math.min(clock.monotonic() - startMs, 2 * STEP_MS);
      step();
    });
  };
  step();
  return () => cancel();
}
