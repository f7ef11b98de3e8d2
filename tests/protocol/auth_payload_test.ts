import { assert, assertEquals } from "@std/assert";
import { authPayload, type AuthPayloadFacts } from "../../src/protocol/auth_payload.ts";
import { verifyDeviceSignature } from "../../src/identity/device_key.ts";

// Vectors A and B of the protocol description, section 3.3.
const A: AuthPayloadFacts = {
  deviceId: "65b60673d6ed884bf01c2c222d82ada0740f29ac3355d6a925c81f17f47a27b8",
  clientId: "cli",
  clientMode: "cli",
  role: "operator",
  scopes: ["operator.read", "operator.write"],
  signedAtMs: 1737264000000,
  token: "tok-synthetic-gateway-0123456789abcdef",
  nonce: " 00000000-0000-4000-8000-000000000001 ",
  platform: "Linux",
  deviceFamily: undefined,
};
const B: AuthPayloadFacts = {
  ...A,
  deviceId: "24f6ed6acbfe1009c030d7ca567c33ca4830911498236b5561a6c82abec5de28",
  clientId: "node-host",
  clientMode: "node",
  role: "node",
  scopes: [],
  token: undefined,
  platform: "linux",
  deviceFamily: "Linux",
};
const KEY_A = "ebVWLo_mVPlAeLES6KmLp5AfhTrmlb7X4OORC60ElmQ";
const KEY_B = "Kay64UG8yvCyLhqU000LxzYeUm0L_hLIl5S8kyKWbdc";

const VECTORS = [
  [
    "A v3",
    A,
    "v3",
    KEY_A,
    "FgSBF7wSy8D9jwUD-v_Sivl9FUs94KFlkXx8ooVBNxZa_Yo-nQisE9H-XSDYTuZ_dhQEta4q4zc1ZQPd5hckBg",
  ],
  [
    "A v2",
    A,
    "v2",
    KEY_A,
    "zGTkAoPi02pzZqT6jGVXN9AfdwEO6u_tZd50wT_J88KfeIcOq1ICxa-T4BLRx8Z_7p-t4vNoMGyR34HkkZ1wAQ",
  ],
  [
    "B v3",
    B,
    "v3",
    KEY_B,
    "u7l4YFXQyIWa_VKEwL32dDPqFq_5ao7ZvAK0qnSrXUZlTPpt-O4COpkIxbPsa64YnN8pYIW139mNkNixYhLPAA",
  ],
  [
    "B v2",
    B,
    "v2",
    KEY_B,
    "ClJqkJ5Bl47BIl9Vb2zw0m77QRu2pxoSV49DyifGGHm0PgxkBHblccIuEr0zfIdAf2sMPvfH70dWw_lHs9-YAQ",
  ],
] as const;

for (const [name, facts, version, key, signature] of VECTORS) {
  Deno.test(`authPayload() of vector ${name} is what its signature was made over`, async () => {
    assert(await verifyDeviceSignature(key, authPayload(version, facts), signature));
  });
}

Deno.test("authPayload() lowers only ASCII letters of platform and family", () => {
  const text = authPayload("v3", { ...B, platform: " LinuxÄ ", deviceFamily: "MAC" });
  assertEquals(text.split("|").slice(-2), ["linuxÄ", "mac"]);
});

Deno.test("I20: every signed field changes the text", () => {
  const base = authPayload("v3", A);
  const changes: Partial<AuthPayloadFacts>[] = [
    { role: "node" },
    { scopes: ["operator.admin"] },
    { scopes: ["operator.write", "operator.read"] },
    { token: "other" },
    { token: undefined },
    { nonce: "n2" },
    { platform: "macos" },
    { deviceFamily: "Mac" },
    { signedAtMs: 1 },
    { clientId: "test" },
    { clientMode: "probe" },
    { deviceId: "x" },
  ];
  for (const change of changes) {
    const text = authPayload("v3", { ...A, ...change });
    assert(text !== base, JSON.stringify(change));
  }
});
