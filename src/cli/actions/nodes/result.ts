/**
 * What a finished `system.run` means for the exit code of `nodes run`. Pure. Source: decisions.md 17, node-host.md 5.3.
 */
import { isOpenclawError, OpenclawError } from "../../../lib/errors.ts";
import { quoted, showable } from "../../../lib/text.ts";
import { bool, type Infer, nullable, num, obj, opt, str } from "../../../lib/schema.ts";

/** Exit codes of `nodes run` besides the remote one. */
export const RUN_EXIT = {
  timeout: 124,
  denied: 126,
  notFound: 127,
  interrupted: 130,
  transport: 255,
};

/** The result of `system.run`; the live-output fields are there only between our own peers. */
export const runResultSchema = obj({
  exitCode: opt(nullable(num())),
  signal: opt(nullable(str())),
  timedOut: opt(nullable(bool())),
  success: opt(nullable(bool())),
  stdout: opt(nullable(str())),
  stderr: opt(nullable(str())),
  error: opt(nullable(str())),
  durationMs: opt(nullable(num())),
  outSeq: opt(nullable(num())),
  gap: opt(nullable(bool())),
}, { unknown: "keep" });

/** A finished run. */
export type RunResult = Infer<typeof runResultSchema>;

const SIGNALS: Readonly<Record<string, number>> = {
  SIGHUP: 1,
  SIGINT: 2,
  SIGQUIT: 3,
  SIGILL: 4,
  SIGABRT: 6,
  SIGFPE: 8,
  SIGKILL: 9,
  SIGSEGV: 11,
  SIGPIPE: 13,
  SIGTERM: 15,
};

/** The exit code a finished run ends `nodes run` with. */
export function exitCodeOf(result: RunResult): number {
  if (result.timedOut) return RUN_EXIT.timeout;
  if (typeof result.exitCode === "number") return processCode(result.exitCode, result.success);
  if (result.error && /ENOENT|ENOTDIR/.test(result.error)) return RUN_EXIT.notFound;
  if (result.error && /EACCES|ENOEXEC/.test(result.error)) return RUN_EXIT.denied;
  if (result.signal) {
    return 128 + (Object.hasOwn(SIGNALS, result.signal) ? SIGNALS[result.signal] ?? 0 : 0);
  }
  return result.success ? 0 : 1;
}

/** A code this system can end with: the low byte, as it would take it, but never 0 for what was no success. */
function processCode(code: number, success: boolean | null | undefined): number {
  if (code === 0) return success === false ? 1 : 0;
  return Number.isSafeInteger(code) && (code & 0xff) !== 0 ? code & 0xff : 1;
}

/** What a person needs to know of a run besides its exit code. */
export function troubleOf(result: RunResult): string | undefined {
  if (result.error) return result.error;
  if (result.timedOut) return "the command ran into its time limit";
  return result.signal ? `the command was ended by ${result.signal}` : undefined;
}

/** Whether a failed `system.run` means that an approval would let it run. */
export function needsApproval(error: unknown): boolean {
  return isOpenclawError(error) && /SYSTEM_RUN_DENIED: approval required/.test(error.message);
}

const DENIED =
  /SYSTEM_RUN_DENIED|SYSTEM_RUN_DISABLED|not in the allowlist|APPROVAL_|PERMISSION_MISSING/;

/** The plan of an approval names a program that is not there. */
const NOT_FOUND = /approval requires a stable executable path/;

/** Whether a node could not prepare an approval because it has no such program. */
export function isNotFound(error: unknown): boolean {
  return isOpenclawError(error) && NOT_FOUND.test(error.message);
}

/** A program the node does not have; `reason` is what the node said of the first try. Exit 127. */
export function programNotFound(program: string, reason: string): OpenclawError {
  const said = reason.split("\n").slice(1);
  return new OpenclawError(
    "PROGRAM_NOT_FOUND",
    [`The node has no program ${quoted(program)}`, ...said].join("\n"),
    { exitCode: RUN_EXIT.notFound },
  );
}

/** The same failure with the exit code `nodes run` gives it, and with the name of the node. */
export function runFailure(error: unknown, nodeName?: string): unknown {
  if (!isOpenclawError(error) || error.exitCode !== 1) return error;
  const code = typeof error.details?.code === "string" ? error.details.code : error.code;
  const exitCode = isNotFound(error)
    ? RUN_EXIT.notFound
    : DENIED.test(`${code} ${error.message}`)
    ? RUN_EXIT.denied
    : /TIMEOUT: node invoke timed out/.test(error.message)
    ? RUN_EXIT.timeout
    : RUN_EXIT.transport;
  const trouble = NODE_TROUBLES.find(([word]) =>
    code === word || error.message.startsWith(`${word}: `) || error.message.endsWith(word)
  );
  const nextStep = exitCode === RUN_EXIT.transport ? NODES_STATUS : undefined;
  const hint = trouble?.[2] ?? error.hint ?? nextStep;
  if (!trouble || nodeName === undefined) {
    // A gateway puts the node's code before a text that begins with the same word.
    const message = error.message.replace(/^([A-Z_]+: )\1/, "$1");
    return withExitCode(error, exitCode, { message, hint });
  }
  const what = trouble[1] ?? error.message.replace(/^.*?: node /, "");
  return withExitCode(error, exitCode, { message: `Node ${showable(nodeName)} ${what}`, hint });
}

const NODES_STATUS = "openclaw nodes status";

/** What is wrong with a node, by code or last words: what is said of it (default: its own words) and the next step. */
const NODE_TROUBLES: readonly (readonly [code: string, what: string | undefined, hint: string])[] =
  [
    ["NOT_CONNECTED", "is not connected to the gateway", NODES_STATUS],
    [
      "approval requires an existing canonical cwd",
      "has no such directory to run the command in",
      "--cwd <a folder of the node>",
    ],
    ["DISCONNECTED", "went away before the command ended", NODES_STATUS],
    [
      "NODE_BUSY",
      undefined,
      "run it again when one has ended, or allow more on the node: openclaw config set nodeHost.maxConcurrentRuns 32",
    ],
  ];

/** A copy of an error that ends the command with another exit code. */
function withExitCode(
  error: OpenclawError,
  exitCode: number,
  { message, hint }: { readonly message: string; readonly hint?: string | undefined },
): OpenclawError {
  return new OpenclawError(error.code, message, {
    exitCode,
    cause: error,
    ...(hint === undefined ? {} : { hint }),
    ...(error.details === undefined ? {} : { details: error.details }),
  });
}
