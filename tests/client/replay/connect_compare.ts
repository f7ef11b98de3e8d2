/** Our connect frame against the recorded one: every field, and the signature byte for byte where the time is the same. */
import { verifyDeviceSignature } from "../../../src/identity/device_key.ts";
import { authPayload } from "../../../src/protocol/auth_payload.ts";
import type { Line } from "../../support/replay.ts";
import type { Findings } from "./findings.ts";
import type { ScriptedSide } from "./scripted_gateway.ts";

// deno-lint-ignore no-explicit-any
type Any = any;

/** Every field of our connect frame against the recorded one; the signature byte for byte where the time is the same. */
export async function compareConnect(
  findings: Findings,
  conn: string,
  side: Pick<ScriptedSide, "exchanged" | "lines">,
): Promise<void> {
  const sent = side.exchanged[0];
  if (!sent) return;
  const recorded = sent.recorded.method === "connect" ? sent.recorded.params : undefined;
  const ours = sent.ours.params;
  if (sent.ours.method !== "connect") {
    findings.differ(`${conn} first frame`, "connect", sent.ours.method);
  }
  await ownProof(findings, { conn, lines: side.lines, ours });
  if (!recorded) return findings.differ(`${conn} first frame`, sent.recorded, "connect");
  if (ours.minProtocol > recorded.minProtocol || ours.maxProtocol < recorded.maxProtocol) {
    const range = ({ minProtocol, maxProtocol }: Any) => `${minProtocol}..${maxProtocol}`;
    findings.differ(`${conn} connect protocol`, range(recorded), range(ours));
  }
  const rest = new Set([...Object.keys(recorded), ...Object.keys(ours)]);
  for (const key of ["minProtocol", "maxProtocol", "client", "device"]) rest.delete(key);
  for (const key of rest) findings.same(`${conn} connect ${key}`, recorded[key], ours[key]);
  const client = new Set([...Object.keys(recorded.client ?? {}), ...Object.keys(ours.client)]);
  for (const key of client) {
    findings.same(`${conn} connect client.${key}`, recorded.client?.[key], ours.client[key]);
  }
  const device = new Set([
    ...Object.keys(recorded.device ?? {}),
    ...Object.keys(ours.device ?? {}),
  ]);
  // Another time gives another signature; that ours is right is shown above.
  if (recorded.device?.signedAt !== ours.device?.signedAt) device.delete("signature");
  for (const key of device) {
    findings.same(`${conn} connect device.${key}`, recorded.device?.[key], ours.device?.[key]);
  }
}

/** Whatever was recorded: what we signed is the challenge of this connection, with our key. */
async function ownProof(
  findings: Findings,
  { conn, lines, ours }: { conn: string; lines: readonly Line[]; ours: Any },
): Promise<void> {
  if (!ours.device) return;
  const { nonce, ts } =
    lines.find(({ frame }) => frame.event === "connect.challenge")!.frame.payload;
  const text = authPayload("v3", {
    deviceId: ours.device.id,
    clientId: ours.client.id,
    clientMode: ours.client.mode,
    role: ours.role,
    scopes: ours.scopes,
    signedAtMs: ts,
    token: ours.auth?.token ?? ours.auth?.deviceToken ?? ours.auth?.bootstrapToken,
    nonce,
    platform: ours.client.platform,
    deviceFamily: ours.client.deviceFamily,
  });
  const { publicKey, signature } = ours.device;
  if (ours.device.nonce !== nonce || !await verifyDeviceSignature(publicKey, text, signature)) {
    findings.differ(`${conn} connect proof`, "signs the challenge", ours.device);
  }
}
