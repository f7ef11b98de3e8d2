import { assertEquals, assertMatch, assertThrows } from "@std/assert";
import type { NodeEntry, PairedDevice, PendingDevice } from "../../src/cli/shapes.ts";
import { withoutTokens } from "../../src/cli/shapes.ts";
import { findDevice, raceReason, statusText } from "../../src/cli/views/devices.ts";
import { localTime, logText, readLogLine } from "../../src/cli/views/log_line.ts";
import { filterNodes, findNode, onlyNode, summaryText } from "../../src/cli/views/nodes.ts";
import { OpenclawError } from "../../src/lib/errors.ts";

const id = (digit: string) => digit.repeat(64);
const node = (facts: Partial<NodeEntry> & { nodeId: string }): NodeEntry => facts;
const nodes: NodeEntry[] = [
  node({
    nodeId: id("a"),
    displayName: "Build 1",
    remoteIp: "10.0.0.7",
    connected: true,
    paired: true,
  }),
  node({ nodeId: id("b"), displayName: "build-1", connected: false, paired: true }),
  node({ nodeId: id("c"), displayName: "mac", instanceId: "11111111-2222", paired: true }),
  node({ nodeId: "abcdef" + id("d").slice(6), displayName: "10.0.0.7" }),
];

const queries: [name: string, query: string, found: string][] = [
  ["exact id", id("b"), id("b")],
  ["instance id", "11111111-2222", id("c")],
  ["address beats a name that looks like it", "10.0.0.7", id("a")],
  ["name in any spelling, the connected one", "BUILD  1", id("a")],
  ["id prefix of six characters", "abcdef", nodes[3]?.nodeId as string],
];
for (const [name, query, found] of queries) {
  Deno.test(`findNode(): ${name}`, () => assertEquals(findNode(nodes, query).nodeId, found));
}

Deno.test("findNode() names the known ones when nothing fits, and the tied ones when too much does", () => {
  const unknown = assertThrows(() => findNode(nodes, "nobody"), OpenclawError) as OpenclawError;
  assertEquals([unknown.code, /known: Build 1, build-1, mac/.test(unknown.message)], [
    "NODE_UNKNOWN",
    true,
  ]);
  const twice = [
    node({ nodeId: id("e"), displayName: "x" }),
    node({ nodeId: id("f"), displayName: "x" }),
  ];
  const tied = assertThrows(() => findNode(twice, "x"), OpenclawError) as OpenclawError;
  assertEquals([tied.code, tied.message.includes(id("f"))], ["NODE_AMBIGUOUS", true]);
  assertThrows(() => findNode(nodes, "abcde"), OpenclawError);
});

Deno.test("onlyNode() takes the one connected node and asks when there are more", () => {
  assertEquals(onlyNode(nodes).nodeId, id("a"));
  assertThrows(() => onlyNode([]), OpenclawError, "No node is known");
  const two = [
    node({ nodeId: id("a"), connected: true }),
    node({ nodeId: id("b"), connected: true }),
  ];
  assertThrows(() => onlyNode(two), OpenclawError, "--node is needed");
  const hostile = two.map((one) => ({ ...one, displayName: "a b; rm -rf ~" }));
  const { hint } = assertThrows(() => onlyNode(hostile), OpenclawError);
  assertEquals(hint, `openclaw nodes run --node ${id("a")} -- uname -a`, "ready to paste");
});

Deno.test("filterNodes() and summaryText() count what is there", () => {
  assertEquals(summaryText(nodes), "Known: 4 · Paired: 3 · Connected: 1");
  assertEquals(filterNodes(nodes, { connected: true }, 0).length, 1);
  const seen = [
    node({ nodeId: id("a"), lastSeenAtMs: 1_000 }),
    node({ nodeId: id("b"), lastSeenAtMs: 90_000 }),
  ];
  assertEquals(filterNodes(seen, { lastConnectedMs: 60_000 }, 100_000).map((n) => n.nodeId), [
    id("b"),
  ]);
});

const request = (facts: Partial<PendingDevice>): PendingDevice => ({
  requestId: "r",
  deviceId: id("a"),
  ts: 0,
  ...facts,
});

