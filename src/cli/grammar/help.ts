/**
 * Help pages and the JSON manual, all from the command tree. Pure: returns lines, prints nothing.
 */
import { GLOBAL_FLAGS } from "./parse.ts";
import { argName, durationText } from "./values.ts";
import { type Command, type CommandTree, type Flag, flagName } from "./command.ts";

/** The line `Usage: …` of a command. */
export function usageLine(command: Command, tree: CommandTree): string {
  const words = ["openclaw", ...command.path];
  if (!command.run) {
    const optional = command.fallback !== undefined;
    return [...words, optional ? "[command]" : "<command>"].join(" ");
  }
  if (Object.keys(command.flags).length > 0 || command.json !== false) words.push("[flags]");
  for (const [key, spec] of Object.entries(command.args)) {
    const name = spec.rest ? `${argName(key)}…` : argName(key);
    if (spec.rest) words.push("[--]");
    words.push(spec.required ? `<${name}>` : `[${name}]`);
  }
  if (tree.children(command.path).length > 0) words.push("[command]");
  return words.join(" ");
}

type Row = readonly [left: string, right: string];

function columns(rows: readonly Row[]): string[] {
  const width = Math.min(34, Math.max(0, ...rows.map(([left]) => left.length)));
  return rows.flatMap(([left, right]) =>
    left.length > width
      ? [`  ${left}`, `  ${" ".repeat(width)}  ${right}`]
      : [`  ${left.padEnd(width)}  ${right}`.trimEnd()]
  );
}

function flagRow(key: string, flag: Flag<unknown>): Row {
  const left = `--${flagName(key, flag)}${flag.kind === "bool" ? "" : ` ${flag.value ?? ""}`}`;
  const extra = [
    flag.required ? "required" : "",
    flag.kind === "list" ? "may be repeated" : "",
    flag.default !== undefined && flag.kind !== "bool" ? `default ${defaultText(flag)}` : "",
    flag.env ? `env ${flag.env}` : "",
  ].filter((part) => part !== "");
  return [left, flag.help + (extra.length > 0 ? ` (${extra.join("; ")})` : "")];
}

function defaultText(flag: Flag<unknown>): string {
  return flag.kind === "duration" ? durationText(Number(flag.default)) : String(flag.default);
}

function section(title: string, rows: readonly Row[]): string[] {
  return rows.length > 0 ? ["", `${title}:`, ...columns(rows)] : [];
}

/** The help page of a command or group. */
export function helpLines(command: Command, tree: CommandTree): string[] {
  const flags = Object.entries(command.flags).filter(([, f]) => !f.hidden).map(([k, f]) =>
    flagRow(k, f)
  );
  if (command.run && command.json !== false) flags.push(["--json", command.json]);
  const args: Row[] = Object.entries(command.args).map(([key, spec]) => [argName(key), spec.help]);
  const children: Row[] = tree.children(command.path).map((child) => [
    child.path.at(-1) as string,
    child.summary,
  ]);
  return [
    `${["openclaw", ...command.path].join(" ")}: ${command.summary}`,
    "",
    `Usage: ${usageLine(command, tree)}`,
    ...command.notes.flatMap((note) => ["", note]),
    ...section("Commands", children),
    ...section("Arguments", args),
    ...section("Flags", flags),
    ...section("Global flags", Object.entries(GLOBAL_FLAGS).map(([k, f]) => flagRow(k, f))),
    ...section("Examples", command.examples.map(([line, what]): Row => [line, what])),
    ...(command.fallback
      ? ["", `Without a command: the same as openclaw ${command.fallback.join(" ")}`]
      : []),
  ];
}

/** The whole tree as data: what `openclaw __manual` prints. */
export function manual(tree: CommandTree): unknown {
  return tree.commands.filter((c) => !c.hidden).map((c) => ({
    path: c.path.join(" "),
    summary: c.summary,
    usage: usageLine(c, tree),
    group: c.run === undefined,
    aliases: c.aliases,
    json: c.json !== false,
    args: Object.entries(c.args).map(([key, spec]) => ({
      name: argName(key),
      help: spec.help,
      required: spec.required ?? false,
      rest: spec.rest ?? false,
    })),
    flags: Object.entries(c.flags).filter(([, f]) => !f.hidden).map(([key, f]) => ({
      name: flagName(key, f),
      kind: f.kind,
      help: f.help,
      value: f.value ?? null,
      env: f.env ?? null,
      default: f.default ?? null,
      required: f.required ?? false,
    })),
    examples: c.examples.map(([line, what]) => ({ line, what })),
  }));
}

/** The command table of the README, as Markdown rows. */
export function markdownTable(tree: CommandTree): string[] {
  const rows = tree.commands.filter((c) => c.run && !c.hidden && c.path.length > 0)
    .map((c) => `| \`${usageLine(c, tree).replaceAll("|", "\\|")}\` | ${c.summary} |`);
  return ["| Command | What it does |", "|---|---|", ...rows];
}
