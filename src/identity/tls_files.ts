/**
 * The gateway's certificate and key on disk: made once, reused, never replaced behind the owner's back.
 * Source: config-and-credentials.md 7.
 */
import { basename, dirname, join } from "@std/path";
import { type Clock, systemClock } from "../lib/clock.ts";
import { isOpenclawError, messageOf, OpenclawError } from "../lib/errors.ts";
import { quoted } from "../lib/text.ts";
import { lstatOrMissing } from "../platform/file_safety.ts";
import { ensureFolderOf, readOwned, writeAtomic } from "../platform/files.ts";
import { hostName } from "../platform/os.ts";
import { makeCertificate, readCertificate } from "./certificate.ts";
import { MAX_PEM_BYTES, readCertificateFile, unreadable } from "./certificate_file.ts";
import { derOfPem, type Fingerprint, pemBlocks } from "./fingerprint.ts";

const DAY_MS = 86_400_000;
const VALID_DAYS = 3650;
/** The owner is told this long before the certificate ends. */
const WARN_MS = 30 * DAY_MS;
/**
 * Stands while a pair is being written; a crash between the two files must not look like a lost one. One per pair: the next
 * certificate is made beside the one in force, which no crash may replace.
 */
const markerOf = (keyPath: string) => join(dirname(keyPath), `.${basename(keyPath)}.making`);

/** Kinds of unencrypted keys. */
const KEY_LABEL = "(?:RSA |EC )?PRIVATE KEY";

/** Where the files are and whether they may be made. */
export interface TlsFilesOptions {
  readonly certPath: string;
  readonly keyPath: string;
  /** Make a pair when both are missing. Default `true`. */
  readonly autoGenerate?: boolean;
  /** Name of this machine in the certificate. Default: the system's. */
  readonly hostName?: string;
  readonly clock?: Clock;
}

/** Certificate and key, ready for the listener. */
export interface TlsFiles {
  readonly certPem: string;
  readonly keyPem: string;
  readonly fingerprint: Fingerprint;
  readonly notAfterMs: number;
  readonly created: boolean;
  /** For the log: expiry, modes that were tightened. */
  readonly warnings: readonly string[];
}

/**
 * Reads the pair, or makes it when both files are missing.
 * @throws {OpenclawError} `TLS_FILES_INCOMPLETE` (never a fall-back to plaintext), `CERTIFICATE_UNREADABLE`, `FILE_UNSAFE`.
 */
export async function loadOrCreateTls(options: TlsFilesOptions): Promise<TlsFiles> {
  const clock = options.clock ?? systemClock;
  const marker = markerOf(options.keyPath);
  const isUnfinished = await lstatOrMissing(marker) !== undefined;
  const certPem = await readCertificateFile(options.certPath);
  const key = await readKey(options.keyPath);
  const mayMake = options.autoGenerate ?? true;
  const isWhole = certPem !== undefined && key !== undefined;
  if (mayMake && !isWhole && (isUnfinished || (certPem === undefined && !key))) {
    return await make(options, marker, clock);
  }
  if (mayMake && isUnfinished) await Deno.remove(marker).catch(() => {/* F05: a read-only disk */});
  if (certPem === undefined || !key) throw incomplete(options, certPem === undefined, !key);
  const { fingerprint, notBeforeMs, notAfterMs } = await readCertificate(certPem)
    .catch((error) => Promise.reject(unreadable(options.certPath, messageOf(error), error)));
  const warnings = [...key.warnings, ...dateWarnings(notBeforeMs, notAfterMs, clock)];
  // One file may hold both, and words around them: only what is meant goes to the listener.
  const pems = { certPem: pemBlocks(certPem), keyPem: pemBlocks(key.pem, KEY_LABEL) };
  return { ...pems, fingerprint, notAfterMs, created: false, warnings };
}

/** What the owner should know about a certificate's dates (F23): not yet valid, ended, or ending within 30 days. */
export function dateWarnings(notBeforeMs: number, notAfterMs: number, clock: Clock): string[] {
  const day = new Date(notAfterMs).toISOString().slice(0, 10);
  const nowMs = clock.now();
  if (nowMs < notBeforeMs) {
    return ["gateway tls: the certificate is not valid yet; is the clock right?"];
  }
  if (nowMs >= notAfterMs) {
    return [
      `gateway tls: the certificate expired on ${day}; peers that pin it go on, others refuse`,
    ];
  }
  return notAfterMs - nowMs < WARN_MS ? [`gateway tls: the certificate expires on ${day}`] : [];
}

async function make(options: TlsFilesOptions, marker: string, clock: Clock): Promise<TlsFiles> {
  const nowMs = clock.now();
  const notAfterMs = nowMs + VALID_DAYS * DAY_MS;
  const name = options.hostName ?? hostName();
  const made = await makeCertificate({
    commonName: "openclaw-gateway",
    sans: [...new Set(["localhost", "127.0.0.1", "::1", ...(isDnsName(name) ? [name] : [])])],
    notBeforeMs: nowMs - DAY_MS,
    notAfterMs,
  });
  for (const path of [options.certPath, options.keyPath]) await ensureFolderOf(path);
  await writeAtomic(marker, "");
  await writeAtomic(options.keyPath, made.keyPem);
  await writeAtomic(options.certPath, made.certPem);
  await Deno.remove(marker);
  return { ...made, notAfterMs, created: true, warnings: [] };
}

function isDnsName(text: string): boolean {
  return /^[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$/.test(text);
}

/** N40: a key is never read through a link or from a stranger; one that others could read is closed to them and told. */
async function readKey(path: string) {
  const file = await readOwned(path, { maxBytes: MAX_PEM_BYTES }).catch((error) => {
    throw isOpenclawError(error) ? unusableKey(path, error.message, error) : error;
  });
  if (!file) return undefined;
  const pem = new TextDecoder().decode(file.bytes);
  if (!derOfPem(pem, KEY_LABEL)) {
    throw unusableKey(path, "no unencrypted PEM private key in it");
  }
  const warnings = file.tightened
    ? [`${path} was readable by others; now it is not, but who read it has the key`]
    : [];
  return { pem, warnings };
}

function unusableKey(path: string, why: string, cause?: OpenclawError): OpenclawError {
  return new OpenclawError(
    cause?.code ?? "CERTIFICATE_UNREADABLE",
    cause ? `${why} (TLS key of the gateway)` : `Cannot use the TLS key ${quoted(path)}: ${why}`,
    {
      exitCode: 78,
      cause,
      details: { path },
      hint: cause
        ? "openclaw config set gateway.tls.keyPath <file>   # a file of its own, mode 0600, owned by the gateway's user"
        : `openssl pkey -in ${path} -out <new file>   # asks for the passphrase and writes the key without one`,
    },
  );
}

function incomplete(options: TlsFilesOptions, noCert: boolean, noKey: boolean): OpenclawError {
  const missing = [...(noCert ? [options.certPath] : []), ...(noKey ? [options.keyPath] : [])];
  return new OpenclawError(
    "TLS_FILES_INCOMPLETE",
    `gateway tls: cert/key missing: ${missing.map(quoted).join(" and ")} does not exist`,
    {
      hint: noCert && noKey
        ? "openclaw config set gateway.tls.autoGenerate true"
        : "restore the missing file, or move the other one away to have a new pair made (every pin changes)",
      exitCode: 78,
      details: { missing },
    },
  );
}
