/**
 * Logging: constant event text, facts as fields, one line per event, always on stderr (the sink is handed in).
 * Values are made showable and cut; a `Secret` renders as `[secret]` by its own doing.
 */
import { type Clock, systemClock } from "./clock.ts";
import { showableWithin } from "./text.ts";

/** `error` needs a person, `warn` may need one, `info` is life-cycle, `debug` everything else. */
export type LogLevel = "error" | "warn" | "info" | "debug";

/** Facts of a log line. */
export type LogFields = Readonly<Record<string, unknown>>;

/** One log record as the sinks get it. */
export interface LogRecord {
  readonly timeMs: number;
  readonly level: LogLevel;
  readonly subsystem: string;
  readonly message: string;
  readonly fields: LogFields;
}

/** Writes records somewhere. */
export type LogSink = (record: LogRecord) => void;

/** What every component gets. */
export interface Logger {
  error(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  debug(message: string, fields?: LogFields): void;
  /** The same logger with fields on every line, for instance `{ conn: "c12" }`. */
  with(fields: LogFields): Logger;
}

const RANK: Record<LogLevel, number> = { error: 0, warn: 1, info: 2, debug: 3 };

/** Options of {@linkcode createLogger}. */
export interface LoggerOptions {
  readonly subsystem: string;
  readonly sink: LogSink;
  /** Least important level that is written. Default `info`. */
  readonly level?: LogLevel;
  readonly clock?: Clock;
}

/** A logger writing to `options.sink`. */
export function createLogger(options: LoggerOptions, base: LogFields = {}): Logger {
  const clock = options.clock ?? systemClock;
  const limit = RANK[options.level ?? "info"];
  const write = (level: LogLevel, message: string, fields?: LogFields) => {
    if (RANK[level] > limit) return;
    const all = fields ? { ...base, ...fields } : base;
    options.sink({
      timeMs: clock.now(),
      level,
      subsystem: options.subsystem,
      message,
      fields: all,
    });
  };
  return {
    error: (message, fields) => write("error", message, fields),
    warn: (message, fields) => write("warn", message, fields),
    info: (message, fields) => write("info", message, fields),
    debug: (message, fields) => write("debug", message, fields),
    with: (fields) => createLogger(options, { ...base, ...fields }),
  };
}

/** A logger that writes nothing. */
export const silentLogger: Logger = createLogger({ subsystem: "silent", sink: () => {} });

function fieldText(value: unknown): string {
  if (typeof value === "string") {
    const text = showableWithin(value, 512);
    return /[\s"=]/.test(text) || text === "" ? JSON.stringify(text) : text;
  }
  if (value instanceof Error) return JSON.stringify(showableWithin(value.message, 512));
  return showableWithin(JSON.stringify(value) ?? String(value), 512);
}

/** What happened, for a person: `<message> key=value …`. */
export function renderMessage(message: string, fields: LogFields): string {
  const rest = Object.entries(fields)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => ` ${key}=${fieldText(value)}`).join("");
  return showableWithin(message, 2000) + rest;
}

/** One line for a person: `<ISO time> <level> <subsystem> <message> key=value …`. */
export function renderText(record: LogRecord): string {
  const { timeMs, level, subsystem, message, fields } = record;
  const time = new Date(timeMs).toISOString();
  return `${time} ${level} ${subsystem} ${renderMessage(message, fields)}`;
}

/** One JSON line for a service manager: `{time, level, subsystem, message, …fields}`. */
export function renderJson(record: LogRecord): string {
  const fields: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(record.fields)) {
    if (typeof value === "string") fields[key] = showableWithin(value, 512);
    else if (value instanceof Error) fields[key] = showableWithin(value.message, 512);
    else fields[key] = bounded(value);
  }
  return JSON.stringify({
    time: new Date(record.timeMs).toISOString(),
    level: record.level,
    subsystem: record.subsystem,
    message: showableWithin(record.message, 2000),
    ...fields,
  });
}

/** A list or object as it is, or the beginning of its text when somebody made it long (N32). */
function bounded(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  const text = JSON.stringify(value) ?? "";
  return text.length <= 512 ? value : showableWithin(text, 512);
}

/**
 * Lets a repeating condition through on change and then at most once per `everyMs`, with a count of what was left out.
 */
export function limitRepeats(
  log: (message: string, fields?: LogFields) => void,
  everyMs: number,
  clock: Clock = systemClock,
) {
  let last: { text: string; atMs: number; skipped: number } | undefined;
  return (message: string, fields: LogFields = {}): void => {
    const text = message + JSON.stringify(fields);
    const nowMs = clock.monotonic();
    if (last && last.text === text && nowMs - last.atMs < everyMs) {
      last.skipped++;
      return;
    }
    const repeated = last && last.text === text && last.skipped > 0
      ? { repeated: last.skipped }
      : {};
    last = { text, atMs: nowMs, skipped: 0 };
    log(message, { ...fields, ...repeated });
  };
}
