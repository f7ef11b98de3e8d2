/**
 * The process-wide timers: ticks, pings, health. Each is for all connections, so that an idle connection has none, and
 * what falls together goes out in one write per connection: with thousands of them that is what an idle gateway does.
 */
import { every } from "../lib/clock.ts";
import { HEALTH_INTERVAL_MS, PING_ANSWER_MS, TICK_INTERVAL_MS } from "../protocol/limits.ts";
import { Connection } from "./peers/connection.ts";
import type { GatewayServices } from "./services/services.ts";

/** The health goes out with every so many ticks. */
const TICKS_PER_HEALTH = Math.round(HEALTH_INTERVAL_MS / TICK_INTERVAL_MS);

/** Starts the timers; the returned function ends them. */
export function startSweeps(services: GatewayServices): () => void {
  const { clock, registry } = services;
  let ticks = 0;
  let cancelLook = () => {};
  const stopTicks = every(clock, TICK_INTERVAL_MS, () => {
    const connections = [...registry.peers()].filter((peer) => peer instanceof Connection);
    for (const connection of connections) connection.hold();
    try {
      services.events.broadcast("tick", { ts: clock.now() });
      if (++ticks % TICKS_PER_HEALTH === 0) sendHealth(services);
      for (const connection of connections) connection.askForSign();
    } finally {
      for (const connection of connections) connection.release();
    }
    const askedMs = clock.monotonic();
    cancelLook = clock.after(PING_ANSWER_MS, () => {
      // F20: this process stood still, and the answers may lie unread in its sockets.
      if (clock.monotonic() - askedMs > PING_ANSWER_MS + 1_000) return;
      for (const connection of connections) connection.dropIfSilent();
    });
  });
  return () => {
    stopTicks();
    cancelLook();
  };
}

function sendHealth({ events, health, presence }: GatewayServices): void {
  const snapshot = health.refresh();
  const stateVersion = { presence: presence.version, health: health.version };
  events.broadcast("health", snapshot, { stateVersion });
}
