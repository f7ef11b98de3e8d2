/**
 * What a failed connection or call says: what was tried, where the address came from, what was found, and the next
 * command. Source: cli.md 1.
 */
import { refusedCredential } from "../../client/refused_credential.ts";
import { credentialConflict, type Target } from "../../config/credentials/target.ts";
import { isOpenclawError, OpenclawError } from "../../lib/errors.ts";
import { quoted } from "../../lib/text.ts";
import type { CliTarget } from "./target.ts";
import type { Io } from "../terminal/io.ts";
import { lineOverTls } from "../grammar/same_line.ts";

/** The block every connection error ends with. Source: cli.md 1. */
function contextOf(target: Target): string[] {
  return [
    `Gateway target: ${target.url}`,
    `Source: ${target.sourceText}`,
    `Config: ${target.configPath}`,
    ...(target.source === "local" ? [`Bind: ${target.bind}`] : []),
  ];
}

/** A failed connection, told in full. */
export async function connectFailure(error: unknown, target: CliTarget, io: Io): Promise<unknown> {
  if (!isOpenclawError(error)) return error;
  const { tokenSource, passwordSource } = target.credentials;
  const kind = error.details?.sent === "password" ? "password" : "token";
  const conflict = (kind === "token" ? tokenSource : passwordSource) === "env" &&
      /^AUTH_(TOKEN|PASSWORD)_MISMATCH$/.test(error.code)
    ? await credentialConflict({ env: io.env, loaded: target.loaded }, kind)
    : undefined;
  const overTls = error.code === "PLAINTEXT_REFUSED" ? await overTlsHint(target, io) : undefined;
  const drift = refusedCredential(error, { role: "operator", tokenSource, passwordSource });
  return new OpenclawError(error.code, failureText(error, target), {
    cause: error,
    exitCode: error.exitCode,
    retryable: error.retryable,
    details: { ...error.details, context: contextOf(target) },
    hint: overTls ?? conflict ?? drift ?? hintFor(error, target) ?? error.hint ?? "openclaw doctor",
  });
}

/** Decision 33: the same line over TLS with the fingerprint that host shows, when it shows one. */
async function overTlsHint({ url, source }: Target, { words }: Io): Promise<string | undefined> {
  const { tlsInstead } = await import("../../net/dial/tls_instead.ts");
  return await tlsInstead(url, (secureUrl, fingerprint) => {
    if (source === "cli") return lineOverTls(words, { url: secureUrl, fingerprint });
    if (source === "env") {
      return `export OPENCLAW_GATEWAY_URL=${secureUrl}; ${lineOverTls(words, { fingerprint })}`;
    }
    const set = (key: string, value: string) =>
      `openclaw config set gateway.remote.${key} ${value}`;
    return `${set("url", secureUrl)} && ${set("tlsFingerprint", fingerprint)}`;
  });
}

/** Not reached, or reached and no session came of it: the two need different next steps. */
function failureText(error: OpenclawError, target: Target): string {
  // Begins with `SECURITY ERROR:` (config-and-credentials.md 6).
  if (error.code === "PLAINTEXT_REFUSED") return error.message;
  const told = error.message.replace(/^Cannot connect to "[^"]*": /, "");
  const reason = told.replace(
    /^(.*) after (\d+) ms \(timed out\)$/,
    "gateway timeout after $2ms: $1",
  );
  return NOT_REACHED.has(error.code)
    ? `Gateway not reachable at ${target.url}: ${reason}`
    : `Gateway connect failed: ${reason}`;
}

const NOT_REACHED: ReadonlySet<string> = new Set([
  "CONNECTION_REFUSED",
  "CONNECTION_FAILED",
  "CONNECTION_LOST",
  "CONNECT_TIMEOUT",
  "DNS_FAILED",
]);

function hintFor(error: OpenclawError, target: Target): string | undefined {
  const local = target.source === "local";
  switch (error.code) {
    case "CONNECTION_REFUSED":
      return local ? "openclaw gateway run" : "openclaw doctor";
    case "TLS_NOT_SPOKEN":
      return `use ${target.url.replace(/^wss:/, "ws:")}: this port does not speak TLS`;
    case "NOT_A_GATEWAY":
    case "CONNECTION_LOST":
      return target.url.startsWith("ws:")
        ? "perhaps it speaks TLS: use wss:// with --tls-fingerprint (openclaw gateway fingerprint)"
        : undefined;
    case "AUTH_TOKEN_MISSING":
    case "AUTH_PASSWORD_MISSING":
      return "export OPENCLAW_GATEWAY_TOKEN=<token>, or --token <token>";
    case "AUTH_SCOPE_MISMATCH":
      return "this account was given less than the command needs: run it on the gateway's machine";
    case "PAIRING_REQUIRED": {
      const id = error.details?.requestId;
      return typeof id === "string"
        ? `on the gateway's machine: openclaw devices approve ${id}`
        : "on the gateway's machine: openclaw devices list";
    }
    default:
      return undefined;
  }
}

/** A call that failed. */
interface FailedCall {
  readonly method: string;
  readonly params: unknown;
  readonly timeoutMs: number;
}

/** Failures of a call: a lost connection and a silent gateway name the gateway, unknown ids the list they are in. */
export function callFailure(error: unknown, call: FailedCall, target: Target): unknown {
  if (!isOpenclawError(error)) return error;
  if (!isOpenclawError(error, "REQUEST_TIMEOUT", "CONNECTION_LOST", "SERVICE_RESTART")) {
    return withList(error, call);
  }
  const message = error.code === "REQUEST_TIMEOUT"
    ? `gateway timeout after ${Math.round(call.timeoutMs)}ms: ${call.method}`
    : error.message;
  return new OpenclawError(error.code, message, {
    cause: error,
    retryable: true,
    details: { ...error.details, context: contextOf(target) },
    hint: "openclaw gateway health",
  });
}

/** Where the right id is found, by method and by what the gateway says. */
const LISTS: readonly (readonly [method: RegExp, said: RegExp, hint: string])[] = [
  [/^device\.pair\./, /^unknown requestId/, "openclaw devices list"],
  [/^node\.pair\./, /^unknown requestId/, "openclaw nodes pending"],
  [/^exec\.approval\./, /^unknown or expired approval id/, "openclaw approvals pending"],
  [/^node\./, /^node not connected/, "openclaw nodes status"],
];

function withList(error: OpenclawError, { method, params }: FailedCall): OpenclawError {
  const found = LISTS.find(([of, said]) => of.test(method) && said.test(error.message));
  if (!found || error.hint !== undefined) return error;
  const { requestId, id } = (params ?? {}) as { requestId?: unknown; id?: unknown };
  const asked = requestId ?? id;
  const isBare = typeof asked === "string" && /^unknown .*[a-z]$/i.test(error.message);
  return new OpenclawError(
    error.code,
    isBare ? `${error.message}: ${quoted(asked)}` : error.message,
    {
      cause: error,
      exitCode: error.exitCode,
      retryable: error.retryable,
      hint: found[2],
      ...(error.details === undefined ? {} : { details: error.details }),
    },
  );
}
