/** I19, I20, I22, N19: variants of a connect that lies, with real signatures where the lie is elsewhere. */
import { assert, assertEquals } from "@std/assert";
import { fromBase64, sha256Hex, toBase64, toBase64Url } from "../../../src/lib/bytes.ts";
import type { DeviceKey } from "../../../src/identity/device_key.ts";
import { TOKEN, withGateway } from "../../support/gateway.ts";
import { type Change, connectParams, nodeParams, signed, testKey } from "../../support/wire.ts";
import { refusalOf } from "./refusal_of.ts";

type Lie = (params: Change, key: DeviceKey) => Change | Promise<Change>;
const device = (params: Change) => params.device as Record<string, unknown>;
const client = (params: Change) => params.client as Record<string, unknown>;
const inDevice = (params: Change, more: Change) => ({
  ...params,
  device: { ...device(params), ...more },
});
const signatureOf = (params: Change) => fromBase64(String(device(params).signature))!;

/** Adds the order of the group to S: the other spelling of the same number. */
function malleable(signature: Uint8Array): Uint8Array {
  const order = 2n ** 252n + 27742317777372353535851937790883648493n;
  const out = signature.slice();
  let s = 0n;
  for (let i = 63; i >= 32; i--) s = (s << 8n) | BigInt(out[i]!);
  s += order;
  for (let i = 32; i < 64; i++, s >>= 8n) out[i] = Number(s & 255n);
  return out;
}

/** What is changed after signing, and the `details.code` it must end with. */
const LIES: readonly (readonly [name: string, lie: Lie, code: string])[] = [
  ["another role", (p) => ({ ...p, role: "node" }), "SIGNATURE_INVALID"],
  ["no role, signed as node", (p) => ({ ...p, role: undefined }), "SIGNATURE_INVALID"],
  [
    "one scope more",
    (p) => ({ ...p, scopes: ["operator.read", "operator.admin"] }),
    "SIGNATURE_INVALID",
  ],
  ["no scopes", (p) => ({ ...p, scopes: [] }), "SIGNATURE_INVALID"],
  [
    "scopes in another order",
    (p) => ({ ...p, scopes: [...p.scopes as string[]].reverse() }),
    "SIGNATURE_INVALID",
  ],
  [
    "another client id",
    (p) => ({ ...p, client: { ...client(p), id: "gateway-client" } }),
    "SIGNATURE_INVALID",
  ],
  [
    "another mode",
    (p) => ({ ...p, client: { ...client(p), mode: "backend" } }),
    "SIGNATURE_INVALID",
  ],
  [
    "another platform",
    (p) => ({ ...p, client: { ...client(p), platform: "macos" } }),
    "SIGNATURE_INVALID",
  ],
  [
    "another family",
    (p) => ({ ...p, client: { ...client(p), deviceFamily: "iPhone" } }),
    "SIGNATURE_INVALID",
  ],
  ["another token", (p) => ({ ...p, auth: { token: TOKEN + "x" } }), "SIGNATURE_INVALID"],
  ["the token as password", (p) => ({ ...p, auth: { password: TOKEN } }), "SIGNATURE_INVALID"],
  [
    "the token as device token",
    (p) => ({ ...p, auth: { deviceToken: "other" } }),
    "SIGNATURE_INVALID",
  ],
  [
    "an earlier time",
    (p) => inDevice(p, { signedAt: Number(device(p).signedAt) - 1 }),
    "SIGNATURE_INVALID",
  ],
  [
    "two minutes and a second ago",
    (p) => inDevice(p, { signedAt: Date.now() - 121_000 }),
    "SIGNATURE_EXPIRED",
  ],
  [
    "two minutes and a second ahead",
    (p) => inDevice(p, { signedAt: Date.now() + 122_000 }),
    "SIGNATURE_EXPIRED",
  ],
  ["the year 1970", (p) => inDevice(p, { signedAt: 0 }), "SIGNATURE_EXPIRED"],
  [
    "the end of time",
    (p) => inDevice(p, { signedAt: Number.MAX_SAFE_INTEGER }),
    "SIGNATURE_EXPIRED",
  ],
  [
    "seconds instead of milliseconds",
    (p) => inDevice(p, { signedAt: Math.floor(Date.now() / 1000) }),
    "SIGNATURE_EXPIRED",
  ],
  ["another nonce", (p) => inDevice(p, { nonce: crypto.randomUUID() }), "NONCE_MISMATCH"],
  [
    "a nonce in capitals",
    (p) => inDevice(p, { nonce: String(device(p).nonce).toUpperCase() }),
    "NONCE_MISMATCH",
  ],
  ["a blank nonce", (p) => inDevice(p, { nonce: "  " }), "NONCE_REQUIRED"],
  ["a nonce with a tail", (p) => inDevice(p, { nonce: `${device(p).nonce}|` }), "NONCE_MISMATCH"],
  [
    "an id in capitals",
    (p) => inDevice(p, { id: String(device(p).id).toUpperCase() }),
    "DEVICE_ID_MISMATCH",
  ],
  ["an id with a blank", (p) => inDevice(p, { id: `${device(p).id} ` }), "DEVICE_ID_MISMATCH"],
  [
    "half an id",
    (p) => inDevice(p, { id: String(device(p).id).slice(0, 32) }),
    "DEVICE_ID_MISMATCH",
  ],
  [
    "the id of the key's text",
    async (p, key) => inDevice(p, { id: await sha256Hex(key.publicKey) }),
    "DEVICE_ID_MISMATCH",
  ],
  ["an id that is a path", (p) => inDevice(p, { id: "../../../etc/passwd" }), "DEVICE_ID_MISMATCH"],
  [
    "another key",
    async (p) => inDevice(p, { publicKey: (await testKey(99)).publicKey }),
    "DEVICE_ID_MISMATCH",
  ],
  [
    "a key of 31 bytes",
    (p) => inDevice(p, { publicKey: toBase64Url(new Uint8Array(31)) }),
    "DEVICE_ID_MISMATCH",
  ],
  [
    "a key of 33 bytes",
    (p) => inDevice(p, { publicKey: toBase64Url(new Uint8Array(33)) }),
    "DEVICE_ID_MISMATCH",
  ],
  [
    "a key that is no base64",
    (p) => inDevice(p, { publicKey: "\u0000\u202e!" }),
    "DEVICE_ID_MISMATCH",
  ],
  [
    "a PEM around garbage",
    (p) => inDevice(p, { publicKey: "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----" }),
    "DEVICE_ID_MISMATCH",
  ],
  [
    "a signature of 63 bytes",
    (p) => inDevice(p, { signature: toBase64Url(signatureOf(p).slice(0, 63)) }),
    "SIGNATURE_INVALID",
  ],
  [
    "a signature of 65 bytes",
    (p) => inDevice(p, { signature: toBase64Url(Uint8Array.of(...signatureOf(p), 0)) }),
    "SIGNATURE_INVALID",
  ],
  [
    "a signature of zeros",
    (p) => inDevice(p, { signature: toBase64Url(new Uint8Array(64)) }),
    "SIGNATURE_INVALID",
  ],
  [
    "one bit of the signature",
    (p) =>
      inDevice(p, { signature: toBase64Url(signatureOf(p).map((b, i) => i === 7 ? b ^ 1 : b)) }),
    "SIGNATURE_INVALID",
  ],
  [
    "S plus the order of the group",
    (p) => inDevice(p, { signature: toBase64Url(malleable(signatureOf(p))) }),
    "SIGNATURE_INVALID",
  ],
];

