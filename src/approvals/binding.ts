/**
 * What an approval is bound to, on both sides: the node builds the run plan and checks it again right before the start,
 * the gateway stores the binding and compares each use with it (A03-A09). Owns the wire shape of the plan and the
 * refusal texts. Source: node-host.md 8; gateway-protocol.md 11.4, 11.7.
 */
import { sha256Hex } from "../lib/bytes.ts";
import { any, bool, check, type Infer, int, list, nullable, obj, opt, str } from "../lib/schema.ts";
import type { ExecFacts } from "./facts.ts";
import type { ScriptOperand } from "./reading/operand.ts";
import { absolutePath, cleanPath } from "./reading/paths.ts";
import { makePlan, type Plan } from "./plan.ts";
import { ownContent, type ProgramOperand, programsInside } from "./programs.ts";
import { commandPreview, commandText } from "./words.ts";
import { shellUse } from "./reading/shells.ts";
import { behindWrappers, stripWrapper } from "./reading/wrappers.ts";

const SHA256 = str({ pattern: /^[0-9a-f]{64}$/ });
const operandSchema = obj({
  argvIndex: int({ min: 0, max: 100_000 }),
  path: str({ min: 1 }),
  sha256: SHA256,
}, {
  unknown: "drop",
});

/** The plan as it travels. `policySnapshot` is kept for v4 peers; `stdin`, `cwdIdentity`, `scriptOperands` and `programOperands` are ours. */
export const systemRunPlanSchema = obj({
  argv: list(str(), { min: 1 }),
  cwd: nullable(str()),
  commandText: str(),
  commandPreview: opt(nullable(str())),
  agentId: nullable(str()),
  sessionKey: nullable(str()),
  mutableFileOperand: opt(nullable(operandSchema)),
  policySnapshot: opt(any()),
  stdin: opt(bool()),
  cwdIdentity: opt(str()),
  scriptOperands: opt(list(obj({ path: str({ min: 1 }), sha256: SHA256 }), { max: 64 })),
  programOperands: opt(list(obj({ path: str({ min: 1 }), sha256: SHA256 }), { max: 1000 })),
}, { unknown: "drop" });

/** {@linkcode systemRunPlanSchema} as a type. */
export type SystemRunPlan = Infer<typeof systemRunPlanSchema>;

/** Reads a plan from the wire; `undefined` is answered with `INVALID_REQUEST` `systemRunPlan invalid`. */
export function checkSystemRunPlan(value: unknown): SystemRunPlan | undefined {
  const checked = check(systemRunPlanSchema, value);
  if (!checked.ok) return undefined;
  const plan = checked.value;
  const operand = plan.mutableFileOperand;
  if (
    commandText(plan.argv) !== plan.commandText ||
    (operand && operand.argvIndex >= plan.argv.length)
  ) return undefined;
  return plan;
}

/** Outcome of {@linkcode prepareRun}. `message` is wire text. */
export type Prepared = { readonly ok: true; readonly plan: SystemRunPlan } | {
  readonly ok: false;
  readonly message: string;
};

const denied = (text: string) => `SYSTEM_RUN_DENIED: ${text}`;

/** Builds what an approver sees and approves; refuses what could change between approval and run. */
export async function prepareRun(plan: Plan, facts: ExecFacts): Promise<Prepared> {
  const cwdProblem = cwdRefusal(plan.cwd, facts);
  if (cwdProblem !== undefined) return { ok: false, message: denied(cwdProblem) };
  if (plan.hardRefusal) return { ok: false, message: denied(plan.hardRefusal.message) };
  if (plan.exact.file === undefined) {
    return { ok: false, message: denied("approval requires a stable executable path") };
  }
  if (plan.operandRefusal !== undefined) return { ok: false, message: denied(plan.operandRefusal) };
  const wrapped = shellUse(plan.argv) !== undefined ||
    stripWrapper(plan.argv, facts.platform).kind !== "plain";
  const argv = wrapped ? [...plan.argv] : [plan.exact.file, ...plan.argv.slice(1)];
  const operand = plan.operand ??
    (wrapped ? inText(plan, facts) : await ownContent(plan.exact.file, facts));
  const identity = facts.file(plan.cwd)?.identity;
  const programs = await programsInside(plan, [operand?.path], facts);
  return {
    ok: true,
    plan: {
      argv,
      cwd: plan.cwdGiven ? plan.cwd : null,
      commandText: commandText(argv),
      commandPreview: commandPreview(argv),
      agentId: plan.agentId,
      sessionKey: plan.sessionKey,
      ...(operand ? { mutableFileOperand: operand } : {}),
      ...(plan.scripts.length > 1
        ? { scriptOperands: plan.scripts.map(({ path, sha256 }) => ({ path, sha256 })) }
        : {}),
      ...(programs.length > 0 ? { programOperands: programs } : {}),
      ...(plan.stdin ? { stdin: true } : {}),
      ...(identity === undefined ? {} : { cwdIdentity: identity }),
    },
  };
}

