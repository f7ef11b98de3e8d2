/**
 * Words → typed values of one command. Which word belongs to which flag was decided by `parse.ts`.
 */
import { OpenclawError } from "../../lib/errors.ts";
import { quoted } from "../../lib/text.ts";
import { type Arg, type Command, type Flag, flagName } from "./command.ts";

type AnyFlag = Flag<unknown>;

/** A command line that cannot be understood; exit 2. */
export function usage(message: string, hint?: string): OpenclawError {
  return new OpenclawError("USAGE", message, { exitCode: 2, ...(hint ? { hint } : {}) });
}

/** Where more is said about a command. */
export const helpHint = (command: Command): string =>
  `${["openclaw", ...command.path].join(" ")} --help`;

/** The values of all flags of a command, defaults filled in. */
export function flagValues(command: Command, args: Readonly<Record<string, unknown>>) {
  const values: Record<string, unknown> = {};
  for (const [key, flag] of Object.entries(command.flags)) {
    const given = args[key];
    if (given === undefined) {
      if (flag.required) {
        throw usage(
          `--${flagName(key, flag)} ${flag.value ?? ""} is required`.replace("  ", " "),
          helpHint(command),
        );
      }
      values[key] = flag.default ?? (flag.kind === "list" ? [] : undefined);
    } else values[key] = readValue(command, `--${flagName(key, flag)}`, { flag, given });
  }
  return values;
}

function readValue(
  command: Command,
  label: string,
  { flag, given }: { readonly flag: AnyFlag; readonly given: unknown },
): unknown {
  if (flag.kind === "bool" || flag.kind === "list") return given;
  // `--node "$NODE"` of an unset variable must not mean "whichever there is".
  if (String(given).trim() === "") throw usage(`${label} is empty`, helpHint(command));
  if (flag.kind === "text") return given;
  const word = String(given).trim();
  const invalid = (name: string, wanted: string) =>
    new OpenclawError("INVALID_FLAG_VALUE", `Invalid ${name}: ${quoted(word)}, wanted ${wanted}`, {
      hint: helpHint(command),
    });
  if (flag.kind === "choice") {
    if (flag.choices?.includes(word)) return word;
    throw invalid(label, flag.choices?.join(", ") ?? "");
  }
  if (flag.kind === "duration") {
    const ms = parseDuration(word);
    if (ms === undefined) throw invalid(label, "a duration such as 500ms, 10s, 5m, 24h or 7d");
    const [least, most] = flag.range ?? [0, Infinity];
    if (ms >= least && ms <= most) return ms;
    throw invalid(label, `a duration from ${durationText(least)} to ${durationText(most)}`);
  }
  const [low, high] = flag.kind === "port" ? [1, 65535] : flag.range ?? [0, 2 ** 31];
  const number = /^-?\d{1,15}$/.test(word) ? Number(word) : NaN;
  if (number >= low && number <= high) return number;
  throw invalid(
    flag.kind === "port" ? "port" : label,
    `a whole number from ${low} to ${high}`,
  );
}

const UNIT_MS: Readonly<Record<string, number>> = {
  "": 1,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/** `500`, `500ms`, `10s`, `5m`, `24h`, `7d` in milliseconds; `undefined` when it is none of these. */
export function parseDuration(word: string): number | undefined {
  const match = /^(\d{1,9})(ms|s|m|h|d)?$/.exec(word);
  return match ? Number(match[1]) * (UNIT_MS[match[2] ?? ""] as number) : undefined;
}

/** The largest unit that says it without a fraction: `7d`, `24h`, `10s`, `1500ms`. */
export function durationText(ms: number): string {
  const unit = ["d", "h", "m", "s"].find((name) => ms > 0 && ms % (UNIT_MS[name] as number) === 0);
  return `${unit === undefined ? ms : ms / (UNIT_MS[unit] as number)}${unit ?? "ms"}`;
}

/** The values of the positional arguments. */
export function argValues(command: Command, words: readonly string[]) {
  const values: Record<string, unknown> = {};
  let left = words;
  for (const [key, spec] of Object.entries(command.args) as [string, Arg<unknown>][]) {
    if (spec.required && left.length === 0) {
      throw usage(`<${argName(key)}> is missing: ${spec.help}`, helpHint(command));
    }
    if (spec.rest) {
      values[key] = left;
      left = [];
      continue;
    }
    const word = left[0];
    if (word !== undefined && spec.choices && !spec.choices.includes(word)) {
      const wanted = spec.choices.join(", ");
      throw usage(`<${argName(key)}> is ${quoted(word)}, wanted ${wanted}`, helpHint(command));
    }
    values[key] = word;
    left = left.slice(1);
  }
  if (left.length > 0) {
    throw usage(`Unexpected argument ${quoted(left[0] as string)}`, helpHint(command));
  }
  return values;
}

/** An argument's name as help shows it. */
export function argName(key: string): string {
  return key.replace(/[A-Z]/g, (c) => `-${c.toLowerCase()}`);
}
