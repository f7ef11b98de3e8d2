/**
 * From the flags of a command to an open gateway session, and the errors in between: what was tried, where the
 * address came from, and the next command. Every command that talks to a gateway comes through here.
 */
import type { Target } from "../../config/credentials/target.ts";
import { openWhenReady } from "../../client/open_when_ready.ts";
import { newConnectMemory, type Session } from "../../client/session.ts";
import { loadOrCreateDeviceKey } from "../../identity/device_key.ts";
import { systemClock } from "../../lib/clock.ts";
import { OpenclawError } from "../../lib/errors.ts";
import { gatewayKeyOf } from "../../identity/token_store.ts";
import { parseEndpoint, renderEndpoint } from "../../net/endpoint.ts";
import { ALL_SCOPES, coversScope } from "../../protocol/scopes.ts";
import { type CliTarget, targetOf } from "./target.ts";
import { callFailure, connectFailure } from "./errors.ts";
import type { Io } from "../terminal/io.ts";
import { PinFollower } from "./pin_follower.ts";
import { operatorHello, type OperatorNeeds, operatorTokens } from "./operator.ts";
import type { RpcValues } from "./rpc_flags.ts";
import type { UsedTunnel } from "./tunnel_for.ts";

export { type CliTarget, targetOf } from "./target.ts";

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
  /** Only credentials of the gateway's own: see {@linkcode targetOf}. */
  readonly strict?: boolean;
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
  const target = await targetOf(io, values, needs);
  for (const note of target.notes) io.out.warn(note);
  const endMs = performance.now() + values.timeoutMs + (needs.extraTimeMs ?? 0);
  const tunnel = await tunnelOf(io, values, target);
  const pins = new PinFollower(target);
  let session: Session | undefined;
  try {
    session = await connect(io, values, needs, { target, tunnel, pins });
    return await use(gatewayOf(session, { target, needs, values, endMs }));
  } finally {
    session?.close();
    const trouble = await pins.close();
    if (trouble) io.out.warn(`the gateway's next certificate could not be kept: ${trouble}`);
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
        throw callFailure(error, { method, params, timeoutMs }, target);
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
  const tunnel = await useTunnel({
    tunnel: target.tunnel,
    url: target.url,
    pin: target.pin,
    pins: target.pins,
    home: target.paths.home,
    tunnelsDir: target.paths.tunnelsDir,
    timeoutMs: values.timeoutMs,
    shareSeconds: target.loaded.config.gateway.remote.sshShareSeconds,
  }, io.env);
  for (const note of tunnel.notes) io.out.warn(note);
  return tunnel;
}

/** `--token` or `--password`. */
const isTyped = ({ credentials }: CliTarget) =>
  credentials.tokenSource === "flag" || credentials.passwordSource === "flag";

interface ConnectFacts {
  readonly target: CliTarget;
  readonly tunnel: UsedTunnel | undefined;
  readonly pins: PinFollower;
}

async function connect(
  io: Io,
  values: RpcValues,
  needs: ConnectNeeds,
  { target, tunnel, pins }: ConnectFacts,
): Promise<Session> {
  const deviceKey = await loadOrCreateDeviceKey(target.paths.operatorKeyFile);
  const tokens = operatorTokens(target.paths, deviceKey);
  const url = renderEndpoint(parseEndpoint(target.url));
  const gatewayKey = tunnel?.gatewayKey ?? gatewayKeyOf(url, target.pin ? [target.pin] : []);
  const stored = target.storedTokens ? await tokens.load(gatewayKey, "operator") : undefined;
  // Dial and greeting together: --timeout is a promise about the whole wait.
  const limit = new AbortController();
  const cancel = systemClock.after(
    values.timeoutMs + DIAL_HEADSTART_MS,
    () => limit.abort(greetingTimeout(values.timeoutMs)),
  );
  try {
    return await openWhenReady({
      dial: {
        ...(tunnel?.dial ?? { url }),
        timeoutMs: values.timeoutMs,
        signal: limit.signal,
        plaintext: { optIn: target.allowPrivatePlaintext },
        pins: target.pins,
        ...(needs.longLived ? { longLived: true } : {}),
      },
      hello: operatorHello({
        ...needs,
        scopes: scopesToAsk(needs, target, stored?.scopes),
        caps: [...needs.caps ?? [], ...pins.caps],
      }),
      watch: pins.watch,
      credentials: { token: target.credentials.token, password: target.credentials.password },
      // What was typed is what is meant: a wrong one is told, the stored token does not step in for it.
      memory: { ...newConnectMemory(), noStoredRetry: isTyped(target) },
      deviceKey,
      // For a URL of the caller's no stored token is used, nor is a new one kept (N24).
      ...(target.storedTokens ? { tokens, gatewayKey } : {}),
      timeoutMs: values.timeoutMs,
    });
  } catch (error) {
    throw await connectFailure(error, target, io);
  } finally {
    cancel();
  }
}

/** Lets the dial report its own timeout, which says how far it came, before the whole wait ends. */
const DIAL_HEADSTART_MS = 50;

function greetingTimeout(timeoutMs: number): OpenclawError {
  return new OpenclawError(
    "HANDSHAKE_TIMEOUT",
    `connected, but not greeted after ${timeoutMs} ms (timed out)`,
    { retryable: true, details: { stage: "challenge", timeoutMs } },
  );
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
