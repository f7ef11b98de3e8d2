/**
 * `approvals …`: what may run, and what waits for a decision.
 */
import { arg, bool, command, duration, group, int, rest, text } from "../grammar/command.ts";
import { rpcFlags } from "../connect/rpc_flags.ts";

const target = {
  node: text({ help: "Policy of this node (id, name, address)", value: "<node>" }),
  gateway: bool({ help: "Policy file of the gateway's machine" }),
  ...rpcFlags(60_000),
};
const agent = text({ help: "Agent the entry is for", value: "<id>", default: "*" });
const grantsTarget = {
  node: target.node,
  gateway: bool({ help: "Refused: a gateway runs no commands" }),
  ...rpcFlags(),
};
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
      const { showPolicy } = await import("../actions/approvals/file.ts");
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
      const { setPolicy } = await import("../actions/approvals/file.ts");
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
      const { addPattern } = await import("../actions/approvals/file.ts");
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
      const { removePattern } = await import("../actions/approvals/file.ts");
      await removePattern(values, io);
    },
  }),
  command({
    path: "approvals explain",
    summary: "Say whether a command would run, by which rule, and what would allow it",
    notes: ["Nothing is run. For a node the node itself answers, with its own files and rules."],
    args: { argv: rest({ help: "Program and arguments, taken as they are" }) },
    flags: {
      node: target.node,
      raw: text({ help: "Shell text instead of a program", value: "<script>" }),
      cwd: text({ help: "Directory the command would run in", value: "<path>" }),
      agent: text({ help: "Agent whose policy applies", value: "<id>" }),
      ...rpcFlags(60_000),
    },
    examples: [
      ["openclaw approvals explain -- git status", "on this machine"],
      ["openclaw approvals explain --node build-1 --raw 'make && make test'", "on a node"],
    ],
    async run(values, io) {
      const { explainCommand } = await import("../actions/approvals/explain.ts");
      await explainCommand(values, io);
    },
  }),
  command({
    path: "approvals test",
    summary: `Run the test cases of a policy file: "tests": [{ "command", "expect" }]`,
    flags: {
      file: text({ help: "A policy file that is not in force yet, JSON5", value: "<path>" }),
    },
    examples: [["openclaw approvals test --file policy.json5", "before setting it"]],
    async run(values, io) {
      const { testPolicy } = await import("../actions/approvals/explain.ts");
      return await testPolicy(values, io);
    },
  }),
  group({ path: "approvals grants", summary: "Permissions that end by themselves" }),
  command({
    path: "approvals grants list",
    summary: "List the grants of this machine or of a node",
    flags: grantsTarget,
    exclusive: oneTarget,
    examples: [["openclaw approvals grants list", "what is still granted"]],
    async run(values, io) {
      const { listGrants } = await import("../actions/approvals/grants.ts");
      await listGrants(values, io);
    },
  }),
  command({
    path: "approvals grants add",
    summary: "Allow a program for some runs or some time",
    args: {
      command: rest({ help: "Path of the program, then a glob for each argument", required: true }),
    },
    flags: {
      runs: int({ help: "How many runs", value: "<n>" }),
      forMs: duration({ name: "for", help: "How long, at most 24h", value: "<duration>" }),
      dir: text({ help: "Only in this directory and below", value: "<path>" }),
      requester: text({ help: "Only for this device id, or owner", value: "<id>" }),
      agent: text({ help: "Only for this agent", value: "<id>" }),
      ...grantsTarget,
    },
    exclusive: oneTarget,
    examples: [
      ["openclaw approvals grants add --runs 3 -- /usr/bin/git push '**'", "three pushes"],
      ["openclaw approvals grants add --for 30m --dir /srv/app -- /usr/bin/make", "half an hour"],
    ],
    async run(values, io) {
      const { addGrant } = await import("../actions/approvals/grants.ts");
      await addGrant(values, io);
    },
  }),
  command({
    path: "approvals grants revoke",
    summary: "End a grant now",
    args: { id: arg({ help: "Id as listed", required: true }) },
    flags: grantsTarget,
    exclusive: oneTarget,
    examples: [["openclaw approvals grants revoke 1a2b3c4d", "end it"]],
    async run(values, io) {
      const { revokeGrant } = await import("../actions/approvals/grants.ts");
      await revokeGrant(values, io);
    },
  }),
  command({
    path: "approvals pending",
    summary: "List commands that wait for a decision",
    flags: { ...rpcFlags() },
    examples: [["openclaw approvals pending", "what waits"]],
    async run(values, io) {
      const { listPending } = await import("../actions/approvals/pending.ts");
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
