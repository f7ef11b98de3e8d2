/**
 * Shape of the hello-ok payload, as a client reads it and the gateway writes it. Fields that only one protocol
 * generation has are optional. Source: gateway-protocol.md 2.6.
 */
import type { StateVersion } from "./frames.ts";

/** How a connection proved itself; `auth.method` of protocol 4. */
export type AuthMethod =
  | "token"
  | "password"
  | "device-token"
  | "bootstrap-token"
  | "tailscale"
  | "trusted-proxy"
  | "none";

/** One entry of `system-presence` and `snapshot.presence`. */
export interface PresenceEntry {
  readonly host?: string;
  readonly ip?: string;
  readonly version?: string;
  readonly platform?: string;
  readonly deviceFamily?: string;
  readonly modelIdentifier?: string;
  readonly mode?: string;
  readonly reason: string;
  readonly deviceId?: string;
  readonly clientId?: string;
  readonly roles?: readonly string[];
  readonly scopes?: readonly string[];
  readonly instanceId?: string;
  readonly text: string;
  /** Wall clock, milliseconds. */
  readonly ts: number;
}

/** `auth` of hello-ok. `deviceToken` is the token for the next connect of this device and role. */
export interface HelloAuth {
  readonly method?: AuthMethod;
  readonly role: string;
  readonly scopes: readonly string[];
  readonly deviceToken?: string;
  readonly issuedAtMs?: number;
}

/** `policy` of hello-ok: limits the client should respect. */
export interface HelloPolicy {
  readonly maxPayload: number;
  readonly maxBufferedBytes: number;
  readonly tickIntervalMs: number;
  readonly attachments?: { readonly maxBytes: number; readonly maxImageBytes: number };
  readonly allowedSessionVisibilities?: readonly string[];
  readonly hasMultipleSessionSharingIdentities?: boolean;
}

/** Payload of the answer to `connect`. A client must only rely on `type` and `protocol`. */
export interface HelloOk {
  readonly type: "hello-ok";
  readonly protocol: number;
  readonly server: {
    readonly version: string;
    readonly connId: string;
    readonly buildId?: string;
    readonly bootId?: string;
  };
  readonly features: {
    readonly methods: readonly string[];
    readonly events: readonly string[];
    readonly capabilities?: readonly string[];
  };
  readonly snapshot: {
    readonly presence: readonly PresenceEntry[];
    readonly health: unknown;
    readonly stateVersion: StateVersion;
    readonly uptimeMs: number;
    readonly [field: string]: unknown;
  };
  readonly auth: HelloAuth;
  readonly policy: HelloPolicy;
}

/** Capability that announces live output of `node.invoke` (decision 12). */
export const CAPABILITY_INVOKE_OUTPUT = "invoke-output-v1";
/** `caps` entry both legs send to take part in live output (decision 12). */
export const CAP_INVOKE_OUTPUT = "invoke-output";
/** `caps` entry of operators that keep what their pinned gateway announces about its certificate (F22). */
export const CAP_CERTIFICATE = "gateway-cert";
/** `caps` entry of operators that know grants with a clock; other peers never see any (decision 19). */
export const CAP_EXEC_GRANTS = "exec-grants";
