/**
 * `doctor --node`: the hops behind the gateway. Each is asked in order; the first that is broken is thrown as a coded
 * error. When the node runs on this machine, what it says about itself is used too.
 */
import { isOpenclawError, messageOf, OpenclawError } from "../../lib/errors.ts";
import { type Infer, obj, opt, str } from "../../lib/schema.ts";
import type { Gateway } from "../connect/connect.ts";
import type { Io } from "../terminal/io.ts";
import { deviceList, invokeAnswer, type NodeEntry, readAnswer } from "../shapes.ts";
import { chooseNode } from "../actions/nodes/calls.ts";
import { localNode } from "./node_end.ts";
import { isObject } from "../../lib/objects.ts";

/** Whom to look for, and what it should be able to run. */
export interface NodeQuestion {
  readonly query: string;
  /** Default `true`: a program every machine has. */
  readonly argv: readonly string[];
}

/** Walks on to a node. @throws {OpenclawError} the codes of `node_table.ts`. */
export async function walkToNode(
  gateway: Gateway,
  { query, argv }: NodeQuestion,
  io: Io,
): Promise<void> {
  const node = await findNode(gateway, query, io);
  if (node.pendingRequestId) {
    throw new OpenclawError("NODE_SURFACE_PENDING", "The node's commands are not approved", {
      details: { requestId: node.pendingRequestId },
    });
  }
  if (!node.connected) throw new OpenclawError("NODE_OFFLINE", "The node is not connected");
  if (!node.commands?.includes("system.run")) {
    throw new OpenclawError(
      "NODE_CANNOT_RUN",
      `The node's commands here: ${node.commands?.join(", ") || "none"}`,
    );
  }
  await checkPolicy(gateway, node, argv);
  if (!node.commands.includes("system.which")) return;
  await called(invoke(gateway, node, "system.which", { bins: ["sh"] }));
}

async function findNode(gateway: Gateway, query: string, io: Io): Promise<NodeEntry> {
  try {
    return await chooseNode(gateway, query);
  } catch (error) {
    if (isOpenclawError(error, "NODE_UNKNOWN")) throw await whyUnknown(gateway, query, io) ?? error;
    throw error;
  }
}

/** Not listed: it waits for approval, or it talks to another gateway. */
async function whyUnknown(
  gateway: Gateway,
  query: string,
  io: Io,
): Promise<OpenclawError | undefined> {
  const list = await gateway.call("device.pair.list").catch((error) => {
    if (isOpenclawError(error)) return undefined; // not allowed to see requests: the list of nodes must do
    throw error;
  });
  const pending = list === undefined
    ? []
    : readAnswer(deviceList, "device.pair.list", list).pending;
  const waiting = pending.find((device) =>
    device.requestId === query || device.deviceId.startsWith(query) ||
    device.displayName?.toLowerCase() === query.toLowerCase()
  );
  if (waiting) {
    return new OpenclawError("NODE_NOT_PAIRED", "The node asks to be paired", {
      details: { requestId: waiting.requestId },
    });
  }
  const runtime = await localNode(query, io);
  // Its own way was walked before: it is connected, only not here.
  return runtime &&
    new OpenclawError(
      "NODE_OTHER_GATEWAY",
      `The node runs on this machine and talks to ${runtime.gateway}`,
    );
}

const keep = { unknown: "keep" } as const;
const explained = obj({
  decision: str(),
  explanation: opt(obj({ policy: str(), fix: opt(obj({ text: str() }, keep)) }, keep)),
}, keep);
const planned = obj({ execPolicy: opt(obj({ security: opt(str()) }, keep)) }, keep);

/** Asks the node what its policy says now. A node of another make answers with its plan instead. */
async function checkPolicy(
  gateway: Gateway,
  node: NodeEntry,
  command: readonly string[],
): Promise<void> {
  if (!node.commands?.includes("system.run.prepare")) return;
  const answer = await called(
    invoke(gateway, node, "system.run.prepare", { command, explain: true }),
  );
  const asExplained = explainedOf(answer);
  if (asExplained) return judgePolicy(asExplained, command);
  const { execPolicy } = readAnswer(planned, "system.run.prepare", answer ?? {});
  if (execPolicy?.security === "deny") throw policyDenies();
}

function explainedOf(answer: unknown) {
  return isObject(answer) && "decision" in answer
    ? readAnswer(explained, "system.run.prepare", answer)
    : undefined;
}

function judgePolicy(
  { decision, explanation }: Infer<typeof explained>,
  argv: readonly string[],
): void {
  if (decision === "run" || decision === "approval-required") return;
  if (explanation?.fix?.text.startsWith("repair the approvals file")) {
    throw new OpenclawError("APPROVALS_UNREADABLE", explanation.fix.text);
  }
  if (explanation?.policy.includes("security=deny")) throw policyDenies();
  throw new OpenclawError(
    "ALLOWLIST_MISS",
    `No rule of the node covers "${argv.join(" ")}", and it asks nobody (${decision})`,
  );
}

const policyDenies = () =>
  new OpenclawError("POLICY_DENIES", "The node's exec policy has security=deny");

async function called(answer: Promise<unknown>): Promise<unknown> {
  return await answer.catch((error) => {
    throw new OpenclawError("RUN_FAILED", messageOf(error), { cause: error });
  });
}

async function invoke(
  gateway: Gateway,
  { nodeId }: NodeEntry,
  command: string,
  params: unknown,
): Promise<unknown> {
  const answer = await gateway.call("node.invoke", {
    nodeId,
    command,
    params,
    timeoutMs: 5_000,
    idempotencyKey: crypto.randomUUID(),
  });
  return readAnswer(invokeAnswer, "node.invoke", answer).payload;
}
