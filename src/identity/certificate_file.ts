/**
 * Reads a certificate from disk. It is public and other programs may serve it, too: links are followed (certificate
 * tools keep the current one behind a link) and its mode stays as the owner set it. Keys are `tls_files.ts`.
 */
import { messageOf, OpenclawError } from "../lib/errors.ts";
import { quoted } from "../lib/text.ts";
import { type Fingerprint, fingerprintOfPem } from "./fingerprint.ts";

/** Longest certificate file, chain included, bytes. */
export const MAX_PEM_BYTES = 256 * 1024;

/**
 * Text of a certificate file; `undefined` when there is none.
 * @throws {OpenclawError} `CERTIFICATE_UNREADABLE`, exit code 78: a restart heals nothing.
 */
export async function readCertificateFile(path: string): Promise<string | undefined> {
  try {
    const { isFile, size } = await Deno.stat(path);
    if (!isFile) throw unreadable(path, "it is not a regular file");
    if (size > MAX_PEM_BYTES) throw unreadable(path, `it is longer than ${MAX_PEM_BYTES} bytes`);
    return await Deno.readTextFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    if (error instanceof OpenclawError) throw error;
    throw unreadable(path, messageOf(error), error);
  }
}

/** Fingerprint of the first certificate in a file; `undefined` when there is none. @throws as {@linkcode readCertificateFile}. */
export async function fingerprintOfFile(path: string): Promise<Fingerprint | undefined> {
  const pem = await readCertificateFile(path);
  if (pem === undefined) return undefined;
  return await fingerprintOfPem(pem).catch((error) => {
    throw unreadable(path, messageOf(error), error);
  });
}

/** `CERTIFICATE_UNREADABLE` for a file. */
export function unreadable(path: string, why: string, cause?: unknown): OpenclawError {
  return new OpenclawError(
    "CERTIFICATE_UNREADABLE",
    `Cannot use the TLS certificate ${quoted(path)}: ${why}`,
    { exitCode: 78, cause, hint: `openssl x509 -noout -subject -dates -in ${path}` },
  );
}
