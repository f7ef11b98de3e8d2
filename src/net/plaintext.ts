/**
 * May this endpoint be talked to without TLS? One table, decided on parsed IP literals only, before a byte is sent.
 * Attack stopped: N25, a token sent in the clear over a network. Source: config-and-credentials.md 6, decision 33.
 */
import { OpenclawError } from "../lib/errors.ts";
import { ipKind } from "../lib/ip.ts";
import { type Endpoint, isLoopback, renderEndpoint } from "./endpoint.ts";

/** What the user has agreed to. */
export interface PlaintextConsent {
  /** `OPENCLAW_ALLOW_INSECURE_PRIVATE_WS=1` in the environment. */
  readonly optIn: boolean;
  /** `gateway.remote.transport: "direct"` is set for this endpoint: an opt-in for private IP literals only. */
  readonly direct?: boolean;
}

/** Outcome of {@linkcode decidePlaintext}; `rule` names the row of the table. */
export interface PlaintextVerdict {
  readonly allowed: boolean;
  readonly rule: "tls" | "loopback" | "private" | "name" | "public" | "never";
  /** Allowed, but anyone on the way can read it: say so. */
  readonly warn: boolean;
}

const PRIVATE_KINDS: ReadonlySet<string> = new Set(["private", "link-local", "cgnat"]);

/** Decides about an endpoint. */
export function decidePlaintext(endpoint: Endpoint, consent: PlaintextConsent): PlaintextVerdict {
  if (endpoint.secure) return { allowed: true, rule: "tls", warn: false };
  if (isLoopback(endpoint)) return { allowed: true, rule: "loopback", warn: false };
  if (!endpoint.ip) return { allowed: consent.optIn, rule: "name", warn: true };
  const kind = ipKind(endpoint.ip);
  if (PRIVATE_KINDS.has(kind)) {
    const allowed = consent.optIn || (consent.direct === true);
    return { allowed, rule: "private", warn: true };
  }
  return { allowed: false, rule: kind === "public" ? "public" : "never", warn: true };
}

/** Throws unless plaintext to the endpoint is allowed. @throws {OpenclawError} `PLAINTEXT_REFUSED`, exit code 1. */
export function requirePlaintextAllowed(endpoint: Endpoint, consent: PlaintextConsent): void {
  const verdict = decidePlaintext(endpoint, consent);
  if (verdict.allowed) return;
  const optIn = verdict.rule === "public" || verdict.rule === "never"
    ? ""
    : ", or on a network you trust set OPENCLAW_ALLOW_INSECURE_PRIVATE_WS=1";
  throw new OpenclawError(
    "PLAINTEXT_REFUSED",
    `SECURITY ERROR: refusing plaintext ws:// to "${endpoint.host}" (${
      renderEndpoint(endpoint)
    }): ` +
      "credentials and commands could be read on the way",
    {
      hint: `use wss:// (${
        renderEndpoint({ ...endpoint, secure: true })
      }), an SSH tunnel or Tailscale Serve${optIn}`,
      details: { host: endpoint.host, rule: verdict.rule },
    },
  );
}
