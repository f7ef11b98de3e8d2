/** The zone file of a gateway that comes and goes, served by a real name server. */
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { createLogger, type LogRecord, silentLogger } from "../../src/lib/log.ts";
import { browseDomain } from "../../src/net/discovery/wide_area.ts";
import { publishZone } from "../../src/remote/zone_file.ts";
import { eventually } from "../e2e/program.ts";
import { namedMissing, startNamed } from "../support/named.ts";

const gateway = {
  displayName: "Build farm",
  hostLabel: "farm",
  port: 18789,
  addresses: ["192.0.2.7", "100.64.0.7"],
  tlsFingerprint: "ab".repeat(32),
  directReachable: true,
};

async function withDir(body: (dir: string) => Promise<void>): Promise<void> {
  const dir = await Deno.makeTempDir();
  try {
    await body(dir);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

const serialOf = (zone: string) => Number(/ SOA \S+ \S+ (\d+)/.exec(zone)?.[1]);

Deno.test("a gateway that stops is gone from the domain, and back with the next start", () =>
  withDir(async (dir) => {
    const missing = await namedMissing();
    if (missing) return console.log(`skipped: ${missing}`);
    const wanted = { dir, domain: "wide.test" };
    const file = join(dir, "wide.test.db");
    let end = await publishZone(wanted, gateway, silentLogger);
    using spare = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const { port } = spare.addr as Deno.NetAddr;
    spare.close();
    const zones = { "wide.test": file };
    const named = await startNamed({ dir, address: "127.0.0.1", port, zones });
    const found = async () => {
      const servers = [{ address: "127.0.0.1", port }];
      return (await browseDomain(["wide", "test"], { servers })).map((b) => b.wsUrl);
    };
    try {
      // A tailnet's address, when there is one: that of a local network means nothing elsewhere.
      assertEquals(await found(), ["wss://100.64.0.7:18789"]);
      await end();
      await named.reload();
      await eventually("the name is gone", async () => (await found()).length === 0);
      end = await publishZone(wanted, gateway, silentLogger);
      await named.reload();
      await eventually(
        "it is back: the serial grew within one second",
        async () => (await found()).join() === "wss://100.64.0.7:18789",
      );
      await end();
    } finally {
      await named.stop();
    }
  }));

Deno.test("a zone left by a crash is emptied by the next start, whatever it is configured for", () =>
  withDir(async (dir) => {
    await publishZone({ dir, domain: "old.test" }, gateway, silentLogger);
    const old = await Deno.readTextFile(join(dir, "old.test.db"));
    assertStringIncludes(old, " SRV ");
    await publishZone({ dir, domain: "new.test" }, gateway, silentLogger);
    const emptied = await Deno.readTextFile(join(dir, "old.test.db"));
    assertEquals(/ (SRV|PTR|TXT) /.test(emptied), false, emptied);
    assertEquals(serialOf(emptied) > serialOf(old), true);
    await publishZone({ dir, domain: undefined }, gateway, silentLogger);
    const none = await Deno.readTextFile(join(dir, "new.test.db"));
    assertEquals(/ (SRV|PTR|TXT) /.test(none), false, none);
  }));

Deno.test("a zone file that is not ours is left alone", () =>
  withDir(async (dir) => {
    const foreign = "; by hand\n_openclaw-gw._tcp.x.test. 60 IN SRV 0 0 1 gw.x.test.\n";
    await Deno.writeTextFile(join(dir, "x.test.db"), foreign);
    await (await publishZone({ dir, domain: "wide.test" }, gateway, silentLogger))();
    assertEquals(await Deno.readTextFile(join(dir, "x.test.db")), foreign);
  }));

Deno.test("a gateway on loopback, and a domain that is none, write nothing and say so", () =>
  withDir(async (dir) => {
    const said: LogRecord[] = [];
    const log = createLogger({ subsystem: "t", sink: (record) => void said.push(record) });
    await publishZone({ dir, domain: "wide.test" }, { ...gateway, addresses: [] }, log);
    await publishZone({ dir, domain: "../x" }, gateway, log);
    assertEquals([...Deno.readDirSync(dir)], []);
    assertMatch(JSON.stringify(said[0]), /listens on loopback only/);
    assertMatch(JSON.stringify(said[1]), /no unicast domain/);
  }));
