/**
 * argv → typed values of one command, or a usage error that says what was meant. The command tree decides
 * everything; the flags themselves are read by `@std/cli/parse-args` after every token was checked here.
 */
import { parseArgs } from "@std/cli/parse-args";
import type { OpenclawError } from "../../lib/errors.ts";
import { nearest, quoted } from "../../lib/text.ts";
import { type Command, type CommandTree, type Flag, flagName } from "./command.ts";
import { argValues, flagValues, helpHint, usage } from "./values.ts";

/** Flags that stand before or after the command, for every command. */
export interface Globals {
  readonly profile?: string;
  readonly dev: boolean;
  readonly noColor: boolean;
}

/** What a command line asks for. */
export type Parsed =
  | { readonly kind: "version"; readonly globals: Globals }
  | { readonly kind: "help"; readonly command: Command; readonly globals: Globals }
  | {
    readonly kind: "run";
    readonly command: Command;
    readonly values: Readonly<Record<string, unknown>>;
    readonly globals: Globals;
  };

type AnyFlag = Flag<unknown>;

/** The global flags as help shows them. */
export const GLOBAL_FLAGS: Readonly<Record<string, AnyFlag>> = {
  profile: { kind: "text", value: "<name>", help: "Use the state directory ~/.openclaw-<name>" },
  dev: { kind: "bool", help: "Same as --profile dev, with gateway port 19001" },
  noColor: { kind: "bool", help: "No colour (also NO_COLOR=1)" },
  help: { kind: "bool", help: "Show help (-h)" },
  version: { kind: "bool", help: "Show the version (-V)" },
};

const SHORT: Readonly<Record<string, string>> = { "-h": "--help", "-V": "--version" };

/** The flags of a command by their name on the command line, global ones included. */
function flagsByName(command: Command): Map<string, { key: string; flag: AnyFlag }> {
  const json: Record<string, AnyFlag> = command.json === false
    ? {}
    : { json: { kind: "bool", help: command.json } };
  const all = { ...GLOBAL_FLAGS, ...json, ...command.flags };
  return new Map(
    Object.entries(all).map(([key, flag]) => [flagName(key, flag), { key, flag }]),
  );
}

/**
 * Reads a command line.
 * @throws OpenclawError `USAGE` (exit 2) for unknown, repeated, missing or excluding words;
 * `INVALID_FLAG_VALUE` (exit 1) for a value that cannot be read.
 */
export function parseCommandLine(argv: readonly string[], tree: CommandTree): Parsed {
  const { command, leading, tokens } = findCommand(asFlag(argv), tree);
  const isGroup = command.run === undefined;
  const known = flagsByName(command);
  const checked = checkTokens([...leading, ...tokens], command, known);
  const globals = globalsOf(checked.args);
  if (checked.args.help === true) return { kind: "help", command, globals };
  if (checked.args.version === true) return { kind: "version", globals };
  if (isGroup) return { kind: "help", command, globals };
  const values = {
    ...flagValues(command, checked.args),
    ...argValues(command, checked.words),
    json: checked.args.json === true,
  };
  return { kind: "run", command, values, globals };
}

/** `help nodes run` and `version`, as other programs have them. */
function asFlag(argv: readonly string[]): readonly string[] {
  const [first, ...more] = argv;
  return first === "help" || first === "version" ? [...more, `--${first}`] : argv;
}

interface Found {
  readonly command: Command;
  /** Global flags that stood before the command words. */
  readonly leading: readonly string[];
  readonly tokens: readonly string[];
}

function findCommand(argv: readonly string[], tree: CommandTree): Found {
  const root = tree.at([]);
  if (!root) throw new TypeError("the command tree has no root");
  let command = root;
  const leading: string[] = [];
  let i = 0;
  for (; i < argv.length; i++) {
    const token = argv[i] as string;
    if (token === "--") break;
    if (token.startsWith("-")) {
      const taken = globalAt(argv, i);
      if (taken === 0) break;
      leading.push(...argv.slice(i, i + taken));
      i += taken - 1;
      continue;
    }
    const child = tree.child(command.path, token);
    if (child) command = child;
    else if (command.run || command.fallback) break;
    else throw unknownCommand(command, token, tree);
  }
  const tokens = argv.slice(i);
  const wantsHelp = tokens.concat(leading).some((t) => t === "--help" || t === "-h");
  if (command.fallback && !wantsHelp) {
    const word = tokens[0];
    if (word !== undefined && !word.startsWith("-")) throw unknownCommand(command, word, tree);
    command = tree.at(command.fallback) ?? command;
  }
  return { command, leading, tokens };
}

