/**
 * Many connections: how fast paired nodes are let in, and what an idle one costs.
 */
import { plainRow, ratioRow, type Row } from "./measure.ts";
import { type Identity, makeIdentity, type Peer } from "./peer.ts";
import { cpuMs, rssBytes, type Server } from "./servers.ts";
import { dial, sideBySide, type Sizes } from "./side_by_side.ts";

/** Paired nodes that connect, prove their key, get hello and leave. */
export function measureHandshakes(sizes: Sizes): Promise<Row[]> {
  return sideBySide({ check: true }, async (servers) => {
    const identities = await Promise.all(Array.from({ length: 32 }, makeIdentity));
    const rate = async (server: Server) => {
      let next = 0;
      const lane = async (lane: number) => {
        while (next++ < sizes.handshakes) {
          await (await dial(server, "node", identities[lane]!)).close();
        }
      };
      const from = performance.now();
      await Promise.all(Array.from({ length: 8 }, (_, n) => lane(n)));
      return sizes.handshakes / ((performance.now() - from) / 1000);
    };
    const rates = { floor: [] as number[], ours: [] as number[] };
    for (let round = 0; round <= sizes.rounds; round++) {
      rates.floor.push(await rate(servers.floor));
      rates.ours.push(await rate(servers.ours));
    }
    // The first round pairs the nodes and warms up.
    const top = (all: number[]) => Math.max(...all.slice(1));
    const figures = { ours: top(rates.ours), floor: top(rates.floor), unit: "hellos/s" };
    return [ratioRow("handshake", "paired node, 8 at a time", figures, { atLeast: 0.5 })];
  });
}

/** An idle gateway lets its writer thread go after 10 s; memory is read before and after in that state. */
const SETTLE_MS = 12_000;
/** As long as the slowest thing a gateway does for idle nodes, the tick. */
const CPU_WINDOW_MS = 30_000;

/** Memory per idle node, and what an idle gateway burns; plain and TLS wait together. */
export function measureIdle(sizes: Sizes): Promise<Row[]> {
  return sideBySide({}, (plain) =>
    sideBySide({ tls: true }, async (tls) => {
      const servers = [plain.floor, plain.ours, tls.floor, tls.ours];
      const costs = await idleCosts(servers, sizes.idleNodes);
      return [
        ...idleRows(`${sizes.idleNodes} nodes, plain`, costs[0]!, costs[1]!),
        ...idleRows(`${sizes.idleNodes} nodes, TLS`, costs[2]!, costs[3]!),
      ];
    }));
}

interface IdleCost {
  readonly kibPerNode: number;
  /** In the first window after the nodes came, when the engine still clears up after their arrival, and in the next. */
  readonly cpuPercents: readonly [arrival: number, idle: number];
}

function idleRows(name: string, floor: IdleCost, ours: IdleCost): Row[] {
  const figures = { ours: ours.kibPerNode, floor: floor.kibPerNode, unit: "KiB" };
  const compared = figures.ours - figures.floor;
  const cpuRow = (name: string, window: 0 | 1, target: { atMost?: number }) => {
    const [own, relay] = [ours.cpuPercents[window], floor.cpuPercents[window]];
    return plainRow("idle", name, { ours: own, floor: relay, unit: "% core" }, target);
  };
  return [
    plainRow("idle", `${name}, each`, { ...figures, compared }, { atMost: 8 }),
    cpuRow("  CPU", 1, { atMost: 1 }),
    cpuRow("  CPU in the half minute before", 0, {}),
  ];
}

async function idleCosts(servers: readonly Server[], count: number): Promise<IdleCost[]> {
  const identities = await Promise.all(Array.from({ length: count }, makeIdentity));
  // A first round of connections, so that code and pools that are paid once do not count per node.
  for (const server of servers) await closeAll(await openAll(server, identities.slice(0, 64)));
  await settle(SETTLE_MS);
  const before = servers.map((server) => rssBytes(server.pid));
  const peers: Peer[] = [];
  for (const server of servers) peers.push(...await openAll(server, identities));
  await settle(SETTLE_MS);
  const kibPerNode = servers.map((server, n) => (rssBytes(server.pid) - before[n]!) / count / 1024);
  const arrival = await cpuPercents(servers);
  const idle = await cpuPercents(servers);
  await closeAll(peers);
  return servers.map((_, n) => ({
    kibPerNode: kibPerNode[n]!,
    cpuPercents: [arrival[n]!, idle[n]!],
  }));
}

/** What each server burns within one window. */
async function cpuPercents(servers: readonly Server[]): Promise<number[]> {
  const from = servers.map((server) => cpuMs(server.pid));
  await settle(CPU_WINDOW_MS);
  return servers.map((server, n) => (cpuMs(server.pid) - from[n]!) * 100 / CPU_WINDOW_MS);
}

function settle(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Connects a node per identity, 16 at a time. */
async function openAll(server: Server, identities: readonly Identity[]): Promise<Peer[]> {
  const peers: Peer[] = [];
  let next = 0;
  const lane = async () => {
    while (next < identities.length) peers.push(await dial(server, "node", identities[next++]!));
  };
  await Promise.all(Array.from({ length: 16 }, lane));
  return peers;
}

async function closeAll(peers: readonly Peer[]): Promise<void> {
  await Promise.all(peers.map((peer) => peer.close()));
}
