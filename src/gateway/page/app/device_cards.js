/**
 * How a waiting device, a node's waiting commands and a node look. Everything a node said goes through `text.js`.
 */
import { age, card, listed } from "./card.js";
import { el, facts } from "./dom.js";
import { shownKey, shownName } from "./text.js";

/** @typedef {import("./card.js").Desk} Desk */

/** @param {readonly string[]} commands */
function runsPrograms(commands) {
  return commands.includes("system.run")
    ? el(
      "p",
      { class: "warning" },
      "With these commands operators can run programs on that machine, within its own policy.",
    )
    : undefined;
}

/** @type {Readonly<Record<string, string>>} */
const REASONS = {
  "not-paired": "new device",
  "role-upgrade": "known device, asks for another role",
  "scope-upgrade": "known device, asks for more rights",
  "metadata-upgrade": "known key, but another platform than before",
};

/**
 * A device that asks to be paired. Approving a node grants exactly the commands shown: the hash binds the two.
 * @param {any} request
 * @param {Desk} desk
 */
export function deviceCard(request, desk) {
  const { requestId, surfaceHash } = request;
  const roles = request.roles ?? [request.role];
  const approve = surfaceHash
    ? () => desk.call("device.pair.admit", { requestId, surfaceHash })
    : () => desk.call("device.pair.approve", { requestId });
  const admin = (request.scopes ?? []).includes("operator.admin")
    ? el("p", { class: "warning" }, "operator.admin: it could do everything, as you can.")
    : undefined;
  return card(desk, shownName(request.displayName ?? request.deviceId), [
    facts([
      ["Role", `${listed(roles)} (${REASONS[request.reason] ?? "asks again"})`],
      ["Address", shownName(request.remoteIp ?? "this machine")],
      ["Page", request.browserOrigin && shownName(request.browserOrigin)],
      ["Platform", request.platform && shownName(request.platform)],
      ["Key", el("code", {}, shownKey(request.deviceId))],
      ["Rights", listed(request.scopes)],
      ["Commands", listed(request.commands)],
      ["Asked", age(request.ts)],
    ]),
    runsPrograms(request.commands ?? []),
    admin,
  ], [
    ["Approve", "primary", approve, "Approved"],
    ["Reject", "danger", () => desk.call("device.pair.reject", { requestId }), "Rejected"],
  ]);
}

/**
 * A paired node that wants other commands than it has.
 * @param {any} request
 * @param {Desk} desk
 */
export function surfaceCard(request, desk) {
  const { requestId } = request;
  return card(desk, shownName(request.displayName ?? request.nodeId), [
    facts([
      ["Role", "node (known, asks for other commands)"],
      ["Address", request.remoteIp && shownName(request.remoteIp)],
      ["Key", el("code", {}, shownKey(request.nodeId))],
      ["Commands", listed(request.commands) ?? "none"],
      ["Asked", age(request.ts)],
    ]),
    runsPrograms(request.commands ?? []),
  ], [
    ["Approve", "primary", () => desk.call("node.pair.approve", { requestId }), "Approved"],
    ["Reject", "danger", () => desk.call("node.pair.reject", { requestId }), "Rejected"],
  ]);
}

/**
 * One node.
 * @param {any} node
 * @param {Desk} desk
 */
export function nodeCard(node, desk) {
  const state = node.connected ? el("span", { class: "on" }, "connected") : el(
    "span",
    {},
    node.lastSeenAtMs ? "offline, seen " : "offline",
    node.lastSeenAtMs ? age(node.lastSeenAtMs) : "",
  );
  const labels = Object.entries(node.labels ?? {}).map(([key, value]) => `${key}=${value}`);
  return card(desk, shownName(node.displayName ?? node.nodeId), [
    facts([
      ["State", state],
      ["Platform", [node.platform, node.version].filter(Boolean).map(shownName).join(" · ")],
      ["Address", node.remoteIp && shownName(node.remoteIp)],
      ["Key", el("code", {}, shownKey(node.nodeId))],
      ["Labels", listed(labels)],
      ["Commands", listed(node.commands) ?? "none approved"],
      [
        "Twins",
        node.duplicateSessions
          ? `${node.duplicateSessions} more sessions with this key`
          : undefined,
      ],
    ]),
  ], []);
}

/** The shown part of a node, so that its card changes only when something on it does. @param {any} node */
export function nodeFacts(node) {
  const { nodeId, displayName, platform, version, remoteIp, labels, commands, connected } = node;
  const lastSeenAtMs = connected ? undefined : node.lastSeenAtMs;
  const { duplicateSessions } = node;
  return {
    nodeId,
    displayName,
    platform,
    version,
    remoteIp,
    labels,
    commands,
    connected,
    lastSeenAtMs,
    duplicateSessions,
  };
}
