/**
 * Argv or shell text → segments and the list that runs for them. Owns the leading `cd`, the shell options that matter, and
 * where scripts are bound by content. Source: node-host.md 7.5, decisions.md 21, 22.
 */
import { type ExecFacts, type Refusal, refusal } from "../facts.ts";
import { commandText } from "../words.ts";
import type { ScriptOperand } from "./operand.ts";
import { readsCommands } from "./options/database_tools.ts";
import { absolutePath } from "./paths.ts";
import { PLAIN_STDIO, type Stdio, stdioOf } from "./shell/redirects.ts";
import { analyzeSegment, type Segment } from "./segments.ts";
import { parseShell, type ShellItem, type When } from "./shell/shell.ts";
import type { ShellUse } from "./shells.ts";

/** One program to start. */
export interface ExecCommand {
  /** Absolute path; `undefined` when nothing was found, which ends as "not found" (ENOENT). */
  readonly file: string | undefined;
  readonly argv0: string;
  readonly args: readonly string[];
  readonly cwd: string;
  readonly stdio: Stdio;
  /** Files to open, compare and run instead of their path; `argvIndex` 0 is the program (decision 21). */
  readonly bindings?: readonly ScriptOperand[];
  /** Whether the working directory is to be opened and compared as well (A09). */
  readonly bindCwd?: true;
}

/** One pipeline of a list; its status is that of the last stage. */
export interface ListItem {
  readonly when: When;
  readonly stages: readonly ExecCommand[];
}

/** What was read: commands to judge and what runs for them, or why it was not understood. */
export interface Reading {
  readonly segments: readonly Segment[];
  readonly items: readonly ListItem[];
  readonly refusal?: Refusal;
}

/** Reads a whole request; `use` is the shell its argv names, if any. */
export async function readCommand(
  argv: readonly string[],
  cwd: string,
  facts: ExecFacts,
  use: ShellUse | undefined,
): Promise<Reading> {
  if (argv.length === 0) {
    return { segments: [], items: [], refusal: refusal("empty-command", "there is no command") };
  }
  // A half character becomes another one on the way to the program: what is judged would not be what runs.
  if (argv.some((word) => word.includes("\0") || !word.isWellFormed())) {
    const why = "an argument holds a NUL or half a character";
    return { segments: [], items: [], refusal: refusal("control", why) };
  }
  if (use?.kind === "refused") return { segments: [], items: [], refusal: use.refusal };
  if (use?.kind === "inline") return readScript(use, cwd, facts);
  const segment = await analyzeSegment(argv, cwd, commandText(argv), facts);
  return {
    segments: [segment],
    items: [{ when: "always", stages: [execOf(segment, PLAIN_STDIO)] }],
  };
}

async function readScript(
  use: ShellUse & { kind: "inline" },
  cwd: string,
  facts: ExecFacts,
): Promise<Reading> {
  const parsed = parseShell(use.script, use.dialect);
  if (!parsed.ok) return { segments: [], items: [], refusal: parsed.refusal };
  const changed = changedByOptions(use, parsed.items);
  if (changed) return { segments: [], items: [], refusal: changed };
  const lead = leadingCd(parsed.items, cwd, facts);
  if (lead.refusal) return { segments: [], items: [], refusal: lead.refusal };
  const segments: Segment[] = [];
  const items: ListItem[] = [];
  for (const [i, item] of lead.items.entries()) {
    const stages: ExecCommand[] = [];
    for (const [place, stage] of item.stages.entries()) {
      const stdio = stdioOf(stage.redirects);
      const read = await analyzeSegment(stage.words, lead.cwd, stage.text, facts);
      const segment = place > 0 && stdio.stdin !== "null" ? withInput(read) : read;
      segments.push(segment);
      stages.push(execOf(segment, stdio));
    }
    items.push({ when: i === 0 ? "always" : item.when, stages });
  }
  return { segments, items };
}

/** A program that takes commands from what is piped into it could be told to start anything (X01). */
function withInput(segment: Segment): Segment {
  if (segment.blocked || !readsCommands(segment.argv)) return segment;
  const why = `"${segment.argv[0]}" would read commands from its input`;
  return { ...segment, blocked: refusal("fed-commands", why) };
}

/** Shell options that would make our own run of the list differ from the shell's. */
function changedByOptions(
  use: ShellUse & { kind: "inline" },
  items: readonly ShellItem[],
): Refusal | undefined {
  if (use.stopOnError && items.some((item, i) => i > 0 && item.when !== "success")) {
    return refusal("shell-option", `-e together with ";" or "||" is not run without a shell`);
  }
  if (use.pipefail && items.some((item) => item.stages.length > 1)) {
    return refusal("shell-option", "pipefail together with a pipeline is not run without a shell");
  }
  return undefined;
}

interface Lead {
  readonly cwd: string;
  readonly items: readonly ShellItem[];
  readonly refusal?: Refusal;
}

/** Folds `cd <literal> &&` at the front into the working directory; `cd` anywhere else needs a shell. */
function leadingCd(items: readonly ShellItem[], start: string, facts: ExecFacts): Lead {
  let cwd = start;
  let rest = items;
  for (;;) {
    const first = rest[0]?.stages[0];
    if (rest[0]?.stages.length !== 1 || first?.words[0] !== "cd" || first.redirects.length > 0) {
      break;
    }
    const [, target, ...more] = first.words;
    if (
      target === undefined || target === "" || target.startsWith("-") || more.length > 0 ||
      rest[1]?.when !== "success"
    ) break;
    cwd = absolutePath(target.startsWith("~") ? `./${target}` : target, cwd, facts);
    if (facts.file(cwd)?.kind !== "directory") {
      return { cwd, items, refusal: refusal("cd", `"cd ${target}" does not lead to a directory`) };
    }
    rest = rest.slice(1);
  }
  const late = rest.some((item) => item.stages.some((stage) => stage.words[0] === "cd"));
  if (!late) return { cwd, items: rest };
  return {
    cwd,
    items,
    refusal: refusal("cd", `"cd" is only run in front: cd <directory> && …`, {
      hint: "run what stands before it on its own",
    }),
  };
}

function execOf(segment: Segment, stdio: Stdio): ExecCommand {
  const [file, ...args] = segment.execWords;
  return {
    file: segment.blocked?.code === "not-found" ? undefined : file,
    argv0: segment.argv0,
    args,
    cwd: segment.cwd,
    stdio,
  };
}

/** Scripts of a text that was understood, each once. */
export function scriptsOf({ segments, refusal }: Reading): ScriptOperand[] {
  if (refusal) return [];
  const all = segments.flatMap((segment) => segment.operand ? [segment.operand] : []);
  return all.filter((one, i) => all.findIndex((other) => other.path === one.path) === i);
}

/** The items with content bound where nothing of this request has run yet; later commands may have made their scripts. */
export function boundItems({ items, segments }: Reading, cwd: string): ListItem[] {
  const [first, ...rest] = items;
  if (!first) return [];
  const stages = first.stages.map((stage, i): ExecCommand => {
    const operand = segments[i]?.operand;
    return {
      ...stage,
      ...(operand ? { bindings: [operand] } : {}),
      ...(stage.cwd === cwd ? { bindCwd: true } : {}),
    };
  });
  return [{ ...first, stages }, ...rest];
}