Deno.test("I19, I20, I22: a signed connect that is changed in any one place is refused, by its own code", () =>
  withGateway(async (gateway) => {
    const key = await testKey(1);
    for (const [name, lie, code] of LIES) {
      const error = await refusalOf(gateway, async (wire) => {
        const params = name.includes("signed as node")
          ? nodeParams({ auth: { token: TOKEN } })
          : connectParams({ auth: { token: TOKEN }, scopes: ["operator.read", "operator.write"] });
        return await lie(await signed(key, await wire.challenge(), params), key);
      });
      assertEquals(error?.details?.code, `DEVICE_AUTH_${code}`, `${name}: ${error?.message}`);
    }
    const admin = await gateway.owner();
    assertEquals((await admin.request("device.pair.list")).payload, { pending: [], paired: [] });
  }));

Deno.test("I20: the older payload signs no platform: what it leaves open is still pinned by the record (I10)", () =>
  withGateway(async (gateway) => {
    const key = await testKey(1);
    const params = connectParams({ auth: { token: TOKEN } });
    const first = await gateway.open();
    assert((await first.request("connect", await signed(key, await first.challenge(), params))).ok);
    const wire = await gateway.open();
    const old = await signed(key, await wire.challenge(), params, "v2");
    const changed = { ...old, client: { ...client(old), platform: "macos", deviceFamily: "Mac" } };
    const { error } = await wire.request("connect", changed);
    assertEquals([error?.code, error?.details.reason], ["NOT_PAIRED", "metadata-upgrade"]);
  }));

/** Points whose signatures anybody can make, and other spellings of keys; hex, little end first. */
const NOBODYS_KEYS: readonly string[] = [
  "0000000000000000000000000000000000000000000000000000000000000000",
  "0000000000000000000000000000000000000000000000000000000000000080",
  "0100000000000000000000000000000000000000000000000000000000000000",
  "0100000000000000000000000000000000000000000000000000000000000080",
  "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
  "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
  "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
  "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
  "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
  "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
  "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
];
const bytesOf = (hex: string) => Uint8Array.from(hex.match(/../g)!, (pair) => parseInt(pair, 16));

Deno.test("I22: a key of small order or in a second spelling is nobody's, with every signature such a key would take", () =>
  withGateway(async (gateway) => {
    for (const hex of NOBODYS_KEYS) {
      const raw = bytesOf(hex);
      for (const point of [bytesOf(NOBODYS_KEYS[2]!), raw]) {
        const error = await refusalOf(gateway, async (wire) => {
          const { nonce, ts } = await wire.challenge();
          const signature = new Uint8Array(64); // R of small order, S = 0
          signature.set(point);
          return connectParams({
            auth: { token: TOKEN },
            device: {
              id: await sha256Hex(raw),
              publicKey: toBase64(raw),
              signature: toBase64Url(signature),
              signedAt: ts,
              nonce,
            },
          });
        });
        assertEquals(error?.details?.code, "DEVICE_AUTH_DEVICE_ID_MISMATCH", hex);
      }
    }
  }));

Deno.test("I19: the nonce of one socket is good on no other, however many are open", () =>
  withGateway(async (gateway) => {
    const key = await testKey(1);
    const [a, b] = [await gateway.open(), await gateway.open()];
    const captured = await signed(
      key,
      await a.challenge(),
      connectParams({ auth: { token: TOKEN } }),
    );
    await b.challenge();
    const { error } = await b.request("connect", captured);
    assertEquals(error?.details.code, "DEVICE_AUTH_NONCE_MISMATCH");
    assert((await a.request("connect", captured)).ok);
    assertEquals((await a.request("connect", captured)).ok, false, "nor twice on its own");
  }));
