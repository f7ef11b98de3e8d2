/** The verdicts of pairing and policy as tables. */
import { assertEquals } from "@std/assert";
import { filterDeclared, readNodePolicy } from "../../../src/gateway/nodes/policy.ts";
import type { AdmissionRequest } from "../../../src/gateway/pairing/desk.ts";
import {
  automaticApproval,
  mayTouch,
  pairingReason,
  type PairingSwitches,
  refuseApprove,
} from "../../../src/gateway/pairing/rules.ts";
import { approvedRecord } from "../../../src/gateway/pairing/record.ts";
import { compareSurface, surfaceChanges, surfaceHash } from "../../../src/gateway/nodes/surface.ts";
import { fakePeer } from "../fake_peer.ts";

const device = {
  deviceId: "d",
  publicKey: "k",
  clientId: "node-host",
  clientMode: "node",
  platform: "linux",
  deviceFamily: "Linux",
};

function request(more: Partial<AdmissionRequest> = {}): AdmissionRequest {
  return {
    device,
    role: "node",
    scopes: [],
    protocol: 4,
    owner: false,
    local: false,
    authMethod: "token",
    remoteIp: "10.1.2.3",
    ...more,
  };
}

const off: PairingSwitches = { autoApproveLocal: false, trustedAddress: () => false };
const cidr: PairingSwitches = {
  autoApproveLocal: false,
  trustedAddress: (ip: string) => ip.startsWith("10."),
};

Deno.test("automaticApproval() follows decision 2 and the trusted networks", () => {
  const rows: [
    string,
    ReturnType<typeof automaticApproval>,
    Partial<AdmissionRequest>,
    PairingSwitches,
  ][] = [
    ["an owner's operator device", "silent", { owner: true, local: true, role: "operator" }, off],
    ["a remote operator with the token", undefined, { role: "operator" }, off],
    ["an owner's operator from a browser", undefined, {
      owner: true,
      role: "operator",
      browserOrigin: "http://localhost",
    }, off],
    ["a local node", undefined, { owner: true, local: true }, off],
    ["a local node with the switch", "silent", { owner: true, local: true }, {
      ...off,
      autoApproveLocal: true,
    }],
    ["a local node without the secret, with the switch", undefined, { local: true }, {
      ...off,
      autoApproveLocal: true,
    }],
    ["a node of a trusted network", "trusted-cidr", {}, cidr],
    ["a node of another network", undefined, { remoteIp: "192.0.2.1" }, cidr],
    ["an operator of a trusted network", undefined, { role: "operator" }, cidr],
    ["a loopback node, whatever the networks", undefined, { local: true }, {
      ...cidr,
      trustedAddress: () => true,
    }],
  ];
  for (const [name, expected, more, switches] of rows) {
    assertEquals(automaticApproval("not-paired", request(more), switches), expected, name);
    assertEquals(automaticApproval("metadata-upgrade", request(more), switches), undefined, name);
  }
});

Deno.test("pairingReason() names the first thing that is not covered", () => {
  const record = approvedRecord(
    undefined,
    { ...device, role: "node", roles: ["node"], scopes: [] },
    {
      via: "owner",
      nowMs: 1,
    },
  );
  const at = (more: Partial<typeof device>) => request({ device: { ...device, ...more } });
  assertEquals(pairingReason(undefined, request()), "not-paired");
  assertEquals(pairingReason(record, at({ publicKey: "other" })), "not-paired");
  assertEquals(pairingReason(record, request()), undefined);
  assertEquals(pairingReason(record, request({ role: "operator" })), "role-upgrade");
  assertEquals(pairingReason(record, at({ platform: "macos" })), "metadata-upgrade");
  assertEquals(pairingReason(record, at({ deviceFamily: "Mac" })), "metadata-upgrade");
  const both = approvedRecord(record, {
    ...device,
    role: "operator",
    roles: ["operator"],
    scopes: ["operator.write"],
  }, { via: "owner", nowMs: 2 });
  const asks = (scopes: string[]) => pairingReason(both, request({ role: "operator", scopes }));
  assertEquals(asks(["operator.read"]), undefined, "write covers read");
  assertEquals(asks(["operator.admin"]), "scope-upgrade");
});

Deno.test("I06: refuseApprove() lets nobody hand out more than they hold", () => {
  const node = { deviceId: "asks", roles: ["node"], scopes: [] as string[] };
  const reader = { deviceId: "asks", roles: ["operator"], scopes: ["operator.read"] };
  const admin = { deviceId: "asks", roles: ["operator"], scopes: ["operator.admin"] };
  const may = (more: Parameters<typeof fakePeer>[0], asked: typeof node) =>
    refuseApprove(fakePeer(more).principal, asked)?.message;
  const pairing = { scopes: ["operator.pairing", "operator.read"] };
  assertEquals(may(pairing, reader), undefined);
  assertEquals(may(pairing, admin), "device pairing approval denied");
  assertEquals(may(pairing, node), "device pairing approval denied");
  assertEquals(may({ ...pairing, protocol: 3 }, node), "missing scope: operator.admin");
  assertEquals(may({ ...pairing, owner: true }, node), undefined);
  assertEquals(may({ scopes: ["operator.admin"] }, node), undefined);
  const self = fakePeer({ ...pairing, authMethod: "device-token", deviceId: "me" }).principal;
  assertEquals([mayTouch(self, "me"), mayTouch(self, "you")], [true, false]);
});

Deno.test("compareSurface() cuts to what is approved and says when more is asked (I08, I09)", async () => {
  const declared = { caps: ["a"], commands: ["x", "y"], permissions: { screen: true } };
  assertEquals(compareSurface(declared, undefined), {
    effective: { caps: [], commands: [] },
    grows: true,
  });
  const approved = { caps: ["a", "b"], commands: ["x"], createdAtMs: 1, approvedAtMs: 1 };
  assertEquals(compareSurface(declared, approved), {
    effective: { caps: ["a"], commands: ["x"] },
    grows: true,
  });
  assertEquals(compareSurface({ caps: ["a"], commands: ["x"] }, approved).grows, false);
  assertEquals(surfaceChanges(approved, declared), ["+y", "-b"]);
  const [one, other] = [
    await surfaceHash("d", { caps: ["a", "b"], commands: ["x"] }),
    await surfaceHash("d", { caps: ["b", "a"], commands: ["x"] }),
  ];
  assertEquals(one, other);
  assertEquals(one === await surfaceHash("e", { caps: ["a", "b"], commands: ["x"] }), false);
  assertEquals(one === await surfaceHash("d", { caps: ["a", "b", "x"], commands: [] }), false);
});

Deno.test("filterDeclared() keeps what the platform list or the configuration lets through, v3 and v4 keys alike", () => {
  const linux = { protocol: 4 as const, platform: "linux", deviceFamily: "Linux" };
  const declared = ["system.run", "camera.snap", "bogus", "system.run"];
  assertEquals(filterDeclared(declared, linux, readNodePolicy(undefined)), ["system.run"]);
  const policy = readNodePolicy({
    commands: { allow: ["camera.snap"] },
    allowCommands: ["bogus"],
    denyCommands: ["system.run"],
  });
  assertEquals(filterDeclared(declared, linux, policy), ["camera.snap", "bogus"]);
  const noFamily = { protocol: 4 as const, platform: "linux", deviceFamily: undefined };
  assertEquals(filterDeclared(declared, noFamily, readNodePolicy({})), []);
  const legacy = { protocol: 3 as const, platform: "linux", deviceFamily: undefined };
  assertEquals(filterDeclared(declared, legacy, readNodePolicy({})), ["system.run"]);
});
