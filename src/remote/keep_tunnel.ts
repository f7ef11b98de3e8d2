/**
 * Keeps a tunnel open: looks through it regularly, restarts it with back-off, and publishes its state in a file so that
 * `openclaw tunnel status` tells "tunnel" apart from "gateway". Source: remote-access.md 2, decisions.md 34, F24, F25.
 */
import { type Clock, systemClock, wait } from "../lib/clock.ts";
import { isOpenclawError, messageOf, OpenclawError } from "../lib/errors.ts";
import { limitRepeats, type Logger } from "../lib/log.ts";
import { isFinal } from "./ssh_failure.ts";
import {
  openTunnel,
  type ProbeResult,
  type Tunnel,
  type TunnelSurroundings,
  type TunnelWish,
} from "./tunnel.ts";

/** Pause between looks, and how long one may take: two silent looks, at most 11 s, tell a frozen ssh (F24). */
const LOOK_EVERY_MS = 3_000;
const LOOK_TIMEOUT_MS = 4_000;
const FIRST_BACKOFF_MS = 500;
/** Short, because the way back after the host answers, jitter and login included, should take at most 3 s (F24). */
const LONGEST_BACKOFF_MS = 1_500;
/** Pause when a person has to act first: a host key or a login was refused (F25). */
const FINAL_BACKOFF_MS = 30_000;

/** State of a kept tunnel. */
export interface TunnelState {
  readonly tunnel: "connecting" | "open" | "down" | "stopped";
  /** What the last look through an open tunnel found. */
  readonly gateway: ProbeResult | undefined;
  readonly pid: number | undefined;
  readonly local: Tunnel["local"] | undefined;
  /** Where an open tunnel leads, see `placeKey()`. */
  readonly place?: Tunnel["place"];
  /** Wall clock of the last change. */
  readonly sinceMs: number;
  readonly lastError:
    | { readonly code: string; readonly message: string; readonly hint?: string }
    | undefined;
  readonly restarts: number;
}

/** What {@linkcode keepTunnel} needs. */
export interface KeepOptions {
  readonly wish: TunnelWish;
  readonly around: TunnelSurroundings;
  readonly log: Logger;
  readonly signal: AbortSignal;
  /** Called on every change; must not throw. */
  readonly onState: (state: TunnelState) => void | Promise<void>;
}

/** Runs until `signal` is aborted; then the tunnel is stopped and nothing of it is left. */
export async function keepTunnel(options: KeepOptions): Promise<void> {
  const clock = options.around.clock ?? systemClock;
  const warn = limitRepeats(options.log.warn, 60_000, clock);
  let state: TunnelState = {
    tunnel: "connecting",
    gateway: undefined,
    pid: undefined,
    local: undefined,
    sinceMs: clock.now(),
    lastError: undefined,
    restarts: -1,
  };
  const publish = async (change: Partial<TunnelState>) => {
    state = { ...state, ...change, sinceMs: clock.now() };
    await options.onState(state);
  };
  for (let failures = 0; !options.signal.aborted; failures++) {
    await publish({ tunnel: "connecting", gateway: undefined, restarts: state.restarts + 1 });
    try {
      const tunnel = await openTunnel(options.wish, options.around);
      failures = 0;
      options.log.info("tunnel open", { pid: tunnel.pid });
      await publish({
        tunnel: "open",
        gateway: "gateway",
        pid: tunnel.pid,
        local: tunnel.local,
        place: tunnel.place,
        lastError: undefined,
      });
      throw await watch(tunnel, options, clock, (gateway) => publish({ gateway }));
    } catch (error) {
      if (options.signal.aborted) break;
      const reason = isOpenclawError(error)
        ? error
        : new OpenclawError("TUNNEL_FAILED", messageOf(error));
      warn("tunnel down", { code: reason.code, reason: reason.message });
      const { code, message, hint } = reason;
      await publish({
        tunnel: "down",
        gateway: undefined,
        pid: undefined,
        local: undefined,
        place: undefined,
        lastError: { code, message, ...(hint ? { hint } : {}) },
      });
      await pause(code, failures, options.signal, clock);
    }
  }
  await publish({ tunnel: "stopped", gateway: undefined, pid: undefined, local: undefined });
}

async function pause(
  code: string,
  failures: number,
  signal: AbortSignal,
  clock: Clock,
): Promise<void> {
  const base = isFinal(code)
    ? FINAL_BACKOFF_MS
    : Math.min(LONGEST_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** failures);
  const jitter = 0.8 + 0.4 * Math.random();
  await wait(base * jitter, signal, clock).catch(() => {/* stopped: the loop ends */});
}

/** Returns why the tunnel is over. A gateway that is down is no reason; a silent tunnel is. */
async function watch(
  tunnel: Tunnel,
  options: KeepOptions,
  clock: Clock,
  onGateway: (gateway: ProbeResult) => Promise<void>,
): Promise<OpenclawError> {
  const stopped = Promise.withResolvers<OpenclawError>();
  const onAbort = () =>
    stopped.resolve(new OpenclawError("TUNNEL_STOPPED", "The tunnel was stopped"));
  options.signal.addEventListener("abort", onAbort, { once: true });
  if (options.signal.aborted) onAbort();
  const over = new AbortController();
  let reason: OpenclawError | undefined;
  const end = Promise.race([tunnel.ended, stopped.promise]).then((error) => {
    reason ??= error;
    over.abort();
  });
  let known: ProbeResult = "gateway";
  let silent = 0;
  while (!reason) {
    await wait(silent > 0 ? 0 : LOOK_EVERY_MS, over.signal, clock).catch(
      () => {/* over: the loop ends */},
    );
    if (reason) break;
    const found = await Promise.race([
      options.around.probe(tunnel.local, LOOK_TIMEOUT_MS),
      end.then(() => known),
    ]);
    silent = found === "silent" ? silent + 1 : 0;
    if (found !== known && !reason) await onGateway(known = found);
    if (silent >= 2) {
      reason ??= new OpenclawError(
        "TUNNEL_FROZEN",
        "Nothing came through the ssh tunnel, ssh seems frozen",
      );
    }
  }
  options.signal.removeEventListener("abort", onAbort);
  await tunnel.stop();
  await end;
  return reason ?? new OpenclawError("TUNNEL_STOPPED", "The tunnel was stopped");
}
