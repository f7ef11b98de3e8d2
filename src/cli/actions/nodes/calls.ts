/**
 * `nodes …` except `nodes run`: lists, details and single calls.
 */
import { quoteWord } from "../../../approvals/words.ts";
import { isObject, jsonValue } from "../../../lib/objects.ts";
import { OpenclawError } from "../../../lib/errors.ts";
import { type Gateway, withGateway } from "../../connect/connect.ts";
import type { Io } from "../../terminal/io.ts";
import type { RpcValues } from "../../connect/rpc_flags.ts";
import {
  nodeDescription,
  type NodeEntry,
  nodeList,
  readAnswer,
  surfaceList,
  withoutTokens,
} from "../../shapes.ts";
import { ageText } from "../../terminal/table.ts";
import {
  describeRows,
  filterNodes,
  findNode,
  onlyNode,
  STATUS_COLUMNS,
  statusRow,
  summaryText,
} from "../../views/nodes.ts";

const READ = ["operator.read"] as const;
const PAIRING = ["operator.pairing"] as const;

interface FilterValues extends RpcValues {
  readonly connected: boolean | undefined;
  readonly lastConnectedMs: number | undefined;
}

/** All nodes of the gateway; from the pairing list when `node.list` is not permitted. */
export async function listNodes(gateway: Gateway): Promise<NodeEntry[]> {
  try {
    return readAnswer(nodeList, "node.list", await gateway.call("node.list")).nodes;
  } catch (error) {
    const refused = error instanceof OpenclawError &&
      /missing scope|unknown method/.test(error.message);
    if (!refused) throw error;
    return readAnswer(surfaceList, "node.pair.list", await gateway.call("node.pair.list")).paired;
  }
}

/** The node a query means, or the only one when there is no query. */
export async function chooseNode(gateway: Gateway, query: string | undefined): Promise<NodeEntry> {
  const nodes = await listNodes(gateway);
  return query === undefined ? onlyNode(nodes) : findNode(nodes, query);
}

/** `nodes status`. */
export async function nodesStatus(values: FilterValues, io: Io): Promise<void> {
  const answer = await withGateway(
    io,
    values,
    { scopes: READ },
    async (gateway) => readAnswer(nodeList, "node.list", await gateway.call("node.list")),
  );
  const nowMs = answer.ts ?? Date.now();
  const nodes = filterNodes(answer.nodes, filterOf(values), nowMs);
  io.out.show({ ...answer, nodes }, () => {
    io.out.text(summaryText(nodes));
    if (nodes.length > 0) io.out.table(STATUS_COLUMNS, nodes.map((n) => statusRow(n, nowMs)));
    else if (answer.nodes.length === 0) {
      io.out.note("No node has paired yet: openclaw devices list");
    }
  });
}

const filterOf = (values: FilterValues) => ({
  connected: values.connected,
  lastConnectedMs: values.lastConnectedMs,
});

/** `nodes list`. */
export async function nodesList(values: FilterValues, io: Io): Promise<void> {
  const filtered = values.connected === true || values.lastConnectedMs !== undefined;
  const { surfaces, nodes } = await withGateway(
    io,
    values,
    { scopes: [...READ, ...PAIRING] },
    async (gateway) => ({
      surfaces: readAnswer(surfaceList, "node.pair.list", await gateway.call("node.pair.list")),
      nodes: await listNodes(gateway),
    }),
  );
  const nowMs = Date.now();
  const live = new Map(nodes.map((node) => [node.nodeId, node]));
  const paired = filterNodes(
    surfaces.paired.map((node) => ({ ...node, ...live.get(node.nodeId) })),
    filterOf(values),
    nowMs,
  );
  const pending = filtered ? [] : surfaces.pending;
  io.out.show(withoutTokens({ pending, paired }), () => {
    io.out.text(`Pending: ${pending.length} · Paired: ${paired.length}`);
    if (pending.length > 0) showPending(pending, io, nowMs);
    if (paired.length > 0) {
      io.out.table(
        [{ title: "Node" }, { title: "ID", fixed: true, cutTo: 16 }, { title: "IP" }, {
          title: "Last Connect",
        }],
        paired.map((node) => [
          node.displayName ?? "",
          node.nodeId,
          node.remoteIp ?? "",
          node.connected
            ? "connected"
            : ageText(node.lastConnectedAtMs ?? node.lastSeenAtMs, nowMs),
        ]),
      );
    }
  });
}

