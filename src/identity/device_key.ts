/**
 * The Ed25519 key that is a device's identity: its file, its id, signing and checking signatures. What is signed is
 * `protocol/auth_payload.ts`. Source: gateway-protocol.md 3.1, node-host.md 1 (file form of the seeds).
 */
import { dirname } from "@std/path";
import { fromBase64, sha256Hex, toBase64, toBase64Url, toHex, utf8 } from "../lib/bytes.ts";
import { type Clock, systemClock } from "../lib/clock.ts";
import { messageOf, OpenclawError } from "../lib/errors.ts";
import { check, int, obj, oneOf, opt, problemText, str } from "../lib/schema.ts";
import { quoted } from "../lib/text.ts";
import { ensureDir, readOwned, withFileLock, writeAtomic } from "../platform/files.ts";
import { derOfPem } from "./fingerprint.ts";

/** A device's own key, ready to sign. */
export interface DeviceKey {
  /** Lower-case hex SHA-256 of the raw public key. */
  readonly deviceId: string;
  /** Raw 32 bytes, base64url without padding. */
  readonly publicKey: string;
  /** Signature over the UTF-8 of `text`: 64 bytes, base64url without padding. */
  sign(text: string): Promise<string>;
}

const PRIVATE_PREFIX = Uint8Array.of(
  0x30,
  0x2e,
  2,
  1,
  0,
  0x30,
  5,
  6,
  3,
  0x2b,
  0x65,
  0x70,
  4,
  0x22,
  4,
  0x20,
);
const PUBLIC_PREFIX = Uint8Array.of(0x30, 0x2a, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 3, 0x21, 0);
const MAX_FILE_BYTES = 16 * 1024;

const FILE = obj({
  version: oneOf(1),
  deviceId: str({ pattern: /^[0-9a-f]{64}$/ }),
  publicKeyPem: str({ min: 1 }),
  privateKeyPem: str({ min: 1 }),
  createdAtMs: opt(int({ min: 0 })),
}, { unknown: "keep" });

/** Canonical form of a public key given raw or as SPKI PEM, in any base64 spelling; `undefined` when it is no Ed25519 key. */
export function normalizePublicKey(text: string): string | undefined {
  const isPem = text.includes("-----BEGIN");
  const bytes = isPem ? derOfPem(text, "PUBLIC KEY") : fromBase64(text.trim());
  const raw = isPem && bytes ? withoutPrefix(bytes, PUBLIC_PREFIX) : bytes;
  return raw?.length === 32 && isOwnable(raw) ? toBase64Url(raw) : undefined;
}

/** 2^255 - 19, little end first. */
const FIELD_PRIME = Uint8Array.of(0xed, ...new Array(30).fill(0xff), 0x7f);
/** y of the points of order 1, 2, 4 and 8 (the two of order 8 apart from the sign of x), hex, little end first. */
const SMALL_ORDER: ReadonlySet<string> = new Set([
  "0000000000000000000000000000000000000000000000000000000000000000",
  "0100000000000000000000000000000000000000000000000000000000000000",
  "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
  "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
]);

/**
 * Whether a key can belong to one holder only: a point of small order verifies signatures that anybody can make, and a
 * spelling beyond the field prime is a second id for the same key.
 */
function isOwnable(raw: Uint8Array): boolean {
  const y = raw.slice();
  y[31] = (y[31] ?? 0) & 0x7f;
  if (SMALL_ORDER.has(toHex(y))) return false;
  for (let i = 31; i >= 0; i--) {
    const difference = (y[i] ?? 0) - (FIELD_PRIME[i] ?? 0);
    if (difference !== 0) return difference < 0;
  }
  return false;
}

function withoutPrefix(bytes: Uint8Array<ArrayBuffer>, prefix: Uint8Array) {
  return prefix.every((byte, i) => bytes[i] === byte) ? bytes.slice(prefix.length) : undefined;
}

/** Device id of a public key in any accepted spelling; `undefined` when it is no key (I22: an id is never taken on trust). */
export async function deviceIdOf(publicKey: string): Promise<string | undefined> {
  const raw = fromBase64(normalizePublicKey(publicKey) ?? "");
  return raw?.length === 32 ? await sha256Hex(raw) : undefined;
}

