/**
 * DER (X.690), as much as one certificate needs: a writer of values and a reader that walks a certificate to its
 * dates and public key. What goes into a certificate is decided in `certificate.ts`.
 */
import { type Bytes, joinBytes, utf8 } from "../lib/bytes.ts";
import { OpenclawError } from "../lib/errors.ts";

/** One value: tag, length, content. */
export function der(tag: number, ...content: readonly Uint8Array[]): Bytes {
  const body = joinBytes(content);
  const length: number[] = [];
  if (body.length < 128) length.push(body.length);
  else {
    for (let rest = body.length; rest > 0; rest >>>= 8) length.unshift(rest & 255);
    length.unshift(0x80 | length.length);
  }
  return joinBytes([Uint8Array.of(tag, ...length), body]);
}

/** SEQUENCE. */
export const sequence = (...content: readonly Uint8Array[]): Bytes => der(0x30, ...content);
/** SET. */
export const set = (...content: readonly Uint8Array[]): Bytes => der(0x31, ...content);
/** OCTET STRING. */
export const octets = (...content: readonly Uint8Array[]): Bytes => der(0x04, ...content);
/** BIT STRING without unused bits. */
export const bits = (content: Uint8Array): Bytes => der(0x03, Uint8Array.of(0), content);
/** UTF8String. */
export const utf8String = (text: string): Bytes => der(0x0c, utf8(text));

/** INTEGER of unsigned big-endian bytes: leading zeros dropped, one kept where the sign bit would be set. */
export function unsigned(bytes: Uint8Array): Bytes {
  let start = 0;
  while (start < bytes.length - 1 && bytes[start] === 0) start++;
  const rest = bytes.subarray(start);
  return (rest[0] ?? 0) >= 0x80 ? der(0x02, Uint8Array.of(0), rest) : der(0x02, rest);
}

/** OBJECT IDENTIFIER of dotted text. */
export function oid(text: string): Bytes {
  const [first = 0, second = 0, ...rest] = text.split(".").map(Number);
  const out: number[] = [];
  for (const arc of [first * 40 + second, ...rest]) {
    const part = [arc & 127];
    for (let left = arc >>> 7; left > 0; left >>>= 7) part.unshift((left & 127) | 128);
    out.push(...part);
  }
  return der(0x06, Uint8Array.from(out));
}

/** UTCTime up to 2049, GeneralizedTime from 2050 on (RFC 5280, 4.1.2.5). */
export function time(atMs: number): Bytes {
  const digits = new Date(atMs).toISOString().replace(/\.\d+/, "").replace(/[-:T]/g, "");
  const isShort = Number(digits.slice(0, 4)) < 2050;
  return der(isShort ? 0x17 : 0x18, utf8(isShort ? digits.slice(2) : digits));
}

interface Value {
  readonly tag: number;
  readonly content: Uint8Array;
  /** Tag, length and content. */
  readonly whole: Uint8Array;
}

function unreadable(why: string): OpenclawError {
  return new OpenclawError("CERTIFICATE_UNREADABLE", `Cannot read the certificate: ${why}`);
}

/** Splits concatenated values. Lengths beyond the input or of more than four bytes are refused. */
function values(bytes: Uint8Array): Value[] {
  const out: Value[] = [];
  for (let at = 0; at < bytes.length;) {
    const first = bytes[at + 1] ?? 0;
    const extra = first < 128 ? 0 : first & 127;
    if (extra > 4 || first === 128) throw unreadable("bad length");
    let length = extra === 0 ? first : 0;
    for (let i = 0; i < extra; i++) length = length * 256 + (bytes[at + 2 + i] ?? 0);
    const start = at + 2 + extra, end = start + length;
    if (end > bytes.length) throw unreadable("cut short");
    out.push({
      tag: bytes[at] ?? 0,
      content: bytes.subarray(start, end),
      whole: bytes.subarray(at, end),
    });
    at = end;
  }
  return out;
}

function readTime(value: Value | undefined): number {
  const text = new TextDecoder().decode(value?.content);
  const match = /^(\d{2}|\d{4})(\d{2})(\d{2})(\d{2})(\d{2})(\d{2})Z$/.exec(text);
  if (!match) throw unreadable("bad date");
  const [year = 0, month = 0, ...rest] = match.slice(1).map(Number);
  // RFC 5280: two-digit years below 50 are 20xx.
  const full = text.length === 15 ? year : year + (year < 50 ? 2000 : 1900);
  return Date.UTC(full, month - 1, rest[0], rest[1], rest[2], rest[3]);
}

/** What a certificate says about itself. */
export interface CertificateParts {
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  /** DER of SubjectPublicKeyInfo. */
  readonly publicKeyInfo: Uint8Array<ArrayBuffer>;
}

/** Walks a DER certificate. @throws {OpenclawError} `CERTIFICATE_UNREADABLE`. */
export function readCertificateParts(certificate: Uint8Array): CertificateParts {
  const body = values(values(certificate)[0]?.content ?? certificate)[0];
  if (body?.tag !== 0x30) throw unreadable("no body");
  const fields = values(body.content);
  // The version tag is absent in version 1 certificates.
  const [, , , validity, , key] = fields[0]?.tag === 0xa0 ? fields.slice(1) : fields;
  if (validity?.tag !== 0x30 || key?.tag !== 0x30) throw unreadable("unexpected fields");
  const [notBefore, notAfter] = values(validity.content);
  return {
    notBeforeMs: readTime(notBefore),
    notAfterMs: readTime(notAfter),
    publicKeyInfo: Uint8Array.from(key.whole),
  };
}
