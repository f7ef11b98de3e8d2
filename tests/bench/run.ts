/**
 * `system.run` end to end through a real node process, against the relay with a node that only spawns.
 */
import { hammer, median, ratioRow, type Row } from "./measure.ts";
import { type Server, startNode } from "./servers.ts";
import { approveWaiting, dial, sideBySide, type Sizes } from "./side_by_side.ts";

/** `system.run` end to end through a real node. */
export function measureRun(sizes: Sizes): Promise<Row[]> {
  return sideBySide({}, async (servers) => {
    const rows: Row[] = [];
    const sides = { floor: await openRunner(servers.floor), ours: await openRunner(servers.ours) };
    const times = { floor: [] as number[], ours: [] as number[] };
    const big = { floor: [] as number[], ours: [] as number[] };
    for (let n = 0; n < sizes.runs; n++) {
      for (const side of ["floor", "ours"] as const) {
        times[side].push(await timed(() => sides[side].run(["/bin/true"])));
        if (n % 4 === 0) big[side].push(await timed(() => sides[side].runBig(1 << 20)));
      }
    }
    rows.push(
      ratioRow("run", "/bin/true, one at a time", {
        ours: median(times.ours),
        floor: median(times.floor),
        unit: "ms",
      }, { atMost: 2 }),
      ratioRow("run", "1 MiB of output", {
        ours: median(big.ours),
        floor: median(big.floor),
        unit: "ms",
      }, { atMost: 2 }),
    );
    const rates = { floor: [] as number[], ours: [] as number[] };
    for (let round = 0; round < sizes.rounds; round++) {
      for (const side of ["floor", "ours"] as const) {
        const options = { inFlight: 8, forMs: sizes.forMs / 2, pid: servers[side].pid };
        const load = await hammer(() => sides[side].run(["/bin/true"]), options);
        rates[side].push(load.perSecond);
      }
    }
    rows.push(
      ratioRow("run", "/bin/true, 8 in flight", {
        floor: Math.max(...rates.floor),
        ours: Math.max(...rates.ours),
        unit: "runs/s",
      }, { atLeast: 0.5 }),
    );
    await sides.floor.close();
    await sides.ours.close();
    return rows;
  });
}

async function timed(act: () => Promise<unknown>): Promise<number> {
  const from = performance.now();
  await act();
  return performance.now() - from;
}

/** A node process and an operator that runs commands on it. */
async function openRunner(server: Server) {
  const live = server.name !== "relay";
  const node = await startNode(server);
  const operator = await dial(server, "operator", undefined, live ? ["invoke-output"] : []);
  const file = await Deno.makeTempFile({ prefix: "openclaw-bench-", suffix: ".txt" });
  await Deno.writeTextFile(
    file,
    "a line of ordinary build output, 64 bytes with its line end ...\n".repeat(16384),
  );
  let seen = 0;
  // As the command line does: one acknowledgement for all that came while the bytes before were written.
  let written: { idempotencyKey: string; seq: number } | undefined;
  const acknowledge = () => {
    void operator.request("node.invoke.output.ack", written!);
    written = undefined;
  };
  operator.onEvent = (event, payload) => {
    if (event !== "node.invoke.output") return;
    seen += payload.b64 === undefined ? 0 : payload.b64.length * 3 / 4;
    const { idempotencyKey, seq } = payload;
    if (written === undefined) setTimeout(acknowledge);
    written = { idempotencyKey, seq };
  };
  const run = async (command: string[]) => {
    const { payload } = await operator.invoke(node.nodeId, "system.run", { command });
    if (payload.success !== true) throw new Error(`run failed: ${JSON.stringify(payload)}`);
    return payload;
  };
  await untilAnswers(async () => {
    await approveWaiting(operator);
    await run(["/bin/true"]);
  });
  return {
    run,
    runBig: async (bytes: number) => {
      seen = 0;
      const { stdout } = await run(["/usr/bin/head", "-c", String(bytes), file]);
      const got = live ? seen : stdout.length;
      if (Math.abs(got - bytes) > bytes / 100) throw new Error(`got ${got} of ${bytes} bytes`);
    },
    close: async () => {
      await operator.close();
      await node.stop();
      await Deno.remove(file);
    },
  };
}

/** A node process needs a moment to connect; the last refusal is the error. */
async function untilAnswers(act: () => Promise<unknown>): Promise<void> {
  const until = performance.now() + 10_000;
  for (;;) {
    try {
      await act();
      return;
    } catch (error) {
      if (performance.now() > until) throw error;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}
