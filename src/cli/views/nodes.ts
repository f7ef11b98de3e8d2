/**
 * How nodes look, and which node a `--node` query means. Pure.
 */
import { OpenclawError } from "../../lib/errors.ts";
import { quoted, slugOf } from "../../lib/text.ts";
import type { NodeEntry } from "../shapes.ts";
import { ageText, type Column, startsId } from "../terminal/table.ts";

/** Columns of `nodes status`. */
export const STATUS_COLUMNS: readonly Column[] = [
  { title: "Node" },
  { title: "ID", fixed: true, cutTo: 16 },
  { title: "IP" },
  { title: "Detail", optional: true },
  { title: "Status" },
  { title: "Caps" },
];

/** Row of `nodes status`. */
export function statusRow(node: NodeEntry, nowMs: number): string[] {
  return [
    node.displayName ?? "",
    node.nodeId,
    node.remoteIp ?? "",
    detailText(node),
    statusText(node, nowMs),
    capsText(node),
  ];
}

/** `client: <id>/<mode> · device: <family> · core v<version> · path: …`. */
function detailText(node: NodeEntry): string {
  const path = node.pathEnv?.split(":");
  return [
    node.clientId ? `client: ${node.clientId}/${node.clientMode ?? "?"}` : "",
    node.deviceFamily ? `device: ${node.deviceFamily}` : "",
    node.modelIdentifier ? `hw: ${node.modelIdentifier}` : "",
    permissionsText(node),
    node.version ? `core v${node.version}` : "",
    path ? `path: ${shortPath(path)}` : "",
  ].filter((part) => part !== "").join(" · ");
}

function shortPath(parts: readonly string[]): string {
  return parts.length > 4 ? [...parts.slice(0, 3), "…", parts.at(-1)].join(":") : parts.join(":");
}

function permissionsText(node: NodeEntry): string {
  const granted = Object.entries((node.permissions ?? {}) as Record<string, unknown>)
    .filter(([, on]) => on === true).map(([name]) => name);
  return granted.length > 0 ? `perms: [${granted.join(", ")}]` : "";
}

/** `paired · connected (5m ago)`. */
export function statusText(node: NodeEntry, nowMs: number): string {
  const link = node.connected
    ? `connected (${ageText(node.connectedAtMs, nowMs)})`
    : "disconnected";
  return [
    node.paired ? "paired" : "unpaired",
    link,
    ...(node.approvalState ? [node.approvalState.replace("-", " ")] : []),
  ].join(" · ");
}

const capsText = (node: NodeEntry) => node.caps ? node.caps.join(", ") || "-" : "?";

/** `Known: 2 · Paired: 2 · Connected: 1`. */
export function summaryText(nodes: readonly NodeEntry[]): string {
  const count = (test: (n: NodeEntry) => unknown) => nodes.filter(test).length;
  return `Known: ${nodes.length} · Paired: ${count((n) => n.paired)} · Connected: ${
    count((n) => n.connected)
  }`;
}

/** Field and value rows of `nodes describe`. */
export function describeRows(node: NodeEntry, nowMs: number): string[][] {
  const rows: [string, string | null | undefined][] = [
    ["ID", node.nodeId],
    ["Name", node.displayName],
    ["Client", node.clientId ? `${node.clientId}/${node.clientMode ?? "?"}` : undefined],
    ["IP", node.remoteIp],
    ["Device", node.deviceFamily],
    ["Model", node.modelIdentifier],
    ["Perms", permissionsText(node) || undefined],
    ["Version", node.version ? `core v${node.version}` : undefined],
    ["PATH", node.pathEnv],
    ["Status", statusText(node, nowMs)],
    ["Approval", node.pendingRequestId ? `pending: ${node.pendingRequestId}` : undefined],
    ["Caps", capsText(node)],
  ];
  return rows.flatMap(([field, value]) => value ? [[field, value]] : []);
}

/** Filters of `nodes status` and `nodes list`. */
export interface NodeFilter {
  readonly connected?: boolean | undefined;
  /** Seen within this many milliseconds. */
  readonly lastConnectedMs?: number | undefined;
}

/** The nodes a filter leaves. */
export function filterNodes(
  nodes: readonly NodeEntry[],
  filter: NodeFilter,
  nowMs: number,
): NodeEntry[] {
  return nodes.filter((node) => {
    if (filter.connected && !node.connected) return false;
    if (filter.lastConnectedMs === undefined) return true;
    const seen = node.connected
      ? nowMs
      : node.lastConnectedAtMs ?? node.lastSeenAtMs ?? node.connectedAtMs ?? 0;
    return nowMs - seen <= filter.lastConnectedMs;
  });
}

function score(node: NodeEntry, query: string): number {
  const base = nodeMatch(node, query);
  if (base === 0) return 0;
  return base + (node.connected ? 100 : 0) + (node.clientId?.startsWith("openclaw-") ? 10 : 0);
}

function nodeMatch(node: NodeEntry, query: string): number {
  // The id is the key's own; the instance id is what a node says of itself.
  if (node.nodeId === query) return 5000;
  if (node.instanceId === query) return 4000;
  if (node.remoteIp === query) return 3000;
  const name = slugOf(node.displayName ?? "");
  if (name !== "" && name === slugOf(query)) return 2000;
  return startsId(node.nodeId, query) ? 1000 : 0;
}

/**
 * The node a query means: exact id, address, name, id prefix of at least six characters; connected ones win a tie.
 * @throws OpenclawError `NODE_UNKNOWN` or `NODE_AMBIGUOUS`. Source: cli.md 1.
 */
export function findNode(nodes: readonly NodeEntry[], query: string): NodeEntry {
  const scored = nodes.map((node) => ({ node, points: score(node, query) }))
    .filter((s) => s.points > 0).sort((a, b) => b.points - a.points);
  const best = scored[0];
  if (!best) {
    const known = nodes.map((n) => n.displayName ?? n.nodeId).slice(0, 20).join(", ");
    throw new OpenclawError(
      "NODE_UNKNOWN",
      `unknown node: ${quoted(query)} (known: ${known || "none"})`,
      {
        hint: "openclaw nodes status",
      },
    );
  }
  const tied = scored.filter((s) => s.points === best.points);
  if (tied.length === 1) return best.node;
  const matches = tied.map((t) => t.node.nodeId).join(", ");
  throw new OpenclawError(
    "NODE_AMBIGUOUS",
    `ambiguous node: ${quoted(query)} (matches: ${matches})`,
    {
      hint: "openclaw nodes status",
    },
  );
}

/** The node as it can be typed: by its name where that needs no quotes, else by its id. A name may hold anything (N39). */
export function typedName({ displayName, nodeId }: NodeEntry): string {
  return displayName && /^\w[\w.-]*$/.test(displayName) ? displayName : nodeId;
}

/** The only node there is to choose: one connected, or one known. */
export function onlyNode(nodes: readonly NodeEntry[]): NodeEntry {
  const connected = nodes.filter((n) => n.connected);
  const choice = connected.length > 0 ? connected : nodes;
  if (choice.length === 1) return choice[0] as NodeEntry;
  if (choice.length === 0) {
    throw new OpenclawError("NODE_UNKNOWN", "No node is known to this gateway", {
      hint: "openclaw devices list",
    });
  }
  const names = choice.map((n) => n.displayName ?? n.nodeId).join(", ");
  throw new OpenclawError("NODE_AMBIGUOUS", `--node is needed: ${choice.length} nodes (${names})`, {
    hint: `openclaw nodes run --node ${typedName(choice[0] as NodeEntry)} -- uname -a`,
    exitCode: 2,
  });
}
