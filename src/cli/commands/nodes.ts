/**
 * `nodes …`: nodes of the gateway, and commands on them.
 */
import {
  arg,
  bool,
  choice,
  command,
  duration,
  group,
  list,
  rest,
  text,
} from "../grammar/command.ts";
import { rpcFlags } from "../connect/rpc_flags.ts";

const node = text({ help: "Id, name, address or id prefix of the node", value: "<node>" });
const someNode = text({
  help: "Id, name, address or id prefix of the node",
  value: "<node>",
  required: true,
});
const filters = {
  connected: bool({ help: "Only connected nodes" }),
  lastConnectedMs: duration({ name: "last-connected", help: "Only nodes seen within this time" }),
};
const request = arg({ help: "Id of the request, see openclaw nodes pending", required: true });

/** The `nodes` family. */
export const NODE_LIST_COMMANDS = [
  group({ path: "nodes", summary: "The nodes of a gateway, and commands on them" }),
  command({
    path: "nodes run",
    summary: "Run a command on a node: live output, stdin, Ctrl-C, its exit code",
    notes: [
      "Output streams to stdout and stderr as it comes. stdin is passed on when it is not a terminal. " +
      "Ctrl-C stops the remote command. The exit code is the remote one, 128 + its number when a signal ended the " +
      "command; 124 time limit, 126 denied, 127 not found, 130 interrupted, 255 the gateway or the node could not be " +
      "reached or went away.",
      "When the node's policy wants an approval and you sit at a terminal, you are asked right here.",
    ],
    args: { argv: rest({ help: "Program and arguments, taken as they are" }) },
    flags: {
      node,
      cwd: text({ help: "Directory on the node", value: "<path>" }),
      env: list({ help: "Environment variable for the command", value: "<K=V>" }),
      raw: text({ help: "Script for the node's shell instead of a program", value: "<script>" }),
      commandTimeoutMs: duration({
        name: "command-timeout",
        help: "Stop the command after this time",
      }),
      invokeTimeoutMs: duration({
        name: "invoke-timeout",
        help: "Give up waiting after this time",
        default: 86_400_000,
      }),
      wait: bool({ help: "Without a terminal: wait until somebody else decides the approval" }),
      approval: text({
        help: "Use the decision about this request of an earlier run",
        value: "<id>",
      }),
      stdin: bool({ help: "Pass stdin on even from a terminal; --no-stdin never" }),
      agent: text({ help: "Agent whose exec policy applies", value: "<id>" }),
      ask: choice(["off", "on-miss", "always"], { help: "Tighten when to ask" }),
      security: choice(["deny", "allowlist", "full"], { help: "Tighten what may run" }),
      needsScreenRecording: bool({ help: "The command needs screen recording" }),
      ...rpcFlags(),
    },
    json: "Print the result as one JSON document instead of live output",
    examples: [
      ["openclaw nodes run --node build-1 -- uname -a", "one command"],
      ["openclaw nodes run --node build-1 --cwd /srv/app -- make test", "in a directory"],
      ["openclaw nodes run --node build-1 --raw 'df -h | head -3'", "a shell script"],
    ],
    async run(values, io) {
      const { runOnNode } = await import("../actions/nodes/run.ts");
      return await runOnNode(values, io);
    },
  }),
  command({
    path: "nodes status",
    summary: "Show all known nodes and whether they are connected",
    flags: { ...filters, ...rpcFlags() },
    examples: [["openclaw nodes status --connected", "who is there now"]],
    async run(values, io) {
      const { nodesStatus } = await import("../actions/nodes/calls.ts");
      await nodesStatus(values, io);
    },
  }),
  command({
    path: "nodes list",
    summary: "List approved nodes and command surfaces that wait for approval",
    flags: { ...filters, ...rpcFlags() },
    examples: [["openclaw nodes list", "pending and approved"]],
    async run(values, io) {
      const { nodesList } = await import("../actions/nodes/calls.ts");
      await nodesList(values, io);
    },
  }),
  command({
    path: "nodes describe",
    summary: "Show one node and the commands it serves",
    flags: { node: someNode, ...rpcFlags() },
    examples: [["openclaw nodes describe --node build-1", "all about it"]],
    async run(values, io) {
      const { nodesDescribe } = await import("../actions/nodes/calls.ts");
      await nodesDescribe(values, io);
    },
  }),
  command({
    path: "nodes pending",
    summary: "List command surfaces that wait for approval",
    flags: { ...rpcFlags() },
    examples: [["openclaw nodes pending", "what waits"]],
    async run(values, io) {
      const { nodesPending } = await import("../actions/nodes/calls.ts");
      await nodesPending(values, io);
    },
  }),
  command({
    path: "nodes approve",
    summary: "Approve the commands a node declares; prints JSON",
    args: { requestId: request },
    flags: { ...rpcFlags() },
    examples: [["openclaw nodes approve 0b7e…", "the node may serve them"]],
    async run(values, io) {
      const { simpleCall } = await import("../actions/simple_call.ts");
      await simpleCall(values, io, {
        method: "node.pair.approve",
        params: { requestId: values.requestId },
        scopes: ["operator.pairing", "operator.admin"],
      });
    },
  }),
  command({
    path: "nodes reject",
    summary: "Reject the commands a node declares; prints JSON",
    args: { requestId: request },
    flags: { ...rpcFlags() },
    examples: [["openclaw nodes reject 0b7e…", "turn it down"]],
    async run(values, io) {
      const { simpleCall } = await import("../actions/simple_call.ts");
      await simpleCall(values, io, {
        method: "node.pair.reject",
        params: { requestId: values.requestId },
        scopes: ["operator.pairing"],
      });
    },
  }),
  command({
    path: "nodes remove",
    summary: "Remove a paired node",
    flags: { node: someNode, ...rpcFlags() },
    examples: [["openclaw nodes remove --node build-1", "it must be approved again"]],
    async run(values, io) {
      const { nodesRemove } = await import("../actions/nodes/calls.ts");
      await nodesRemove(values, io);
    },
  }),
  command({
    path: "nodes rename",
    summary: "Give a node another display name",
    flags: {
      node: someNode,
      name: text({ help: "The new name", value: "<name>", required: true }),
      ...rpcFlags(),
    },
    examples: [["openclaw nodes rename --node build-1 --name builder", "a better name"]],
    async run(values, io) {
      const { nodesRename } = await import("../actions/nodes/calls.ts");
      await nodesRename(values, io);
    },
  }),
  command({
    path: "nodes invoke",
    summary: "Call one command of a node; prints JSON",
    flags: {
      node: someNode,
      command: text({ help: "Command, for instance system.which", required: true }),
      params: text({ help: "Parameters as a JSON object", value: "<json>", default: "{}" }),
      invokeTimeoutMs: duration({
        name: "invoke-timeout",
        help: "How long the node may take",
        default: 15_000,
      }),
      idempotencyKey: text({ help: "Key that makes a repeat harmless", value: "<key>" }),
      ...rpcFlags(30_000),
    },
    examples: [[
      `openclaw nodes invoke --node build-1 --command system.which --params '{"bins":["git"]}'`,
      "where is git",
    ]],
    async run(values, io) {
      const { nodesInvoke } = await import("../actions/nodes/calls.ts");
      await nodesInvoke(values, io);
    },
  }),
];