function showPending(
  pending: readonly {
    requestId: string;
    nodeId: string;
    displayName?: string | null;
    remoteIp?: string | null;
    commands?: string[] | null;
    ts?: number | null;
  }[],
  io: Io,
  nowMs: number,
): void {
  io.out.table(
    [
      { title: "Request", fixed: true },
      { title: "Node" },
      { title: "IP" },
      { title: "Commands" },
      { title: "Requested" },
    ],
    pending.map((request) => [
      request.requestId,
      request.displayName ?? request.nodeId,
      request.remoteIp ?? "",
      request.commands?.join(", ") ?? "",
      ageText(request.ts, nowMs),
    ]),
  );
}

/** `nodes pending`. */
export async function nodesPending(values: RpcValues, io: Io): Promise<void> {
  const { pending } = await withGateway(
    io,
    values,
    { scopes: PAIRING },
    async (gateway) =>
      readAnswer(surfaceList, "node.pair.list", await gateway.call("node.pair.list")),
  );
  io.out.show(pending, () => {
    if (pending.length === 0) io.out.text("No pending node pairing requests.");
    else showPending(pending, io, Date.now());
  });
}

interface NodeValues extends RpcValues {
  readonly node: string;
}

/** `nodes describe`. */
export async function nodesDescribe(values: NodeValues, io: Io): Promise<void> {
  const node = await withGateway(io, values, { scopes: READ }, async (gateway) => {
    const { nodeId } = await chooseNode(gateway, values.node);
    return readAnswer(
      nodeDescription,
      "node.describe",
      await gateway.call("node.describe", { nodeId }),
    );
  });
  io.out.show(node, () => {
    io.out.text("Node");
    io.out.table(
      [{ title: "Field", fixed: true }, { title: "Value" }],
      describeRows(node, Date.now()),
    );
    io.out.text("");
    io.out.text("Commands");
    const commands = [...node.commands ?? []].sort();
    for (const command of commands) io.out.text(`- ${command}`);
    if (commands.length === 0) io.out.text("- (none reported)");
  });
}

/** Calls a pairing method on the node that was meant; its id and the answer. */
async function changeNode(
  values: NodeValues,
  io: Io,
  method: string,
  more: Readonly<Record<string, unknown>> = {},
) {
  const scopes = [...READ, ...PAIRING];
  return await withGateway(io, values, { scopes }, async (gateway) => {
    const { nodeId } = await chooseNode(gateway, values.node);
    return { nodeId, answer: await gateway.call(method, { nodeId, ...more }) };
  });
}

/** `nodes remove`. */
export async function nodesRemove(values: NodeValues, io: Io): Promise<void> {
  const { nodeId, answer } = await changeNode(values, io, "node.pair.remove");
  io.out.show(answer, () => io.out.text(`Removed paired node ${nodeId}`));
}

/** `nodes rename`. */
export async function nodesRename(values: NodeValues & { name: string }, io: Io): Promise<void> {
  const { name } = values;
  const { nodeId, answer } = await changeNode(values, io, "node.rename", { displayName: name });
  io.out.show(answer, () => io.out.text(`node rename ok: ${nodeId} -> ${name}`));
}

interface InvokeValues extends NodeValues {
  readonly command: string;
  readonly params: string;
  readonly invokeTimeoutMs: number;
  readonly idempotencyKey: string | undefined;
}

/** `nodes invoke`. */
export async function nodesInvoke(values: InvokeValues, io: Io): Promise<void> {
  const params = jsonObject("--params", values.params);
  if (values.command === "system.run" || values.command === "system.run.prepare") {
    throw new OpenclawError(
      "COMMAND_RESERVED",
      `command "${values.command}" is reserved for shell execution; use nodes run`,
      { hint: `openclaw nodes run --node ${quoteWord(values.node)} -- uname -a` },
    );
  }
  const answer = await withGateway(
    io,
    values,
    // Some node commands need admin on newer gateways (gateway-protocol.md 10).
    { scopes: ["operator.read", "operator.write"], extraTimeMs: values.invokeTimeoutMs },
    async (gateway) => {
      const { nodeId } = await chooseNode(gateway, values.node);
      return await gateway.call("node.invoke", {
        nodeId,
        command: values.command,
        params,
        timeoutMs: values.invokeTimeoutMs,
        idempotencyKey: values.idempotencyKey ?? crypto.randomUUID(),
      });
    },
  );
  io.out.document(answer);
}

/** Reads a JSON object given on the command line. @throws OpenclawError `INVALID_FLAG_VALUE`. */
export function jsonObject(name: string, text: string): Record<string, unknown> {
  const value = jsonValue(text);
  if (isObject(value)) return value;
  throw new OpenclawError("INVALID_FLAG_VALUE", `${name} must be a JSON object`, {
    hint: `${name} '{"key":"value"}'`,
  });
}
