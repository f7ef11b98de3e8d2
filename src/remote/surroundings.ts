/**
 * What a tunnel needs of this machine: the ssh client, its environment, a folder for sockets.
 */
import { type Env, readEnv } from "../config/env.ts";
import { platformName } from "../platform/os.ts";
import { type BehindTunnel, probeTunnel } from "./probe_tunnel.ts";
import { findSsh, sshEnvironment, type TunnelSurroundings } from "./tunnel.ts";

/** Looks around. @throws {OpenclawError} `SSH_MISSING`. */
export async function tunnelSurroundings(
  env: Env,
  tunnelsDir: string,
  behind: BehindTunnel,
): Promise<TunnelSurroundings> {
  const platform = platformName();
  return {
    platform,
    sshPath: await findSsh(platform, env["SYSTEMROOT"]),
    env: sshEnvironment(env),
    tunnelsDir,
    probe: probeTunnel(behind),
    configFile: readEnv(env).sshConfig,
  };
}
