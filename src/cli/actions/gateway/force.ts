/**
 * `gateway run --force`: ends the gateway that is in the way, and nothing else. A process is ended only after it was
 * shown to be a gateway (it runs on this state directory, or it greets as one on the port), never one that a service
 * manager would start again, and never without a line that names it.
 */
import type { StatePaths } from "../../../config/paths.ts";
import { readIncoming } from "../../../client/wire.ts";
import { isOpenclawError, OpenclawError } from "../../../lib/errors.ts";
import { wait } from "../../../lib/clock.ts";
import { dial, observeFingerprint } from "../../../net/dial/dial.ts";
import { findPortHolders } from "../../../platform/port_holder.ts";
import { signalOne } from "../../../platform/process/group.ts";
import { identityOf, type ProcessIdentity, stillRuns } from "../../../platform/process/identity.ts";
import { readRunningGateway } from "../../connect/running_gateway.ts";
import type { Io } from "../../terminal/io.ts";
import { serviceScene } from "../services/scene.ts";

type Step = readonly [signal: Deno.Signal, waitMs: number, said: string];

/** What is asked of a gateway, one after the other, and how long it may take each time. */
const STEPS: readonly Step[] = [
  ["SIGTERM", 12_000, ""], // its drain takes at most 10 s
  ["SIGTERM", 3_000, "it is still there: its running calls are cut short"],
  ["SIGKILL", 3_000, "it is still there: it is killed"],
];
/** The same for one that does not answer any more: nothing will come of waiting. */
const STEPS_OF_SILENT: readonly Step[] = [
  ["SIGTERM", 2_000, "it does not answer any more"],
  ["SIGKILL", 3_000, "it is killed"],
];
const LOOK_MS = 50;
/** Longest wait for a greeting on the port. */
const GREETING_MS = 2_000;

/**
 * Ends what `error` says is in the way of starting. Other errors are thrown again.
 * @throws {OpenclawError} `PORT_IN_USE`, `GATEWAY_ALREADY_RUNNING` with the reason nothing was ended.
 */
export async function endOldGateway(error: unknown, paths: StatePaths, io: Io): Promise<void> {
  if (!isOpenclawError(error, "GATEWAY_ALREADY_RUNNING", "PORT_IN_USE")) throw error;
  const holder = await holderOf(error, paths);
  if (typeof holder === "string") throw refused(error, holder);
  if (await isService(holder.identity.pid, io)) {
    throw refused(error, "it is the gateway service, which would be started again", [
      "openclaw gateway restart",
      "openclaw gateway stop",
    ]);
  }
  await end(holder, io);
}

/** Whether a service manager of this account or machine keeps the process running. */
async function isService(pid: number, io: Io): Promise<boolean> {
  const scenes = await Promise.all([false, true].map((all) => serviceScene("gateway", io, all)));
  const found = await Promise.all(scenes.map(({ manager, names }) => manager.status(names)));
  return found.some(({ runtime }) => runtime.pid === pid);
}

/** A gateway in the way. */
interface Holder {
  readonly identity: ProcessIdentity;
  /** Whether it still greets. */
  readonly answers: boolean;
}

/** The gateway to end, or why nothing may be ended. */
async function holderOf(error: OpenclawError, paths: StatePaths): Promise<Holder | string> {
  const { pid, port } = error.details ?? {};
  const own = await readRunningGateway(paths);
  if (own && own.pid === pid) {
    return { identity: identityOf(own.pid), answers: await greeting(own.port) !== "none" };
  }
  if (error.code === "GATEWAY_ALREADY_RUNNING") return "it has not told that it is a gateway";
  if (typeof port !== "number") return "its port is not known";
  const holders = findPortHolders(port);
  const [holder] = holders;
  if (!holder) return "it belongs to somebody else, or cannot be found";
  if (holders.length > 1) return "several processes listen there";
  // Before the greeting: a process that takes its number afterwards is another one (F31).
  const identity = identityOf(holder.pid);
  const isGateway = await greeting(port) === "gateway";
  return isGateway ? { identity, answers: true } : "it does not greet as a gateway";
}

function refused(error: OpenclawError, why: string, hints?: readonly string[]): OpenclawError {
  const hint = hints?.join("\n") ?? error.hint;
  return new OpenclawError(error.code, `${error.message}; --force did not end it: ${why}`, {
    cause: error,
    exitCode: error.exitCode,
    ...(error.details === undefined ? {} : { details: error.details }),
    ...(hint === undefined ? {} : { hint }),
  });
}

async function end({ identity, answers }: Holder, io: Io): Promise<void> {
  const { pid } = identity;
  io.out.note(`--force: ending the gateway with process id ${pid}`);
  for (const [signal, waitMs, said] of answers ? STEPS : STEPS_OF_SILENT) {
    if (said !== "") io.out.note(`--force: ${said}`);
    if (stillRuns(identity)) signalOne(pid, signal);
    if (await isGone(identity, waitMs)) return;
  }
  throw new OpenclawError("GATEWAY_ALREADY_RUNNING", `Process ${pid} cannot be ended`, {
    hint: `kill -KILL ${pid}`,
  });
}

async function isGone(process: ProcessIdentity, waitMs: number): Promise<boolean> {
  const endMs = performance.now() + waitMs;
  while (stillRuns(process)) {
    if (performance.now() > endMs) return false;
    await wait(LOOK_MS);
  }
  return true;
}

/** The first thing said on a WebSocket to this machine's `port`: a gateway's challenge, something else, nothing in time. */
async function greeting(port: number): Promise<"gateway" | "other" | "none"> {
  const url = `ws://127.0.0.1:${port}`;
  try {
    const pin = await observeFingerprint({ url, timeoutMs: GREETING_MS });
    const place = pin === undefined ? { url } : { url: url.replace("ws:", "wss:"), pin };
    const socket = await dial({ ...place, timeoutMs: GREETING_MS });
    try {
      const text = await firstFrame(socket);
      if (text === undefined) return "none";
      const frame = readIncoming(text);
      return frame?.type === "event" && frame.event === "connect.challenge" ? "gateway" : "other";
    } finally {
      socket.terminate();
    }
  } catch (error) {
    if (!isOpenclawError(error)) throw error;
    return error.code === "CONNECT_TIMEOUT" ? "none" : "other";
  }
}

/** The first text frame, empty when the socket closes; `undefined` when nothing comes in time. */
async function firstFrame(socket: Awaited<ReturnType<typeof dial>>): Promise<string | undefined> {
  const first = Promise.withResolvers<string | undefined>();
  socket.attach({ onText: first.resolve, onClose: () => first.resolve("") });
  const late = new AbortController();
  wait(GREETING_MS, late.signal).then(
    () => first.resolve(undefined),
    () => {/* it came in time */},
  );
  const text = await first.promise;
  late.abort();
  return text;
}