const races: [
  name: string,
  pending: number,
  facts: Partial<PendingDevice>,
  nowMs: number,
  reason: RegExp | undefined,
][] = [
  ["one old node request may be approved", 1, { role: "node" }, 10_000, undefined],
  ["two are pending", 2, { role: "node" }, 10_000, /2 requests/],
  ["it asks for operator scopes", 1, { scopes: ["operator.read"] }, 10_000, /operator scopes/],
  ["it is younger than two seconds", 1, { ts: 9_000 }, 10_000, /2 seconds/],
];
for (const [name, pending, facts, nowMs, reason] of races) {
  Deno.test(`I24: raceReason(): ${name}`, () => {
    const found = raceReason(request(facts), pending, nowMs);
    assertEquals(reason === undefined ? found : reason.test(found ?? ""), reason && true);
  });
}

Deno.test("statusText() tells new pairings, upgrades and repairs apart", () => {
  const paired: PairedDevice = {
    deviceId: id("a"),
    roles: ["operator"],
    scopes: ["operator.read"],
  };
  assertEquals(
    [
      statusText(request({ role: "node" }), undefined),
      statusText(request({ role: "node" }), paired),
      statusText(request({ role: "operator", scopes: ["operator.write"] }), paired),
      statusText(request({ role: "operator", scopes: ["operator.read"], isRepair: true }), paired),
    ],
    ["new pairing", "role upgrade", "scope upgrade", "re-approval, repair"],
  );
});

Deno.test("findDevice() takes names and prefixes, but never a guess", () => {
  const devices: PairedDevice[] = [
    { deviceId: id("a"), displayName: "one" },
    { deviceId: id("b"), operatorLabel: "two", displayName: "one" },
  ];
  assertEquals(findDevice(devices, "two").deviceId, id("b"));
  assertEquals(findDevice(devices, "aaaaaa").deviceId, id("a"));
  assertEquals(findDevice(devices, "aaaaaaaaaaaaaaaa…").deviceId, id("a"), "as the list cuts it");
  assertThrows(() => findDevice(devices, "one"), OpenclawError, `ambiguous device: "one"`);
  assertThrows(() => findDevice(devices, "three"), OpenclawError, "unknown deviceId");
  assertThrows(() => findDevice(devices, "……"), OpenclawError, "unknown deviceId");
  assertThrows(() => findDevice(devices, "aaaaa"), OpenclawError);
});

Deno.test("withoutTokens() drops token texts at any depth", () => {
  const shown = withoutTokens({
    node: { token: "secret", tokens: [{ role: "node", token: "x" }] },
  });
  assertEquals(shown, { node: { tokens: [{ role: "node" }] } });
});

Deno.test("localTime() is the same moment in this machine's zone, and leaves what is no time", () => {
  for (const time of ["2026-01-15T12:30:01.531Z", "2026-07-15T23:59:59.000Z"]) {
    const shown = localTime(time);
    assertMatch(shown, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d$/);
    assertEquals(new Date(shown).toISOString(), time);
  }
  assertEquals(localTime("yesterday"), "yesterday");
});

const logLines: [name: string, line: string, shown: string][] = [
  [
    "ours, with the members for the reference's command lines",
    '{"time":"T","level":"info","subsystem":"gateway","message":"node connected","name":"n 1",' +
    '"0":"node connected name=\\"n 1\\"","_meta":{"logLevelName":"INFO","name":"{}"}}',
    "T info gateway node connected name=n 1",
  ],
  [
    "the reference's, of a subsystem",
    '{"0":"{\\"subsystem\\":\\"gateway\\"}","1":"ready","2":{"ms":3},"time":"T",' +
    '"_meta":{"logLevelName":"WARN","name":"{\\"subsystem\\":\\"gateway\\"}","runtime":"node"},"hostname":"h","message":"ready"}',
    'T warn gateway ready {"ms":3}',
  ],
  [
    "the reference's, of none",
    '{"0":"plain","time":"T","_meta":{"logLevelName":"INFO","name":"openclaw"}}',
    "T info plain",
  ],
];
for (const [name, line, shown] of logLines) {
  Deno.test(`readLogLine(): ${name}`, () => assertEquals(logText(readLogLine(line)), shown));
}

Deno.test("readLogLine() leaves what is no log record to be shown as it is", () => {
  for (const line of ["", "text", "[1]", '{"a":1}', '{"_meta":3,"0":"x"}']) {
    assertEquals(readLogLine(line), {}, line);
  }
});
