/**
 * What the handshake asks the pairing desk. Types only: the desk itself is `pairing.ts`, its records are in `store/`.
 * Every promise here settles after the change is on disk, so what the peer is told survives a crash (F01).
 */
import type { Secret } from "../../lib/secret.ts";
import type { DeviceFacts, Surface } from "../../store/device_record.ts";

/** Roles of the protocol. */
export type DeviceRole = "operator" | "node";

/** Asks whether a presented token is the device's own. */
export interface DeviceTokenQuestion {
  readonly deviceId: string;
  readonly role: DeviceRole;
  /** Scopes the connection asks for. */
  readonly scopes: readonly string[];
  readonly token: Secret;
}

/** Verdict on a device token. `scope-mismatch`: the token is right but does not cover the scopes (v3 shows it as mismatch). */
export type DeviceTokenVerdict =
  | { readonly ok: true; readonly generation: number }
  | {
    readonly ok: false;
    readonly reason:
      | "device-not-paired"
      | "role-missing"
      | "token-missing"
      | "token-revoked"
      | "token-mismatch"
      | "scope-mismatch";
  };

/** A bootstrap token that was found good for this device; hand it to {@linkcode AdmissionRequest}, which consumes it. */
export interface BootstrapTicket {
  readonly setupId: string;
}

/** One connection that passed authentication and wants in. */
export interface AdmissionRequest {
  readonly device: DeviceFacts;
  readonly role: DeviceRole;
  readonly scopes: readonly string[];
  readonly protocol: 3 | 4;
  /** Owner by decision 1: right shared secret, direct loopback, no Origin, no proxy headers. */
  readonly owner: boolean;
  /** Direct loopback socket without proxy headers, whatever the credentials. */
  readonly local: boolean;
  readonly authMethod: string;
  /** Shown on the request; absent for local peers. */
  readonly remoteIp?: string;
  /** `remoteIp` is the other end of the socket, not what a proxy says. */
  readonly direct?: true;
  /** Present when the upgrade carried an Origin header. */
  readonly browserOrigin?: string;
  /** Present for role `node`. */
  readonly surface?: Surface;
  /** A node that states scopes, which it never gets: nothing is approved for it without a person. */
  readonly asksScopes?: boolean;
  readonly bootstrap?: BootstrapTicket;
  /** From {@linkcode PairingDesk.verifyDeviceToken} when the device token let the peer in. */
  readonly deviceTokenGeneration?: number;
}

/** Why pairing is required. Source: gateway-protocol.md 8.2. */
export type PairingReason = "not-paired" | "role-upgrade" | "scope-upgrade" | "metadata-upgrade";

/** Fields of the `PAIRING_REQUIRED` details that the desk knows; copy them all. Source: gateway-protocol.md 7.3. */
export interface PairingRequired {
  readonly kind: "pairing-required";
  readonly reason: PairingReason;
  readonly requestId: string;
  /** `device is not approved yet` and so on; the message is `pairing required: <text>`. */
  readonly text: string;
  readonly remediationHint: string;
  readonly deviceId: string;
  readonly requestedRole: DeviceRole;
  readonly requestedScopes: readonly string[];
  readonly approvedRoles?: readonly string[];
  readonly approvedScopes?: readonly string[];
  /** Decision 6: a waiting node polls instead of pausing. Present for role `node`. */
  readonly waiting?: {
    readonly recommendedNextStep: "wait_then_retry";
    readonly retryable: true;
    readonly pauseReconnect: false;
    readonly retryAfterMs: number;
  };
}

/** What a node may do now. */
export interface EffectiveSurface {
  readonly caps: readonly string[];
  readonly commands: readonly string[];
  readonly permissions?: Readonly<Record<string, boolean>>;
  /** Id of the surface request that waits for an operator, when there is one. */
  readonly pendingRequestId?: string;
}

/** The device is in. */
export interface Admitted {
  readonly kind: "admitted";
  /** For `hello-ok.auth.deviceToken`; absent when the record gives none for this role. */
  readonly deviceToken?: Secret;
  /** For `hello-ok.auth.issuedAtMs`. */
  readonly issuedAtMs?: number;
  /** Scopes of the issued token: what a v3 hello shows as `auth.scopes`. */
  readonly tokenScopes: readonly string[];
  /** An upgrade that was queued instead of granted (I07); the old grant stays live. */
  readonly queuedRequestId?: string;
  /** For role `node`. */
  readonly surface?: EffectiveSurface;
}

/** Another machine was faster with the same join code (I16). */
export interface CodeUsed {
  readonly kind: "code-used";
}

/** Outcome of {@linkcode PairingDesk.admit}. */
export type Admission = Admitted | PairingRequired | CodeUsed;

/** A join secret as it was presented, with who presents it and what for. */
export interface BootstrapQuestion {
  readonly token: Secret;
  readonly device: DeviceFacts;
  readonly role: DeviceRole;
  readonly scopes: readonly string[];
}

/** The handshake's view of pairing. */
export interface PairingDesk {
  /** Constant-time check against the stored generation; never counts attempts (the throttle is the handshake's). */
  verifyDeviceToken(question: DeviceTokenQuestion): Promise<DeviceTokenVerdict>;
  /**
   * Whether a join secret is good for this device and role; nothing is consumed yet. `undefined` is the one answer for
   * unknown, expired, revoked, used up and bound to another key (I16).
   */
  verifyBootstrap(question: BootstrapQuestion): Promise<BootstrapTicket | undefined>;
  /**
   * Pairing rules of gateway-protocol.md 8 and decisions 1-3: files or refreshes a request, approves silently where that is
   * allowed, issues the device token and reconciles a node's surface, all in one transaction.
   * Call it for every connection with a proven device, except protocol helpers that skip pairing. Settles when durable.
   * @throws code `STORE_UNAVAILABLE` (retryable) when the store cannot be written.
   */
  admit(request: AdmissionRequest): Promise<Admission>;
  /** Whether this device has an approved role; for freeing the pre-auth slot (decision 11). */
  isPaired(deviceId: string, role: DeviceRole): boolean;
}
