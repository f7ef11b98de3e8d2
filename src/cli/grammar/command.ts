/**
 * What a command is: path, summary, flags, arguments, examples, run. Help, completion, the manual and usage
 * errors are derived from these values (`help.ts`, `completion.ts`, `parse.ts`); nothing here prints or parses.
 */
import type { Io } from "../terminal/io.ts";

/** How a flag or argument is read: `duration` becomes milliseconds, `list` may be given several times. */
export type FlagKind = "text" | "int" | "port" | "bool" | "list" | "choice" | "duration";

/** One flag. `T` is the type of its value in `run`. */
export interface Flag<T> {
  readonly kind: FlagKind;
  readonly help: string;
  /** Placeholder of the value in help, for instance `<ms>`. */
  readonly value?: string;
  /** Name on the command line; default is the key in kebab case. */
  readonly name?: string;
  /** Environment variable that has the same effect; for help only, the precedence is decided in `config/`. */
  readonly env?: string;
  readonly default?: T;
  readonly required?: boolean;
  readonly choices?: readonly string[];
  /** Smallest and largest number of an `int`; of a `duration` in milliseconds. */
  readonly range?: readonly [number, number];
  readonly hidden?: boolean;
}

/** One positional argument. The last one may be `rest`: it takes all that is left, also after `--`. */
export interface Arg<T> {
  readonly help: string;
  readonly required?: boolean;
  readonly rest?: boolean;
  readonly choices?: readonly string[];
  /** Only for inference, never set. */
  readonly type?: T;
}

type Given<T, O> = O extends { default: unknown } | { required: true } ? T : T | undefined;
type Facts<T> = Omit<Flag<T>, "kind">;

/** A text flag. */
export const text = <const O extends Facts<string>>(facts: O): Flag<Given<string, O>> => ({
  value: "<text>",
  ...facts,
  kind: "text",
});
/** A whole number, inside `range` when given. */
export const int = <const O extends Facts<number>>(facts: O): Flag<Given<number, O>> => ({
  value: "<n>",
  ...facts,
  kind: "int",
});
/** A TCP port, 1 to 65535. */
export const port = <const O extends Facts<number>>(facts: O): Flag<Given<number, O>> => ({
  value: "<port>",
  ...facts,
  kind: "port",
});
/** `500`, `500ms`, `10s`, `5m`, `24h`, `7d`; the value is in milliseconds. */
export const duration = <const O extends Facts<number>>(facts: O): Flag<Given<number, O>> => ({
  value: "<duration>",
  ...facts,
  kind: "duration",
});
/** A switch. `--no-<name>` turns it off. */
export const bool = (facts: Facts<boolean>): Flag<boolean | undefined> => ({
  ...facts,
  kind: "bool",
});
/** A text flag that may be given several times. */
export const list = (facts: Facts<readonly string[]>): Flag<readonly string[]> => ({
  value: "<text>",
  ...facts,
  kind: "list",
});
/** One of a few words. */
export const choice = <const C extends readonly string[], const O extends Facts<string>>(
  choices: C,
  facts: O,
): Flag<Given<C[number], O>> => ({
  value: `<${choices.join("|")}>`,
  ...facts as Facts<C[number]>,
  choices,
  kind: "choice",
} as Flag<Given<C[number], O>>);

/** A positional argument. */
export const arg = <const O extends Arg<string>>(facts: O): Arg<Given<string, O>> =>
  facts as Arg<Given<string, O>>;
/** All remaining arguments, taken as they are (flags of the wrapped command included). */
export const rest = (facts: Omit<Arg<readonly string[]>, "rest">): Arg<readonly string[]> => ({
  ...facts,
  rest: true,
});

// deno-lint-ignore no-explicit-any
type Flags = Readonly<Record<string, Flag<any>>>;
// deno-lint-ignore no-explicit-any
type Args = Readonly<Record<string, Arg<any>>>;
type ValueOf<S> = S extends Flag<infer T> ? T : S extends Arg<infer T> ? T : never;

/** The values `run` receives: flags and arguments by key, plus `json`. */
export type Values<F, A> =
  & { readonly [K in keyof F]: ValueOf<F[K]> }
  & { readonly [K in keyof A]: ValueOf<A[K]> }
  & { readonly json: boolean };

/** A command line worth showing and what it does. */
export type Example = readonly [line: string, what: string];

/** A command or a group of commands (a group has no `run`). */
export interface Command {
  readonly path: readonly string[];
  readonly summary: string;
  readonly flags: Flags;
  readonly args: Args;
  readonly examples: readonly Example[];
  /** Longer text of the help page, one paragraph per entry. */
  readonly notes: readonly string[];
  /** Pairs of flag keys that exclude each other. */
  readonly exclusive: readonly (readonly [string, string])[];
  /** Help text of `--json`; `false` when the command has no such flag. */
  readonly json: string | false;
  readonly hidden: boolean;
  /** Further names of the last path word. */
  readonly aliases: readonly string[];
  /** For a group: the path that runs when no subcommand is named. */
  readonly fallback?: readonly string[];
  /** Returns the exit code, 0 when nothing is returned. */
  readonly run?: (values: Values<Flags, Args>, io: Io) => Promise<number | void>;
}

interface Definition<F, A> extends Partial<Omit<Command, "run" | "flags" | "args" | "path">> {
  /** Words after the program name, separated by one blank. */
  readonly path: string;
  readonly summary: string;
  readonly flags?: F;
  readonly args?: A;
  readonly run: (values: Values<F, A>, io: Io) => Promise<number | void>;
}

const PLAIN = { notes: [], exclusive: [], hidden: false, aliases: [], examples: [] };

/** Defines a command; `run` gets typed values. */
export function command<F extends Flags = Flags, A extends Args = Args>(
  definition: Definition<F, A>,
): Command {
  return {
    ...PLAIN,
    json: "Print one JSON document",
    ...definition,
    path: definition.path.split(" "),
    flags: definition.flags ?? {},
    args: definition.args ?? {},
    run: definition.run as NonNullable<Command["run"]>,
  };
}

/** Defines a group; alone it prints its help, or runs `fallback`. */
export function group(
  facts: { path: string; summary: string; fallback?: string; aliases?: readonly string[] },
): Command {
  return {
    ...PLAIN,
    json: false,
    flags: {},
    args: {},
    path: facts.path.split(" ").filter((word) => word !== ""),
    summary: facts.summary,
    aliases: facts.aliases ?? [],
    ...(facts.fallback ? { fallback: facts.fallback.split(" ") } : {}),
  };
}

/** The name of a flag on the command line, without the dashes. */
export function flagName(key: string, flag: Flag<unknown>): string {
  return flag.name ?? key.replace(/[A-Z]/g, (c) => `-${c.toLowerCase()}`);
}

/** A flat list of commands, walked as a tree. */
export class CommandTree {
  constructor(readonly commands: readonly Command[]) {}

  /** The command or group at `path`. */
  at(path: readonly string[]): Command | undefined {
    return this.commands.find((c) =>
      c.path.length === path.length && c.path.every((word, i) => word === path[i])
    );
  }

  /** The direct children of a path, hidden ones left out unless `all`. */
  children(path: readonly string[], all = false): readonly Command[] {
    return this.commands.filter((c) =>
      c.path.length === path.length + 1 && path.every((word, i) => c.path[i] === word) &&
      (all || !c.hidden)
    );
  }

  /** The child called `word`, by name or alias. */
  child(path: readonly string[], word: string): Command | undefined {
    return this.children(path, true).find((c) =>
      c.path.at(-1) === word || c.aliases.includes(word)
    );
  }
}
