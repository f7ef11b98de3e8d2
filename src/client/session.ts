/**
 * Opens a session: dial, handshake with a deadline, and the bounded second attempts of the contract: protocol 3 for
 * nodes, the stored device token next to a refused shared one, and a bootstrap token after a stale device token.
 * Source: node-host.md 3, config-and-credentials.md 5.6, gateway-protocol.md 2.4, 4.2.
 */
import type { Clock } from "../lib/clock.ts";
import { isOpenclawError } from "../lib/errors.ts";
import type { DeviceKey } from "../identity/device_key.ts";
import { gatewayKeyOf, type StoredToken, type TokenStore } from "../identity/token_store.ts";
import { isLoopback, parseEndpoint, renderEndpoint } from "../net/endpoint.ts";
import { dial, type DialOptions, pinsOf } from "../net/dial/dial.ts";
import {
  chooseAuth,
  type ChosenAuth,
  type ClientHello,
  type ConnectPlan,
  type Credentials,
  offerFor,
} from "./connect_plan.ts";
import type { EventHandler, Session } from "./live_session.ts";
import { Opening } from "./opening.ts";
import { withSent } from "./refused_credential.ts";

export type { EventHandler, Session } from "./live_session.ts";
export type { RequestOptions } from "./pending.ts";
export type { ClientHello, Credentials } from "./connect_plan.ts";

/** What one connection attempt teaches the next one to the same gateway. */
export interface ConnectMemory {
  /** The gateway speaks only protocol 3. */
  legacy: boolean;
  /** No retry with the stored device token: it was made and failed (until a success), or is not wanted. */
  noStoredRetry: boolean;
}

/** Memory of a first attempt. */
export function newConnectMemory(): ConnectMemory {
  return { legacy: false, noStoredRetry: false };
}

/** How to open a session. */
export interface SessionOptions {
  readonly dial: DialOptions;
  readonly hello: ClientHello;
  readonly credentials: Credentials;
  /** Without one, no device block is sent and no device token used. */
  readonly deviceKey?: DeviceKey | undefined;
  /** Where device tokens are kept. */
  readonly tokens?: TokenStore | undefined;
  /** Name of the gateway in `tokens`; default its first pin, else its URL. Behind a tunnel the URL names nobody. */
  readonly gatewayKey?: string;
  /** Kept by the caller across reconnects. */
  readonly memory?: ConnectMemory;
  /** From open socket to hello, milliseconds. Default 15,000. */
  readonly timeoutMs?: number;
  readonly onEvent?: EventHandler;
  /** Sees every event and takes none from the listeners. */
  readonly watch?: EventHandler | undefined;
  /** Events were left out. */
  readonly onGap?: (gap: { expected: number; received: number }) => void;
  readonly clock?: Clock;
}

/**
 * Opens a session. At most three connections: the first, one with protocol 3, one with other credentials.
 * @throws {OpenclawError} codes of `dial`, the gateway's refusals, `HANDSHAKE_TIMEOUT`, `HANDSHAKE_FAILED`.
 */
export async function openSession(options: SessionOptions): Promise<Session> {
  const memory = options.memory ?? newConnectMemory();
  const stored = await storedToken(options);
  const first = chooseAuth(options.credentials, stored?.token);
  try {
    return await attempt(options, memory, first);
  } catch (error) {
    const second = await secondChoice(options, { memory, stored, first, error });
    if (!second) throw error;
    try {
      return await attempt(options, memory, second);
    } catch (again) {
      memory.noStoredRetry = second.usesStored;
      await forgetStale(options, second, again);
      throw again;
    }
  }
}

function gatewayKey({ dial, gatewayKey: given }: SessionOptions): string {
  return given ?? gatewayKeyOf(renderEndpoint(parseEndpoint(dial.url)), pinsOf(dial));
}

async function storedToken(options: SessionOptions): Promise<StoredToken | undefined> {
  if (!options.deviceKey) return undefined;
  return await options.tokens?.load(gatewayKey(options), options.hello.role);
}

