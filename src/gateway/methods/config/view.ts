/**
 * The configuration as clients may see it: redacted in every copy, with a revision hash that tells nothing about the
 * secrets in it. Source: gateway-protocol.md 11.2.
 */
import { type Bytes, toBase64Url, toHex, utf8 } from "../../../lib/bytes.ts";
import type { LoadedConfig } from "../../../config/file/load.ts";
import { redactText, redactValue } from "../../../config/file/redact.ts";

// A plain hash would let a reader test guesses of a short password offline; the key lives as long as the process.
const REVISION_KEY = crypto.getRandomValues(new Uint8Array(32)) as Bytes;

/** Opaque revision of a configuration: 64 hex digits for protocol 3, `hmac-sha256:v1:…` for protocol 4. */
export async function revisionHash(loaded: LoadedConfig, protocol: 3 | 4): Promise<string> {
  const algorithm = { name: "HMAC", hash: "SHA-256" };
  const key = await crypto.subtle.importKey("raw", REVISION_KEY, algorithm, false, ["sign"]);
  const mac = new Uint8Array(await crypto.subtle.sign("HMAC", key, utf8(loaded.hash)));
  return protocol === 3 ? toHex(mac) : `hmac-sha256:v1:${toBase64Url(mac)}`;
}

/** The answer of `config.get`. `applied` is what the gateway runs with. */
export async function configSnapshot(
  loaded: LoadedConfig,
  applied: LoadedConfig,
  protocol: 3 | 4,
): Promise<Record<string, unknown>> {
  const shown = redactValue(loaded.parsed);
  const hash = await revisionHash(loaded, protocol);
  return {
    path: loaded.path,
    exists: loaded.exists,
    raw: loaded.broken || !loaded.exists ? null : redactText(loaded.raw),
    parsed: shown,
    sourceConfig: shown,
    resolved: shown,
    runtimeConfig: redactValue(applied.parsed),
    config: shown,
    valid: loaded.valid,
    hash,
    issues: loaded.issues,
    warnings: loaded.warnings,
    legacyIssues: [],
    ...(protocol === 3 ? {} : {
      includedPaths: [],
      includeProvenance: [],
      agentRosterIncludeOwned: false,
      bindingsIncludeOwned: false,
      configRevisionHash: hash,
      appliedConfigHash: await revisionHash(applied, protocol),
    }),
  };
}
