/**
 * May a web page at this origin talk to the gateway? Attacks stopped: N01 (another site opens a socket to loopback),
 * N03 (a name rebound to 127.0.0.1). Source: gateway-protocol.md 4.7.
 */
import { isLoopbackIp, isPrivateIp } from "../peers/address.ts";

/** Configuration of `gateway.controlUi`. */
export interface OriginPolicy {
  readonly allowedOrigins: readonly string[];
  readonly hostHeaderFallback: boolean;
}

/** What is judged. */
export interface OriginFacts {
  readonly origin: string | undefined;
  readonly host: string | undefined;
  /** Direct loopback socket without proxy headers. */
  readonly local: boolean;
}

/** Verdict; `reason` goes into the refusal's details. */
export type OriginVerdict = { readonly ok: true } | { readonly ok: false; readonly reason: string };

const OK: OriginVerdict = { ok: true };

/** Decides one origin. Call it when an `Origin` header is present or the client is a browser client. */
export function decideOrigin(facts: OriginFacts, policy: OriginPolicy): OriginVerdict {
  if (facts.origin === undefined) return { ok: false, reason: "origin missing or invalid" };
  const origin = originOf(facts.origin);
  if (origin === undefined) return { ok: false, reason: "origin missing or invalid" };
  if (
    policy.allowedOrigins.some((allowed) =>
      allowed === "*" || originOf(allowed)?.text === origin.text
    )
  ) return OK;
  const sameHost = facts.host !== undefined && facts.host.trim().toLowerCase() === origin.host;
  if (sameHost && policy.hostHeaderFallback) return OK;
  const loopback = isLoopbackName(origin.name);
  // Origin and Host agree in a rebinding attack too; only names that nobody outside can own are enough.
  if (sameHost && ((loopback && facts.local) || isPrivateName(origin.name))) return OK;
  if (facts.local && loopback) return OK;
  return { ok: false, reason: "origin not allowed" };
}

interface WebOrigin {
  readonly text: string;
  /** With port, as in a Host header. */
  readonly host: string;
  /** Without port and brackets. */
  readonly name: string;
}

function originOf(text: string): WebOrigin | undefined {
  if (text.length > 512) return undefined;
  try {
    const url = new URL(text.trim());
    if (url.protocol !== "http:" && url.protocol !== "https:") return undefined;
    return {
      text: url.origin,
      host: url.host.toLowerCase(),
      name: url.hostname.toLowerCase().replace(/^\[|\]$/g, ""),
    };
  } catch {
    return undefined;
  }
}

function isLoopbackName(name: string): boolean {
  return name === "localhost" || isLoopbackIp(name);
}

function isPrivateName(name: string): boolean {
  return isPrivateIp(name) || name.endsWith(".local") || name.endsWith(".ts.net");
}

/** Whether a `Host` header names this machine itself; pages behind a rebound name do not see local details (N03). */
export function isLocalHost(host: string | undefined): boolean {
  if (host === undefined) return false;
  const name = /^(\[[^\]]*\]|[^:]*)(:[0-9]+)?$/.exec(host.trim().toLowerCase())?.[1];
  return name !== undefined && isLoopbackName(name.replace(/^\[|\]$/g, ""));
}
