/**
 * The managed ssh tunnel of one command: a lasting one of this account when it leads to the same place, else its own.
 */
import type { Fingerprint } from "../identity/fingerprint.ts";
import { throughTunnel } from "../remote/probe_tunnel.ts";
import { sshTargetText } from "../remote/ssh_target.ts";
import { tunnelSurroundings } from "../remote/surroundings.ts";
import { openTunnel } from "../remote/tunnel.ts";
import { readRecord } from "../remote/tunnel_record.ts";
import { gatewayKeyBehind, type TunnelText, tunnelWish } from "../remote/tunnel_wish.ts";
import type { Env } from "./io.ts";

/** What a command dials instead of the gateway itself. */
export interface UsedTunnel {
  readonly dial: { readonly url: string; readonly unixPath?: string };
  /** Name of the gateway in a token store. */
  readonly gatewayKey: string;
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

/** Opens or finds the tunnel. Throws the coded reasons of `remote/ssh_failure.ts`. */
export async function useTunnel(facts: UseFacts, env: Env): Promise<UsedTunnel> {
  const wish = tunnelWish(facts.tunnel, facts.home);
  const behind = { url: facts.url, ...(facts.pin ? { pins: [facts.pin] } : {}) };
  const gatewayKey = gatewayKeyBehind(facts.tunnel, facts.pin ? [facts.pin] : []);
  const lasting = await readRecord(facts.tunnelsDir);
  const samePlace = lasting?.target === sshTargetText(wish.target) &&
    lasting.remotePort === wish.remotePort;
  if (samePlace && lasting.state.tunnel === "open" && lasting.state.local) {
    const dial = throughTunnel(lasting.state.local, behind);
    return { dial, gatewayKey, close: () => Promise.resolve() };
  }
  const around = await tunnelSurroundings(env, facts.tunnelsDir, behind);
  const tunnel = await openTunnel({ ...wish, readyMs: facts.timeoutMs }, around);
  return { dial: throughTunnel(tunnel.local, behind), gatewayKey, close: () => tunnel.stop() };
}
