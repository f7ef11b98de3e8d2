/**
 * The text a device signs to prove its key. Pure; checking the signature is `identity/device_key.ts`.
 * Source: gateway-protocol.md 3.2.
 */

/** Facts of one signature, taken from the `connect` params as they were sent. */
export interface AuthPayloadFacts {
  readonly deviceId: string;
  readonly clientId: string;
  readonly clientMode: string;
  readonly role: string;
  /** In the order they were sent. */
  readonly scopes: readonly string[];
  readonly signedAtMs: number;
  /** First present of `auth.token`, `auth.deviceToken`, `auth.bootstrapToken`; never the password. */
  readonly token: string | undefined;
  readonly nonce: string;
  readonly platform: string | undefined;
  readonly deviceFamily: string | undefined;
}

/** Layouts of the signed text; independent of the protocol version. A verifier tries them in this order. */
export const PAYLOAD_VERSIONS = ["v3", "v2"] as const;

const lowered = (text: string | undefined) =>
  (text ?? "").trim().replace(/[A-Z]/g, (letter) => letter.toLowerCase());

/** The signed text: fields joined by `|`, nothing escaped. `v2` lacks platform and family. */
export function authPayload(version: "v2" | "v3", facts: AuthPayloadFacts): string {
  const base = `${version}|${facts.deviceId}|${facts.clientId}|${facts.clientMode}|${facts.role}|` +
    `${facts.scopes.join(",")}|${facts.signedAtMs}|${facts.token ?? ""}|${facts.nonce.trim()}`;
  return version === "v2"
    ? base
    : `${base}|${lowered(facts.platform)}|${lowered(facts.deviceFamily)}`;
}
