/**
 * The security audit of `status --deep`: file modes, exposure, auth. Looks, changes nothing.
 */
import { loadConfig } from "../../config/file/load.ts";
import { openFolderNotes } from "../../config/file/open_folder.ts";
import { statePaths } from "../../config/paths.ts";
import { tlsPlan } from "../../config/server/server_plan.ts";
import { unsafeKeyNotes } from "../../config/server/unsafe_keys.ts";
import { readCertificate } from "../../identity/certificate.ts";
import { dateWarnings } from "../../identity/tls_files.ts";
import { isOpenclawError } from "../../lib/errors.ts";
import { systemClock } from "../../lib/clock.ts";
import type { Io } from "../terminal/io.ts";
import { readRunningGateway } from "../connect/running_gateway.ts";

/** What a person should know; an empty list means nothing was found. */
export async function securityNotes(io: Io): Promise<string[]> {
  const paths = statePaths(io.env);
  const { config } = await loadConfig(paths, io.env);
  const running = await readRunningGateway(paths);
  const tls = running?.tls ?? config.gateway.tls.enabled;
  const bind = config.gateway.bind ?? "loopback";
  const { auth, trustedProxies } = config.gateway;
  const { certPath, keyPath } = tlsPlan(config, {}, paths);
  const modes = await Promise.all([
    modeNote(paths.stateDir, 0o700),
    ...[
      paths.configFile,
      keyPath,
      paths.operatorKeyFile,
      paths.deviceKeyFile,
      paths.approvalsFile,
    ].map((path) => modeNote(path, 0o600)),
  ]);
  return [
    ...modes.filter((note) => note !== undefined),
    ...await openFolderNotes([paths.configFile, keyPath]),
    ...await certificateNotes(certPath),
    ...(bind !== "loopback" && !tls ? [`gateway.bind is ${bind} without TLS`] : []),
    ...(auth.mode === "none" ? ["gateway.auth.mode is none: every local program is let in"] : []),
    ...(auth.mode === "trusted-proxy" && trustedProxies.length === 0
      ? ["gateway.auth.mode is trusted-proxy without gateway.trustedProxies"]
      : []),
    ...unsafeKeyNotes(config),
  ];
}

async function modeNote(path: string, wanted: number): Promise<string | undefined> {
  const info = await Deno.lstat(path).catch(() => undefined);
  if (info?.mode === undefined || info?.mode === null) return undefined;
  const extra = info.mode & 0o777 & ~wanted;
  return extra === 0
    ? undefined
    : `${path} has mode ${(info.mode & 0o777).toString(8)}, wanted ${wanted.toString(8)}`;
}

/** F23: a pinned certificate goes on after its end, others stop; the owner should renew before. */
async function certificateNotes(path: string): Promise<string[]> {
  const pem = await Deno.readTextFile(path).catch(() => undefined);
  if (pem === undefined) return [];
  try {
    const { notBeforeMs, notAfterMs } = await readCertificate(pem);
    return dateWarnings(notBeforeMs, notAfterMs, systemClock);
  } catch (error) {
    if (!isOpenclawError(error)) throw error;
    return [error.message];
  }
}
