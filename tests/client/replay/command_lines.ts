/** Our command line for every recorded one. */
import { callsOf } from "./answering_gateway.ts";
import type { Recording } from "./recordings.ts";

/** Words, with the recorded values put in; `file` is the path of a file with the recorded policy. */
type Line = (recording: Recording, file: string) => readonly string[];

// deno-lint-ignore no-explicit-any
const paramsOf = (recording: Recording, method: string): any =>
  callsOf(recording).find((call) => call.method === method)?.params ?? {};

const words = (text: string): Line => () => text.split(" ");
const approve: Line = (r) => ["devices", "approve", paramsOf(r, "device.pair.approve").requestId];
const NODE = "Renamed Node";
/** What the recorded person typed as the node's name, or its id where the recording only shows that. */
const nodeOf = (r: Recording, method: string) => paramsOf(r, method).nodeId ?? NODE;

/** `gateway call node.invoke`: how shell commands were called in the recordings. */
const callInvoke: Line = (r) => [
  "gateway",
  "call",
  "node.invoke",
  "--params",
  JSON.stringify(paramsOf(r, "node.invoke")),
];

const invoke: Line = (r) => {
  const { nodeId, command, params, timeoutMs } = paramsOf(r, "node.invoke");
  return ["nodes", "invoke", "--node", nodeId, "--command", command]
    .concat(["--params", JSON.stringify(params ?? {})])
    .concat(timeoutMs === undefined ? [] : ["--invoke-timeout", String(timeoutMs)]);
};

const token = (verb: string): Line => (r) => {
  const { deviceId, role } = paramsOf(r, `device.token.${verb}`);
  return ["devices", verb, "--device", deviceId, "--role", role];
};

/** Recording without its version → command line. */
export const COMMAND_LINES: Readonly<Record<string, Line>> = {
  "approvals-get-gateway": words("approvals get --gateway"),
  "approvals-get-node": (r) => [
    "approvals",
    "get",
    "--node",
    nodeOf(r, "exec.approvals.node.get"),
  ],
  "approvals-pending": words("approvals pending"),
  "approvals-resolve": (r) => {
    const { id, decision } = paramsOf(r, "approval.resolve");
    return ["approvals", "resolve", id, decision];
  },
  "approvals-set-gateway": (_, file) => ["approvals", "set", "--gateway", "--file", file],
  "approvals-set-node": (r, file) =>
    ["approvals", "set", "--node", nodeOf(r, "exec.approvals.node.set")].concat(["--file", file]),
  "cli-scope-upgrade-pending": words("devices list"),
  "devices-approve": approve,
  "devices-approve-cli-forbidden": approve,
  "devices-list": words("devices list"),
  "devices-list-empty": words("devices list"),
  "devices-list-pending": words("devices list"),
  "devices-remove": (r) => ["devices", "remove", paramsOf(r, "device.pair.remove").deviceId],
  "devices-rename": (r) => {
    const { deviceId, label } = paramsOf(r, "device.pair.rename");
    return ["devices", "rename", "--device", deviceId, "--name", label];
  },
  "devices-revoke": token("revoke"),
  "devices-rotate": token("rotate"),
  "gateway-call-health": words("gateway call health"),
  "gateway-call-presence": words("gateway call system-presence"),
  "gateway-call-unknown": words("gateway call no.such.method"),
  "gateway-health": words("gateway health"),
  "gateway-probe": words("gateway probe"),
  "gateway-status": words("gateway status"),
  "health-json": words("health --json"),
  "heartbeat-last": words("gateway call last-heartbeat"),
  "logs-tail": words("logs --limit 5"),
  "node-invoke-not-allowed": callInvoke,
  "node-invoke-run": callInvoke,
  "node-invoke-run-denied": callInvoke,
  "node-invoke-unknown-node": callInvoke,
  "node-invoke-which": invoke,
  "node-invoke-which-unapproved": invoke,
  "nodes-approve": (r) => ["nodes", "approve", paramsOf(r, "node.pair.approve").requestId],
  "nodes-describe": (r) => ["nodes", "describe", "--node", nodeOf(r, "node.describe")],
  "nodes-list": words("nodes list"),
  "nodes-pending": words("nodes pending"),
  "nodes-remove": (r) => ["nodes", "remove", "--node", nodeOf(r, "node.pair.remove")],
  "nodes-rename": (r) => {
    const { nodeId, displayName } = paramsOf(r, "node.rename");
    return ["nodes", "rename", "--node", nodeId, "--name", displayName];
  },
  "nodes-status": words("nodes status"),
  "nodes-status-before-approve": words("nodes status"),
  "nodes-status-empty": words("nodes status"),
  "remote-cli-devices-list": words("devices list"),
  "remote-cli-first-connect": words("health"),
  "remote-cli-second-connect": (r) =>
    callsOf(r).some(({ method }) => method === "health") ? ["health"] : ["devices", "list"],
  "status-deep": words("status --deep"),
  "status-deep-with-node": words("status --deep"),
  "system-presence": words("gateway call system-presence"),
};
