/**
 * The end of a gateway: refuses new work, lets running calls finish until a deadline, says goodbye, closes (F28, F29).
 */
import type { Clock } from "../lib/clock.ts";
import { wait } from "../lib/clock.ts";
import { CLOSE } from "../protocol/close_codes.ts";
import type { FileLock } from "../platform/files.ts";
import type { Dispatcher } from "./dispatch.ts";
import type { Door } from "./door.ts";
import type { Listening } from "./listening/listening.ts";
import type { LogFile } from "./services/log_file.ts";
import type { GatewayServices } from "./services/services.ts";

/** Everything one gateway holds; closed in reverse order. */
export interface GatewayParts {
  readonly services: GatewayServices;
  readonly door: Door;
  readonly dispatcher: Dispatcher;
  readonly listening: Listening;
  readonly logFile: LogFile;
  readonly lock: FileLock;
  readonly endSweeps: () => void;
  readonly endReload: () => Promise<void>;
}

/** How to stop. */
export interface StopOptions {
  /** How long running calls may take to end. Default 10,000. */
  readonly drainMs?: number;
  /** A restart follows: clients are told to come back. Default false. */
  readonly restart?: boolean;
}

const DRAIN_MS = 10_000;
/** For close frames to leave and be answered. */
const GOODBYE_MS = 250;

/** Makes the stop function of a gateway; calls after the first one cut the drain short and share its end. */
export function stopGateway(parts: GatewayParts): (options?: StopOptions) => Promise<void> {
  let stopping: Promise<void> | undefined;
  let hurry = () => {};
  return (options = {}) => {
    if (stopping) {
      hurry();
      return stopping;
    }
    const hurried = new Promise<void>((resolve) => hurry = resolve);
    stopping = stop(parts, options, hurried);
    return stopping;
  };
}

async function stop(
  parts: GatewayParts,
  { drainMs = DRAIN_MS, restart = false }: StopOptions,
  hurried: Promise<void>,
): Promise<void> {
  const { services, door, dispatcher, listening: { listeners } } = parts;
  const { log, invoker, clock } = services;
  door.currentPhase = "stopping";
  dispatcher.draining = true;
  log.info("gateway stopping", { callsRunning: invoker.pending, drainMs });
  services.events.broadcast("shutdown", {
    reason: restart ? "gateway restarting" : "gateway stopping",
    ...(restart ? { restartExpectedMs: 1500 } : {}),
  });
  // F29: a second signal fails what still runs, which ends the drain.
  hurried.then(() => invoker.stop());
  await invoker.drain(drainMs);
  await wait(0, undefined, clock); // the last answers leave before the goodbye
  parts.endSweeps();
  await parts.endReload();
  await services.certificates?.stop();
  await services.voucher.close();
  services.presence.stop();
  services.approvals.stop();
  await sayGoodbye(parts, clock);
  invoker.stop();
  await listeners.close();
  door.stop();
  await services.store.close();
  log.info("gateway stopped");
  await parts.logFile.close();
  parts.lock.close();
}

async function sayGoodbye({ services: { registry }, listening }: GatewayParts, clock: Clock) {
  listening.listeners.stopAccepting();
  const peers = [...registry.peers()];
  for (const peer of peers) peer.close(CLOSE.serviceRestart, "service restart");
  if (peers.length > 0) await wait(GOODBYE_MS, undefined, clock);
}
