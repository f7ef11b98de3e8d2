import { assert, assertEquals, assertRejects } from "@std/assert";
import { join } from "@std/path";
import {
  deviceIdOf,
  deviceKeyOfSeed,
  loadDeviceKey,
  loadOrCreateDeviceKey,
  normalizePublicKey,
  verifyDeviceSignature,
} from "../../src/identity/device_key.ts";
import { toBase64 } from "../../src/lib/bytes.ts";
import { OpenclawError } from "../../src/lib/errors.ts";
import { authPayload } from "../../src/protocol/auth_payload.ts";

const bytesFrom = (first: number) => Uint8Array.from({ length: 32 }, (_, i) => first + i);
const OP = { seed: bytesFrom(1), publicKey: "ebVWLo_mVPlAeLES6KmLp5AfhTrmlb7X4OORC60ElmQ" };
const NODE = { seed: bytesFrom(32), publicKey: "Kay64UG8yvCyLhqU000LxzYeUm0L_hLIl5S8kyKWbdc" };
const OP_ID = "65b60673d6ed884bf01c2c222d82ada0740f29ac3355d6a925c81f17f47a27b8";
const NODE_ID = "24f6ed6acbfe1009c030d7ca567c33ca4830911498236b5561a6c82abec5de28";

const common = {
  signedAtMs: 1737264000000,
  nonce: "00000000-0000-4000-8000-000000000001",
};
const A = {
  ...common,
  deviceId: OP_ID,
  clientId: "cli",
  clientMode: "cli",
  role: "operator",
  scopes: ["operator.read", "operator.write"],
  token: "tok-synthetic-gateway-0123456789abcdef",
  platform: "Linux",
  deviceFamily: undefined,
};
const B = {
  ...common,
  deviceId: NODE_ID,
  clientId: "node-host",
  clientMode: "node",
  role: "node",
  scopes: [],
  token: undefined,
  platform: "linux",
  deviceFamily: "Linux",
};
const VECTORS = [
  [
    "A v3",
    OP,
    "v3",
    A,
    "FgSBF7wSy8D9jwUD-v_Sivl9FUs94KFlkXx8ooVBNxZa_Yo-nQisE9H-XSDYTuZ_dhQEta4q4zc1ZQPd5hckBg",
  ],
  [
    "A v2",
    OP,
    "v2",
    A,
    "zGTkAoPi02pzZqT6jGVXN9AfdwEO6u_tZd50wT_J88KfeIcOq1ICxa-T4BLRx8Z_7p-t4vNoMGyR34HkkZ1wAQ",
  ],
  [
    "B v3",
    NODE,
    "v3",
    B,
    "u7l4YFXQyIWa_VKEwL32dDPqFq_5ao7ZvAK0qnSrXUZlTPpt-O4COpkIxbPsa64YnN8pYIW139mNkNixYhLPAA",
  ],
  [
    "B v2",
    NODE,
    "v2",
    B,
    "ClJqkJ5Bl47BIl9Vb2zw0m77QRu2pxoSV49DyifGGHm0PgxkBHblccIuEr0zfIdAf2sMPvfH70dWw_lHs9-YAQ",
  ],
] as const;

for (const [name, who, version, facts, signature] of VECTORS) {
  Deno.test(`sign() makes the signature of vector ${name}, and verify accepts it`, async () => {
    const key = await deviceKeyOfSeed(who.seed);
    assertEquals(key.publicKey, who.publicKey);
    assertEquals(key.deviceId, facts.deviceId);
    const text = authPayload(version, facts);
    assertEquals(await key.sign(text), signature);
    assert(await verifyDeviceSignature(who.publicKey, text, signature));
  });
}

Deno.test("I20: a signature does not cover another role, scope, token, platform or nonce", async () => {
  const signature = VECTORS[0][4];
  const changes = [
    { role: "node" },
    { scopes: ["operator.admin"] },
    { scopes: ["operator.write", "operator.read"] },
    { token: "other" },
    { platform: "windows" },
    { deviceFamily: "Linux" },
    { nonce: "00000000-0000-4000-8000-000000000002" },
    { signedAtMs: 1737264000001 },
    { clientId: "gateway-client" },
  ];
  for (const change of changes) {
    const text = authPayload("v3", { ...A, ...change });
    assertEquals(await verifyDeviceSignature(OP.publicKey, text, signature), false, text);
  }
});

