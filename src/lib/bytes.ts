/**
 * Bytes joined, and to text and back: hex, base64 and base64url. Nothing here knows what the bytes mean.
 */
import { sha256Sync } from "./sha256.ts";

/** Up to here a digest is faster here than on the way to WebCrypto's thread. */
const SHORT_BYTES = 4096;
const BASE64_SHAPE = /^[A-Za-z0-9+/]*={0,2}$/;

/** A view of bytes over an ordinary buffer, as WebCrypto wants it. */
export type Bytes = Uint8Array<ArrayBuffer>;

/** UTF-8 bytes of a text. */
export function utf8(text: string): Bytes {
  return new TextEncoder().encode(text) as Bytes;
}

/** One after the other. */
export function joinBytes(parts: readonly Uint8Array[]): Bytes {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

/** Lower-case hex. */
export function toHex(bytes: Uint8Array): string {
  return bytes.toHex();
}

/** Bytes of a hex text; `undefined` when it is not hex or has odd length. */
export function fromHex(text: string): Bytes | undefined {
  if (text.length % 2 !== 0 || !/^[0-9a-fA-F]*$/.test(text)) return undefined;
  const out = new Uint8Array(text.length / 2);
  for (let i = 0; i < out.length; i++) out[i] = parseInt(text.slice(2 * i, 2 * i + 2), 16);
  return out;
}

/** Standard base64 with padding. */
export function toBase64(bytes: Uint8Array): string {
  return bytes.toBase64();
}

/** base64url without padding. */
export function toBase64Url(bytes: Uint8Array): string {
  return bytes.toBase64({ alphabet: "base64url", omitPadding: true });
}

/** Bytes of base64 or base64url, with or without padding; `undefined` when the text is neither. */
export function fromBase64(text: string): Bytes | undefined {
  const plain = text.replaceAll("-", "+").replaceAll("_", "/");
  if (!BASE64_SHAPE.test(plain)) return undefined;
  const bare = plain.replace(/=+$/, "");
  if (bare.length % 4 === 1) return undefined;
  return Uint8Array.fromBase64(bare) as Bytes;
}

/** SHA-256 of bytes or of the UTF-8 of a text. */
export async function sha256(data: Uint8Array | string): Promise<Bytes> {
  const bytes = typeof data === "string" ? utf8(data) : data as Bytes;
  if (bytes.length <= SHORT_BYTES) return sha256Sync(bytes);
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
}

/** SHA-256 as 64 lower-case hex digits. */
export async function sha256Hex(data: Uint8Array | string): Promise<string> {
  return toHex(await sha256(data));
}

/** Random bytes as base64url without padding; 32 bytes make the 43 characters of a token. */
export function randomBase64Url(byteCount: number): string {
  return toBase64Url(crypto.getRandomValues(new Uint8Array(byteCount)));
}
