/** Turns what the system says about a listener and its certificate into coded errors, before the first peer comes. */
import { createPrivateKey, X509Certificate } from "node:crypto";
import { createSecureContext } from "node:tls";
import { messageOf, OpenclawError } from "../../lib/errors.ts";
import type { TlsMaterial } from "./options.ts";

/**
 * Options of a TLS server; checked here, because the runtime looks at certificate and key only when a peer comes.
 * @throws when they cannot be read or do not belong together.
 */
export function tlsOptions({ certPem, keyPem, caPem }: TlsMaterial) {
  if (!new X509Certificate(certPem).checkPrivateKey(createPrivateKey(keyPem))) {
    throw new Error(
      "the key does not belong to the certificate (in a chain, the gateway's own certificate comes first)",
    );
  }
  const minVersion = "TLSv1.3" as const;
  return { cert: certPem, key: keyPem, minVersion, ...(caPem === undefined ? {} : { ca: caPem }) };
}

/** For whoever only looks: throws what a listener would. @throws {OpenclawError} `TLS_UNUSABLE`. */
export function requireUsable(tls: TlsMaterial): void {
  usable(() => createSecureContext(tlsOptions(tls)));
}

/** Runs `make`; what it throws becomes `TLS_UNUSABLE`. */
export function usable<T>(make: () => T): T {
  try {
    return make();
  } catch (error) {
    throw new OpenclawError(
      "TLS_UNUSABLE",
      `Cannot use the TLS certificate and key: ${messageOf(error)}`,
      // A restart heals nothing: service managers must not loop.
      {
        cause: error,
        exitCode: 78,
        hint: "openclaw config get gateway.tls   # certificate and key must be one pair",
      },
    );
  }
}

/** `PORT_IN_USE` or `LISTEN_FAILED`. */
export function listenError(error: Error, host: string, port: number): OpenclawError {
  const errno = (error as { code?: string }).code ?? error.name;
  const code = errno === "EADDRINUSE" ? "PORT_IN_USE" : "LISTEN_FAILED";
  const why = errno === "EADDRINUSE" ? "the port is in use" : messageOf(error);
  return new OpenclawError(code, `Cannot listen on ${host}:${port}: ${why}`, {
    cause: error,
    details: { host, port, errno },
  });
}
