/** One line of the gateway's log: read from JSON, shown to a person. */
import { check, obj, opt, str } from "../../lib/schema.ts";
import { isObject, jsonValue } from "../../lib/objects.ts";

const logLine = obj({
  time: opt(str()),
  level: opt(str()),
  subsystem: opt(str()),
  message: str(),
}, { unknown: "keep" });

/** A line of a gateway of the reference: its text under `0`, `1`, …, the first of which may repeat `_meta.name`. */
const referenceLine = obj({
  time: opt(str()),
  _meta: obj({ logLevelName: opt(str()), name: opt(str()) }, { unknown: "keep" }),
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
  const value = jsonValue(raw);
  const checked = check(logLine, value);
  if (!checked.ok || checked.value.level === undefined) return readReferenceLine(value);
  const { time, level, subsystem, message, ...fields } = checked.value;
  // `0` and `_meta` say the same for the command lines of the reference.
  const rest = Object.entries(fields).filter(([key]) => key !== "0" && key !== "_meta")
    .map(([key, value]) => `${key}=${typeof value === "string" ? value : JSON.stringify(value)}`)
    .join(" ");
  return { time, level, subsystem, message, rest };
}

function readReferenceLine(value: unknown): LogLine {
  const checked = check(referenceLine, value);
  if (!checked.ok) return {}; // an old or foreign line: shown as it is
  const { time, _meta: { logLevelName, name }, ...parts } = checked.value;
  const texts = Object.entries(parts).filter(([key]) => /^\d+$/.test(key)).map(([, part]) =>
    typeof part === "string" ? part : JSON.stringify(part)
  );
  const named = name === undefined ? undefined : jsonValue(name);
  const subsystem = isObject(named) ? named["subsystem"] ?? named["module"] : undefined;
  if (texts[0] === name) texts.shift();
  return {
    time,
    level: logLevelName?.toLowerCase(),
    subsystem: typeof subsystem === "string" ? subsystem : undefined,
    message: texts.join(" "),
  };
}

/** A read line as people see it. */
export function logText({ time, level, subsystem, message, rest }: LogLine): string {
  return [time, level, subsystem, message, rest].filter(Boolean).join(" ");
}

/** A time of the log in this machine's zone, `2026-11-21T20:41:01.531+01:00`; what is no time stays as it is. */
export function localTime(time: string): string {
  const date = new Date(time);
  if (Number.isNaN(date.getTime())) return time;
  const eastMinutes = -date.getTimezoneOffset();
  const there = new Date(date.getTime() + eastMinutes * 60_000).toISOString().slice(0, -1);
  const [hours, minutes] = [Math.trunc(Math.abs(eastMinutes) / 60), Math.abs(eastMinutes) % 60];
  const two = (value: number) => String(value).padStart(2, "0");
  return `${there}${eastMinutes < 0 ? "-" : "+"}${two(hours)}:${two(minutes)}`;
}