/** The only script inside a shell text, in the field that every peer carries; it stands for the text's own word. */
function inText(plan: Plan, { platform }: ExecFacts): ScriptOperand | undefined {
  const [only, ...more] = plan.scripts;
  const use = shellUse(behindWrappers(plan.argv, platform));
  if (!only || more.length > 0 || use?.kind !== "inline") return undefined;
  return { ...only, argvIndex: plan.argv.indexOf(use.script, 1) };
}

/** A09: a working directory that can be pointed elsewhere after the approval is refused. */
function cwdRefusal(cwd: string, facts: ExecFacts): string | undefined {
  const fact = facts.file(cwd);
  if (!fact) return "approval requires an existing canonical cwd";
  if (fact.isLink) return "approval requires canonical cwd (no symlink cwd)";
  if (fact.kind !== "directory") return "approval requires cwd to be a directory";
  return fact.linkInWritableParent
    ? "approval requires canonical cwd (no symlink path components)"
    : undefined;
}

/** Checks an approved plan against the machine right before the start; the text is a refusal. */
export async function checkDrift(
  plan: SystemRunPlan,
  facts: ExecFacts,
): Promise<string | undefined> {
  const cwd = plan.cwd === null
    ? cleanPath(facts.cwd, facts.platform)
    : absolutePath(plan.cwd, facts.cwd, facts);
  const identity = facts.file(cwd)?.identity;
  const exchanged = plan.cwdIdentity !== undefined && identity !== undefined &&
    identity !== plan.cwdIdentity;
  if (exchanged || cwdRefusal(cwd, facts) !== undefined) {
    return denied("approval cwd changed before execution");
  }
  const now = await makePlan({ argv: plan.argv, cwd: plan.cwd }, facts);
  return scriptDrift(plan, now) ?? await programDrift(plan, now, facts) ??
    await insideDrift(plan, now, facts);
}

/** The scripts approved and the scripts there now must be the same files with the same content (A07). */
function scriptDrift(plan: SystemRunPlan, now: Plan): string | undefined {
  const operand = plan.mutableFileOperand;
  const approved = plan.scriptOperands ?? (operand && operand.argvIndex > 0 ? [operand] : []);
  const found = [...(now.operand ? [now.operand] : []), ...now.scripts];
  const missing = now.operandRefusal !== undefined ||
    found.some((one) => !approved.some((other) => other.path === one.path));
  // A plan that knows a script must find it again, or it has changed; one that knows none was not bound.
  if (missing && approved.length === 0) return denied("approval missing script operand binding");
  return hasAll(found, approved) && !missing
    ? undefined
    : denied("approval script operand changed before execution");
}

/** Whether each of `wanted` is among `all`, with the same content. */
function hasAll(all: readonly ProgramOperand[], wanted: readonly ProgramOperand[]): boolean {
  return wanted.every((one) =>
    all.some((other) => other.path === one.path && other.sha256 === one.sha256)
  );
}

/** A program bound by its own content. */
async function programDrift(
  plan: SystemRunPlan,
  now: Plan,
  facts: ExecFacts,
): Promise<string | undefined> {
  const operand = plan.mutableFileOperand;
  if (!operand || operand.argvIndex > 0) return undefined;
  const same = (now.exact.file === operand.path || now.operand?.path === operand.path) &&
    await facts.hashFile(operand.path) === operand.sha256;
  return same ? undefined : denied("approval script operand changed before execution");
}

