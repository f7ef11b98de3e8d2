/**
 * What the measured sections share: their sizes, and the floor program and ours side by side.
 */
import { type Identity, openPeer, type Peer } from "./peer.ts";
import { type Server, startGateway, startRelay } from "./servers.ts";

/** How much is done. */
export interface Sizes {
  /** Time of one measurement, milliseconds. */
  readonly forMs: number;
  /** Measurements per figure, taken in turns; the best counts. */
  readonly rounds: number;
  readonly idleNodes: number;
  readonly handshakes: number;
  readonly runs: number;
}

/** Runs `use` with the floor relay and our gateway, and stops both. */
export async function sideBySide<T>(
  options: { tls?: boolean; check?: boolean },
  use: (servers: { floor: Server; ours: Server }) => Promise<T>,
): Promise<T> {
  const floor = await startRelay(options);
  try {
    const ours = await startGateway(options);
    try {
      return await use({ floor, ours });
    } finally {
      await ours.stop();
    }
  } finally {
    await floor.stop();
  }
}

/** A peer with the server's credentials. */
export function dial(
  server: Server,
  role: "operator" | "node",
  identity?: Identity,
  caps?: readonly string[],
): Promise<Peer> {
  return openPeer({
    url: server.url,
    role,
    ...(identity === undefined ? {} : { identity }),
    ...(caps === undefined ? {} : { caps }),
    ...(server.token === undefined ? {} : { token: server.token }),
  });
}

/** Approves the commands of every node that waits; the relay knows none. */
export async function approveWaiting(operator: Peer): Promise<void> {
  const { pending = [] } = await operator.request("node.pair.list", {});
  for (const { requestId } of pending) await operator.request("node.pair.approve", { requestId });
}
