/**
 * Gateway URLs as people write them → one normal form. Owns which parts a URL may have; whether plaintext is allowed
 * on the way is `net/`. Attacks stopped: credentials or redirections hidden in a URL (N21, N22).
 */
import { OpenclawError } from "../lib/errors.ts";
import { quoted } from "../lib/text.ts";

/** A checked URL: `ws:` or `wss:`, no user info, query or fragment. */
export interface GatewayUrl {
  /** Normal form without a trailing slash on an empty path. */
  readonly href: string;
  /** Host without brackets. */
  readonly host: string;
  readonly port: number;
  readonly encrypted: boolean;
}

/** Reads a URL; `http(s):` counts as `ws(s):`. Throws `GATEWAY_URL_INVALID` (exit code 2) naming its `source`. */
export function parseGatewayUrl(text: string, source: string): GatewayUrl {
  const trimmed = text.trim();
  const url = URL.canParse(trimmed) ? new URL(trimmed.replace(/^http/i, "ws")) : undefined;
  const refuse = (reason: string): never => {
    // The text may hold a token or a password, so it is not repeated.
    throw new OpenclawError("GATEWAY_URL_INVALID", `Cannot use the URL of ${source}: ${reason}`, {
      hint: "wss://gateway.example:18789",
      exitCode: 2,
    });
  };
  if (!url || (url.protocol !== "ws:" && url.protocol !== "wss:")) {
    return refuse(`${url ? quoted(url.protocol) : "it"} is not ws:// or wss://`);
  }
  if (url.hostname === "") return refuse("it names no host");
  if (url.username !== "" || url.password !== "") {
    return refuse("it contains user information; use --token or --password");
  }
  if (url.search !== "" || url.hash !== "") return refuse("it contains a query or a fragment");
  const encrypted = url.protocol === "wss:";
  const path = url.pathname === "/" ? "" : url.pathname;
  return {
    href: `${url.protocol}//${url.host}${path}`,
    host: url.hostname.replace(/^\[|\]$/g, ""),
    port: Number(url.port) || (encrypted ? 443 : 80),
    encrypted,
  };
}

/** `ws(s)://host:port` with brackets around IPv6. */
export function gatewayUrlOf(host: string, port: number, encrypted: boolean): string {
  return `${encrypted ? "wss" : "ws"}://${host.includes(":") ? `[${host}]` : host}:${port}`;
}
