/**
 * What is said in `connect`, as data: who we are, which credentials go along, what is signed. Pure. Secrets leave a
 * `Secret` only here, and only into the connect frame. Source: gateway-protocol.md 2.2, 2.4, 3.2, 4.2.
 */
import type { Secret } from "../lib/secret.ts";
import { authPayload } from "../protocol/auth_payload.ts";
import type { ClientId, ClientMode } from "../protocol/client_ids.ts";
import type { Role } from "../protocol/roles.ts";

/** Who connects and what it offers. */
export interface ClientHello {
  readonly client: {
    readonly id: ClientId;
    readonly mode: ClientMode;
    readonly version: string;
    /** `linux`, `macos` or `windows` (decision 9). */
    readonly platform: string;
    readonly deviceFamily?: string;
    readonly displayName?: string;
    readonly instanceId?: string;
  };
  readonly role: Role;
  readonly scopes: readonly string[];
  readonly caps?: readonly string[];
  /** Node role: commands that are served. */
  readonly commands?: readonly string[];
  readonly permissions?: Readonly<Record<string, boolean>>;
  readonly pathEnv?: string;
}

/** Credentials at hand; which of them are sent is decided by {@linkcode chooseAuth}. */
export interface Credentials {
  readonly token?: Secret | undefined;
  readonly password?: Secret | undefined;
  readonly deviceToken?: Secret | undefined;
  readonly bootstrapToken?: Secret | undefined;
}

/** `auth` of the connect frame. */
export type WireAuth = Readonly<
  Partial<Record<"token" | "password" | "deviceToken" | "bootstrapToken", string>>
>;

/** The credentials that go along, and whether the stored token is among them. */
export interface ChosenAuth {
  readonly auth: WireAuth;
  readonly usesStored: boolean;
}

/**
 * Shared secret, else explicit device token, else stored one, else bootstrap token. Source: config-and-credentials.md 5.6.
 * `retryWithStored` adds the stored token next to a refused shared token (node-host.md 3).
 */
export function chooseAuth(
  given: Credentials,
  stored: Secret | undefined,
  retryWithStored = false,
): ChosenAuth {
  if (given.token || given.password) {
    const auth = {
      ...(given.token ? { token: given.token.reveal() } : {}),
      ...(given.password ? { password: given.password.reveal() } : {}),
    };
    if (!retryWithStored || !stored) return { auth, usesStored: false };
    return { auth: { ...auth, deviceToken: stored.reveal() }, usesStored: true };
  }
  if (given.deviceToken) {
    return { auth: { deviceToken: given.deviceToken.reveal() }, usesStored: false };
  }
  if (stored) return { auth: { deviceToken: stored.reveal() }, usesStored: true };
  if (given.bootstrapToken) {
    return { auth: { bootstrapToken: given.bootstrapToken.reveal() }, usesStored: false };
  }
  return { auth: {}, usesStored: false };
}

/** Everything one handshake needs, fixed before it starts. */
export interface ConnectPlan {
  readonly hello: ClientHello;
  readonly minProtocol: number;
  readonly maxProtocol: number;
  readonly auth: WireAuth;
  /** Public half of the device key; absent: connect without a device. */
  readonly device?: { readonly deviceId: string; readonly publicKey: string };
}

/** The nonce and time of a challenge. */
export interface Challenge {
  readonly nonce: string;
  readonly ts: number;
}

const LEGACY_PLATFORM: Readonly<Record<string, string>> = { macos: "darwin", windows: "win32" };

/** The offer of a first attempt, or of the second one to a gateway that speaks only protocol 3 (decision 9). */
export function offerFor(hello: ClientHello, legacy: boolean) {
  if (hello.role === "operator") return { hello, minProtocol: 3, maxProtocol: 4 };
  if (!legacy) return { hello, minProtocol: 4, maxProtocol: 4 };
  const { deviceFamily: _unknownToIt, ...client } = hello.client;
  const platform = LEGACY_PLATFORM[client.platform] ?? client.platform;
  return { hello: { ...hello, client: { ...client, platform } }, minProtocol: 3, maxProtocol: 3 };
}

/** The text a device signs for this plan and challenge. Always with the challenge's time (decision 10, F19). */
export function textToSign(plan: ConnectPlan, challenge: Challenge): string {
  const { hello, auth } = plan;
  return authPayload("v3", {
    deviceId: plan.device?.deviceId ?? "",
    clientId: hello.client.id,
    clientMode: hello.client.mode,
    role: hello.role,
    scopes: hello.scopes,
    signedAtMs: challenge.ts,
    token: auth.token ?? auth.deviceToken ?? auth.bootstrapToken,
    nonce: challenge.nonce,
    platform: hello.client.platform,
    deviceFamily: hello.client.deviceFamily,
  });
}

/** Text of the connect frame. Only keys that both protocol versions know. */
export function connectFrame(
  plan: ConnectPlan,
  challenge: Challenge,
  id: string,
  signature: string | undefined,
): string {
  const { hello, auth, device } = plan;
  return JSON.stringify({
    type: "req",
    id,
    method: "connect",
    params: {
      minProtocol: plan.minProtocol,
      maxProtocol: plan.maxProtocol,
      client: hello.client,
      role: hello.role,
      scopes: hello.scopes,
      caps: hello.caps ?? [],
      ...(hello.commands ? { commands: hello.commands } : {}),
      ...(hello.permissions ? { permissions: hello.permissions } : {}),
      ...(hello.pathEnv === undefined ? {} : { pathEnv: hello.pathEnv }),
      ...(Object.keys(auth).length > 0 ? { auth } : {}),
      ...(device && signature !== undefined
        ? {
          device: {
            id: device.deviceId,
            publicKey: device.publicKey,
            signature,
            signedAt: challenge.ts,
            nonce: challenge.nonce,
          },
        }
        : {}),
    },
  });
}
