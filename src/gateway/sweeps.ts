/**
 * The one process-wide timer: pings, ticks, health. Each is for all connections, so that an idle connection has no timer,
 * and what falls together goes out in one write per connection: with thousands of them that is what an idle gateway does.
 */
import { every } from "../lib/clock.ts";
import { HEALTH_INTERVAL_MS, PING_INTERVAL_MS, TICK_INTERVAL_MS } from "../protocol/limits.ts";
import { Connection } from "./peers/connection.ts";
import type { GatewayServices } from "./services/services.ts";

/** Rounds of pings from one tick, and from one look at the health, to the next; the health goes out with a tick. */
const ROUNDS_PER_TICK = Math.round(TICK_INTERVAL_MS / PING_INTERVAL_MS);
const ROUNDS_PER_HEALTH = Math.round(HEALTH_INTERVAL_MS / PING_INTERVAL_MS);

/** Starts the timer; the returned function ends it. */
export function startSweeps(services: GatewayServices): () => void {
  const { clock, registry } = services;
  let pingedMs = clock.monotonic();
  let round = 0;
  return every(clock, PING_INTERVAL_MS, () => {
    const nowMs = clock.monotonic();
    // F20: this process stood still, and the answers may lie unread in its sockets.
    const wasFrozen = nowMs - pingedMs > PING_INTERVAL_MS + 1_000;
    pingedMs = nowMs;
    round++;
    const connections = [...registry.peers()].filter((peer) => peer instanceof Connection);
    const check = (connection: Connection) => connection.checkAlive({ forgive: wasFrozen });
    if (round % ROUNDS_PER_TICK !== 0) return connections.forEach(check);
    for (const connection of connections) connection.hold();
    try {
      services.events.broadcast("tick", { ts: clock.now() });
      if (round % ROUNDS_PER_HEALTH === 0) sendHealth(services);
      connections.forEach(check);
    } finally {
      for (const connection of connections) connection.release();
    }
  });
}

function sendHealth({ events, health, presence }: GatewayServices): void {
  const snapshot = health.refresh();
  const stateVersion = { presence: presence.version, health: health.version };
  events.broadcast("health", snapshot, { stateVersion });
}
