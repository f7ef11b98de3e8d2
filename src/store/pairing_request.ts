/**
 * Requests that wait for an operator, and what became of those that no longer wait: an id that was ever printed leads
 * somewhere. Source: gateway-protocol.md 8.1; decision 3.
 */
import type { DeviceFacts, Surface } from "./device_record.ts";

/** A device that knocks. `surface` is what its refused connect offered, already filtered by the command policy. */
export interface PairingRequest extends DeviceFacts {
  readonly requestId: string;
  /** The role of the newest connect; `roles` holds all asked for since. */
  readonly role: string;
  readonly roles: readonly string[];
  readonly scopes: readonly string[];
  readonly remoteIp?: string;
  readonly browserOrigin?: string;
  readonly silent: boolean;
  readonly isRepair: boolean;
  readonly reason: string;
  readonly surface?: Surface;
  readonly ts: number;
  readonly refreshedAtMs: number;
}

/** A request that was answered in some way; kept for a week. */
export interface AnsweredRequest {
  readonly requestId: string;
  /** Device pairing or node surface. */
  readonly kind: "device" | "surface";
  readonly deviceId: string;
  readonly outcome: "approved" | "rejected" | "superseded" | "expired" | "removed";
  readonly replacedBy?: string;
  /** What differs in the replacing request, for people: `asks for operator.admin`. */
  readonly changed?: readonly string[];
  readonly atMs: number;
}
