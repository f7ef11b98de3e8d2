/** Which waiting nodes the gateway may look up over ssh. */
import { assertEquals } from "@std/assert";
import type { AdmissionRequest } from "../../../src/gateway/pairing/desk.ts";
import { addressToAsk, type VouchSettings } from "../../../src/gateway/vouch/rules.ts";
import type { PairingRequest } from "../../../src/store/pairing_request.ts";

const request: AdmissionRequest = {
  device: { deviceId: "d", publicKey: "k", clientId: "node-host", clientMode: "node" },
  role: "node",
  scopes: [],
  protocol: 4,
  owner: false,
  local: false,
  authMethod: "token",
  remoteIp: "10.0.0.7",
  direct: true,
};
const filed: PairingRequest = {
  requestId: "r",
  ...request.device,
  role: "node",
  roles: ["node"],
  scopes: [],
  silent: false,
  isRepair: false,
  reason: "not-paired",
  ts: 1,
  refreshedAtMs: 1,
};

const { direct: _direct, ...proxied } = request;
const cases: [
  name: string,
  request: AdmissionRequest,
  filed: PairingRequest,
  settings: VouchSettings,
  address: string | undefined,
][] = [
  ["a fresh node on a private network", request, filed, {}, "10.0.0.7"],
  ["a tailnet address", { ...request, remoteIp: "100.64.1.2" }, filed, {}, "100.64.1.2"],
  ["a unique local IPv6 address", { ...request, remoteIp: "fd00::7" }, filed, {}, "fd00::7"],
  ["a public address", { ...request, remoteIp: "8.8.8.8" }, filed, {}, undefined],
  ["a loopback address", { ...request, remoteIp: "127.0.0.1" }, filed, {}, undefined],
  ["a local peer", { ...request, local: true }, filed, {}, undefined],
  ["an address told by a proxy", proxied, filed, {}, undefined],
  ["a browser", { ...request, browserOrigin: "https://x" }, filed, {}, undefined],
  ["an operator", { ...request, role: "operator" }, filed, {}, undefined],
  ["a node that asks for scopes", { ...request, asksScopes: true }, filed, {}, undefined],
  [
    "a node that asked to be an operator before (I06)",
    request,
    { ...filed, roles: ["operator", "node"], scopes: ["operator.admin"] },
    {},
    undefined,
  ],
  [
    "a node that asked to be an operator without scopes before (I06)",
    request,
    { ...filed, roles: ["operator", "node"] },
    {},
    undefined,
  ],
  [
    "a node whose request holds scopes of before (I06)",
    request,
    { ...filed, scopes: ["operator.read"] },
    {},
    undefined,
  ],
  ["a repair", request, { ...filed, isRepair: true }, {}, undefined],
  ["an upgrade", request, { ...filed, reason: "metadata-upgrade" }, {}, undefined],
  ["outside the listed networks", request, filed, { cidrs: ["192.168.0.0/16"] }, undefined],
  [
    "a listed public network",
    { ...request, remoteIp: "203.0.113.9" },
    filed,
    { cidrs: ["203.0.113.0/24"] },
    "203.0.113.9",
  ],
  [
    "loopback even when listed",
    { ...request, remoteIp: "127.0.0.1" },
    filed,
    { cidrs: ["0.0.0.0/0"] },
    undefined,
  ],
];
for (const [name, asked, waiting, settings, address] of cases) {
  Deno.test(`addressToAsk() says ${address ?? "nobody"} for ${name}`, () =>
    assertEquals(addressToAsk(waiting, asked, settings), address));
}
