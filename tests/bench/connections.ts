/**
 * Many connections: how fast paired nodes are let in, and what an idle one costs.
 */
import { plainRow, ratioRow, type Row } from "./measure.ts";
import { makeIdentity, type Peer } from "./peer.ts";
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

/** Memory per idle node, and what an idle gateway burns. */
export async function measureIdle(sizes: Sizes): Promise<Row[]> {
  const rows: Row[] = [];
  for (const tls of [false, true]) {
    const kib = (bytes: number) => bytes / sizes.idleNodes / 1024;
    rows.push(
      ...await sideBySide({ tls }, async ({ floor, ours }) => {
        const a = await grow(floor, sizes.idleNodes);
        const b = await grow(ours, sizes.idleNodes);
        const name = `${sizes.idleNodes} nodes, ${tls ? "TLS" : "plain"}, each`;
        const figures = { ours: kib(b.bytes), floor: kib(a.bytes), unit: "KiB" };
        const above = figures.ours - figures.floor;
        return [
          plainRow("idle", name, { ...figures, compared: above }, { atMost: 8 }),
          plainRow("idle", "  CPU", { ours: b.cpuPercent, floor: a.cpuPercent, unit: "% core" }, {
            atMost: 1,
          }),
        ];
      }),
    );
  }
  return rows;
}

/** Connects `count` nodes 16 at a time and lets them sit for five seconds. */
async function grow(server: Server, count: number): Promise<{ bytes: number; cpuPercent: number }> {
  // A first round of connections, so that code and pools that are paid once do not count per node.
  const identities = await Promise.all(Array.from({ length: count }, makeIdentity));
  const open = async (upTo: number) => {
    const peers: Peer[] = [];
    let next = 0;
    const lane = async () => {
      while (next < upTo) peers.push(await dial(server, "node", identities[next++]!));
    };
    await Promise.all(Array.from({ length: 16 }, lane));
    return peers;
  };
  await Promise.all((await open(Math.min(64, count))).map((peer) => peer.close()));
  const before = rssBytes(server.pid);
  const peers = await open(count);
  await new Promise((resolve) => setTimeout(resolve, 2000));
  const bytes = rssBytes(server.pid) - before;
  const from = cpuMs(server.pid);
  await new Promise((resolve) => setTimeout(resolve, 5000));
  const cpuPercent = (cpuMs(server.pid) - from) / 50;
  await Promise.all(peers.map((peer) => peer.close()));
  return { bytes, cpuPercent };
}
