/**
 * The short code a new machine and the gateway's operator compare by eye. Nothing else about joining is here.
 */
import { sha256, sha256Hex } from "../lib/bytes.ts";
import type { Secret } from "../lib/secret.ts";

const BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/** The code as the new machine computes it from the secret it was given. `publicKey` is the raw key as base64url. */
export async function verificationCode(bootstrapToken: Secret, publicKey: string): Promise<string> {
  return await verificationCodeOf(await sha256Hex(bootstrapToken.reveal()), publicKey);
}

/**
 * The code as the gateway computes it, which knows only the hash of the secret: first 6 base32 characters of
 * SHA-256(token hash | device key). Source: decision 35.
 */
export async function verificationCodeOf(tokenHash: string, publicKey: string): Promise<string> {
  const digest = await sha256(`${tokenHash}|${publicKey}`);
  let bits = 0n;
  for (const byte of digest.subarray(0, 4)) bits = (bits << 8n) | BigInt(byte);
  let out = "";
  for (let i = 0; i < 6; i++) out += BASE32[Number((bits >> BigInt(27 - 5 * i)) & 31n)];
  return out;
}
