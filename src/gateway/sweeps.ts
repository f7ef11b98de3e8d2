/**
 * The process-wide timers: ticks, pings, health. One each for all connections, so that an idle connection has none.
 */
import { every } from "../lib/clock.ts";
import { HEALTH_INTERVAL_MS, PING_INTERVAL_MS, TICK_INTERVAL_MS } from "../protocol/limits.ts";
import { Connection } from "./peers/connection.ts";
import type { GatewayServices } from "./services/services.ts";

/** Starts the timers; the returned function ends them. */
export function startSweeps(services: GatewayServices): () => void {
  const { clock, events, registry, health, presence } = services;
  let pingedMs = clock.monotonic();
  const stops = [
    every(clock, TICK_INTERVAL_MS, () => events.broadcast("tick", { ts: clock.now() })),
    every(clock, PING_INTERVAL_MS, () => {
      const nowMs = clock.monotonic();
      // F20: this process stood still, and the answers may lie unread in its sockets.
      const wasFrozen = nowMs - pingedMs > PING_INTERVAL_MS + 1_000;
      pingedMs = nowMs;
      for (const peer of registry.peers()) {
        if (peer instanceof Connection) peer.checkAlive({ forgive: wasFrozen });
      }
    }),
    every(clock, HEALTH_INTERVAL_MS, () => {
      const snapshot = health.refresh();
      const stateVersion = { presence: presence.version, health: health.version };
      events.broadcast("health", snapshot, { stateVersion });
    }),
  ];
  return () => stops.forEach((stop) => stop());
}
