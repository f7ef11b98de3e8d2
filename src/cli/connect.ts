/**
 * From the flags of a command to an open gateway session, and the errors in between: what was tried, where the
 * address came from, and the next command. Every command that talks to a gateway comes through here.
 */
import { readEnv } from "../config/env.ts";
import { loadConfig } from "../config/load.ts";
import { type StatePaths, statePaths } from "../config/paths.ts";
import { credentialConflict, decideTarget, type Target } from "../config/target.ts";
import { openWhenReady } from "../client/open_when_ready.ts";
import type { Session } from "../client/session.ts";
import { loadOrCreateDeviceKey } from "../identity/device_key.ts";
import { gatewayKeyOf } from "../identity/token_store.ts";
import { isOpenclawError, OpenclawError } from "../lib/errors.ts";
import { secretOf } from "../lib/secret.ts";
import { parseEndpoint, renderEndpoint } from "../net/endpoint.ts";
import { ALL_SCOPES, coversScope } from "../protocol/scopes.ts";
import type { Io } from "./io.ts";
import { operatorHello, type OperatorNeeds, operatorTokens } from "./operator.ts";
import type { RpcValues } from "./rpc_flags.ts";
import type { UsedTunnel } from "./tunnel_for.ts";
import { withRunningGateway } from "./running_gateway.ts";

/** Options of one call on a {@linkcode Gateway}. */
export interface CallOptions {
  /** Longest wait for the answer; default what is left of `--timeout`. */
  readonly timeoutMs?: number;
  /** Gets the first answer of a two-phase method. */
  readonly onAccepted?: (payload: unknown) => void;
}

/** An open session with a gateway, as commands use it. */
export interface Gateway {
  readonly target: CliTarget;
  readonly session: Session;
  /** Calls a method. @throws OpenclawError with the gateway's code and message. */
  call(method: string, params?: unknown, options?: CallOptions): Promise<unknown>;
  /** Whether the gateway announces a method. */
  has(method: string): boolean;
  /** Whether the gateway announces a capability. */
  offers(capability: string): boolean;
  /** Listens to events; the returned function ends that. */
  onEvent(handler: (event: string, payload: unknown) => void): () => void;
}

/** What a command needs of its session. */
export interface ConnectNeeds extends OperatorNeeds {
  /** Scopes that are used when they were granted, but not asked for. */
  readonly wishes?: readonly string[];
  /** Added to `--timeout`: the command itself may take that long. */
  readonly extraTimeMs?: number;
  /** The session outlives `--timeout`, which then bounds connecting and each call. */
  readonly longLived?: boolean;
}

/** Opens a session, hands it to `use`, and closes it whatever happens. */
export async function withGateway<T>(
  io: Io,
  values: RpcValues,
  needs: ConnectNeeds,
  use: (gateway: Gateway) => Promise<T>,
): Promise<T> {
  const target = await targetOf(io, values);
  for (const note of target.notes) io.out.warn(note);
  const endMs = performance.now() + values.timeoutMs + (needs.extraTimeMs ?? 0);
  const tunnel = await tunnelOf(io, values, target);
  let session: Session | undefined;
  try {
    session = await connect(io, values, needs, { target, tunnel });
    return await use(gatewayOf(session, { target, needs, values, endMs }));
  } finally {
    session?.close();
    await tunnel?.close();
  }
}

interface SessionFacts {
  readonly target: CliTarget;
  readonly needs: ConnectNeeds;
  readonly values: RpcValues;
  /** Monotonic time at which the command's patience ends. */
  readonly endMs: number;
}

function gatewayOf(session: Session, { target, needs, values, endMs }: SessionFacts): Gateway {
  return {
    target,
    session,
    call: async (method, params, options = {}) => {
      const leftMs = needs.longLived ? values.timeoutMs : Math.max(1, endMs - performance.now());
      const timeoutMs = options.timeoutMs ?? leftMs;
      try {
        return await session.request(method, params ?? {}, { ...options, timeoutMs });
      } catch (error) {
        throw callFailure(error, method, target, timeoutMs);
      }
    },
    has: (method) => session.hello.features.methods.includes(method),
    offers: (capability) => session.hello.features.capabilities?.includes(capability) ?? false,
    onEvent: (handler) => session.onEvent(handler),
  };
}

