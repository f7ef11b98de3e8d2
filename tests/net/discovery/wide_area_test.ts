/** Wide-area DNS-SD: the zone a gateway writes, served by a real name server, and liars in its place. */
import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { createSocket } from "node:dgram";
import { join } from "@std/path";
import { OpenclawError } from "../../../src/lib/errors.ts";
import { decodeDns, DNS_TYPE, encodeDns } from "../../../src/net/discovery/dns_message.ts";
import { type AnnounceFacts, serviceIn } from "../../../src/net/discovery/records.ts";
import { browseDomain, parseDomain } from "../../../src/net/discovery/wide_area.ts";
import { renderZone } from "../../../src/net/discovery/zone.ts";
import { namedMissing, startNamed } from "../../support/named.ts";

const DOMAIN = ["wide", "test"];
const facts: AnnounceFacts = {
  displayName: "Build farm",
  hostLabel: "farm",
  port: 18789,
  addresses: ["192.0.2.7"],
  tlsFingerprint: "ab".repeat(32),
  directReachable: true,
};

/** A port free for UDP and TCP at this moment. */
function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return (listener.addr as Deno.NetAddr).port;
}

const NAMES = [
  "Build farm",
  `a "quoted"; name\\032 (1).x`,
  "x\n@ IN NS evil.test.",
  "büild-日本",
];
for (const displayName of NAMES) {
  Deno.test(`N39: a gateway called ${JSON.stringify(displayName)} is found again through a real name server`, async () => {
    const missing = await namedMissing();
    if (missing) return console.log(`skipped: ${missing}`);
    const dir = await Deno.makeTempDir();
    const file = join(dir, "wide.test.db");
    await Deno.writeTextFile(file, renderZone(DOMAIN, { ...facts, displayName }, 7));
    const check = await new Deno.Command("/usr/bin/named-checkzone", {
      args: ["wide.test", file],
      stderr: "piped",
    }).output();
    assertEquals(check.success, true, new TextDecoder().decode(check.stdout));
    const port = freePort();
    const named = await startNamed({
      dir,
      address: "127.0.0.1",
      port,
      zones: { "wide.test": file },
    });
    try {
      const servers = [{ address: "127.0.0.1", port }];
      const [beacon, ...more] = await browseDomain(DOMAIN, { servers });
      assertEquals(more, []);
      assertEquals(
        [beacon?.instanceName, beacon?.displayName, beacon?.wsUrl, beacon?.domain],
        [displayName, displayName, "wss://192.0.2.7:18789", "wide.test."],
      );
      assertEquals(await browseDomain(["empty", "wide", "test"], { servers }), []);
    } finally {
      await named.stop();
      await Deno.remove(dir, { recursive: true });
    }
  });
}

Deno.test("an answer that does not fit a datagram is asked for over TCP", async () => {
  const missing = await namedMissing();
  if (missing) return console.log(`skipped: ${missing}`);
  const dir = await Deno.makeTempDir();
  const file = join(dir, "wide.test.db");
  const zones = Array.from({ length: 20 }, (_, i) =>
    renderZone(DOMAIN, {
      ...facts,
      displayName: `a gateway with a long name ${i}`,
      hostLabel: `gw${i}`,
      addresses: [`192.0.2.${i}`],
    }, 7));
  const extra = zones.slice(1).flatMap((zone) =>
    zone.split("\n").filter((line) => /^[^;$@n]/.test(line) && !line.startsWith("ns1"))
  );
  await Deno.writeTextFile(file, [zones[0], ...extra, ""].join("\n"));
  const port = freePort();
  const named = await startNamed({ dir, address: "127.0.0.1", port, zones: { "wide.test": file } });
  try {
    const found = await browseDomain(DOMAIN, { servers: [{ address: "127.0.0.1", port }] });
    assertEquals(found.length, 20);
    assertEquals(new Set(found.map((b) => b.wsUrl)).size, 20);
  } finally {
    await named.stop();
    await Deno.remove(dir, { recursive: true });
  }
});

/** A UDP server that answers each question with what `reply` makes of it. */
async function standIn(
  reply: (id: number, bytes: Uint8Array) => readonly Uint8Array[],
): Promise<{ port: number; close(): Promise<void> }> {
  const socket = createSocket("udp4");
  socket.on("message", (data: Uint8Array, from: { port: number; address: string }) => {
    const id = decodeDns(data)?.id ?? 0;
    for (const bytes of reply(id, data)) socket.send(bytes, from.port, from.address);
  });
  await new Promise<void>((resolve) => socket.bind(0, "127.0.0.1", () => resolve()));
  return {
    port: socket.address().port,
    close: () => new Promise((resolve) => socket.close(() => resolve())),
  };
}

Deno.test("N28: an answer with another id or to another question is no answer", async () => {
  const records = [{
    name: serviceIn(DOMAIN),
    type: DNS_TYPE.PTR,
    ttlSeconds: 60,
    target: ["evil", ...serviceIn(DOMAIN)],
  }];
  const question = { name: serviceIn(DOMAIN), type: DNS_TYPE.PTR };
  const other = { name: serviceIn(["other", "test"]), type: DNS_TYPE.PTR };
  const server = await standIn((id) => [
    encodeDns({ id: id ^ 1, response: true, questions: [question], records }),
    encodeDns({ id, response: true, questions: [other], records }),
    encodeDns({ id, response: false, questions: [question], records }),
    new Uint8Array([1, 2, 3]),
  ]);
  try {
    const servers = [{ address: "127.0.0.1", port: server.port }];
    const error = await assertRejects(
      () => browseDomain(DOMAIN, { servers, timeoutMs: 500 }),
      OpenclawError,
    );
    assertEquals(error.code, "DNS_FAILED");
  } finally {
    await server.close();
  }
});

Deno.test("a server that does not answer is passed over for the next one", async () => {
  const dead = await standIn(() => []);
  const empty = await standIn((id, bytes) => {
    const [question] = decodeDns(bytes)?.questions ?? [];
    return question ? [encodeDns({ id, response: true, questions: [question], records: [] })] : [];
  });
  try {
    const servers = [dead, empty].map(({ port }) => ({ address: "127.0.0.1", port }));
    assertEquals(await browseDomain(DOMAIN, { servers, timeoutMs: 3_000 }), []);
  } finally {
    await dead.close();
    await empty.close();
  }
});

const domains: [text: string, domain: readonly string[] | undefined][] = [
  ["Example.COM.", ["example", "com"]],
  ["lan", ["lan"]],
  ["../../etc", undefined],
  ["a b", undefined],
  ["", undefined],
  ["x.local", undefined],
];
for (const [text, domain] of domains) {
  Deno.test(`parseDomain() says ${JSON.stringify(domain ?? "no domain")} of ${JSON.stringify(text)}`, () =>
    assertEquals(parseDomain(text), domain));
}

Deno.test("the zone names a local server, so that it can be served as it is", () => {
  assertStringIncludes(renderZone(DOMAIN, facts, 7), "ns1.wide.test. IN A 192.0.2.7");
});
