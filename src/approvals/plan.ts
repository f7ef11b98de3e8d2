/**
 * Request → plan. The plan is the one value that is judged, shown, approved and executed (decision "one parser, one plan"):
 * it carries the literal words, the files they stand for, working directories, the environment verdict and the script
 * whose content is bound. What could not be understood is a refusal inside it, never an exception.
 * Source: node-host.md 5.4, 7.4, 8; decisions.md 21, 22.
 */
import { exactArgvDigest, exactTextDigest } from "./matching/digest.ts";
import { type EnvVerdict, isBlockedOverride, judgeEnv } from "./env.ts";
import { type ExecFacts, type Refusal, refusal } from "./facts.ts";
import { operandOf, type ScriptOperand } from "./reading/operand.ts";
import { absolutePath, baseName, cleanPath, fileNameOf } from "./reading/paths.ts";
import { PLAIN_STDIO, type Stdio, stdioOf } from "./reading/redirects.ts";
import { type Resolved, resolveExecutable } from "./reading/resolve.ts";
import { analyzeSegment, type Segment } from "./reading/segments.ts";
import { parseShell, type ShellItem, type When } from "./reading/shell.ts";
import { type ShellUse, shellUse } from "./reading/shells.ts";
import { commandPreview, commandText } from "./words.ts";
import { behindWrappers, envAssignments } from "./reading/wrappers.ts";

/** What a caller asks to run. */
export interface PlanRequest {
  readonly argv: readonly string[];
  readonly cwd?: string | null;
  readonly env?: Readonly<Record<string, unknown>> | null;
  readonly agentId?: string | null;
  readonly sessionKey?: string | null;
  /** Whether the caller's input is attached (decision 14). */
  readonly stdin?: boolean;
}

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

/** A request that has been read. */
export interface Plan {
  readonly argv: readonly string[];
  readonly cwd: string;
  /** Whether the caller named a working directory. */
  readonly cwdGiven: boolean;
  readonly commandText: string;
  readonly commandPreview: string | null;
  readonly agentId: string;
  readonly sessionKey: string | null;
  readonly stdin: boolean;
  readonly env: EnvVerdict;
  /** Wire text when an `env` prefix sets a blocked name (5.4 step 3). */
  readonly envPrefixRefusal?: string;
  /** Set when the shell text or its carrier was not understood: `parsed` of table 7.3 is false. */
  readonly refusal?: Refusal;
  /** Set when this argv cannot be delivered faithfully on this platform; never run, whatever the policy (X43). */
  readonly hardRefusal?: Refusal;
  /** The shell that carries the text, when there is one. */
  readonly carrier?: { readonly use: ShellUse; readonly resolved: Resolved | undefined };
  readonly segments: readonly Segment[];
  /** What runs when the rules allowed each segment. */
  readonly items: readonly ListItem[];
  /** What runs when exactly this argv was allowed. */
  readonly exact: ExecCommand;
  /** What runs instead of `exact` when scripts inside the text, or a runner's bin, are bound by content. */
  readonly boundItems?: readonly ListItem[];
  /** Scripts inside the shell text; their content is part of what is approved (A07). */
  readonly scripts: readonly ScriptOperand[];
  /** Script whose content is part of what is approved. */
  readonly operand?: ScriptOperand;
  /** Why the script or interpreter cannot be bound for an approval. */
  readonly operandRefusal?: string;
  /** `=argv:<hex>` of this request. */
  readonly exactDigest: string;
  /** First 16 hex digits of the exact-text form. */
  readonly textDigest: string;
}

