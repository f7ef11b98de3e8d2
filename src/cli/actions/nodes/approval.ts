/**
 * The approval of `nodes run`: asks the gateway for a decision, shows the whole request to the person at this
 * terminal, and takes whichever answer comes first (decision 15).
 */
import { sha256Hex } from "../../../lib/bytes.ts";
import { type ErrorFacts, isOpenclawError, OpenclawError } from "../../../lib/errors.ts";
import { quoted, showable } from "../../../lib/text.ts";
import type { Gateway } from "../../connect/connect.ts";
import type { Io } from "../../terminal/io.ts";
import { RUN_EXIT } from "./result.ts";
import { CAPABILITY_INVOKE_OUTPUT } from "../../../protocol/hello.ts";

/** What is asked for. */
export interface ApprovalQuestion {
  readonly nodeId: string;
  readonly nodeName: string;
  readonly argv: readonly string[];
  readonly commandText: string;
  readonly cwd: string | undefined;
  readonly env: Readonly<Record<string, string>>;
  readonly stdin: boolean;
  readonly plan: unknown;
  readonly agentId: string | undefined;
  readonly security: string | undefined;
  readonly ask: string | undefined;
  /** Why the node refused without an approval. */
  readonly reason: string;
  /** Wait for somebody else when nobody is at this terminal. */
  readonly wait: boolean;
  /** The command line that runs it once request `id` is decided; without an id one that asks and waits. */
  readonly runLine: (id?: string) => string;
}

/** What a person can answer. */
export type Decision = "allow-once" | "allow-always" | "deny";

/** A granted approval. */
export interface Granted {
  readonly id: string;
  readonly decision: Decision;
}

/** Longest wait for a decision, milliseconds. */
const APPROVAL_TIMEOUT_MS = 1_800_000;
/** Longest wait for the gateway to take back a request of somebody who leaves, milliseconds. */
const WITHDRAW_TIMEOUT_MS = 3_000;
/** Texts longer than this are shown whole, followed by their length and hash (A15). */
const LONG_TEXT = 2_000;

/**
 * Gets a decision. `reviewer` is the connection that may resolve the request: the same one on our gateway,
 * a second one elsewhere.
 * @throws OpenclawError `APPROVAL_NEEDED` or `APPROVAL_DENIED`, both exit 126; `INTERRUPTED`, exit 130.
 */
export async function askApproval(
  gateway: Gateway,
  reviewer: Gateway,
  question: ApprovalQuestion,
  io: Io,
): Promise<Granted> {
  if (!io.prompt.available && !question.wait && forgets(gateway)) {
    throw nobodyHere(question, {
      hint: `this gateway keeps no request that nobody waits for: ${question.runLine()}`,
    });
  }
  const abort = new AbortController();
  const accepted = Promise.withResolvers<string>();
  accepted.promise.catch(() => {/* the request itself reports the failure */});
  const final = gateway.call("exec.approval.request", requestParams(question, gateway), {
    timeoutMs: APPROVAL_TIMEOUT_MS + 10_000,
    onAccepted: (payload) => accepted.resolve(String((payload as { id?: unknown }).id ?? "")),
  }).then((answer) => answer as { id?: string; decision?: Decision | null });
  final.catch(accepted.reject);
  try {
    const id = await Promise.race([accepted.promise, final.then((answer) => answer.id ?? "")]);
    const asked = io.prompt.available
      ? askHere(reviewer, id, question, io, abort.signal)
      : waitElsewhere({ reviewer, id, signal: abort.signal }, question, io);
    asked.catch(abort.abort.bind(abort));
    const failed = asked.then(() => new Promise<never>(() => {}));
    const { decision } = await Promise.race([final, failed]);
    abort.abort();
    if (await asked === "left") throw interrupted();
    return granted(id, decision, question.commandText);
  } catch (error) {
    throw mayNotAsk(error) ? notYours(question) : error;
  } finally {
    abort.abort();
  }
}

/** An account with read and write only, as `connect --operator` makes it. Protocol 3 tells it in words alone. */
const mayNotAsk = (error: unknown) =>
  isOpenclawError(error) && /missing scope: operator\.approvals/.test(error.message);

function notYours(question: ApprovalQuestion): OpenclawError {
  return new OpenclawError(
    "APPROVAL_NEEDED",
    `The node wants an approval, and this account may not ask for one: ${question.reason}`,
    {
      exitCode: RUN_EXIT.denied,
      hint: 'the owner of the gateway can allow it with the line after "fix"',
    },
  );
}

/** A real protocol-3 gateway gives up a request at once when it sees no reviewer. */
function forgets(gateway: Gateway): boolean {
  return gateway.session.protocol === 3 && !gateway.offers(CAPABILITY_INVOKE_OUTPUT);
}

function nobodyHere(question: ApprovalQuestion, more: ErrorFacts): OpenclawError {
  return new OpenclawError(
    "APPROVAL_NEEDED",
    `Nobody to ask here, and the node wants an approval: ${question.reason}`,
    { exitCode: RUN_EXIT.denied, ...more },
  );
}

function interrupted(): OpenclawError {
  return new OpenclawError("INTERRUPTED", "Interrupted; the request was denied and nothing ran", {
    exitCode: RUN_EXIT.interrupted,
  });
}

/** Waits for the decision about a request that was made before. @throws OpenclawError `APPROVAL_DENIED`. */
export async function decisionOf(gateway: Gateway, id: string, text: string): Promise<Granted> {
  const answer = await gateway.call("exec.approval.waitDecision", { id }, {
    timeoutMs: APPROVAL_TIMEOUT_MS,
  });
  return granted(id, (answer as { decision?: Decision | null }).decision, text);
}

