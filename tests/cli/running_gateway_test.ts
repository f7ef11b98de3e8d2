/** The record of a running gateway: whose word counts (F31). */
import { assertEquals } from "@std/assert";
import { join } from "@std/path";
import {
  publishRunningGateway,
  readRunningGateway,
  runningGatewayFile,
  withdrawRunningGateway,
} from "../../src/cli/connect/running_gateway.ts";

const facts = { host: "127.0.0.1", port: 18789, tls: true, fingerprint: "a".repeat(64) };

Deno.test(
  "F31: a record counts only while the very process that wrote it runs, whoever has its number now",
  {
    ignore: Deno.build.os !== "linux",
  },
  async () => {
    const gatewayDir = join(await Deno.makeTempDir(), "gateway");
    await Deno.mkdir(gatewayDir, { mode: 0o700 });
    const paths = { gatewayDir };
    try {
      assertEquals(await readRunningGateway(paths), undefined, "none was written");
      await publishRunningGateway(paths, facts);
      assertEquals((await readRunningGateway(paths))?.pid, Deno.pid);
      const file = runningGatewayFile(paths);
      const record = JSON.parse(await Deno.readTextFile(file));
      const changed = [
        { ...record, startTicks: record.startTicks - 1 }, // this number, but another process
        { ...record, pid: 2 ** 22 - 1 }, // nobody
        { ...record, port: "18789" },
        { ...record, version: 2 },
      ];
      for (const other of changed) {
        await Deno.writeTextFile(file, JSON.stringify(other), { mode: 0o600 });
        assertEquals(await readRunningGateway(paths), undefined, JSON.stringify(other));
      }
      await Deno.writeTextFile(file, JSON.stringify(record).slice(0, 40), { mode: 0o600 });
      assertEquals(await readRunningGateway(paths), undefined, "half a record");
      await withdrawRunningGateway(paths);
      assertEquals([...Deno.readDirSync(gatewayDir)], []);
    } finally {
      await Deno.remove(join(gatewayDir, ".."), { recursive: true });
    }
  },
);
