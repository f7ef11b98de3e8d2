/**
 * The other end of `doctor --node`: when the node that is asked for is this machine's own, its way to the gateway is
 * walked too, with its settings and what it says about itself. Nothing is written and no credential is sent.
 */
import { statePaths } from "../../config/paths.ts";
import { pinsOf } from "../../node/way.ts";
import { isOpenclawError, OpenclawError } from "../../lib/errors.ts";
import { createLogger } from "../../lib/log.ts";
import { dial } from "../../net/dial/dial.ts";
import type { NodeSettings } from "../../node/files/node_file.ts";
import { previewNode } from "../../node/prepare.ts";
import { type NodeRuntime, readRuntime } from "../../node/files/runtime_file.ts";
import type { Io } from "../terminal/io.ts";
import { NODE_DIAGNOSES } from "./node_table.ts";
import { refineDial } from "./refine.ts";
import { DIAGNOSES } from "./table.ts";
import { exists } from "../../platform/file_facts.ts";

/** The node of this machine. */
export interface NodeEnd {
  readonly url: string;
  /** What is wrong on its way; `undefined` while it is connected. */
  readonly problem: OpenclawError | undefined;
}

/** The node host that runs on this state directory, when it is the one asked for. */
export async function localNode(query: string, io: Io): Promise<NodeRuntime | undefined> {
  const runtime = await readRuntime(statePaths(io.env).runtimeFile);
  const isIt = runtime?.deviceId.startsWith(query) ||
    runtime?.displayName.toLowerCase() === query.toLowerCase();
  return isIt ? runtime : undefined;
}

/** Walks the way of this machine's own node; `undefined` when another one is asked for. */
export async function walkNodeEnd(
  query: string,
  io: Io,
  timeoutMs: number,
): Promise<NodeEnd | undefined> {
  const runtime = await localNode(query, io);
  const settings = await ownSettings(io);
  const isOwn = runtime !== undefined || (settings !== undefined && names(settings, query));
  if (!isOwn) return undefined;
  const url = runtime?.gateway ?? settings?.url ?? "";
  if (runtime?.state === "connected") return { url, problem: undefined };
  if (runtime?.state === "pairing") {
    return { url, problem: waits(runtime.requestId) };
  }
  const blocked = settings && await dialProblem(settings, timeoutMs);
  return { url, problem: blocked ?? ownWords(runtime) };
}

function names({ displayName, nodeId }: NodeSettings, query: string): boolean {
  return displayName.toLowerCase() === query.toLowerCase() || nodeId === query;
}

/** Settings of a node that was started here once. @throws {OpenclawError} `NODE_FILE_UNREADABLE`, `PIN_MALFORMED`. */
async function ownSettings(io: Io): Promise<NodeSettings | undefined> {
  const paths = statePaths(io.env);
  if (!await exists(paths.nodeFile)) return undefined;
  const log = createLogger({ subsystem: "doctor", sink: () => {} });
  return await previewNode({ paths, env: io.env, flags: {}, log });
}

const waits = (requestId: string | undefined) =>
  new OpenclawError("NODE_NOT_PAIRED", "The node of this machine asks to be paired", {
    details: { requestId },
  });

/** Dials as the node would and hangs up. Behind ssh the tunnel is not opened for a look. */
async function dialProblem(
  settings: NodeSettings,
  timeoutMs: number,
): Promise<OpenclawError | undefined> {
  if (settings.via !== undefined) return undefined;
  const { url } = settings;
  try {
    const socket = await dial({ url, pins: pinsOf(settings), timeoutMs, longLived: true });
    socket.terminate();
    return undefined;
  } catch (error) {
    if (!isOpenclawError(error)) throw error;
    return await refineDial(error, settings);
  }
}

function ownWords(runtime: NodeRuntime | undefined): OpenclawError {
  if (!runtime) {
    return new OpenclawError("NODE_NOT_RUNNING", "No node runs on this state directory");
  }
  const { code, message } = runtime.lastError ?? { code: "", message: "it has not said why" };
  const known = Object.hasOwn(DIAGNOSES, code) || Object.hasOwn(NODE_DIAGNOSES, code);
  return new OpenclawError(known ? code : "NODE_CANNOT_CONNECT", `The node says: ${message}`, {
    details: { requestId: runtime.requestId },
  });
}
