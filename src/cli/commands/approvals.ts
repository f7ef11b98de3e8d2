/**
 * `approvals …`: what may run, and what waits for a decision.
 */
import { arg, bool, command, group, text } from "../command.ts";
import { rpcFlags } from "../rpc_flags.ts";

const target = {
  node: text({ help: "Policy of this node (id, name, address)", value: "<node>" }),
  gateway: bool({ help: "Policy file of the gateway's machine" }),
  ...rpcFlags(60_000),
};
const agent = text({ help: "Agent the entry is for", value: "<id>", default: "*" });
const oneTarget = [["node", "gateway"]] as const;

/** The `approvals` family. */
export const APPROVAL_COMMANDS = [
  group({
    path: "approvals",
    summary: "What may run on a node, and what waits for a decision",
    fallback: "approvals get",
    aliases: ["exec-approvals"],
  }),
  command({
    path: "approvals get",
    summary: "Show an exec policy: this machine's, a node's or the gateway's",
    flags: target,
    exclusive: oneTarget,
    examples: [
      ["openclaw approvals get", "this machine's"],
      ["openclaw approvals --node build-1", "a node's"],
    ],
    async run(values, io) {
      const { showPolicy } = await import("../actions/approvals.ts");
      await showPolicy(values, io);
    },
  }),
  command({
    path: "approvals set",
    summary: "Replace an exec policy with a file",
    flags: {
      file: text({ help: "The new policy, JSON5", value: "<path>" }),
      stdin: bool({ help: "Read the new policy from stdin" }),
      ...target,
    },
    exclusive: [...oneTarget, ["file", "stdin"]],
    examples: [["openclaw approvals set --node build-1 --file policy.json5", "from a file"]],
    async run(values, io) {
      const { setPolicy } = await import("../actions/approvals.ts");
      await setPolicy(values, io);
    },
  }),
  group({ path: "approvals allowlist", summary: "Programs that run without asking" }),
  command({
    path: "approvals allowlist add",
    summary: "Allow a program",
    args: { pattern: arg({ help: "Absolute path or glob, or a bare name" }) },
    flags: { agent, ...target },
    exclusive: oneTarget,
    examples: [["openclaw approvals allowlist add --node build-1 /usr/bin/uname", "allow uname"]],
    async run(values, io) {
      const { addPattern } = await import("../actions/approvals.ts");
      await addPattern(values, io);
    },
  }),
  command({
    path: "approvals allowlist remove",
    summary: "Take a program off the allowlist",
    args: { pattern: arg({ help: "The pattern as listed" }) },
    flags: { agent, ...target },
    exclusive: oneTarget,
    examples: [["openclaw approvals allowlist remove --node build-1 /usr/bin/uname", "ask again"]],
    async run(values, io) {
      const { removePattern } = await import("../actions/approvals.ts");
      await removePattern(values, io);
    },
  }),
  command({
    path: "approvals pending",
    summary: "List commands that wait for a decision",
    flags: { ...rpcFlags() },
    examples: [["openclaw approvals pending", "what waits"]],
    async run(values, io) {
      const { listPending } = await import("../actions/approvals_pending.ts");
      await listPending(values, io);
    },
  }),
  command({
    path: "approvals resolve",
    summary: "Decide about a command that waits",
    args: {
      id: arg({ help: "Id of the request, see openclaw approvals pending", required: true }),
      decision: arg({
        help: "allow-once, allow-always or deny",
        required: true,
        choices: ["allow-once", "allow-always", "deny"],
      }),
    },
    flags: { ...rpcFlags() },
    examples: [["openclaw approvals resolve 5d1c… allow-once", "let it run once"]],
    async run(values, io) {
      const { simpleCall } = await import("../actions/simple_call.ts");
      await simpleCall(values, io, {
        method: "exec.approval.resolve",
        params: { id: values.id, decision: values.decision },
        scopes: ["operator.approvals"],
        say: () => `Resolved ${values.id}: ${values.decision}`,
      });
    },
  }),
];
