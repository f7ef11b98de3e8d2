/**
 * Methods on approvals files: the gateway host's own and, relayed, a node's. Admin only, and the only road to a node's
 * file: `node.invoke` refuses it (A02, A13). Source: gateway-protocol.md 11.6.
 */
import { any, nullable, obj, opt, str } from "../../lib/schema.ts";
import { refusal } from "../../protocol/errors.ts";
import { CAP_EXEC_GRANTS, CAP_INVOKE_OUTPUT } from "../../protocol/hello.ts";
import { approvalsSnapshot, setApprovals } from "../approvals/file.ts";
import { badPayload, invokeError, readAnswer } from "../invoke/reply.ts";
import { pairingChanged } from "../nodes/policy.ts";
import { method, type MethodContext, type MethodDefinition } from "./define.ts";

const id = () => str({ min: 1, max: 256 });
const hash = () => opt(nullable(str({ max: 256 })));
const RELAY_TIMEOUT_MS = 30_000;

const get = method("exec.approvals.get", {
  scope: "operator.admin",
  summary: "The gateway host's approvals file",
}, (_params, { services }) => approvalsSnapshot(services.paths.approvalsFile));

const set = method(
  "exec.approvals.set",
  {
    scope: "operator.admin",
    summary: "Replace the gateway host's approvals file",
    params: obj({ file: any(), baseHash: hash() }),
  },
  ({ file, baseHash }, { services }) =>
    setApprovals(services.paths.approvalsFile, { file, baseHash: baseHash ?? null }),
);

const nodeGet = method("exec.approvals.node.get", {
  scope: "operator.admin",
  summary: "A node's approvals file",
  params: obj({ nodeId: id() }),
}, ({ nodeId }, context) => relay(context, nodeId, "system.execApprovals.get", {}));

const nodeSet = method("exec.approvals.node.set", {
  scope: "operator.admin",
  summary: "Replace a node's approvals file",
  params: obj({ nodeId: id(), file: any(), baseHash: hash() }),
}, ({ nodeId, file, baseHash }, context) =>
  relay(context, nodeId, "system.execApprovals.set", {
    file,
    ...(typeof baseHash === "string" ? { baseHash } : {}),
  }));

async function relay(
  context: MethodContext,
  nodeId: string,
  command: string,
  params: Record<string, unknown>,
) {
  const { services, principal } = context;
  const record = services.store.devices.get(nodeId);
  if (record === undefined || !record.roles.includes("node")) {
    throw refusal("INVALID_REQUEST", "unknown nodeId");
  }
  // I09: a node whose commands nobody approved is not asked anything.
  if (record.surface === undefined) throw pairingChanged(record.pendingSurface?.requestId);
  const facts = { nodeId, command, protocol: principal.protocol };
  const outcome = await services.invoker.call({
    nodeId,
    command,
    paramsJSON: JSON.stringify(
      principal.caps.includes(CAP_EXEC_GRANTS) && knowsGrants(services, nodeId)
        ? { ...params, grants: true }
        : params,
    ),
    timeoutMs: RELAY_TIMEOUT_MS,
    caller: context.connection,
  });
  if (!outcome.ok) throw invokeError(facts, outcome);
  const answer = readAnswer(outcome);
  if (answer === undefined) throw badPayload(facts);
  return answer.value;
}

/** A node of ours, told by its taking part in live output; others may refuse an unknown parameter. */
function knowsGrants(services: MethodContext["services"], nodeId: string): boolean {
  return services.invoker.liveNode(nodeId)?.peer.principal.caps.includes(CAP_INVOKE_OUTPUT) ??
    false;
}

/** Methods on approvals files. */
export const execApprovalsFileMethods: readonly MethodDefinition[] = [get, set, nodeGet, nodeSet];
