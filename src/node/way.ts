/**
 * The way to the gateway: straight, or through an ssh tunnel that is kept open as long as the node runs and ends with
 * it. Source: remote-access.md 2; decision 34.
 */
import type { Env } from "../config/env.ts";
import type { StatePaths } from "../config/paths.ts";
import type { Fingerprint } from "../identity/fingerprint.ts";
import { gatewayKeyOf } from "../identity/token_store.ts";
import type { Logger } from "../lib/log.ts";
import type { DialOptions } from "../net/dial/dial.ts";
import { keepTunnel, type TunnelState } from "../remote/keep_tunnel.ts";
import { type BehindTunnel, throughTunnel } from "../remote/probe_tunnel.ts";
import { tunnelSurroundings } from "../remote/surroundings.ts";
import { gatewayKeyBehind, type TunnelText, tunnelWish } from "../remote/tunnel_wish.ts";
import type { NodeSettings } from "./files/node_file.ts";
import type { ConfigReader } from "./files/policy_config.ts";

/** Name of the socket in the folder of tunnels; the next run takes it over. */
const SOCKET_NAME = "node.sock";

/** What to dial. */
export interface Way {
  /** Waits for the tunnel, if there is one. @throws {OpenclawError} the reason why it does not open. */
  dial(signal: AbortSignal): Promise<Pick<DialOptions, "url" | "unixPath">>;
  /** Ends the tunnel. */
  close(): Promise<void>;
}

/** Inputs of {@linkcode openWay}. */
export interface WayFacts {
  readonly settings: NodeSettings;
  readonly paths: StatePaths;
  readonly env: Env;
  readonly config: ConfigReader;
  readonly log: Logger;
  /** Told whenever the tunnel is down, with the reason. */
  readonly onDown: (error: NonNullable<TunnelState["lastError"]>) => void;
}

/** The pins of a node's gateway. */
export function pinsOf(settings: NodeSettings): Fingerprint[] {
  return [settings.pin, settings.nextPin].filter((pin) => pin !== undefined);
}

/** Name of the gateway in the token store. */
export function wayKey(settings: NodeSettings): string {
  const pins = pinsOf(settings);
  if (settings.via === undefined) return gatewayKeyOf(settings.url, pins);
  return gatewayKeyBehind({ ...tunnelText(settings.via, settings.port) }, pins);
}

function tunnelText(via: string, remotePort: number): TunnelText {
  return { sshTarget: via, sshIdentity: undefined, sshHostKeyPolicy: "strict", remotePort };
}

/** Starts the tunnel when there is one. @throws {OpenclawError} `SSH_MISSING`, `INVALID_SSH_TARGET`. */
export async function openWay(facts: WayFacts): Promise<Way> {
  const { settings, paths, env, config } = facts;
  const { via, url } = settings;
  if (via === undefined) {
    return {
      dial: () => Promise.resolve({ url }),
      close: () => Promise.resolve(),
    };
  }
  const { remote } = (await config.load()).config.gateway;
  const behind = { url, pins: pinsOf(settings) };
  const plan = {
    ...tunnelText(via, settings.port),
    sshHostKeyPolicy: remote.sshHostKeyPolicy,
  };
  const wish = { ...tunnelWish(plan, paths.home), socketName: SOCKET_NAME };
  const around = await tunnelSurroundings(env, paths.tunnelsDir, behind);
  return new TunnelWay(
    behind,
    (signal, onState) => keepTunnel({ wish, around, log: facts.log, signal, onState }),
    facts.onDown,
  );
}

type Keep = (signal: AbortSignal, onState: (state: TunnelState) => void) => Promise<void>;

class TunnelWay implements Way {
  readonly #behind: BehindTunnel;
  readonly #stop = new AbortController();
  readonly #done: Promise<void>;
  #local: TunnelState["local"];
  #changed = Promise.withResolvers<void>();

  constructor(behind: BehindTunnel, keep: Keep, onDown: WayFacts["onDown"]) {
    this.#behind = behind;
    this.#done = keep(this.#stop.signal, (state) => {
      this.#local = state.tunnel === "open" ? state.local : undefined;
      if (state.tunnel === "down" && state.lastError) onDown(state.lastError);
      this.#changed.resolve();
      this.#changed = Promise.withResolvers();
    });
  }

  /** A tunnel that is down is waited for: it has its own, shorter back-off. */
  async dial(signal: AbortSignal): Promise<Pick<DialOptions, "url" | "unixPath">> {
    const aborted = Promise.withResolvers<never>();
    const onAbort = () => aborted.reject(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      for (;;) {
        signal.throwIfAborted();
        if (this.#local) return throughTunnel(this.#local, this.#behind);
        await Promise.race([this.#changed.promise, aborted.promise]);
      }
    } finally {
      signal.removeEventListener("abort", onAbort);
    }
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await this.#done;
  }
}
