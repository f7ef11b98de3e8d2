/**
 * Fingerprints of TLS certificates: what a pin is, how it is read and compared. A pin is 64 lower-case hex digits
 * (SHA-256 of the DER leaf), or `spki:` and 64 hex digits (SHA-256 of its public key, survives renewal with one key).
 * Checking a live peer is `net/dial/dial.ts`. Source: config-and-credentials.md 7.
 */
import { fromBase64, sha256Hex } from "../lib/bytes.ts";
import { OpenclawError } from "../lib/errors.ts";
import { quoted } from "../lib/text.ts";
import { readCertificateParts } from "./der.ts";

/** A well-formed pin, in its one printed form. */
export type Fingerprint = string & { readonly brand: "fingerprint" };

const LABEL = /^sha-?256(?:\s*fingerprint)?\s*[:= ]?\s*/i;
const KEY_LABEL = /^spki\s*[:=]\s*/i;

/** Reads a pin: colons, upper case and a `sha256:` label are accepted, anything but exactly 64 hex digits is not. */
export function parseFingerprint(text: string): Fingerprint | undefined {
  const trimmed = text.trim();
  const bare = trimmed.replace(KEY_LABEL, "");
  const hex = bare.replace(LABEL, "").replace(/[^0-9a-fA-F]/g, "").toLowerCase();
  if (hex.length !== 64) return undefined;
  return (bare === trimmed ? hex : `spki:${hex}`) as Fingerprint;
}

/** As {@linkcode parseFingerprint}. @throws {OpenclawError} `PIN_MALFORMED`, before anything is dialled (N26). */
export function requireFingerprint(text: string, source: string): Fingerprint {
  const pin = parseFingerprint(text);
  if (pin) return pin;
  throw new OpenclawError(
    "PIN_MALFORMED",
    `Invalid TLS fingerprint ${
      quoted(text)
    } in ${source}: expected 64 hex digits (SHA-256 of the certificate)`,
    { hint: "on the gateway: openclaw gateway fingerprint", exitCode: 1 },
  );
}

/** SHA-256 of a DER certificate. */
export async function fingerprintOfDer(der: Uint8Array): Promise<Fingerprint> {
  return await sha256Hex(der) as Fingerprint;
}

/** SHA-256 of the public key inside a DER certificate, as a `spki:` pin. */
export async function keyFingerprintOfDer(der: Uint8Array): Promise<Fingerprint> {
  return `spki:${await sha256Hex(readCertificateParts(der).publicKeyInfo)}` as Fingerprint;
}

/** The blocks of one kind in a PEM text, without what other tools write around and between them; `""` for none. */
export function pemBlocks(pem: string, label = "CERTIFICATE"): string {
  const block = new RegExp(`-----BEGIN (${label})-----[^-]*-----END \\1-----`, "g");
  return [...pem.matchAll(block)].map(([text]) => `${text}\n`).join("");
}

/** The DER bytes of the first certificate in a PEM text; `undefined` when there is none. */
export function derOfPem(pem: string, label = "CERTIFICATE"): Uint8Array<ArrayBuffer> | undefined {
  const body = new RegExp(`-----BEGIN ${label}-----([A-Za-z0-9+/=\\s]+)-----END ${label}-----`)
    .exec(pem)?.[1];
  return body === undefined ? undefined : fromBase64(body.replace(/\s/g, ""));
}

/** Fingerprint of the first certificate in a PEM text. @throws {OpenclawError} `CERTIFICATE_UNREADABLE`. */
export async function fingerprintOfPem(pem: string): Promise<Fingerprint> {
  const der = derOfPem(pem);
  if (!der) throw new OpenclawError("CERTIFICATE_UNREADABLE", "No certificate in the PEM text");
  return await fingerprintOfDer(der);
}

/** Whether a DER leaf is one of `pins` (current, next, or a key pin). */
export async function matchesPin(der: Uint8Array, pins: readonly Fingerprint[]): Promise<boolean> {
  if (pins.includes(await fingerprintOfDer(der))) return true;
  return pins.some((pin) => pin.startsWith("spki:")) &&
    pins.includes(await keyFingerprintOfDer(der));
}