async function tunnelOf(
  io: Io,
  values: RpcValues,
  target: CliTarget,
): Promise<UsedTunnel | undefined> {
  if (!target.tunnel) return undefined;
  const { useTunnel } = await import("./tunnel_for.ts");
  return await useTunnel({
    tunnel: target.tunnel,
    url: target.url,
    pin: target.pin,
    home: target.paths.home,
    tunnelsDir: target.paths.tunnelsDir,
    timeoutMs: values.timeoutMs,
  }, io.env);
}

/** A target with the places it was decided from. */
export interface CliTarget extends Target {
  readonly paths: StatePaths;
  readonly loaded: Awaited<ReturnType<typeof loadConfig>>;
  /** Warnings for stderr. */
  readonly notes: readonly string[];
}

/** Decides which gateway the flags, the environment and the configuration mean. */
export async function targetOf(io: Io, values: RpcValues): Promise<CliTarget> {
  const paths = statePaths(io.env);
  const loaded = await withRunningGateway(await loadConfig(paths, io.env), paths);
  const { remote, port } = loaded.config.gateway;
  // With --via, --url is the gateway as its ssh host sees it.
  const remotePort = values.via !== undefined && values.url !== undefined
    ? parseEndpoint(values.url).port
    : remote.remotePort ?? readEnv(io.env).gatewayPort ?? port;
  const viaUrl = `${values.tlsFingerprint === undefined ? "ws" : "wss"}://127.0.0.1:${remotePort}`;
  const flags = {
    // Another host's gateway is as foreign as another URL: nothing stored is sent there (N24).
    url: values.url ?? (values.via === undefined ? undefined : viaUrl),
    token: secretOf(values.token),
    password: secretOf(values.password),
    tlsFingerprint: values.tlsFingerprint,
  };
  const target = await decideTarget({ flags, env: io.env, loaded, paths });
  const tunnel = values.via === undefined ? target.tunnel : {
    sshTarget: values.via,
    sshIdentity: undefined,
    sshHostKeyPolicy: remote.sshHostKeyPolicy,
    remotePort,
  };
  const notes = loaded.warnings.map((w) => w.message);
  return { ...target, tunnel, paths, loaded, notes };
}

async function connect(
  io: Io,
  values: RpcValues,
  needs: ConnectNeeds,
  { target, tunnel }: { readonly target: CliTarget; readonly tunnel: UsedTunnel | undefined },
): Promise<Session> {
  const deviceKey = await loadOrCreateDeviceKey(target.paths.operatorKeyFile);
  const tokens = operatorTokens(target.paths, deviceKey);
  const url = renderEndpoint(parseEndpoint(target.url));
  const gatewayKey = tunnel?.gatewayKey ?? gatewayKeyOf(url, target.pin ? [target.pin] : []);
  const stored = target.storedTokens ? await tokens.load(gatewayKey, "operator") : undefined;
  try {
    return await openWhenReady({
      dial: {
        ...(tunnel?.dial ?? { url }),
        timeoutMs: values.timeoutMs,
        plaintext: { optIn: target.allowPrivatePlaintext },
        ...(target.pin ? { pin: target.pin } : {}),
        ...(needs.longLived ? { longLived: true } : {}),
      },
      hello: operatorHello({ ...needs, scopes: scopesToAsk(needs, target, stored?.scopes) }),
      credentials: { token: target.credentials.token, password: target.credentials.password },
      deviceKey,
      // For a URL of the caller's no stored token is used, nor is a new one kept (N24).
      ...(target.storedTokens ? { tokens, gatewayKey } : {}),
      timeoutMs: values.timeoutMs,
    });
  } catch (error) {
    throw await connectFailure(error, target, io);
  }
}

