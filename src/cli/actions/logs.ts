/**
 * `logs`: the gateway's log through the gateway, or from the local file when the local gateway is down.
 */
import { join } from "@std/path";
import { wait } from "../../lib/clock.ts";
import { isOpenclawError, messageOf, OpenclawError } from "../../lib/errors.ts";
import { bool, int, list, obj, opt, str } from "../../lib/schema.ts";
import { onStopSignals } from "../../platform/signals.ts";
import { type Gateway, targetOf, withGateway } from "../connect/connect.ts";
import type { Io } from "../terminal/io.ts";
import type { RpcValues } from "../connect/rpc_flags.ts";
import { readAnswer } from "../shapes.ts";
import { localTime, logText, readLogLine } from "../views/log_line.ts";

/** Values of the command. */
export interface LogValues extends RpcValues {
  readonly follow: boolean | undefined;
  readonly limit: number;
  readonly maxBytes: number;
  readonly intervalMs: number;
  readonly plain: boolean | undefined;
  readonly localTime: boolean | undefined;
}

const tailAnswer = obj({
  file: str(),
  cursor: int({ min: 0 }),
  size: int({ min: 0 }),
  lines: list(str()),
  truncated: opt(bool()),
  reset: opt(bool()),
}, { unknown: "keep" });

/** Prints log lines; the position in the file survives reconnects. */
class LogView {
  #cursor: number | undefined;
  #headed = false;

  constructor(private readonly values: LogValues, private readonly io: Io) {}

  /** Fetches and prints what is new. */
  async step(gateway: Gateway): Promise<void> {
    const answer = readAnswer(
      tailAnswer,
      "logs.tail",
      await gateway.call("logs.tail", {
        ...(this.#cursor === undefined ? {} : { cursor: this.#cursor }),
        limit: this.values.limit,
        maxBytes: this.values.maxBytes,
      }),
    );
    if (answer.reset && this.#cursor !== undefined) this.notice("the log file was rotated");
    this.head(answer.file, answer.cursor, answer.size);
    this.#cursor = answer.cursor;
    for (const line of answer.lines) this.line(line);
  }

  head(file: string, cursor: number, size: number): void {
    if (this.#headed) return;
    this.#headed = true;
    if (this.io.out.json) this.#jsonLine({ type: "meta", file, cursor, size });
    else if (!this.values.plain) this.io.out.text(`Log file: ${file}`);
  }

  notice(message: string): void {
    if (this.io.out.json) this.#jsonLine({ type: "notice", message });
    else this.io.out.note(message);
  }

  line(raw: string): void {
    const { time, level, subsystem, message, rest } = readLogLine(raw);
    if (this.io.out.json) {
      return this.#jsonLine({ type: "log", time, level, subsystem, message, raw });
    }
    if (this.values.plain || message === undefined) return this.io.out.text(raw);
    const shown = time && this.values.localTime ? localTime(time) : time;
    this.io.out.text(logText({ time: shown, level, subsystem, message, rest }));
  }

  #jsonLine(value: unknown): void {
    this.io.out.text(JSON.stringify(value));
  }
}

/** `logs`. Returns the exit code. */
export async function showLogs(values: LogValues, io: Io): Promise<number> {
  const view = new LogView(values, io);
  if (values.follow) return await follow(values, io, view);
  try {
    await withGateway(io, values, { scopes: ["operator.read"] }, (gateway) => view.step(gateway));
  } catch (error) {
    if (!isOpenclawError(error, "CONNECTION_REFUSED")) throw error;
    await fromFile(values, io, view, error);
  }
  return 0;
}

/** The last lines of the newest local file, when the gateway that would send them is down. */
async function fromFile(
  values: LogValues,
  io: Io,
  view: LogView,
  cause: OpenclawError,
): Promise<void> {
  const { source, paths } = await targetOf(io, values);
  const file = source === "local" ? await newestLog(paths.logsDir) : undefined;
  if (!file) throw cause;
  const bytes = await Deno.readFile(file);
  const start = Math.max(0, bytes.length - values.maxBytes);
  const lines = new TextDecoder().decode(bytes.subarray(start)).split("\n");
  if (lines.at(-1) === "") lines.pop();
  if (start > 0) lines.shift();
  view.notice("The gateway is not running; this is its log file.");
  view.head(file, bytes.length, bytes.length);
  for (const line of lines.slice(-values.limit)) view.line(line);
}

async function newestLog(folder: string): Promise<string | undefined> {
  let newest: { path: string; timeMs: number } | undefined;
  try {
    for await (const entry of Deno.readDir(folder)) {
      if (!entry.isFile || !/^gateway.*\.(log|jsonl)$/.test(entry.name)) continue;
      const path = join(folder, entry.name);
      const timeMs = (await Deno.stat(path)).mtime?.getTime() ?? 0;
      if (!newest || timeMs > newest.timeMs) newest = { path, timeMs };
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  return newest?.path;
}

/** Polls with the cursor; a lost gateway is said once and tried again until Ctrl-C. */
async function follow(values: LogValues, io: Io, view: LogView): Promise<number> {
  const abort = new AbortController();
  const remove = onStopSignals(() => abort.abort(new Error("stopped")));
  let lost = false;
  try {
    while (!abort.signal.aborted) {
      try {
        await withGateway(
          io,
          values,
          { scopes: ["operator.read"], longLived: true },
          async (gateway) => {
            lost = false;
            while (!abort.signal.aborted) {
              await view.step(gateway);
              await wait(values.intervalMs, abort.signal);
            }
          },
        );
      } catch (error) {
        if (abort.signal.aborted) break;
        if (!isOpenclawError(error) || !error.retryable) throw error;
        if (!lost) view.notice(`${messageOf(error)}; trying again`);
        lost = true;
        await wait(values.intervalMs, abort.signal).catch(() => {/* stopped */});
      }
    }
  } finally {
    remove();
  }
  return 130;
}
