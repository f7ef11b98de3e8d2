/**
 * Names a client may give itself. The schema of `connect` is closed over them. Source: gateway-protocol.md 2.3.
 */

/** Client ids of both protocol generations. */
export const CLIENT_IDS = [
  "webchat-ui",
  "openclaw-control-ui",
  "openclaw-tui",
  "webchat",
  "cli",
  "gateway-client",
  "openclaw-macos",
  "openclaw-ios",
  "openclaw-android",
  "node-host",
  "test",
  "fingerprint",
  "openclaw-probe",
  "openclaw-browser-copilot",
  "openclaw-linux",
  "openclaw-watchos",
  "openclaw-worker",
] as const;

/** One of {@linkcode CLIENT_IDS}. */
export type ClientId = typeof CLIENT_IDS[number];

/** Client modes of both generations; `worker` is reserved and refused. */
export const CLIENT_MODES = [
  "webchat",
  "cli",
  "ui",
  "backend",
  "node",
  "probe",
  "test",
  "worker",
] as const;

/** One of {@linkcode CLIENT_MODES}. */
export type ClientMode = typeof CLIENT_MODES[number];

/** Clients that run in a browser and therefore must pass the origin check (4.7). */
export function isBrowserClient(clientId: string): boolean {
  return clientId === "openclaw-control-ui" || clientId.startsWith("webchat");
}

/** Clients whose user can decide exec approvals without a declared capability (11.8). */
export const REVIEWER_CLIENT_IDS: ReadonlySet<string> = new Set([
  "openclaw-control-ui",
  "openclaw-macos",
  "openclaw-ios",
  "openclaw-android",
]);
