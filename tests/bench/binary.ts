/**
 * The executable itself: size, start-up, time until a gateway accepts, memory of an idle gateway and node.
 */
import { fromFileUrl, join } from "@std/path";
import { median, plainRow, type Row } from "./measure.ts";
import { rssBytes, startGateway, startNode } from "./servers.ts";

const BINARY = join(
  fromFileUrl(new URL("../..", import.meta.url)),
  "dist",
  Deno.build.os === "windows" ? "openclaw.exe" : "openclaw",
);
const RUNS = 10;

async function runMs(args: string[], env: Record<string, string> = {}): Promise<number> {
  const times: number[] = [];
  for (let n = 0; n < RUNS; n++) {
    const from = performance.now();
    const { success, stderr } = await new Deno.Command(BINARY, {
      args,
      env,
      stdin: "null",
    }).output();
    if (!success) throw new Error(`${args.join(" ")}: ${new TextDecoder().decode(stderr)}`);
    times.push(performance.now() - from);
  }
  return median(times);
}

/** Rows about `dist/openclaw`; none when it was not built. */
export async function measureBinary(): Promise<Row[]> {
  const size = await Deno.stat(BINARY).then((info) => info.size, () => undefined);
  if (size === undefined) {
    console.error("binary: dist/openclaw is not there, skipped (deno task compile makes it)");
    return [];
  }
  const rows: Row[] = [
    plainRow("binary", "size", { ours: size / 1e6, unit: "MB" }, { atMost: 100 }),
    plainRow("binary", "--version", { ours: await runMs(["--version"]), unit: "ms" }, {
      atMost: 60,
    }),
    plainRow("binary", "--help", { ours: await runMs(["--help"]), unit: "ms" }, { atMost: 60 }),
  ];
  const program = { file: BINARY, args: [] };
  const starts: number[] = [];
  for (let n = 0; n < 5; n++) {
    const from = performance.now();
    const gateway = await startGateway({ program, tls: n % 2 === 1 });
    starts.push(performance.now() - from);
    await gateway.stop();
  }
  rows.push(
    plainRow("binary", "gateway accepts after", { ours: median(starts), unit: "ms" }, {
      atMost: 150,
    }),
  );
  const gateway = await startGateway({ program });
  const node = await startNode(gateway, program);
  const health = await runMs(["health"], gateway.env);
  // Idle means: the writer thread, kept for 10 s, went; nothing signals that.
  await new Promise((resolve) => setTimeout(resolve, 12_000));
  const mib = (pid: number) => ({ ours: rssBytes(pid) / 1024 / 1024, unit: "MiB" });
  rows.push(
    plainRow("binary", "health, against a running gateway", { ours: health, unit: "ms" }, {
      atMost: 150,
    }),
    plainRow("binary", "idle memory of the gateway", mib(gateway.pid), { atMost: 80 }),
    plainRow("binary", "idle memory of the node", mib(node.pid), { atMost: 70 }),
  );
  await node.stop();
  await gateway.stop();
  return rows;
}
