/**
 * Checks that a device holds the key it names. What must be signed is the handshake's, the mathematics `identity/`.
 */
import {
  deviceIdOf,
  normalizePublicKey,
  verifyDeviceSignature,
} from "../../identity/device_key.ts";
import type { Candidate, ProofVerdict } from "./types.ts";
import type { DeviceFacts } from "../../store/device_record.ts";

/** I20, I22: the id must be the key's, and one of the texts must be signed by it. `undefined` without a device. */
export async function checkProof(
  candidate: Candidate,
  signed: readonly string[],
): Promise<ProofVerdict | undefined> {
  const device = candidate.params.device;
  if (!device) return undefined;
  const [deviceId, signatureValid] = await Promise.all([
    deviceIdOf(device.publicKey),
    verifyAny(device.publicKey, device.signature, signed),
  ]);
  return { idMatches: deviceId === device.id, signatureValid };
}

async function verifyAny(
  publicKey: string,
  signature: string,
  texts: readonly string[],
): Promise<boolean> {
  for (const text of texts) {
    if (await verifyDeviceSignature(publicKey, text, signature)) return true;
  }
  return false;
}

/** The device of a candidate as the pairing desk wants it; its key in canonical spelling. */
export function deviceFacts({ params: { client, device } }: Candidate): DeviceFacts {
  return {
    deviceId: device?.id ?? "",
    publicKey: normalizePublicKey(device?.publicKey ?? "") ?? "",
    clientId: client.id,
    clientMode: client.mode,
    version: client.version,
    platform: client.platform,
    ...(client.displayName === undefined ? {} : { displayName: client.displayName }),
    ...(client.deviceFamily === undefined ? {} : { deviceFamily: client.deviceFamily }),
    ...(client.modelIdentifier === undefined ? {} : { modelIdentifier: client.modelIdentifier }),
  };
}
