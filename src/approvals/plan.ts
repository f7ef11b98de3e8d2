/**
 * Request → plan. The plan is the one value that is judged, shown, approved and executed (decision "one parser, one plan"):
 * it carries the literal words, the files they stand for, working directories, the environment verdict and the script
 * whose content is bound. What could not be understood is a refusal inside it, never an exception.
 * Source: node-host.md 5.4, 7.4, 8; decisions.md 21, 22.
 */
import { exactArgvDigest, exactTextDigest } from "./digest.ts";
import { type EnvVerdict, isBlockedOverride, judgeEnv, shownNames } from "./env.ts";
import { type ExecFacts, type Refusal, refusal } from "./facts.ts";
import { operandOf, type ScriptOperand } from "./reading/operand.ts";
import { absolutePath, baseName, cleanPath, fileNameOf } from "./reading/paths.ts";
import { PLAIN_STDIO } from "./reading/shell/redirects.ts";
import { type Resolved, resolveExecutable } from "./reading/resolve.ts";
import {
  boundItems,
  type ExecCommand,
  type ListItem,
  readCommand,
  type Reading,
  scriptsOf,
} from "./reading/script.ts";
import type { Segment } from "./reading/segments.ts";
import { type ShellUse, shellUse } from "./reading/shells.ts";
import { commandPreview, commandText } from "./words.ts";
import { behindWrappers, envAssignments } from "./reading/wrappers.ts";

export type { ExecCommand, ListItem };

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
  const reading = await readCommand(argv, cwd, facts, use);
  const file = resolveExecutable(argv[0] ?? "", cwd, facts);
  const operand = await operandOf(argv, cwd, facts);
  const hard = startedPrograms(argv, file, reading)
    .map((one) => batchRefusal(one, facts)).find(Boolean);
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
  const words = commandText(argv);
  const [exactDigest, textDigest] = await Promise.all([
    exactArgvDigest(exactFacts),
    exactTextDigest(words),
  ]);
  return {
    argv,
    cwd,
    cwdGiven: given !== "",
    commandText: words,
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
    exactDigest,
    textDigest,
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
  const keys = `blocked env assignment keys: ${shownNames(blocked)}`;
  return {
    env,
    envPrefixRefusal: `SYSTEM_RUN_DENIED: command env assignment rejected (${keys})`,
  };
}

/** Every program of a request with its words: what is named, what is run, what a wrapper or another program starts. */
function startedPrograms(
  argv: readonly string[],
  file: Resolved | undefined,
  { items, segments }: Reading,
): { file?: string | undefined; args: readonly string[] }[] {
  return [
    { file: file?.path ?? argv[0] ?? "", args: argv.slice(1) },
    ...items.flatMap((item) => item.stages),
    ...segments.map((one) => ({ file: one.target?.path, args: one.argv.slice(1) })),
    // Its further words come at run time and can be anything.
    ...segments.flatMap((one) => one.nested).map((one) => ({
      file: one.resolved.path,
      args: ["&"],
    })),
  ];
}

/** Windows starts batch files through cmd.exe, which reads arguments again; only harmless characters get there (X43). */
function batchRefusal(
  { file = "", args }: { readonly file?: string | undefined; readonly args: readonly string[] },
  { platform }: ExecFacts,
): Refusal | undefined {
  if (platform !== "windows" || !/\.(?:cmd|bat)[. ]*$/i.test(file)) return undefined;
  const odd = args.find((word) => !/^[A-Za-z0-9_.,:=@/\\+ -]*$/.test(word) || word.endsWith("\\"));
  // The path is read again as well: a folder called "a&b" would be two commands.
  if (odd === undefined && !/[&|<>^%!"`;,=]/.test(file)) return undefined;
  return refusal(
    "batch-argument",
    `${odd === undefined ? "the path" : "an argument"} of the batch file "${
      fileNameOf(file)
    }" has characters that cmd.exe would read again`,
    {
      hint: `call the program behind ${baseName(file)} directly`,
    },
  );
}
