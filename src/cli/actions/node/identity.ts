/**
 * `node identity` and `node status`.
 */
import { statePaths } from "../../../config/paths.ts";
import { loadOrCreateDeviceKey } from "../../../identity/device_key.ts";
import { type NodeRuntime, readRuntime } from "../../../node/files/runtime_file.ts";
import { ageText } from "../../terminal/table.ts";
import type { Io } from "../../terminal/io.ts";
import { serviceLines, serviceStatus } from "../services/status.ts";

/** `node identity`. */
export async function nodeIdentity(io: Io): Promise<void> {
  const { deviceKeyFile } = statePaths(io.env);
  const { deviceId, publicKey } = await loadOrCreateDeviceKey(deviceKeyFile);
  io.out.show(
    { deviceId, publicKey },
    () => io.out.lines([`Device id   ${deviceId}`, `Public key  ${publicKey}`]),
  );
}

/** `node status`: the service, and what a running node says about its connection (decision 32). */
export async function nodeStatus(io: Io): Promise<void> {
  const { runtimeFile } = statePaths(io.env);
  const [service, runtime] = await Promise.all([
    serviceStatus("node", io),
    readRuntime(runtimeFile),
  ]);
  io.out.show({ service, connection: runtime ?? null }, () => {
    io.out.lines(serviceLines(service, "node", runtime !== undefined));
    if (runtime) io.out.lines(connectionLines(runtime));
    else io.out.lines(["", "No node host runs on this state directory."]);
  });
}

function connectionLines(runtime: NodeRuntime): string[] {
  const { state, requestId, lastError } = runtime;
  return [
    "",
    `Node: running (pid ${runtime.pid})`,
    `Gateway: ${runtime.gateway}`,
    `Connected: ${state === "connected" ? "yes" : "no"} (${state})`,
    `Paired: ${state === "connected" ? "yes" : state === "pairing" ? "no, waiting" : "unknown"}`,
    ...(requestId ? [`Request: ${requestId} (openclaw devices approve ${requestId})`] : []),
    `Device id: ${runtime.deviceId}`,
    ...(lastError && state !== "connected"
      ? [
        `Last error: ${lastError.code}: ${lastError.message} (${
          ageText(lastError.atMs, Date.now())
        })`,
      ]
      : []),
  ];
}