/** Whether `signature` (base64 or base64url) over `text` was made by `publicKey`. Malformed input is just `false`. */
export async function verifyDeviceSignature(
  publicKey: string,
  text: string,
  signature: string,
): Promise<boolean> {
  const raw = fromBase64(normalizePublicKey(publicKey) ?? "");
  const bytes = fromBase64(signature.trim());
  if (raw?.length !== 32 || bytes?.length !== 64) return false;
  try {
    const key = await crypto.subtle.importKey("raw", raw, "Ed25519", false, ["verify"]);
    return await crypto.subtle.verify("Ed25519", key, bytes, utf8(text));
  } catch {
    return false; // 32 bytes that are no point of the curve
  }
}

/** The key of a 32-byte Ed25519 seed. */
export async function deviceKeyOfSeed(seed: Uint8Array): Promise<DeviceKey> {
  if (seed.length !== 32) throw new TypeError("an Ed25519 seed has 32 bytes");
  return await deviceKeyOf(Uint8Array.of(...PRIVATE_PREFIX, ...seed));
}

async function deviceKeyOf(pkcs8: Uint8Array<ArrayBuffer>): Promise<DeviceKey> {
  const key = await crypto.subtle.importKey("pkcs8", pkcs8, "Ed25519", true, ["sign"]);
  const { x = "" } = await crypto.subtle.exportKey("jwk", key);
  const publicKey = normalizePublicKey(x) ?? "";
  return {
    deviceId: await sha256Hex(fromBase64(publicKey) ?? new Uint8Array()),
    publicKey,
    async sign(text) {
      return toBase64Url(new Uint8Array(await crypto.subtle.sign("Ed25519", key, utf8(text))));
    },
  };
}

function unusable(path: string, why: string): OpenclawError {
  return new OpenclawError(
    "DEVICE_KEY_UNUSABLE",
    `Cannot use the device key ${quoted(path)}: ${why}; the file was left as it is`,
    { hint: `to become a new device (needs pairing again): mv ${path} ${path}.old` },
  );
}

/**
 * Reads a key file; `undefined` when there is none.
 * @throws {OpenclawError} `DEVICE_KEY_UNUSABLE` when it does not parse or its parts do not belong together; never rewritten.
 */
export async function loadDeviceKey(path: string): Promise<DeviceKey | undefined> {
  const file = await readOwned(path, { maxBytes: MAX_FILE_BYTES });
  if (!file) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(file.bytes));
  } catch (error) {
    throw unusable(path, `not JSON (${messageOf(error)})`);
  }
  const checked = check(FILE, value);
  if (!checked.ok) throw unusable(path, problemText(checked.problems));
  const pkcs8 = derOfPem(checked.value.privateKeyPem, "PRIVATE KEY");
  if (!pkcs8) throw unusable(path, "privateKeyPem is no PKCS#8 PEM");
  const key = await deviceKeyOf(pkcs8).catch(() => {
    throw unusable(path, "privateKeyPem is no Ed25519 key");
  });
  if (normalizePublicKey(checked.value.publicKeyPem) !== key.publicKey) {
    throw unusable(path, "publicKeyPem does not belong to privateKeyPem");
  }
  if (checked.value.deviceId !== key.deviceId) throw unusable(path, "deviceId is not the key's");
  return key;
}

/** Reads the key of `path`, or makes one there (mode 0600, atomically; two processes at once end with one key). */
export async function loadOrCreateDeviceKey(
  path: string,
  clock: Clock = systemClock,
): Promise<DeviceKey> {
  const existing = await loadDeviceKey(path);
  if (existing) return existing;
  await ensureDir(dirname(path));
  return await withFileLock(`${path}.lock`, async () => {
    const other = await loadDeviceKey(path);
    if (other) return other;
    const seed = crypto.getRandomValues(new Uint8Array(32));
    const key = await deviceKeyOfSeed(seed);
    await writeAtomic(path, renderKeyFile(key, seed, clock.now()));
    return key;
  });
}

function renderKeyFile(key: DeviceKey, seed: Uint8Array, createdAtMs: number): string {
  const pem = (label: string, prefix: Uint8Array, raw: Uint8Array) =>
    `-----BEGIN ${label}-----\n${
      toBase64(Uint8Array.of(...prefix, ...raw))
    }\n-----END ${label}-----\n`;
  const raw = fromBase64(key.publicKey) ?? new Uint8Array();
  const file = {
    version: 1,
    deviceId: key.deviceId,
    publicKeyPem: pem("PUBLIC KEY", PUBLIC_PREFIX, raw),
    privateKeyPem: pem("PRIVATE KEY", PRIVATE_PREFIX, seed),
    createdAtMs,
  };
  return JSON.stringify(file, null, 2) + "\n";
}