Deno.test("I22: the id follows from the key in every spelling, and from nothing else", async () => {
  const raw = Uint8Array.from(
    atob(OP.publicKey.replaceAll("_", "/").replaceAll("-", "+")),
    (c) => c.charCodeAt(0),
  );
  const spki = Uint8Array.of(0x30, 0x2a, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 3, 0x21, 0, ...raw);
  const spellings = [
    OP.publicKey,
    toBase64(raw),
    `${OP.publicKey}=`,
    `-----BEGIN PUBLIC KEY-----\n${toBase64(spki)}\n-----END PUBLIC KEY-----\n`,
  ];
  for (const text of spellings) {
    assertEquals(normalizePublicKey(text), OP.publicKey);
    assertEquals(await deviceIdOf(text), OP_ID);
  }
  const notKeys = [
    "",
    "x",
    OP.publicKey.slice(1),
    OP_ID,
    "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----",
  ];
  for (const text of notKeys) assertEquals(await deviceIdOf(text), undefined, text);
});

Deno.test("verify accepts standard base64 and refuses malformed signatures without throwing", async () => {
  const text = authPayload("v3", A), signature = VECTORS[0][4];
  const standard = signature.replaceAll("-", "+").replaceAll("_", "/") + "==";
  assert(await verifyDeviceSignature(OP.publicKey, text, standard));
  for (const bad of ["", "AAAA", "!", signature.slice(2), signature + "AAAA"]) {
    assertEquals(await verifyDeviceSignature(OP.publicKey, text, bad), false);
  }
  const notOnCurve = toBase64(new Uint8Array(32).fill(255));
  assertEquals(await verifyDeviceSignature(notOnCurve, text, signature), false);
});

async function inTemp(run: (dir: string) => Promise<void>): Promise<void> {
  const dir = await Deno.makeTempDir();
  try {
    await run(dir);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

Deno.test("loadOrCreateDeviceKey() makes a 0600 file in the seeds' form and reads it back", () =>
  inTemp(async (dir) => {
    const path = join(dir, "identity", "device.json");
    const made = await loadOrCreateDeviceKey(path);
    const again = await loadOrCreateDeviceKey(path);
    assertEquals(again.deviceId, made.deviceId);
    const file = JSON.parse(await Deno.readTextFile(path));
    assertEquals(Object.keys(file), [
      "version",
      "deviceId",
      "publicKeyPem",
      "privateKeyPem",
      "createdAtMs",
    ]);
    assertEquals(file.version, 1);
    if (Deno.build.os !== "windows") {
      assertEquals(((await Deno.stat(path)).mode ?? 0) & 0o777, 0o600);
      assertEquals(((await Deno.stat(join(dir, "identity"))).mode ?? 0) & 0o777, 0o700);
    }
    const text = "payload";
    assert(await verifyDeviceSignature(file.publicKeyPem, text, await again.sign(text)));
  }));

Deno.test("ten creations at once end with one key", () =>
  inTemp(async (dir) => {
    const path = join(dir, "device.json");
    const keys = await Promise.all(Array.from({ length: 10 }, () => loadOrCreateDeviceKey(path)));
    assertEquals(new Set(keys.map((key) => key.deviceId)).size, 1);
    assertEquals((await loadDeviceKey(path))?.deviceId, keys[0]?.deviceId);
  }));

Deno.test("a damaged key file is refused and left as it is", () =>
  inTemp(async (dir) => {
    const path = join(dir, "device.json");
    await loadOrCreateDeviceKey(path);
    const good = await Deno.readTextFile(path);
    const other = join(dir, "other.json");
    await loadOrCreateDeviceKey(other);
    const parsed = JSON.parse(good), otherParsed = JSON.parse(await Deno.readTextFile(other));
    const bad = [
      "",
      good.slice(0, good.length / 2),
      "\0".repeat(100),
      JSON.stringify({ ...parsed, deviceId: otherParsed.deviceId }),
      JSON.stringify({ ...parsed, publicKeyPem: otherParsed.publicKeyPem }),
      JSON.stringify({
        ...parsed,
        privateKeyPem: "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----",
      }),
      JSON.stringify({ ...parsed, version: 2 }),
    ];
    for (const text of bad) {
      await Deno.writeTextFile(path, text);
      const error = await assertRejects(() => loadOrCreateDeviceKey(path), OpenclawError);
      assertEquals(error.code, "DEVICE_KEY_UNUSABLE");
      assertEquals(await Deno.readTextFile(path), text);
    }
  }));

Deno.test("F42: a lost key file gives a new identity, not the old id", () =>
  inTemp(async (dir) => {
    const path = join(dir, "device.json");
    const before = await loadOrCreateDeviceKey(path);
    await Deno.remove(path);
    const after = await loadOrCreateDeviceKey(path);
    assert(before.deviceId !== after.deviceId);
  }));
