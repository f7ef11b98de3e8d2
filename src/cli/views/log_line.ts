/** One line of the gateway's log: read from JSON, shown to a person. */
import { check, obj, opt, str } from "../../lib/schema.ts";
import { jsonValue } from "../../lib/objects.ts";

const logLine = obj({
  time: opt(str()),
  level: opt(str()),
  subsystem: opt(str()),
  message: opt(str()),
}, { unknown: "keep" });

/** A line in its parts; all `undefined` for an old or foreign one. */
export interface LogLine {
  readonly time?: string | undefined;
  readonly level?: string | undefined;
  readonly subsystem?: string | undefined;
  readonly message?: string | undefined;
  /** The other fields as `key=value`. */
  readonly rest?: string | undefined;
}

/** Reads a line. */
export function readLogLine(raw: string): LogLine {
  const checked = check(logLine, jsonValue(raw));
  if (!checked.ok) return {}; // an old or foreign line: shown as it is
  const { time, level, subsystem, message, ...fields } = checked.value;
  const rest = Object.entries(fields)
    .map(([key, value]) => `${key}=${typeof value === "string" ? value : JSON.stringify(value)}`)
    .join(" ");
  return { time, level, subsystem, message, rest };
}

/** A read line as people see it. */
export function logText({ time, level, subsystem, message, rest }: LogLine): string {
  return [time, level, subsystem, message, rest].filter(Boolean).join(" ");
}
