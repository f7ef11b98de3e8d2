/** Records as the older generation's file stores hold them. */
import type { DeviceKey } from "../../src/identity/device_key.ts";

/** A paired node in `devices/paired.json`. */
export function olderNodeRecord(key: DeviceKey, token: string, displayName: string) {
  const atMs = 1_700_000_000_000;
  return {
    deviceId: key.deviceId,
    publicKey: key.publicKey,
    displayName,
    platform: "linux",
    clientId: "node-host",
    clientMode: "node",
    role: "node",
    roles: ["node"],
    scopes: [],
    approvedScopes: [],
    tokens: { node: { token, role: "node", scopes: [], createdAtMs: atMs } },
    createdAtMs: atMs,
    approvedAtMs: atMs,
  };
}