function granted(id: string, decision: Decision | null | undefined, text: string): Granted {
  if (decision === "allow-once" || decision === "allow-always") return { id, decision };
  throw new OpenclawError(
    "APPROVAL_DENIED",
    decision === "deny"
      ? `The approval of ${quoted(text)} was denied`
      : `Nobody decided about ${quoted(text)} in time`,
    { exitCode: RUN_EXIT.denied },
  );
}

function requestParams(question: ApprovalQuestion, gateway: Gateway): Record<string, unknown> {
  // A real protocol-4 gateway gives up at once when it sees no reviewer; a person may come with approvals resolve.
  const reference4 = gateway.session.protocol === 4 && !gateway.offers(CAPABILITY_INVOKE_OUTPUT);
  return {
    command: question.commandText,
    commandArgv: question.argv,
    systemRunPlan: question.plan,
    ...(Object.keys(question.env).length > 0 ? { env: question.env } : {}),
    ...(question.cwd === undefined ? {} : { cwd: question.cwd }),
    nodeId: question.nodeId,
    host: "node",
    ...(question.security ? { security: question.security } : {}),
    ...(question.ask ? { ask: question.ask } : {}),
    ...(question.agentId ? { agentId: question.agentId } : {}),
    timeoutMs: APPROVAL_TIMEOUT_MS,
    twoPhase: true,
    ...(reference4 ? { requireDeliveryRoute: false } : {}),
  };
}

/** Everything the decision is about, nothing cut (A15), nothing invisible (A16, A17). */
async function questionLines(question: ApprovalQuestion): Promise<string[]> {
  const text = question.commandText;
  const long = text.length > LONG_TEXT
    ? [`          (${text.length} characters, sha256 ${await sha256Hex(text)})`]
    : [];
  const env = Object.entries(question.env).map(([key, value]) => `${key}=${value}`);
  return [
    `Approval needed on node ${showable(question.nodeName)} (${question.nodeId})`,
    `  Command ${text}`,
    ...long,
    `  Cwd     ${question.cwd ?? "(the node's own)"}`,
    ...(env.length > 0 ? [`  Env     ${env.join(" ")}`] : []),
    ...(question.stdin ? ["  Stdin   passed on from here"] : []),
    ...question.reason.split("\n").map((line, i) => `  ${i === 0 ? "Reason" : "      "}  ${line}`),
  ];
}

async function askHere(
  reviewer: Gateway,
  id: string,
  question: ApprovalQuestion,
  io: Io,
  signal: AbortSignal,
): Promise<"answered" | "left"> {
  const always = question.ask === "always" ? [] : [{ key: "a", label: "always" }];
  const choices = [{ key: "o", label: "once" }, ...always, { key: "d", label: "deny" }];
  const left = Promise.withResolvers<"interrupted">();
  const { onStopSignals } = await import("../../../platform/signals.ts");
  const off = onStopSignals(() => left.resolve("interrupted"));
  try {
    const answer = io.prompt.choose(await questionLines(question), choices, signal);
    const key = await Promise.race([answer, left.promise]);
    if (signal.aborted) return "answered";
    const decision = key === "o" ? "allow-once" : key === "a" ? "allow-always" : "deny";
    // Also when the person left: a request nobody waits for must not be there to be allowed later.
    await reviewer.call("exec.approval.resolve", { id, decision });
    return key === "interrupted" ? "left" : "answered";
  } finally {
    off();
  }
}

/** A request that is decided about by somebody else. */
interface Waiting {
  readonly reviewer: Gateway;
  readonly id: string;
  /** Aborted once it is decided. */
  readonly signal: AbortSignal;
}

/** Waits until `signal` fires; a person who leaves earlier takes the request along. */
async function waitElsewhere(
  { reviewer, id, signal }: Waiting,
  question: ApprovalQuestion,
  io: Io,
): Promise<"answered" | "left"> {
  const command = `openclaw approvals resolve ${id} allow-once`;
  if (!question.wait) {
    throw nobodyHere(question, {
      hint: `decide: ${command}\nthen run: ${question.runLine(id)}`,
      details: { approvalId: id },
    });
  }
  const end = Promise.withResolvers<"answered" | "left">();
  signal.addEventListener("abort", () => end.resolve("answered"), { once: true });
  if (signal.aborted) end.resolve("answered");
  const { onStopSignals } = await import("../../../platform/signals.ts");
  const off = onStopSignals(() => end.resolve("left"));
  try {
    for (const line of await questionLines(question)) io.out.note(line);
    io.out.note(`Waiting for a decision: ${command}`);
    const how = await end.promise;
    if (how === "left") await withdraw(reviewer, id);
    return how;
  } finally {
    off();
  }
}

/** A request nobody waits for must not be there to be allowed later. */
async function withdraw(reviewer: Gateway, id: string): Promise<void> {
  try {
    await reviewer.call("exec.approval.resolve", { id, decision: "deny" }, {
      timeoutMs: WITHDRAW_TIMEOUT_MS,
    });
  } catch (error) {
    throw new OpenclawError("INTERRUPTED", "Interrupted; nothing ran, but the request waits on", {
      cause: error,
      exitCode: RUN_EXIT.interrupted,
      hint: `openclaw approvals resolve ${id} deny`,
    });
  }
}
