/**
 * The managed ssh tunnel of one command: a lasting one of this account when it leads to the same place, else its own.
 */
import type { Fingerprint } from "../identity/fingerprint.ts";
import { platformName } from "../platform/os.ts";
import { probeTunnel, throughTunnel } from "../remote/probe_tunnel.ts";
import { sshTargetText } from "../remote/ssh_target.ts";
import { findSsh, openTunnel, sshEnvironment, type TunnelSurroundings } from "../remote/tunnel.ts";
import { readRecord } from "../remote/tunnel_record.ts";
import { type TunnelText, tunnelWish } from "../remote/tunnel_wish.ts";
import type { Env } from "./io.ts";

/** What a command dials instead of the gateway itself. */
export interface UsedTunnel {
  readonly dial: { readonly url: string; readonly unixPath?: string };
  /** Ends the tunnel when it is the command's own. */
  close(): Promise<void>;
}

/** Facts of {@linkcode useTunnel}. */
export interface UseFacts {
  readonly tunnel: TunnelText;
  /** URL of the gateway as its own host sees it. */
  readonly url: string;
  readonly pin: Fingerprint | undefined;
  readonly home: string;
  readonly tunnelsDir: string;
  readonly timeoutMs: number;
}

/** What ssh needs of this machine. */
export async function tunnelSurroundings(
  env: Env,
  tunnelsDir: string,
  behind: Parameters<typeof probeTunnel>[0],
): Promise<TunnelSurroundings> {
  const platform = platformName();
  return {
    platform,
    sshPath: await findSsh(platform, env["SystemRoot"]),
    env: sshEnvironment(env),
    tunnelsDir,
    probe: probeTunnel(behind),
  };
}

/** Opens or finds the tunnel. Throws the coded reasons of `remote/ssh_failure.ts`. */
export async function useTunnel(facts: UseFacts, env: Env): Promise<UsedTunnel> {
  const wish = tunnelWish(facts.tunnel, facts.home);
  const behind = { url: facts.url, ...(facts.pin ? { pins: [facts.pin] } : {}) };
  const lasting = await readRecord(facts.tunnelsDir);
  const samePlace = lasting?.target === sshTargetText(wish.target) &&
    lasting.remotePort === wish.remotePort;
  if (samePlace && lasting.state.tunnel === "open" && lasting.state.local) {
    return { dial: throughTunnel(lasting.state.local, behind), close: () => Promise.resolve() };
  }
  const around = await tunnelSurroundings(env, facts.tunnelsDir, behind);
  const tunnel = await openTunnel({ ...wish, readyMs: facts.timeoutMs }, around);
  return { dial: throughTunnel(tunnel.local, behind), close: () => tunnel.stop() };
}
