/** Starts real node hosts for tests, each with its own state directory. */
import { join } from "@std/path";
import { statePaths } from "../../../src/config/paths.ts";
import { createLogger } from "../../../src/lib/log.ts";
import { type NodeOptions, type RunningNode, startNode } from "../../../src/node/host.ts";
import { DEFAULT_PATH } from "../../../src/platform/os.ts";
import { TestGateway, type TestGatewayOptions } from "./gateway.ts";
import { runnerCommand } from "./runner.ts";

/** A folder, its paths and what was logged. */
export interface Bench {
  readonly home: string;
  readonly paths: ReturnType<typeof statePaths>;
  readonly lines: string[];
  options(more?: Partial<NodeOptions>): NodeOptions;
  /** Writes `exec-approvals.json`. */
  approvals(file: unknown): Promise<void>;
}

/** Everything allowed, as an operator would set it for a trusted gateway. */
export const FULL = { version: 1, defaults: { security: "full", ask: "off" }, agents: {} };

export async function withBench(run: (bench: Bench) => Promise<void>): Promise<void> {
  const home = await Deno.realPath(await Deno.makeTempDir({ prefix: "openclaw-node-" }));
  // The runner of these tests runs from source and needs the cache of packages.
  const denoDir = Deno.env.get("DENO_DIR") ?? join(Deno.env.get("HOME") ?? "/", ".cache", "deno");
  const env = { HOME: home, PATH: DEFAULT_PATH, DENO_DIR: denoDir };
  const paths = statePaths(env);
  const lines: string[] = [];
  const log = createLogger({
    subsystem: "node",
    sink: (record) => lines.push(`${record.level} ${record.message}`),
  });
  try {
    await Deno.mkdir(paths.stateDir, { mode: 0o700 });
    await run({
      home,
      paths,
      lines,
      options: (more = {}) => ({
        paths,
        env: { ...env, ...more.env },
        flags: {},
        log,
        runnerCommand,
        ...more,
        ...(more.env ? { env: { ...env, ...more.env } } : {}),
      }),
      approvals: (file) =>
        Deno.writeTextFile(join(paths.stateDir, "exec-approvals.json"), JSON.stringify(file), {
          mode: 0o600,
        }),
    });
  } finally {
    await Deno.remove(home, { recursive: true });
  }
}

export interface Connected {
  readonly bench: Bench;
  readonly gateway: TestGateway;
  readonly node: RunningNode;
}

/** A node connected to a test gateway. */
export async function withNode(
  run: (connected: Connected) => Promise<void>,
  more: { gateway?: TestGatewayOptions; node?: Partial<NodeOptions>; approvals?: unknown } = {},
): Promise<void> {
  await withBench(async (bench) => {
    await bench.approvals(more.approvals ?? FULL);
    const gateway = await TestGateway.start(more.gateway);
    const node = await startNode(bench.options({
      ...more.node,
      flags: { host: "127.0.0.1", port: gateway.port, ...more.node?.flags },
    }));
    try {
      await run({ bench, gateway, node });
    } finally {
      await node.stop({ force: true });
      await gateway.close();
    }
  });
}
