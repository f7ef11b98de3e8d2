/**
 * The managed ssh tunnel of one command: a lasting one of this account when it leads to the same place, else one that
 * is shared with the commands before and after it, else its own.
 */
import type { Fingerprint } from "../../identity/fingerprint.ts";
import { throughTunnel } from "../../remote/probe_tunnel.ts";
import { tunnelSurroundings } from "../../remote/surroundings.ts";
import { joinShared } from "../../remote/shared_tunnel.ts";
import type { LocalEnd } from "../../remote/ssh_args.ts";
import { askSshConfig, placeKey } from "../../remote/ssh_config.ts";
import {
  openTunnel,
  placeOf,
  type TunnelSurroundings,
  type TunnelWish,
} from "../../remote/tunnel.ts";
import { readRecord } from "../../remote/tunnel_record.ts";
import { gatewayKeyBehind, type TunnelText, tunnelWish } from "../../remote/tunnel_wish.ts";
import type { Env } from "../terminal/io.ts";

/** What a command dials instead of the gateway itself. */
export interface UsedTunnel {
  readonly dial: { readonly url: string; readonly unixPath?: string };
  /** Name of the gateway in a token store. */
  readonly gatewayKey: string;
  /** What a person should know about it. */
  readonly notes: readonly string[];
  /** Ends the tunnel when it is the command's own, and gives back a shared one. */
  close(): Promise<void>;
}

/** Facts of {@linkcode useTunnel}. */
export interface UseFacts {
  readonly tunnel: TunnelText;
  /** URL of the gateway as its own host sees it. */
  readonly url: string;
  /** Names the gateway in a token store. */
  readonly pin: Fingerprint | undefined;
  /** What is accepted behind the tunnel. Default: the pin. */
  readonly pins?: readonly Fingerprint[];
  readonly home: string;
  readonly tunnelsDir: string;
  readonly timeoutMs: number;
  /** How long ssh stays for the next command; 0 ends it with this one. */
  readonly shareSeconds: number;
}

/** Opens or finds the tunnel. Throws the coded reasons of `remote/ssh_failure.ts`. */
export async function useTunnel(facts: UseFacts, env: Env): Promise<UsedTunnel> {
  const wish = tunnelWish(facts.tunnel, facts.home);
  const pins = facts.pins ?? (facts.pin ? [facts.pin] : []);
  const behind = { url: facts.url, ...(pins.length > 0 ? { pins } : {}) };
  const gatewayKey = gatewayKeyBehind(facts.tunnel, facts.pin ? [facts.pin] : []);
  const around = await tunnelSurroundings(env, facts.tunnelsDir, behind);
  const lasting = await lastingEnd(wish, around);
  if (lasting) {
    const dial = throughTunnel(lasting, behind);
    return { dial, gatewayKey, notes: [], close: () => Promise.resolve() };
  }
  const wished = { ...wish, readyMs: facts.timeoutMs };
  const shared = facts.shareSeconds > 0 &&
    await joinShared(wished, around, facts.shareSeconds);
  if (shared) {
    return {
      dial: throughTunnel(shared.local, behind),
      gatewayKey,
      notes: wish.hostKeyPolicy === "openssh" && !shared.config.checksHostKeys
        ? [UNCHECKED_HOST_KEYS(facts.tunnel.sshTarget)]
        : [],
      close: () => Promise.resolve(shared.close()),
    };
  }
  const tunnel = await openTunnel(wished, around);
  return {
    dial: throughTunnel(tunnel.local, behind),
    gatewayKey,
    notes: [],
    close: () => tunnel.stop(),
  };
}

/** The local end of the account's lasting tunnel, when it leads where this command wants to go. */
async function lastingEnd(
  wish: TunnelWish,
  around: TunnelSurroundings,
): Promise<LocalEnd | undefined> {
  const { state } = await readRecord(around.tunnelsDir) ?? {};
  if (state?.tunnel !== "open" || !state.local || state.place === undefined) return undefined;
  const ssh = { path: around.sshPath, env: around.env };
  const config = await askSshConfig(placeOf(wish, around), ssh);
  // N38: the text of a target alone would still name the old host after its alias was given to another.
  const leadsThere = config && await placeKey(config, wish) === state.place;
  return leadsThere ? state.local : undefined;
}

/** N38: the account's own ssh configuration lets anybody be the host; that is worth a line each time. */
const UNCHECKED_HOST_KEYS = (target: string) =>
  `the host key of "${target}" is not checked: its ssh configuration accepts unknown ones`;
