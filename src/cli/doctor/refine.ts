/**
 * What this machine knows about a failed connection: turns a general code into the one that names the cause. Reads
 * files and asks the port one question; changes nothing.
 */
import { credentialConflict } from "../../config/credentials/target.ts";
import { previewServerPlan } from "../../config/server/server_plan.ts";
import { loadOrCreateDeviceKey } from "../../identity/device_key.ts";
import { loadOrCreateTls } from "../../identity/tls_files.ts";
import { isOpenclawError, OpenclawError } from "../../lib/errors.ts";
import { isLoopback, parseEndpoint } from "../../net/endpoint.ts";
import { exists } from "../../platform/file_facts.ts";
import { tryLockFile } from "../../platform/files.ts";
import type { CliTarget } from "../connect/connect.ts";
import type { Io } from "../terminal/io.ts";
import { operatorTokens } from "../connect/operator.ts";
import { readRunningGateway } from "../connect/running_gateway.ts";

/** Time for the question whether a port speaks TLS, milliseconds. */
const LOOK_MS = 400;
const NO_ROUTE = /ENETUNREACH|EHOSTUNREACH|unreachable|no route/i;

/** The more exact error; the given one when nothing more is known. */
export async function refine(error: OpenclawError, target: CliTarget, io: Io) {
  return withExact(error, await exactCode(error, target, io));
}

/** As {@linkcode refine}, for a dial that is not this command line's own. */
export async function refineDial(error: OpenclawError, at: { readonly url: string }) {
  return withExact(error, await exactDial(error, at));
}

function withExact(error: OpenclawError, found: Exact | undefined): OpenclawError {
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
      return await whyRefused(target, io);
    case "HANDSHAKE_TIMEOUT":
      return error.details?.stage === "answer" ? { code: "AUTH_ANSWER_LATE" } : undefined;
    case "TLS_PIN_MISMATCH":
      return await wasPinnedBefore(target) ? { code: "TLS_CERTIFICATE_CHANGED" } : undefined;
    case "AUTH_TOKEN_MISMATCH":
    case "AUTH_PASSWORD_MISMATCH":
      return await wrongSource(error, target, io);
    case "AUTH_UNAUTHORIZED":
      return /trusted proxy/.test(error.message)
        ? { code: "AUTH_IDENTITY_HEADER_REQUIRED" }
        : undefined;
    case "AUTH_TOKEN_MISSING":
    case "GATEWAY_URL_CREDENTIALS_MISSING":
      return isBlank(target, io) ? { code: "AUTH_TOKEN_EMPTY" } : undefined;
    case "PAIRING_REQUIRED":
      return error.details?.reason === "scope-upgrade"
        ? { code: "PAIRING_SCOPE_UPGRADE" }
        : undefined;
    case "DEVICE_AUTH_SIGNATURE_EXPIRED":
      return { code: "CLOCK_SKEW" };
    default:
      return await exactDial(error, target);
  }
}

/** What the address alone tells. */
async function exactDial(
  error: OpenclawError,
  at: { readonly url: string },
): Promise<Exact | undefined> {
  switch (error.code) {
    case "CONNECTION_FAILED":
      return NO_ROUTE.test(error.message) ? { code: "ROUTE_MISSING" } : undefined;
    case "CONNECTION_LOST":
    case "NOT_A_GATEWAY":
    case "CONNECT_TIMEOUT":
      return await perhapsTls(error, at);
    case "TLS_UNTRUSTED":
      return untrusted(error);
    case "HTTP_REFUSED":
      return refusedByHttp(error);
    default:
      return undefined;
  }
}

/** Nothing listens: not started, started elsewhere, or started and stuck. */
async function whyRefused(target: CliTarget, io: Io): Promise<Exact | undefined> {
  const { url, paths, source, loaded } = target;
  if (!isLoopback(parseEndpoint(url))) return undefined;
  if (source !== "cli" && loaded.config.gateway.mode === "remote") {
    return { code: "TUNNEL_NOT_OPEN" };
  }
  const running = await readRunningGateway(paths);
  if (running) {
    const actual = `${running.tls ? "wss" : "ws"}://127.0.0.1:${running.port}`;
    return {
      code: "GATEWAY_OTHER_PORT",
      message: `Nothing listens at ${url}; the gateway of this state directory is at ${actual}`,
      details: { actualUrl: actual },
    };
  }
  if (await isLocked(paths.gatewayLockFile)) return { code: "GATEWAY_LOCK_HELD" };
  const refusal = source === "local" ? await whyNotStarted(target, io) : undefined;
  return refusal
    ? { code: refusal.code, message: refusal.message, details: refusal.details ?? {} }
    : { code: "GATEWAY_NOT_RUNNING" };
}

/** Why a gateway started now would refuse to run: it may have been started, and have said so where nobody looks. */
async function whyNotStarted(
  { paths, loaded }: CliTarget,
  { env }: Io,
): Promise<OpenclawError | undefined> {
  try {
    const { tls } = await previewServerPlan({ flags: {}, env, paths, loaded });
    if (!tls.enabled) return undefined;
    const [hasCert, hasKey] = await Promise.all([tls.certPath, tls.keyPath].map(exists));
    if (!hasCert && !hasKey && tls.autoGenerate) return undefined;
    const files = await loadOrCreateTls({ ...tls, autoGenerate: false });
    const { requireUsable } = await import("../../net/listen/checks.ts");
    requireUsable(files);
    return undefined;
  } catch (error) {
    if (!isOpenclawError(error)) throw error;
    return error;
  }
}

async function isLocked(path: string): Promise<boolean> {
  if (!await exists(path)) return false;
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
async function perhapsTls(
  error: OpenclawError,
  { url }: { readonly url: string },
): Promise<Exact | undefined> {
  const stage = error.details?.stage;
  const silent = error.code === "CONNECT_TIMEOUT" && stage !== "tcp" && { code: "PORT_SILENT" };
  if (!url.startsWith("ws:") || stage === "tcp") return silent || undefined;
  const { observeFingerprint } = await import("../../net/dial/dial.ts");
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
  // The dates are read here: the runtime only says that it does not trust the certificate.
  const { notBeforeMs, notAfterMs } = details ?? {};
  // Of tomorrow: certificates are made with a day to spare, so the clock that reads this one is behind.
  if (typeof notBeforeMs === "number" && notBeforeMs > Date.now()) return { code: "CLOCK_SKEW" };
  if (typeof notAfterMs === "number" && notAfterMs < Date.now()) {
    return { code: "TLS_CERTIFICATE_DATES" };
  }
  return /altname|not.?valid.?for|does not match/i.test(reason)
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
