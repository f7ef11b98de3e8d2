import { assertEquals, assertRejects } from "@std/assert";
import { OpenclawError } from "../../../src/lib/errors.ts";
import { announceGateway, browseGateways } from "../../../src/net/discovery/mdns.ts";
import {
  type AnnounceFacts,
  announceRecords,
  beaconsOf,
  hostLabelOf,
} from "../../../src/net/discovery/records.ts";
import { decodeDns, DNS_TYPE, encodeDns } from "../../../src/net/discovery/dns_message.ts";

const facts: AnnounceFacts = {
  displayName: "Build farm",
  hostLabel: "farm",
  port: 18789,
  addresses: ["192.0.2.7", "fe80::1"],
  tlsFingerprint: "ab".repeat(32),
  directReachable: true,
};

Deno.test("announced records come back as a beacon after the wire", () => {
  const bytes = encodeDns({
    id: 7,
    response: true,
    questions: [],
    records: announceRecords(facts),
  });
  const message = decodeDns(bytes);
  const [beacon] = beaconsOf(message?.records ?? []);
  assertEquals(beacon?.wsUrl, "wss://192.0.2.7:18789");
  assertEquals(beacon?.instanceName, "Build farm");
  assertEquals(beacon?.gatewayTlsFingerprintSha256, "ab".repeat(32));
  assertEquals(beacon?.lanHost, "farm.local");
  assertEquals(beacon?.txt["gatewayDirectReachable"], "1");
});

Deno.test("decodeDns() follows compression pointers", () => {
  // Header with one answer: name "a.local", PTR to "b" + pointer to "local" at offset 14.
  const bytes = [
    0,
    0,
    0x84,
    0,
    0,
    0,
    0,
    1,
    0,
    0,
    0,
    0,
    1,
    97,
    5,
    108,
    111,
    99,
    97,
    108,
    0,
    0,
    12,
    0,
    1,
    0,
    0,
    0,
    9,
    0,
    4,
    1,
    98,
    0xc0,
    14,
  ];
  const record = decodeDns(new Uint8Array(bytes))?.records[0];
  assertEquals(record, {
    name: ["a", "local"],
    type: DNS_TYPE.PTR,
    ttlSeconds: 9,
    target: ["b", "local"],
  });
});

Deno.test("N28: a pointer loop, a cut message and random bytes are refused without hanging", () => {
  const loop = new Uint8Array([0, 0, 0x84, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0xc0, 12, 0, 12, 0, 1]);
  assertEquals(decodeDns(loop), undefined);
  const good = encodeDns({ id: 1, response: true, questions: [], records: announceRecords(facts) });
  for (let end = 0; end < good.length; end++) {
    assertEquals(decodeDns(good.subarray(0, end)), undefined);
  }
  for (let round = 0; round < 2000; round++) {
    const noise = crypto.getRandomValues(new Uint8Array(round % 300));
    decodeDns(noise);
  }
});

/** A header for `count` answers. */
const answers = (count: number) => [0, 0, 0x84, 0, 0, 0, count >> 8, count & 255, 0, 0, 0, 0];

const malformed: [name: string, bytes: number[]][] = [
  ["pointers that point at each other", [...answers(1), 0xc0, 14, 0xc0, 12, 0, 12, 0, 1]],
  ["a pointer behind the end", [...answers(1), 0xc3, 0xff, 0, 12, 0, 1, 0, 0, 0, 9, 0, 0]],
  ["a reserved kind of label", [...answers(1), 0x80, 1, 0, 12, 0, 1, 0, 0, 0, 9, 0, 0]],
  ["more records than it holds", [...answers(9), 0, 0, 12, 0, 1, 0, 0, 0, 9, 0, 1, 0]],
  ["text beyond its record", [...answers(1), 0, 0, 16, 0, 1, 0, 0, 0, 9, 0, 2, 9, 65, 65, 65]],
  ["a name beyond its record", [...answers(1), 0, 0, 12, 0, 1, 0, 0, 0, 9, 0, 1, 2, 65, 65, 0]],
  ["a count of 65,535", answers(65_535)],
];
for (const [name, bytes] of malformed) {
  Deno.test(`N28: a message with ${name} is refused`, () => {
    assertEquals(decodeDns(new Uint8Array([...bytes, ...new Array(8).fill(0)])), undefined);
  });
}

Deno.test("N28: a name that grows through pointers beyond 255 bytes is refused", () => {
  const label = [63, ...new Array(63).fill(97)];
  // "aaa….aaa….aaa….aaa…." by three labels and a pointer back to the first: it would never end.
  const bytes = [...answers(1), ...label, ...label, ...label, 0xc0, 12, 0, 12, 0, 1];
  assertEquals(decodeDns(new Uint8Array([...bytes, 0, 0, 0, 9, 0, 0])), undefined);
});

Deno.test("N28: a flood of names shows a bounded list", () => {
  const records = Array.from(
    { length: 4096 / 4 },
    (_, i) => announceRecords({ ...facts, displayName: `flood ${i}`, addresses: ["192.0.2.7"] }),
  ).flat();
  assertEquals(beaconsOf(records).length, 256);
});

Deno.test("N28: TXT data never decides where to connect", () => {
  const records = announceRecords({ ...facts, addresses: ["192.0.2.7"] }).map((r) =>
    r.type === DNS_TYPE.TXT
      ? { ...r, strings: ["gatewayPort=1", "lanHost=evil.example", "gatewayTls=0"] }
      : r
  );
  const [beacon] = beaconsOf(records);
  assertEquals([beacon?.host, beacon?.port], ["192.0.2.7", 18789]);
});

Deno.test("a goodbye takes a gateway off the list", () => {
  assertEquals(beaconsOf(announceRecords(facts, { host: 0, other: 0 })), []);
});

Deno.test("hostLabelOf() falls back for names DNS cannot hold", () => {
  assertEquals(hostLabelOf("Build-1.lab.example"), "build-1");
  assertEquals(hostLabelOf("höst"), "openclaw");
  assertEquals(hostLabelOf("-x"), "openclaw");
});

const loopback = { interfaceAddress: "127.0.0.1", port: 35353 };

Deno.test("an announced gateway is found on loopback, a second of its name is renamed, and both leave", async () => {
  const first = await announceGateway({ ...facts, addresses: ["127.0.0.1"] }, loopback);
  const second = await announceGateway(
    { ...facts, port: 18790, addresses: ["127.0.0.1"] },
    loopback,
  );
  try {
    assertEquals(second.instanceName, "Build farm (2)");
    const found = await browseGateways({ ...loopback, timeoutMs: 300 });
    assertEquals(found.map((b) => b.wsUrl).sort(), [
      "wss://127.0.0.1:18789",
      "wss://127.0.0.1:18790",
    ]);
  } finally {
    await second.stop();
    await first.stop();
  }
  assertEquals(await browseGateways({ ...loopback, timeoutMs: 100 }), []);
});

Deno.test("browsing where multicast cannot be joined is a coded refusal", async () => {
  const error = await assertRejects(
    () => browseGateways({ interfaceAddress: "203.0.113.250", port: 35354, timeoutMs: 50 }),
    OpenclawError,
  );
  assertEquals(error.code, "DISCOVERY_UNAVAILABLE");
});