/** Reads a request with the facts of this machine. */
export async function makePlan(request: PlanRequest, facts: ExecFacts): Promise<Plan> {
  const argv = request.argv.map(String);
  const given = request.cwd?.trim() ?? "";
  const cwd = given === ""
    ? cleanPath(facts.cwd, facts.platform)
    : absolutePath(given, facts.cwd, facts);
  const use = shellUse(argv);
  const reading = await read(argv, cwd, facts, use);
  const file = resolveExecutable(argv[0] ?? "", cwd, facts);
  const operand = await operandOf(argv, cwd, facts);
  const hard = batchRefusal(argv, file, facts);
  const text = shellUse(behindWrappers(argv, facts.platform));
  const scripts = text?.kind === "inline" && !text.login ? scriptsOf(reading) : [];
  const hashes = [...(operand.operand ? [operand.operand] : []), ...scripts].map((one) =>
    one.sha256
  );
  const exactFacts = {
    cwd,
    args: argv.slice(1),
    file: file?.execPath ?? argv[0] ?? "",
    operandHash: hashes.length === 0 ? undefined : hashes.join(),
  };
  return {
    argv,
    cwd,
    cwdGiven: given !== "",
    commandText: commandText(argv),
    commandPreview: commandPreview(argv),
    agentId: request.agentId?.trim() || "main",
    sessionKey: request.sessionKey?.trim() || null,
    stdin: request.stdin === true,
    ...environment(argv, request, facts),
    ...reading,
    ...(hard ? { hardRefusal: hard } : {}),
    ...(use ? { carrier: { use, resolved: file } } : {}),
    exact: {
      file: file?.execPath,
      argv0: argv[0] ?? "",
      args: argv.slice(1),
      cwd,
      stdio: PLAIN_STDIO,
    },
    ...(operand.operand ? { operand: operand.operand } : {}),
    ...(operand.refusal === undefined ? {} : { operandRefusal: operand.refusal }),
    scripts,
    ...(scripts.length > 0 || operand.viaRunner ? { boundItems: boundItems(reading, cwd) } : {}),
    exactDigest: await exactArgvDigest(exactFacts),
    textDigest: await exactTextDigest(commandText(argv)),
  };
}

/** The caller's variables, and names set by an `env` in front of the command (5.4 steps 3 and 4). */
function environment(
  argv: readonly string[],
  request: PlanRequest,
  { platform }: ExecFacts,
): Pick<Plan, "env" | "envPrefixRefusal"> {
  const inner = shellUse(behindWrappers(argv, platform));
  const shellWrapper = inner?.kind === "inline" || inner?.kind === "refused";
  const env = judgeEnv(request.env ?? {}, { shellWrapper });
  const blocked = envAssignments(argv, platform).filter(isBlockedOverride);
  if (blocked.length === 0) return { env };
  const keys = `blocked env assignment keys: ${blocked.join(", ")}`;
  return {
    env,
    envPrefixRefusal: `SYSTEM_RUN_DENIED: command env assignment rejected (${keys})`,
  };
}

/** Scripts of a text that was understood, each once. */
function scriptsOf({ segments, refusal }: Reading): ScriptOperand[] {
  if (refusal) return [];
  const all = segments.flatMap((segment) => segment.operand ? [segment.operand] : []);
  return all.filter((one, i) => all.findIndex((other) => other.path === one.path) === i);
}

/** The items with content bound where nothing of this request has run yet; later commands may have made their scripts. */
function boundItems({ items, segments }: Reading, cwd: string): ListItem[] {
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

type Reading = Pick<Plan, "segments" | "items" | "refusal">;

async function read(
  argv: readonly string[],
  cwd: string,
  facts: ExecFacts,
  use: ShellUse | undefined,
): Promise<Reading> {
  if (argv.length === 0) {
    return { segments: [], items: [], refusal: refusal("empty-command", "there is no command") };
  }
  if (argv.some((word) => word.includes("\0"))) {
    return {
      segments: [],
      items: [],
      refusal: refusal("control", "an argument holds a NUL character"),
    };
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
    for (const stage of item.stages) {
      const segment = await analyzeSegment(stage.words, lead.cwd, stage.text, facts);
      segments.push(segment);
      stages.push(execOf(segment, stdioOf(stage.redirects)));
    }
    items.push({ when: i === 0 ? "always" : item.when, stages });
  }
  return { segments, items };
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
  return { cwd, items, refusal: refusal("cd", `"cd" is only run in front: cd <directory> && …`) };
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

/** Windows starts batch files through cmd.exe, which reads arguments again; only harmless characters get there (X43). */
function batchRefusal(
  argv: readonly string[],
  file: Resolved | undefined,
  facts: ExecFacts,
): Refusal | undefined {
  if (facts.platform !== "windows") return undefined;
  const path = file?.path ?? argv[0] ?? "";
  if (!/\.(?:cmd|bat)[. ]*$/i.test(path)) return undefined;
  const odd = argv.slice(1).find((word) =>
    !/^[A-Za-z0-9_.,:=@/\\+ -]*$/.test(word) || word.endsWith("\\")
  );
  if (odd === undefined) return undefined;
  return refusal(
    "batch-argument",
    `an argument of the batch file "${
      fileNameOf(path)
    }" has characters that cmd.exe would read again`,
    {
      hint: `call the program behind ${baseName(path)} directly`,
    },
  );
}
