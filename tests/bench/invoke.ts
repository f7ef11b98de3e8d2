/**
 * Round trips of `node.invoke`: rate and processor time against the relay, and what TLS adds.
 */
import { hammer, type Load, plainRow, ratioRow, type Row } from "./measure.ts";
import { makeIdentity, type Peer } from "./peer.ts";
import type { Server } from "./servers.ts";
import { approveWaiting, dial, sideBySide, type Sizes } from "./side_by_side.ts";

const WHICH = { bins: ["true"] };

/** Nodes that answer at once, and an operator. */
async function openCrowd(server: Server, count: number) {
  const identities = await Promise.all(Array.from({ length: count }, makeIdentity));
  const nodes: Peer[] = [];
  for (const identity of identities) {
    const node = await dial(server, "node", identity);
    node.onInvoke = () => ({ bins: { true: "/usr/bin/true" } });
    nodes.push(node);
  }
  const operator = await dial(server, "operator");
  await approveWaiting(operator);
  const ids = identities.map((identity) => identity.deviceId);
  return {
    operator,
    call: (n: number) => operator.invoke(ids[n % ids.length]!, "system.which", WHICH),
    close: () => Promise.all([operator, ...nodes].map((peer) => peer.close())),
  };
}

const best = (loads: readonly Load[]) => ({
  perSecond: Math.max(...loads.map((load) => load.perSecond)),
  medianMs: Math.min(...loads.map((load) => load.medianMs)),
  cpuUs: Math.min(...loads.map((load) => load.cpuUs)),
});

/** Both servers in turns, `rounds` times; the first calls warm up and are not counted. */
async function inTurns(
  servers: { floor: Server; ours: Server },
  nodes: number,
  use: (measure: (inFlight: number) => Promise<{ floor: Load; ours: Load }>) => Promise<void>,
  sizes: Sizes,
): Promise<void> {
  const crowds = {
    floor: await openCrowd(servers.floor, nodes),
    ours: await openCrowd(servers.ours, nodes),
  };
  const once = (side: "floor" | "ours", inFlight: number, forMs: number) =>
    hammer(crowds[side].call, { inFlight, forMs, pid: servers[side].pid });
  await once("floor", 16, 400);
  await once("ours", 16, 400);
  await use(async (inFlight) => {
    const seen = { floor: [] as Load[], ours: [] as Load[] };
    for (let round = 0; round < sizes.rounds; round++) {
      for (const side of ["floor", "ours"] as const) {
        seen[side].push(await once(side, inFlight, sizes.forMs));
      }
    }
    return { floor: best(seen.floor), ours: best(seen.ours) };
  });
  await crowds.floor.close();
  await crowds.ours.close();
}

/** Round trips of `node.invoke`. */
export function measureInvoke(sizes: Sizes): Promise<Row[]> {
  return sideBySide({}, async (servers) => {
    const rows: Row[] = [];
    for (const nodes of [1, 100]) {
      await inTurns(servers, nodes, async (measure) => {
        for (const inFlight of [1, 16, 64]) {
          const { floor, ours } = await measure(inFlight);
          const name = `${nodes} node${nodes > 1 ? "s" : ""}, ${inFlight} in flight`;
          rows.push(
            ratioRow("invoke", name, {
              ours: ours.perSecond,
              floor: floor.perSecond,
              unit: "calls/s",
            }, { atLeast: 0.7 }),
            ratioRow("invoke", `  CPU per call`, {
              ours: ours.cpuUs,
              floor: floor.cpuUs,
              unit: "us",
            }, {
              atMost: 1.6,
            }),
          );
        }
      }, sizes);
    }
    return rows;
  });
}

/** One call in flight, TLS against plaintext. */
export async function measureTls(sizes: Sizes): Promise<Row[]> {
  const medians = async (tls: boolean) => {
    let figures = { floor: 0, ours: 0 };
    await sideBySide({ tls }, (servers) =>
      inTurns(servers, 1, async (measure) => {
        const { floor, ours } = await measure(1);
        figures = { floor: floor.medianMs, ours: ours.medianMs };
      }, sizes));
    return figures;
  };
  const plain = await medians(false);
  const tls = await medians(true);
  return [
    plainRow("tls", "one call in flight, TLS median", {
      ours: tls.ours,
      floor: tls.floor,
      unit: "ms",
    }, {}),
    plainRow("tls", "  above plaintext", {
      ours: tls.ours - plain.ours,
      floor: tls.floor - plain.floor,
      unit: "ms",
      compared: tls.ours - plain.ours,
    }, { atMost: 1 }),
  ];
}