/** How many tokens the global flag at `i` takes; 0 when it is not one. */
function globalAt(argv: readonly string[], i: number): number {
  const token = SHORT[argv[i] as string] ?? argv[i] as string;
  const name = token.slice(2).split("=")[0] as string;
  const entry = Object.entries(GLOBAL_FLAGS).find(([key, flag]) => flagName(key, flag) === name);
  if (!entry) return 0;
  return entry[1].kind === "bool" || token.includes("=") ? 1 : 2;
}

function unknownCommand(parent: Command, word: string, tree: CommandTree): OpenclawError {
  const names = tree.children(parent.path).flatMap((c) => [c.path.at(-1) as string, ...c.aliases]);
  const near = nearest(word, names);
  const path = ["openclaw", ...parent.path].join(" ");
  return usage(
    `Unknown command ${quoted(parent.path.concat(word).join(" "))}` +
      (near ? `; did you mean "${near}"?` : ""),
    near ? `${path} ${near} --help` : `${path} --help`,
  );
}

interface Checked {
  readonly args: Readonly<Record<string, unknown>>;
  readonly words: readonly string[];
}

/** Checks every token, joins flags with their values, and lets `parseArgs` read the result. */
function checkTokens(
  tokens: readonly string[],
  command: Command,
  known: ReadonlyMap<string, { key: string; flag: AnyFlag }>,
): Checked {
  const joined: string[] = [];
  const seen = new Set<string>();
  const words: string[] = [];
  const takesRest = Object.values(command.args).some((a) => a.rest);
  for (let i = 0; i < tokens.length; i++) {
    const token = SHORT[tokens[i] as string] ?? tokens[i] as string;
    if (token === "--" || (takesRest && !token.startsWith("-"))) {
      words.push(...tokens.slice(token === "--" ? i + 1 : i));
      break;
    }
    if (!token.startsWith("-") || token === "-") {
      words.push(token);
      continue;
    }
    const { name, value, flag } = flagAt(token, command, known);
    if (seen.has(name) && flag.kind !== "list") {
      throw usage(`--${name} was given twice`, helpHint(command));
    }
    seen.add(name);
    if (flag.kind === "bool") {
      joined.push(token);
      continue;
    }
    const given = value ?? tokens[++i];
    if (given === undefined || (value === undefined && known.has(given.slice(2)))) {
      throw usage(`--${name} needs a value ${flag.value ?? ""}`.trimEnd(), helpHint(command));
    }
    joined.push(`--${name}=${given}`);
  }
  const of = (test: (flag: AnyFlag) => boolean) =>
    [...known].filter(([, { flag }]) => test(flag)).map(([name]) => name);
  const args = parseArgs(joined, {
    boolean: of((f) => f.kind === "bool"),
    string: of((f) => f.kind !== "bool"),
    collect: of((f) => f.kind === "list"),
    negatable: of((f) => f.kind === "bool"),
  });
  const byKey = Object.fromEntries(
    [...known].filter(([name]) => seen.has(name)).map(([name, { key }]) => [key, args[name]]),
  );
  for (const [a, b] of command.exclusive) {
    if (byKey[a] !== undefined && byKey[b] !== undefined) {
      throw usage(
        `Use either ${dashed(command, a)} or ${dashed(command, b)} (not both)`,
        helpHint(command),
      );
    }
  }
  return { args: byKey, words };
}

const dashed = (command: Command, key: string) =>
  `--${flagName(key, command.flags[key] as AnyFlag)}`;

function flagAt(
  token: string,
  command: Command,
  known: ReadonlyMap<string, { key: string; flag: AnyFlag }>,
): { name: string; value: string | undefined; flag: AnyFlag } {
  const [head, ...tail] = token.split("=");
  const value = tail.length > 0 ? tail.join("=") : undefined;
  const raw = (head as string).slice(2);
  const direct = known.get(raw);
  const negated = raw.startsWith("no-") ? known.get(raw.slice(3)) : undefined;
  const found = token.startsWith("--")
    ? direct ?? (negated?.flag.kind === "bool" ? negated : undefined)
    : undefined;
  if (!found) {
    const near = nearest(raw, known.keys());
    throw usage(
      `Unknown flag ${quoted(head as string)} of ${
        quoted(["openclaw", ...command.path].join(" "))
      }` +
        (near ? `; did you mean "--${near}"?` : ""),
      helpHint(command),
    );
  }
  if (found.flag.kind === "bool" && value !== undefined) {
    throw usage(`--${raw} takes no value`, helpHint(command));
  }
  return { name: direct ? raw : raw.slice(3), value, flag: found.flag };
}

function globalsOf(args: Readonly<Record<string, unknown>>): Globals {
  return {
    ...(typeof args.profile === "string" ? { profile: args.profile } : {}),
    dev: args.dev === true,
    noColor: args.noColor === true,
  };
}