/**
 * The owner's connection and the first pairing of this machine ask for the operator set, so that the next command
 * needs no other approval. Otherwise each call asks for its own least scopes, and for wished ones where granted.
 */
function scopesToAsk(
  needs: ConnectNeeds,
  target: Target,
  granted: readonly string[] | undefined,
): readonly string[] {
  const { token, password } = target.credentials;
  const owner = target.source === "local" && (token !== undefined || password !== undefined);
  if (owner || granted === undefined) return ALL_SCOPES;
  return [...needs.scopes, ...(needs.wishes ?? []).filter((scope) => coversScope(granted, scope))];
}

/** The block every connection error ends with. Source: cli.md 1. */
function contextOf(target: Target): string[] {
  return [
    `Gateway target: ${target.url}`,
    `Source: ${target.sourceText}`,
    `Config: ${target.configPath}`,
    ...(target.source === "local" ? [`Bind: ${target.bind}`] : []),
  ];
}

async function connectFailure(error: unknown, target: CliTarget, io: Io): Promise<unknown> {
  if (!isOpenclawError(error)) return error;
  const conflict = /TOKEN_MISMATCH|PASSWORD_MISMATCH/.test(error.code)
    ? await credentialConflict(
      { env: io.env, loaded: target.loaded },
      error.code.includes("PASSWORD") ? "password" : "token",
    )
    : undefined;
  return new OpenclawError(error.code, failureText(error, target), {
    cause: error,
    exitCode: error.exitCode,
    retryable: error.retryable,
    details: { ...error.details, context: contextOf(target) },
    hint: conflict ?? hintFor(error, target) ?? error.hint ?? "openclaw status",
  });
}

/** Not reached, or reached and refused: the two need different next steps. */
function failureText(error: OpenclawError, target: Target): string {
  const reason = error.message.replace(/^Cannot connect to "[^"]*": /, "");
  return reason === error.message && !TRANSPORT_CODES.has(error.code)
    ? `Gateway connect failed: ${reason}`
    : `Gateway not reachable at ${target.url}: ${reason}`;
}

const TRANSPORT_CODES: ReadonlySet<string> = new Set([
  "CONNECTION_REFUSED",
  "CONNECTION_FAILED",
  "CONNECTION_LOST",
  "CONNECT_TIMEOUT",
  "DNS_FAILED",
]);

function hintFor(error: OpenclawError, target: Target): string | undefined {
  const local = target.source === "local";
  const source = target.credentials.tokenSource ?? target.credentials.passwordSource;
  switch (error.code) {
    case "CONNECTION_REFUSED":
      return local ? "openclaw gateway run" : "openclaw status --deep";
    case "TLS_NOT_SPOKEN":
      return `use ${target.url.replace(/^wss:/, "ws:")}: this port does not speak TLS`;
    case "NOT_A_GATEWAY":
    case "CONNECTION_LOST":
      return target.url.startsWith("ws:")
        ? "perhaps it speaks TLS: use wss:// with --tls-fingerprint (openclaw gateway fingerprint)"
        : undefined;
    case "AUTH_TOKEN_MISMATCH":
    case "AUTH_PASSWORD_MISMATCH":
      return `the credential came from ${
        source ?? "a stored device token"
      }; openclaw config get gateway.auth.token --reveal shows the gateway's own on its machine`;
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

/** Failures of a call: a lost connection and a silent gateway name the gateway too. */
function callFailure(error: unknown, method: string, target: Target, timeoutMs: number): unknown {
  if (!isOpenclawError(error, "REQUEST_TIMEOUT", "CONNECTION_LOST", "SERVICE_RESTART")) {
    return error;
  }
  const message = error.code === "REQUEST_TIMEOUT"
    ? `gateway timeout after ${Math.round(timeoutMs)}ms: ${method}`
    : error.message;
  return new OpenclawError(error.code, message, {
    cause: error,
    retryable: true,
    details: { ...error.details, context: contextOf(target) },
    hint: "openclaw gateway health",
  });
}
