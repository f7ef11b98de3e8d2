/**
 * A join code on the gateway: hashes only, never the secret (I15). Source: gateway-protocol.md 15; decision 35.
 */

/** One redemption. */
export interface JoinUse {
  readonly deviceId: string;
  readonly deviceName: string;
  readonly atMs: number;
}

/** A one-time (or few-times) right to pair. */
export interface JoinCode {
  readonly setupId: string;
  /** SHA-256 hex of the bootstrap token. */
  readonly tokenHash: string;
  /** SHA-256 hex of the code in `/j/<code>`; gone after the URL was fetched. */
  readonly urlHash?: string;
  /** What the URL hands out besides the token. */
  readonly payload: Readonly<Record<string, unknown>>;
  readonly profile: "node" | "limited" | "operator";
  readonly role: "node" | "operator";
  readonly scopes: readonly string[];
  readonly name?: string;
  readonly labels?: Readonly<Record<string, string>>;
  /** When set, only these commands are granted without a further approval. */
  readonly commands?: readonly string[];
  readonly usesLeft: number;
  /** Device the token is bound to while `usesLeft` is that of a single-use code. */
  readonly boundTo?: string;
  readonly uses: readonly JoinUse[];
  readonly createdAtMs: number;
  readonly createdBy: string;
  readonly expiresAtMs: number;
  readonly revokedAtMs?: number;
}
