/**
 * Looks for gateways as this machine is set up: on the local network, and in the wide-area domain when one is named.
 */
import { readEnv } from "../../config/env.ts";
import { loadConfig } from "../../config/file/load.ts";
import { statePaths } from "../../config/paths.ts";
import { isOpenclawError } from "../../lib/errors.ts";
import { browseEverywhere, type Found } from "../../net/discovery/browse.ts";
import type { Io } from "../terminal/io.ts";

/** Throws `WIDE_AREA_DOMAIN_INVALID`. Source: remote-access.md 5. */
export async function findGateways(io: Io, timeoutMs: number): Promise<Found> {
  const { wideArea } = (await loadConfig(statePaths(io.env), io.env)).config.discovery;
  const named = readEnv(io.env).wideAreaDomain ?? wideArea.domain;
  return await browseEverywhere({
    timeoutMs,
    domain: wideArea.enabled === false ? undefined : named,
    peers: () => peersOf(io, timeoutMs),
  });
}

/** Nobody without a tailnet has to know about it. */
async function peersOf(io: Io, timeoutMs: number): Promise<string[]> {
  const { tailnetPeers, tailscaleFolders } = await import("../../remote/tailscale.ts");
  const host = { env: io.env, binDirs: tailscaleFolders(io.env) };
  return await tailnetPeers(host, timeoutMs).catch((error) => {
    if (isOpenclawError(error)) return [];
    throw error;
  });
}
