/**
 * A paired device: identity, roles, token generations, and for a node the approved command surface. One record, one owner
 * (no second store for nodes). Source: gateway-protocol.md 8.3, 9.1; decisions 3, 7, 35.
 */

/** How a device got in. */
export type ApprovedVia = "owner" | "silent" | "trusted-cidr" | "bootstrap" | "ssh-verified";

/** The right to one role. The token itself is computed, never stored (decision 7). */
export interface TokenGrant {
  readonly role: string;
  readonly scopes: readonly string[];
  readonly createdAtMs: number;
  readonly rotatedAtMs?: number;
  readonly revokedAtMs?: number;
  /** Random part of the token text, new with every grant: a removed device's old token never comes back to life. */
  readonly epoch: string;
  /** Counts rotations within the epoch. */
  readonly generation: number;
  /** Newest generation the device has shown to own; still good until `previousUntilMs` while it is older. */
  readonly usedGeneration: number;
  readonly previousUntilMs?: number;
  /** SHA-256 hex of a token of an imported store; good until a token of ours was used. */
  readonly importedHash?: string;
}

/** Caps, commands and permissions of a node. */
export interface Surface {
  readonly caps: readonly string[];
  readonly commands: readonly string[];
  readonly permissions?: Readonly<Record<string, boolean>>;
}

/** An approved surface. */
export interface ApprovedSurface extends Surface {
  readonly createdAtMs: number;
  readonly approvedAtMs: number;
}

/** A surface that waits for an operator. Does not expire. */
export interface PendingSurface extends Surface {
  readonly requestId: string;
  readonly clientId: string;
  readonly clientMode: string;
  readonly displayName?: string;
  readonly platform?: string;
  readonly version?: string;
  readonly deviceFamily?: string;
  readonly remoteIp?: string;
  readonly silent?: boolean;
  readonly ts: number;
}

/** What a device says of itself; identity is proven (key, signature, nonce) before anybody looks at the rest. */
export interface DeviceFacts {
  readonly deviceId: string;
  /** Raw Ed25519 key, base64url without padding. */
  readonly publicKey: string;
  readonly clientId: string;
  readonly clientMode: string;
  readonly displayName?: string;
  readonly version?: string;
  /** Pinned at approval, like the family (I10). */
  readonly platform?: string;
  readonly deviceFamily?: string;
  readonly modelIdentifier?: string;
}

/** One paired device. Lists are in the order they were granted. */
export interface DeviceRecord extends DeviceFacts {
  /** Set by an operator; survives reconnects and wins over `displayName` (device.pair.rename). */
  readonly operatorLabel?: string;
  /** Set by an operator for the node list (node.rename). */
  readonly nodeName?: string;
  readonly remoteIp?: string;
  readonly role: string;
  readonly roles: readonly string[];
  /** Scopes of role operator. */
  readonly approvedScopes: readonly string[];
  readonly tokens: Readonly<Record<string, TokenGrant>>;
  readonly createdAtMs: number;
  readonly approvedAtMs: number;
  readonly approvedVia: ApprovedVia;
  /** Setup id of the join code that admitted it. */
  readonly joinedBy?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly surface?: ApprovedSurface;
  readonly pendingSurface?: PendingSurface;
}

/** When a device was last here. Not durable: written in batches. */
export interface SeenRecord {
  readonly lastSeenAtMs: number;
  readonly lastSeenReason: string;
  readonly lastConnectedAtMs?: number;
  readonly tokenUsedAtMs?: Readonly<Record<string, number>>;
}

/** Roles the device may use: approved and with a token that is not revoked. */
export function effectiveRoles(device: DeviceRecord): string[] {
  return device.roles.filter((role) => {
    const grant = device.tokens[role];
    return grant !== undefined && grant.revokedAtMs === undefined;
  });
}

/** What people call the device. */
export function deviceName(device: DeviceRecord): string {
  return device.operatorLabel ?? device.displayName ?? device.deviceId;
}
