/** F14: a crowd of nodes and a gateway that goes away and comes back. Shared by the test and the soak. */
import { assert } from "@std/assert";
import { requireFingerprint } from "../../../src/identity/fingerprint.ts";
import { parseJoinLine } from "../../../src/protocol/setup_code.ts";
import { Crowd } from "../../support/crowd.ts";
import { freePort, run, type Running, start, TempHome } from "../program.ts";

/** What the return of a crowd looked like. */
export interface Return {
  /** From the gateway's readiness to the last node, milliseconds, by rank. */
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly problems: ReadonlyMap<string, number>;
  /** Different waits the nodes chose: jitter. */
  readonly differentWaits: number;
  /** Resident memory of the gateway with all of them connected, MiB. */
  readonly gatewayMib: number;
}

/** Connects `size` nodes, takes the gateway away for `awayMs`, and measures their return. */
export async function crowdReturns(size: number, awayMs: number): Promise<Return> {
  await using home = await TempHome.make();
  const env = home.env("gateway", { OPENCLAW_GATEWAY_PORT: String(freePort()) });
  const up = async (): Promise<Running> => {
    const gateway = start(["gateway", "run", "--tls"], { env });
    await gateway.until(/ready/, 30_000);
    return gateway;
  };
  let gateway = await up();
  const url = (gateway.said.match(/listening on (wss:\S+)/) ?? [])[1] as string;
  const pin = (gateway.said.match(/[0-9a-f]{64}/) ?? [])[0] as string;
  const line = await run([
    "devices",
    "join-code",
    "--uses",
    String(size),
    "--ttl",
    "1h",
    "--public-url",
    url,
  ], { env });
  assert(line.code === 0, line.stderr);
  const dir = `${home.path}/crowd`;
  await Deno.mkdir(dir);
  const crowd = new Crowd({
    size,
    url,
    pin: requireFingerprint(pin, "test"),
    bootstrapToken: parseJoinLine(line.stdout.trim()).bootstrapToken,
    dir,
  });
  try {
    await crowd.until(size, 20_000 + size * 60);
    crowd.problems.clear();
    await gateway.end("SIGTERM");
    await crowd.until(0, 10_000);
    await new Promise((resolve) => setTimeout(resolve, awayMs));
    const differentWaits = new Set(crowd.waitsMs).size;
    gateway = await up();
    const readyMs = performance.now();
    await crowd.until(size, 30_000);
    const back = [...crowd.openedMs.values()].map((ms) => ms - readyMs).sort((a, b) => a - b);
    const status = await Deno.readTextFile(`/proc/${gateway.pid}/status`).catch(() => "");
    return {
      p50Ms: back[Math.floor(size * 0.5)] as number,
      p99Ms: back[Math.min(size - 1, Math.floor(size * 0.99))] as number,
      problems: new Map(crowd.problems),
      differentWaits,
      gatewayMib: Number(status.match(/VmRSS:\s+(\d+)/)?.[1] ?? 0) / 1024,
    };
  } finally {
    await crowd.close();
    await gateway.end();
  }
}
