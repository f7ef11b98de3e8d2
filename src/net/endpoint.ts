/**
 * Reads gateway addresses: `ws://`, `wss://`, `http://`, `https://`, with the host as written and as an IP literal when
 * it is one. Attacks stopped: N22 (userinfo, query, fragment in an address), N23 (names that only look like loopback).
 */
import { OpenclawError } from "../lib/errors.ts";
import { ipKind, parseIp, renderIp, unbracketed } from "../lib/ip.ts";
import { quoted } from "../lib/text.ts";

/** A gateway's address in its parts. */
export interface Endpoint {
  readonly secure: boolean;
  /** Name in lower case or canonical IP text, without brackets. */
  readonly host: string;
  /** The address when `host` is an IP literal; a name never counts as an address. */
  readonly ip?: Uint8Array;
  readonly port: number;
  /** Path with leading `/`; `/` when none was given. */
  readonly path: string;
}

/** The path is printable ASCII: a line break or a blank in it would be taken out, or end the request line. */
const FORM =
  /^(wss?|https?):\/\/(\[[^\]]*\]|[^:/?#[\]@]+)(?::(\d{1,5}))?(\/[\x21\x22\x24-\x3e\x40-\x5b\x5d-\x7e]*)?$/i;
const NAME =
  /^(?=.{1,253}$)[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?)*\.?$/;
/** The last label decides: browsers and resolvers read `0x7f.1` and `2130706433` as IPv4. */
const NUMBER_LIKE = /(?:^|\.)(?:\d+|0x[0-9a-f]*)\.?$/;

function malformed(text: string, why: string): OpenclawError {
  return new OpenclawError(
    "ENDPOINT_MALFORMED",
    `Cannot read the address ${quoted(text)}: ${why}`,
    {
      hint: "expected a form like wss://gateway.example:18789 or ws://127.0.0.1:18789",
      exitCode: 2,
    },
  );
}

/** N21: what stands before the last `@` or behind `?` and `#` may be a secret; it is not repeated. */
function withoutSecrets(text: string): string {
  const scheme = /^\s*[a-z][a-z0-9+.-]*:\/\//i.exec(text)?.[0] ?? "";
  const rest = text.slice(scheme.length);
  // With both, nobody knows which part is which.
  if (/@/.test(rest) && /[?#]/.test(rest)) return `${scheme}…`;
  return scheme + rest.replace(/^.*@/s, "…@").replace(/[?#].*/s, "?…");
}

/** Options of {@linkcode parseEndpoint}. */
export interface EndpointOptions {
  /** Port when the address names none. Default: 443 for `wss`, 80 for `ws`, as in any URL. */
  readonly defaultPort?: number;
}

/**
 * Reads an address strictly; `http` and `https` are read as `ws` and `wss`.
 * @throws {OpenclawError} `ENDPOINT_MALFORMED` (exit code 2).
 */
export function parseEndpoint(text: string, options: EndpointOptions = {}): Endpoint {
  const match = FORM.exec(text.trim());
  if (!match) {
    const shown = withoutSecrets(text);
    if (/@/.test(text)) throw malformed(shown, "credentials in it are not accepted");
    if (/[?#]/.test(text)) throw malformed(shown, "a query or fragment is not accepted");
    throw malformed(shown, "not a ws:// or wss:// URL");
  }
  const [, scheme = "", rawHost = "", rawPort, path = "/"] = match;
  const secure = /^(?:wss|https)$/i.test(scheme);
  const port = rawPort === undefined ? options.defaultPort ?? (secure ? 443 : 80) : Number(rawPort);
  if (port < 1 || port > 65_535) throw malformed(text, "the port is not between 1 and 65535");
  const bare = unbracketed(rawHost).toLowerCase();
  const ip = parseIp(bare);
  if (ip) return { secure, host: renderIp(ip), ip, port, path };
  if (rawHost.startsWith("[")) {
    const why = bare.includes("%")
      ? "an IPv6 zone is not accepted"
      : "the brackets hold no IPv6 address";
    throw malformed(text, why);
  }
  if (NUMBER_LIKE.test(bare)) {
    throw malformed(text, "the host is neither a name nor an IP address in its usual form");
  }
  if (!NAME.test(bare)) throw malformed(text, "the host name has characters names do not have");
  return { secure, host: bare, port, path };
}

/** Host as it stands in a URL: IPv6 in brackets. */
export function urlHost(host: string): string {
  return host.includes(":") ? `[${host}]` : host;
}

/** The address as a URL, always with its port; a bare `/` path is left out. */
export function renderEndpoint(endpoint: Endpoint): string {
  const path = endpoint.path === "/" ? "" : endpoint.path;
  return `${endpoint.secure ? "wss" : "ws"}://${urlHost(endpoint.host)}:${endpoint.port}${path}`;
}

/** Whether the endpoint is this machine beyond doubt: a loopback IP literal, or the name `localhost` exactly. */
export function isLoopback(endpoint: Endpoint): boolean {
  return endpoint.ip ? ipKind(endpoint.ip) === "loopback" : endpoint.host === "localhost";
}
