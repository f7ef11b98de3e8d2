/**
 * `node identity` and `node status`.
 */
import { statePaths } from "../../config/paths.ts";
import { loadOrCreateDeviceKey } from "../../identity/device_key.ts";
import type { Io } from "../io.ts";
import { serviceLines, serviceStatus } from "./service_status.ts";

/** `node identity`. */
export async function nodeIdentity(io: Io): Promise<void> {
  const { deviceKeyFile } = statePaths(io.env);
  const { deviceId, publicKey } = await loadOrCreateDeviceKey(deviceKeyFile);
  io.out.show(
    { deviceId, publicKey },
    () => io.out.lines([`Device id   ${deviceId}`, `Public key  ${publicKey}`]),
  );
}

/** `node status`. */
export async function nodeStatus(io: Io): Promise<void> {
  const service = await serviceStatus("node", io);
  io.out.show({ service }, () => io.out.lines(serviceLines(service, "node")));
}