/** The programs inside must be the approved ones, and no other may have come in their place. */
async function insideDrift(
  plan: SystemRunPlan,
  now: Plan,
  facts: ExecFacts,
): Promise<string | undefined> {
  const approved = plan.programOperands;
  // A gateway that is not ours does not carry them.
  if (approved === undefined) return undefined;
  const found = await programsInside(now, [plan.mutableFileOperand?.path], facts);
  const same = found.length === approved.length && hasAll(approved, found);
  return same ? undefined : denied("approval script operand changed before execution");
}

/** Parameters of `system.run` that an approval speaks about. */
export interface ApprovedRun {
  readonly approved: boolean;
  readonly command: readonly string[];
  readonly cwd?: string | null;
  readonly agentId?: string | null;
  readonly sessionKey?: string | null;
  readonly stdin?: boolean;
  readonly systemRunPlan?: SystemRunPlan | undefined;
}

/** The node does not trust `approved` by itself: a plan must come with it and say the same (A01). */
export function approvedRunRefusal(run: ApprovedRun): string | undefined {
  if (!run.approved) return undefined;
  const plan = run.systemRunPlan;
  if (!plan) return denied("an approved run needs its systemRunPlan");
  const same = sameWords(plan.argv, run.command) && (plan.cwd ?? "") === (run.cwd?.trim() ?? "") &&
    (plan.agentId ?? "main") === (run.agentId?.trim() || "main") &&
    (plan.sessionKey ?? "") === (run.sessionKey?.trim() ?? "") &&
    (plan.stdin ?? false) === (run.stdin ?? false);
  return same ? undefined : denied("the approved systemRunPlan differs from the command");
}

function sameWords(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((word, i) => word === b[i]);
}

/** What the gateway stores with an approval. */
export interface ApprovalBinding {
  readonly argv: readonly string[];
  readonly cwd: string | null;
  readonly agentId: string | null;
  readonly sessionKey: string | null;
  readonly stdin: boolean;
  /** `null` when no variable was set. */
  readonly envHash: string | null;
}

/** Hex SHA-256 of the sorted `[key, value]` pairs as JSON; `null` for no pair. Source: node-host.md 8. */
export async function envHash(
  env: Readonly<Record<string, unknown>> | null | undefined,
): Promise<string | null> {
  const pairs = Object.entries(env ?? {}).filter((pair): pair is [string, string] =>
    typeof pair[1] === "string"
  );
  if (pairs.length === 0) return null;
  pairs.sort(([a], [b]) => a < b ? -1 : a > b ? 1 : 0);
  return await sha256Hex(JSON.stringify(pairs));
}

/** The binding of a plan and the environment asked for with it. */
export async function bindingOf(
  plan: SystemRunPlan,
  env: Readonly<Record<string, unknown>> | null | undefined,
): Promise<ApprovalBinding> {
  const { argv, cwd, agentId, sessionKey } = plan;
  return {
    argv,
    cwd,
    agentId,
    sessionKey,
    stdin: plan.stdin ?? false,
    envHash: await envHash(env),
  };
}

/** Details code of a binding that does not fit. */
export type BindingMismatch =
  | "APPROVAL_REQUEST_MISMATCH"
  | "APPROVAL_ENV_BINDING_MISSING"
  | "APPROVAL_ENV_MISMATCH";

/** Compares a use with the stored binding (A05); `undefined` when they are the same. */
export function bindingMismatch(
  stored: ApprovalBinding,
  used: ApprovalBinding,
): BindingMismatch | undefined {
  const same = sameWords(stored.argv, used.argv) && stored.cwd === used.cwd &&
    stored.agentId === used.agentId &&
    stored.sessionKey === used.sessionKey && stored.stdin === used.stdin;
  if (!same) return "APPROVAL_REQUEST_MISMATCH";
  if (stored.envHash === used.envHash) return undefined;
  return stored.envHash === null ? "APPROVAL_ENV_BINDING_MISSING" : "APPROVAL_ENV_MISMATCH";
}
