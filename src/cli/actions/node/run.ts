/**
 * `node run`: the node host in the foreground until a stop signal. First signal: running commands may end; second:
 * everything ends now (F28, F29).
 */
import { basename } from "@std/path";
import { readEnv } from "../../../config/env.ts";
import { statePaths } from "../../../config/paths.ts";
import { wait } from "../../../lib/clock.ts";
import { createLogger } from "../../../lib/log.ts";
import { Secret } from "../../../lib/secret.ts";
import { type RunningNode, startNode } from "../../../node/host.ts";
import { loadNodeFile, type NodeFlags } from "../../../node/files/node_file.ts";
import { readRuntime } from "../../../node/files/runtime_file.ts";
import { onStopSignals } from "../../../platform/signals.ts";
import { logUnexpected } from "../../../platform/unexpected.ts";
import { parseJoinLine } from "../../../protocol/setup_code.ts";
import type { Io } from "../../terminal/io.ts";
import { readStdinLine } from "../../terminal/stdin_line.ts";
import { offerGateways } from "./offer.ts";

/** Start of the name of a quickstart's temporary folder. */
export const QUICKSTART_PREFIX = "openclaw-quickstart-";
/** Pace of looking whether the node has joined. */
const JOIN_LOOK_MS = 100;

/** Values of the command. */
export interface NodeRunValues extends NodeFlags {
  readonly untilStdinCloses: boolean | undefined;
  /** Folder of a quickstart, removed after the end: nobody else may be left to do it. */
  readonly removeAtEnd?: string | undefined;
  /** Secret of a join line, used while the gateway has given this node no token of its own. */
  readonly bootstrapToken?: Secret;
  /** End with 0 as soon as the gateway accepted this node. */
  readonly untilJoined?: boolean;
  readonly json: boolean;
}

/** `node run`. Returns the exit code: 0 after a stop, 1 when going on is useless. */
export async function runNode(values: NodeRunValues, io: Io): Promise<number> {
  const asJson = values.json || readEnv(io.env).serviceKind !== undefined;
  const log = createLogger({ subsystem: "node", sink: io.out.logSink(asJson) });
  const paths = statePaths(io.env);
  const isFirst = await loadNodeFile(paths.nodeFile) === undefined;
  const bootstrapToken = values.untilStdinCloses ? await secretFromParent() : values.bootstrapToken;
  const node = await startNode({
    paths,
    env: io.env,
    flags: values,
    log,
    ...(bootstrapToken ? { bootstrapToken } : {}),
  });
  const stopSurviving = logUnexpected(log);
  const remove = onStopSignals((_signal, count) => void node.stop({ force: count > 1 }));
  if (values.untilStdinCloses) void stopWithStdin(node);
  if (values.untilJoined) void stopWhenJoined(node, paths.runtimeFile);
  const toldNothing = isFirst && values.host === undefined && values.via === undefined;
  if (toldNothing && !asJson && !readEnv(io.env).disableBonjour) void offerGateways(io);
  const code = await node.done;
  remove();
  stopSurviving();
  if (values.removeAtEnd) await removeQuickstart(values.removeAtEnd);
  return code;
}

/** The parent writes one join line: a secret neither in arguments nor in an environment. */
async function secretFromParent(): Promise<Secret> {
  return new Secret(parseJoinLine(await readStdinLine()).bootstrapToken);
}

/** The parent holds the other end of stdin: when it ends, however it ends, the node must not stay behind. */
async function stopWithStdin(node: RunningNode): Promise<void> {
  const buffer = new Uint8Array(64);
  while (await Deno.stdin.read(buffer) !== null) { /* nothing more is said on this pipe */ }
  await node.stop({ force: true });
}

/** Looks at what the node publishes about itself. */
async function stopWhenJoined(node: RunningNode, runtimeFile: string): Promise<void> {
  while ((await readRuntime(runtimeFile))?.state !== "connected") await wait(JOIN_LOOK_MS);
  await node.stop();
}

/** Removes a folder that a quickstart made; any other one is left alone. */
async function removeQuickstart(folder: string): Promise<void> {
  if (!basename(folder).startsWith(QUICKSTART_PREFIX)) return;
  await Deno.remove(folder, { recursive: true }).catch(() => {/* the quickstart was faster */});
}
