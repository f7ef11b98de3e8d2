/**
 * Reads an ssh target as people write it and refuses whatever ssh could take for an option (N37).
 * Source: remote-access.md 2.
 */
import { OpenclawError } from "../lib/errors.ts";
import { quoted } from "../lib/text.ts";

/** A parsed `[user@]host[:port]`. */
export interface SshTarget {
  readonly user: string | undefined;
  /** Host name, alias of the ssh configuration, or IP literal without brackets. */
  readonly host: string;
  /** 1..65535; `undefined` leaves it to the ssh configuration (22 when that is silent). */
  readonly port: number | undefined;
}

/** A host name has at most 253 characters, a user name 32, a port 5. */
const MAX_LENGTH = 320;
/** `user:password@`, as other URLs have it; needs a text without `ssh://`. */
const PASSWORD = /^([^:@]*):.*@/s;
const PREFIX = /^\s*(ssh\s+)?(ssh:\/\/)?/;

function invalid(text: string, why: string): OpenclawError {
  const [prefix = ""] = PREFIX.exec(text) ?? [];
  // Not repeated on the screen or in a log.
  const shown = quoted(prefix + text.slice(prefix.length).replace(PASSWORD, "$1:…@"));
  return new OpenclawError("INVALID_SSH_TARGET", `invalid SSH target: ${shown}: ${why}`, {
    hint: "write it as user@host or user@host:port",
    exitCode: 2,
  });
}

/**
 * Parses an optional leading `ssh ` or `ssh://`, then `[user@]host[:port]`; an IPv6 literal stands in brackets.
 * Throws `INVALID_SSH_TARGET` before anything is started.
 */
export function parseSshTarget(text: string): SshTarget {
  const bare = text.replace(PREFIX, "").trim().replace(/\/$/, "");
  if (PASSWORD.test(bare)) throw invalid(text, "a password cannot be given");
  if (bare === "") throw invalid(text, "it is empty");
  if (bare.length > MAX_LENGTH) throw invalid(text, `it is longer than ${MAX_LENGTH} characters`);
  // Anything a shell, ssh or its configuration could read as more than a name is refused as a class.
  if (!/^[A-Za-z0-9._@:\[\]%+-]+$/.test(bare)) {
    throw invalid(text, "only letters, digits and . _ - + @ : [ ] are allowed");
  }
  const at = bare.indexOf("@");
  const user = at < 0 ? undefined : bare.slice(0, at);
  const rest = at < 0 ? bare : bare.slice(at + 1);
  if (user !== undefined && !/^[A-Za-z0-9._+][A-Za-z0-9._+-]*$/.test(user)) {
    throw invalid(text, `${quoted(user)} is not a user name`);
  }
  const [host, portText] = splitPort(rest, text);
  if (/^[-.]/.test(host) || host === "") throw invalid(text, `${quoted(host)} is not a host name`);
  return { user, host, port: portText === undefined ? undefined : portOf(portText, text) };
}

function splitPort(rest: string, text: string): [string, string | undefined] {
  const bracketed = /^\[([0-9A-Fa-f:.]+(?:%[A-Za-z0-9._-]+)?)\](?::(.*))?$/.exec(rest);
  if (bracketed) return [bracketed[1] ?? "", bracketed[2]];
  if (!/^[A-Za-z0-9._:-]+$/.test(rest)) throw invalid(text, `${quoted(rest)} is not a host name`);
  const colon = rest.lastIndexOf(":");
  if (colon < 0) return [rest, undefined];
  const host = rest.slice(0, colon);
  if (host.includes(":")) throw invalid(text, "an IPv6 address stands in brackets");
  return [host, rest.slice(colon + 1)];
}

function portOf(portText: string, text: string): number {
  const port = /^\d{1,5}$/.test(portText) ? Number(portText) : 0;
  if (port < 1 || port > 65535) throw invalid(text, `${quoted(portText)} is not a port`);
  return port;
}

/** `user@host` or `host`, as ssh takes it after `--`. */
export function sshDestination(target: SshTarget): string {
  return target.user === undefined ? target.host : `${target.user}@${target.host}`;
}

/** The target as text for messages: `user@host:port`. */
export function sshTargetText(target: SshTarget): string {
  const host = target.host.includes(":") ? `[${target.host}]` : target.host;
  const user = target.user === undefined ? "" : `${target.user}@`;
  return `${user}${host}${target.port === undefined ? "" : `:${target.port}`}`;
}