interface Failed {
  readonly memory: ConnectMemory;
  readonly stored: StoredToken | undefined;
  readonly first: ChosenAuth;
  readonly error: unknown;
}

/** Other credentials for one more attempt, if the contract allows one. */
async function secondChoice(
  options: SessionOptions,
  failed: Failed,
): Promise<ChosenAuth | undefined> {
  const { memory, stored, first, error } = failed;
  const { credentials } = options;
  await forgetStale(options, first, error);
  if (first.usesStored && isOpenclawError(error, "AUTH_DEVICE_TOKEN_MISMATCH")) {
    return credentials.bootstrapToken ? chooseAuth(credentials, undefined) : undefined;
  }
  const mayRetry = isOpenclawError(error, "AUTH_TOKEN_MISMATCH", "AUTH_PASSWORD_MISMATCH") &&
    (error.details?.canRetryWithDeviceToken === true ||
      error.details?.recommendedNextStep === "retry_with_device_token");
  if (!mayRetry || !stored || first.usesStored || memory.noStoredRetry) return undefined;
  // Both tokens go to the peer: only to this machine or to the one certificate we know.
  return isTrusted(options.dial) ? chooseAuth(credentials, stored.token, true) : undefined;
}

function isTrusted(dial: DialOptions): boolean {
  if (dial.unixPath !== undefined) return true;
  const endpoint = parseEndpoint(dial.url);
  return isLoopback(endpoint) || (endpoint.secure && pinsOf(dial).length > 0);
}

/** A stored token the gateway does not know any more is deleted (7.5). */
async function forgetStale(
  options: SessionOptions,
  used: ChosenAuth,
  error: unknown,
): Promise<void> {
  if (!used.usesStored || !isOpenclawError(error, "AUTH_DEVICE_TOKEN_MISMATCH")) return;
  await options.tokens?.remove(gatewayKey(options), options.hello.role);
}

async function attempt(
  options: SessionOptions,
  memory: ConnectMemory,
  chosen: ChosenAuth,
): Promise<Session> {
  const wasLegacy = memory.legacy;
  try {
    return await connectOnce(options, memory, chosen);
  } catch (error) {
    if (isOpenclawError(error, "PROTOCOL_UPGRADED") && wasLegacy) {
      memory.legacy = false;
    } else if (options.hello.role === "node" && !wasLegacy && isMismatch(error)) {
      memory.legacy = true;
    } else throw error;
    return await connectOnce(options, memory, chosen);
  }
}

function isMismatch(error: unknown): boolean {
  return isOpenclawError(error) &&
    (error.code === "PROTOCOL_MISMATCH" || error.details?.expectedProtocol === 3);
}

async function connectOnce(
  options: SessionOptions,
  memory: ConnectMemory,
  chosen: ChosenAuth,
): Promise<Session> {
  const { deviceKey } = options;
  const plan: ConnectPlan = {
    ...offerFor(options.hello, memory.legacy),
    auth: chosen.auth,
    ...(deviceKey
      ? { device: { deviceId: deviceKey.deviceId, publicKey: deviceKey.publicKey } }
      : {}),
  };
  const socket = await dial(options.dial);
  const session = await new Opening(socket, plan, { ...options, signal: options.dial.signal }).done
    .catch((error) => Promise.reject(withSent(error, chosen.auth)));
  memory.noStoredRetry = false;
  if (options.onEvent) session.onEvent(options.onEvent);
  await keepIssued(options, session);
  return session;
}

/** Tokens are saved before the session is used: a crash must not lose the only copy. */
async function keepIssued(options: SessionOptions, session: Session): Promise<void> {
  if (!options.deviceKey || !options.tokens) return;
  const key = gatewayKey(options);
  try {
    for (const issued of session.hello.issued) await options.tokens.save(key, issued.role, issued);
  } catch (error) {
    session.close();
    throw error;
  }
}
