/**
 * Makes and reads the gateway's own certificate: self-signed ECDSA P-256, no authority, in-process (no openssl).
 * Where it is kept is `tls_files.ts`. Source: config-and-credentials.md 7, RFC 5280.
 */
import { toBase64, utf8 } from "../lib/bytes.ts";
import { OpenclawError } from "../lib/errors.ts";
import { parseIp } from "../lib/ip.ts";
import * as asn1 from "./der.ts";
import {
  derOfPem,
  type Fingerprint,
  fingerprintOfDer,
  keyFingerprintOfDer,
} from "./fingerprint.ts";

/** What the certificate says. */
export interface CertificateFacts {
  readonly commonName: string;
  /** Host names and IP literals of the subject alternative name. */
  readonly sans: readonly string[];
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
}

/** A new certificate with its key. */
export interface MadeCertificate {
  readonly certPem: string;
  /** PKCS#8, unencrypted. */
  readonly keyPem: string;
  readonly fingerprint: Fingerprint;
}

const ECDSA_WITH_SHA256 = asn1.sequence(asn1.oid("1.2.840.10045.4.3.2"));
const TRUE = asn1.der(0x01, Uint8Array.of(0xff));

function extension(id: string, isCritical: boolean, value: Uint8Array): Uint8Array {
  return asn1.sequence(asn1.oid(id), ...(isCritical ? [TRUE] : []), asn1.octets(value));
}

function altNames(sans: readonly string[]): Uint8Array {
  return asn1.sequence(...sans.map((san) => {
    const ip = parseIp(san);
    return ip ? asn1.der(0x87, ip) : asn1.der(0x82, utf8(san));
  }));
}

function pem(label: string, bytes: Uint8Array): string {
  const lines = toBase64(bytes).match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join("\n")}\n-----END ${label}-----\n`;
}

function bodyOf(facts: CertificateFacts, publicKeyInfo: Uint8Array): Uint8Array<ArrayBuffer> {
  const name = asn1.sequence(
    asn1.set(asn1.sequence(asn1.oid("2.5.4.3"), asn1.utf8String(facts.commonName))),
  );
  return asn1.sequence(
    asn1.der(0xa0, asn1.unsigned(Uint8Array.of(2))), // version 3
    asn1.unsigned(crypto.getRandomValues(new Uint8Array(16))),
    ECDSA_WITH_SHA256,
    name,
    asn1.sequence(asn1.time(facts.notBeforeMs), asn1.time(facts.notAfterMs)),
    name,
    publicKeyInfo,
    asn1.der(
      0xa3,
      asn1.sequence(
        // CA:FALSE: clients that verify refuse a leaf marked as an authority.
        extension("2.5.29.19", true, asn1.sequence()),
        extension("2.5.29.15", true, asn1.der(0x03, Uint8Array.of(7, 0x80))), // digitalSignature
        extension("2.5.29.37", false, asn1.sequence(asn1.oid("1.3.6.1.5.5.7.3.1"))), // serverAuth
        extension("2.5.29.17", false, altNames(facts.sans)),
      ),
    ),
  );
}

/** Makes a key and a certificate signed by itself. */
export async function makeCertificate(facts: CertificateFacts): Promise<MadeCertificate> {
  const keys = await crypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, true, [
    "sign",
    "verify",
  ]);
  const body = bodyOf(
    facts,
    new Uint8Array(await crypto.subtle.exportKey("spki", keys.publicKey)),
  );
  const raw = new Uint8Array(
    await crypto.subtle.sign({ name: "ECDSA", hash: "SHA-256" }, keys.privateKey, body),
  );
  const signature = asn1.sequence(
    asn1.unsigned(raw.subarray(0, 32)),
    asn1.unsigned(raw.subarray(32)),
  );
  const certificate = asn1.sequence(body, ECDSA_WITH_SHA256, asn1.bits(signature));
  const key = new Uint8Array(await crypto.subtle.exportKey("pkcs8", keys.privateKey));
  return {
    certPem: pem("CERTIFICATE", certificate),
    keyPem: pem("PRIVATE KEY", key),
    fingerprint: await fingerprintOfDer(certificate),
  };
}

/** What {@linkcode readCertificate} returns. */
export interface CertificateSummary {
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  readonly fingerprint: Fingerprint;
  /** Pin of the public key, `spki:…`. */
  readonly spkiFingerprint: Fingerprint;
}

/** Reads the first certificate of a PEM text (any key type). @throws {OpenclawError} `CERTIFICATE_UNREADABLE`. */
export async function readCertificate(pemText: string): Promise<CertificateSummary> {
  const bytes = derOfPem(pemText);
  if (!bytes) throw new OpenclawError("CERTIFICATE_UNREADABLE", "No certificate in the PEM text");
  const { notBeforeMs, notAfterMs } = asn1.readCertificateParts(bytes);
  return {
    notBeforeMs,
    notAfterMs,
    fingerprint: await fingerprintOfDer(bytes),
    spkiFingerprint: await keyFingerprintOfDer(bytes),
  };
}
