/**
 * States, inputs and effects of the handshake, as data. The machine is `handshake.ts`, who carries the effects out is
 * `driver.ts`.
 */
import type { ConnectParams } from "../../protocol/connect.ts";
import type { WireError } from "../../protocol/errors.ts";
import type { ReadRequest } from "../../protocol/frames.ts";
import type { AuthMethod } from "../../protocol/hello.ts";
import type { Role } from "../../protocol/roles.ts";
import type { ProtocolVersion } from "../../protocol/versions.ts";
import type { SecretVerdict } from "../auth/auth.ts";
import type { AuthReason } from "../auth/errors.ts";
import type { OriginPolicy } from "../auth/origin.ts";
import type { Admission, Admitted, BootstrapTicket, DeviceTokenVerdict } from "../pairing/desk.ts";
import type { PeerFacts } from "../peers/peer_facts.ts";

/** Decided rights of a connection, before pairing. */
export interface Grant {
  readonly method: AuthMethod;
  readonly owner: boolean;
  /** Scopes of the socket if it is admitted. */
  readonly scopes: readonly string[];
  /** Whether the pairing desk must be asked. */
  readonly needsPairing: boolean;
  readonly bootstrap: BootstrapTicket | undefined;
  readonly deviceTokenGeneration: number | undefined;
}

/** What stays the same during one handshake, except `phase` and `nowMs`, which are read at each step. */
export interface HandshakeFacts {
  /** Of this connection's challenge; single use. */
  readonly nonce: string;
  /** Wall clock, for the age of the signature. */
  readonly nowMs: number;
  readonly phase: "starting" | "ready" | "stopping";
  readonly peer: PeerFacts;
  readonly origins: OriginPolicy;
}

/** A `connect` request whose shape, version, role and origin are in order. */
export interface Candidate {
  readonly id: string;
  readonly params: ConnectParams;
  readonly protocol: ProtocolVersion;
  readonly role: Role;
}

/** Each state holds only what is valid in it. */
export type HandshakeState =
  | { readonly kind: "waiting" }
  | { readonly kind: "checking"; readonly candidate: Candidate }
  | {
    readonly kind: "credentials";
    readonly candidate: Candidate;
    readonly secret: SecretVerdict;
  }
  | { readonly kind: "admitting"; readonly candidate: Candidate; readonly grant: Grant }
  | { readonly kind: "live" }
  | { readonly kind: "over" };

/** Verdict on the device block: its id belongs to its key, and (if asked) the signature verifies. */
export interface ProofVerdict {
  readonly idMatches: boolean;
  readonly signatureValid: boolean;
}

/** Verdict on one-time and device tokens. */
export type CredentialVerdict =
  | { readonly kind: "bootstrap"; readonly ticket: BootstrapTicket }
  | { readonly kind: "device"; readonly verdict: DeviceTokenVerdict & { readonly ok: true } }
  | {
    readonly kind: "refused";
    /** Reason to show; absent = keep the reason of the shared secret. */
    readonly reason?: AuthReason;
    readonly retryAfterMs?: number;
  };

/** What can happen to a handshake. */
export type HandshakeInput =
  | { readonly kind: "frame"; readonly read: ReadRequest }
  | { readonly kind: "timeout" }
  | { readonly kind: "closed" }
  | {
    readonly kind: "checked";
    readonly secret: SecretVerdict;
    readonly proof: ProofVerdict | undefined;
  }
  | { readonly kind: "credentials"; readonly verdict: CredentialVerdict }
  | { readonly kind: "admission"; readonly admission: Admission }
  | { readonly kind: "failed"; readonly error: WireError };

/** What the caller must do, in order. */
export type HandshakeEffect =
  | {
    /** Check the shared secret and the device block, then give back `checked`. */
    readonly do: "check";
    readonly candidate: Candidate;
    /** Texts one of which must be signed; empty = the signature need not be looked at. */
    readonly signed: readonly string[];
  }
  | {
    /** Check the bootstrap token, then the device token, then give back `credentials`. */
    readonly do: "check-credentials";
    readonly candidate: Candidate;
    /** The shared secret already let the peer in: only the bootstrap token matters. */
    readonly onlyBootstrap: boolean;
  }
  | {
    /** Ask the pairing desk (or skip it when the grant says so), then give back `admission`. */
    readonly do: "admit";
    readonly candidate: Candidate;
    readonly grant: Grant;
  }
  | {
    readonly do: "refuse";
    readonly id: string | undefined;
    readonly error: WireError | undefined;
    readonly code: number;
    readonly reason: string;
    /** The attempt was refused for its credentials: count it. */
    readonly authFailed?: boolean;
  }
  | {
    readonly do: "welcome";
    readonly candidate: Candidate;
    readonly grant: Grant;
    readonly admitted: Admitted | undefined;
  };

/** Result of one step. */
export interface HandshakeStep {
  readonly state: HandshakeState;
  readonly effects: readonly HandshakeEffect[];
}
