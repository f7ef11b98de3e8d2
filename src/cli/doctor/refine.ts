/**
 * What this machine knows about a failed connection: turns a general code into the one that names the cause. Reads
 * files and asks the port one question; changes nothing.
 */
import { credentialConflict } from "../../config/credentials/target.ts";
import { loadOrCreateDeviceKey } from "../../identity/device_key.ts";
import { isOpenclawError, OpenclawError } from "../../lib/errors.ts";
import { isLoopback, parseEndpoint } from "../../net/endpoint.ts";
import { tryLockFile } from "../../platform/files.ts";
import type { CliTarget } from "../connect.ts";
import type { Io } from "../io.ts";
import { operatorTokens } from "../operator.ts";
import { readRunningGateway } from "../running_gateway.ts";

/** Time for the question whether a port speaks TLS, milliseconds. */
const LOOK_MS = 400;
const NO_ROUTE = /ENETUNREACH|EHOSTUNREACH|unreachable|no route/i;

/** The more exact error; the given one when nothing more is known. */
export async function refine(error: OpenclawError, target: CliTarget, io: Io) {
  const found = await exactCode(error, target, io);
  if (found === undefined) return error;
  const { code, message = error.message, details = {} } = found;
  return new OpenclawError(code, message, {
    cause: error,
    details: { ...error.details, ...details },
  });
}

interface Exact {
  readonly code: string;
  readonly message?: string;
  readonly details?: Readonly<Record<string, unknown>>;
}

async function exactCode(
  error: OpenclawError,
  target: CliTarget,
  io: Io,
): Promise<Exact | undefined> {
  switch (error.code) {
    case "CONNECTION_REFUSED":
      return await whyRefused(target);
    case "CONNECTION_FAILED":
      return NO_ROUTE.test(error.message) ? { code: "ROUTE_MISSING" } : undefined;
    case "CONNECTION_LOST":
    case "NOT_A_GATEWAY":
    case "CONNECT_TIMEOUT":
      return await perhapsTls(error, target);
    case "TLS_UNTRUSTED":
      return untrusted(error);
    case "TLS_PIN_MISMATCH":
      return await wasPinnedBefore(target) ? { code: "TLS_CERTIFICATE_CHANGED" } : undefined;
    case "HTTP_REFUSED":
      return refusedByHttp(error);
    case "AUTH_TOKEN_MISMATCH":
    case "AUTH_PASSWORD_MISMATCH":
      return await wrongSource(error, target, io);
    case "AUTH_TOKEN_MISSING":
    case "GATEWAY_URL_CREDENTIALS_MISSING":
      return isBlank(target, io) ? { code: "AUTH_TOKEN_EMPTY" } : undefined;
    case "PAIRING_REQUIRED":
      return error.details?.reason === "scope-upgrade"
        ? { code: "PAIRING_SCOPE_UPGRADE" }
        : undefined;
    default:
      return undefined;
  }
}

/** Nothing listens: not started, started elsewhere, or started and stuck. */
async function whyRefused({ url, paths }: CliTarget): Promise<Exact | undefined> {
  if (!isLoopback(parseEndpoint(url))) return undefined;
  const running = await readRunningGateway(paths);
  if (running) {
    const actual = `${running.tls ? "wss" : "ws"}://127.0.0.1:${running.port}`;
    return {
      code: "GATEWAY_OTHER_PORT",
      message: `Nothing listens at ${url}; the gateway of this state directory is at ${actual}`,
      details: { actualUrl: actual },
    };
  }
  return await isLocked(paths.gatewayLockFile)
    ? { code: "GATEWAY_LOCK_HELD" }
    : { code: "GATEWAY_NOT_RUNNING" };
}

async function isLocked(path: string): Promise<boolean> {
  if (!await Deno.lstat(path).then(() => true, () => false)) return false;
  try {
    const lock = await tryLockFile(path);
    lock?.close();
    return lock === undefined;
  } catch (error) {
    if (isOpenclawError(error)) return false; // not readable: the file tells nothing
    throw error;
  }
}

/** A plaintext client at a TLS port sees the connection end, or nothing at all. */
async function perhapsTls(error: OpenclawError, { url }: CliTarget): Promise<Exact | undefined> {
  const stage = error.details?.stage;
  const silent = error.code === "CONNECT_TIMEOUT" && stage !== "tcp" && { code: "PORT_SILENT" };
  if (!url.startsWith("ws:") || stage === "tcp") return silent || undefined;
  const { observeFingerprint } = await import("../../net/ws_client.ts");
  const observed = await observeFingerprint({ url, timeoutMs: LOOK_MS });
  if (observed === undefined) return silent || undefined;
  return {
    code: "TLS_REQUIRED",
    message: `The port at ${url} speaks TLS, the address says plaintext`,
    details: { observed },
  };
}

function untrusted({ details }: OpenclawError): Exact | undefined {
  const reason = String(details?.reason ?? "");
  if (/EXPIRED|expired|NOT_YET|not yet/.test(reason)) return { code: "TLS_CERTIFICATE_DATES" };
  return /ALTNAME|altname|does not match/i.test(reason)
    ? { code: "TLS_CERTIFICATE_NAME" }
    : undefined;
}

/** A device token kept under this pin was given by a gateway that had it. */
async function wasPinnedBefore({ pin, pinSource, paths }: CliTarget): Promise<boolean> {
  if (pin === undefined || pinSource === "local certificate") return false;
  const key = await loadOrCreateDeviceKey(paths.operatorKeyFile);
  return await operatorTokens(paths, key).load(pin, "operator") !== undefined;
}

function refusedByHttp({ details, message }: OpenclawError): Exact | undefined {
  const status = Number(details?.status);
  if (status >= 300 && status < 400) return { code: "UPGRADE_REDIRECTED" };
  if (status === 502 || status === 504) return { code: "PROXY_WITHOUT_GATEWAY" };
  if (status === 503) return { code: "GATEWAY_BUSY" };
  if (status === 401 || status === 407) return { code: "PROXY_WANTS_LOGIN" };
  if (status === 403 && /proxy/.test(`${message} ${details?.body ?? ""}`)) {
    return { code: "PROXY_NOT_TRUSTED" };
  }
  return undefined;
}

async function wrongSource(
  error: OpenclawError,
  { loaded }: CliTarget,
  io: Io,
): Promise<Exact | undefined> {
  const kind = error.code.includes("PASSWORD") ? "password" : "token";
  const conflict = await credentialConflict({ env: io.env, loaded }, kind);
  if (conflict === undefined) return undefined;
  return { code: "AUTH_WRONG_SOURCE", message: conflict, details: { kind: kind.toUpperCase() } };
}

/** A credential is there, but nothing is in it. */
function isBlank({ loaded }: Pick<CliTarget, "loaded">, io: Io): boolean {
  const { auth, remote } = loaded.config.gateway;
  return [io.env.OPENCLAW_GATEWAY_TOKEN, auth.token, remote.token].some((value) =>
    typeof value === "string" && value.trim() === ""
  );
}
