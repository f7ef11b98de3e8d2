/**
 * What `POST /tools/invoke` reaches: a short list of methods, through the same dispatch as the socket. Commands that run
 * programs are never among them. Source: gateway-protocol.md 14; attacks stopped: N20 (exec by URL), N44.
 */
import { isOpenclawError } from "../lib/errors.ts";
import { isExecCommand } from "../protocol/node_commands.ts";
import { ALL_SCOPES } from "../protocol/scopes.ts";
import type { Dispatcher } from "./dispatch.ts";
import type { Peer } from "./peers/peer.ts";
import type { PeerFacts } from "./peers/peer_facts.ts";
import type { Principal } from "./peers/principal.ts";

/** Answer of a tool: HTTP status and body. */
export interface ToolAnswer {
  readonly status: number;
  readonly body: unknown;
}

/** Methods of this gateway that are tools. Everything else does not exist here. */
const TOOLS: ReadonlySet<string> = new Set(["health", "node.list", "node.describe", "node.invoke"]);

/** Families of commands that run programs, or do with a machine what somebody at its keyboard could. */
const HANDS =
  /^(?:system\.(?!notify$)|(?:agent|browser|computer|desktop|fs|mcp|terminal)\.|canvas\.(?:eval|navigate)$)/;

/** Calls one tool for the holder of the shared secret; the call ends with `signal`. */
export async function callTool(
  dispatcher: Dispatcher,
  tool: { readonly name: string; readonly args: unknown },
  caller: {
    readonly facts: PeerFacts;
    readonly authMethod: "token" | "password";
    readonly signal: AbortSignal;
  },
): Promise<ToolAnswer> {
  if (!TOOLS.has(tool.name) || runsPrograms(tool)) return notFound(tool.name);
  try {
    const result = await dispatcher.call(tool.name, tool.args, peerOf(caller));
    return { status: 200, body: { ok: true, result } };
  } catch (error) {
    if (!isOpenclawError(error)) throw error;
    const type = error.code === "INVALID_REQUEST"
      ? "invalid_request_error"
      : error.code.toLowerCase();
    const status = error.code === "INVALID_REQUEST" ? 400 : error.retryable ? 503 : 409;
    return { status, body: { ok: false, error: { type, message: error.message } } };
  }
}

/** The answer for a name that is no tool. */
export function notFound(name: string): ToolAnswer {
  const message = `Tool not available: ${name.slice(0, 200)}`;
  return { status: 404, body: { ok: false, error: { type: "not_found", message } } };
}

function runsPrograms({ name, args }: { readonly name: string; readonly args: unknown }): boolean {
  if (name !== "node.invoke") return false;
  const command = (args as { command?: unknown } | null | undefined)?.command;
  return typeof command !== "string" || isExecCommand(command) || HANDS.test(command) ||
    !/^[a-z][A-Za-z0-9.]*$/.test(command);
}

/** A caller without a connection: nothing can be sent to it but its answer. */
function peerOf(
  { facts, authMethod, signal }: Parameters<typeof callTool>[2],
): Peer {
  const principal: Principal = {
    role: "operator",
    scopes: ALL_SCOPES,
    owner: false,
    deviceId: undefined,
    publicKey: undefined,
    clientId: "http",
    clientMode: "http",
    clientVersion: "",
    displayName: undefined,
    instanceId: undefined,
    platform: "",
    deviceFamily: undefined,
    modelIdentifier: undefined,
    authMethod,
    protocol: 4,
    caps: [],
    commands: [],
    permissions: undefined,
    pathEnv: undefined,
    local: facts.local,
    remoteAddress: facts.clientAddress,
  };
  return {
    connId: crypto.randomUUID(),
    principal,
    connectedAtMs: 0,
    signal,
    sendText: () => false,
    sendEvent: () => {},
    close: () => {},
  };
}
