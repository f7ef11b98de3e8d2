/**
 * From what the configuration or `--via` says to a checked wish for a tunnel. Pure.
 */
import type { HostKeyPolicy } from "./ssh_args.ts";
import { parseSshTarget, sshTargetText } from "./ssh_target.ts";
import type { TunnelWish } from "./tunnel.ts";

/** Text of a wish, as `config/credentials/endpoint.ts` decides it. */
export interface TunnelText {
  /** `[user@]host[:port]`, also with a leading `ssh://`. */
  readonly sshTarget: string;
  readonly sshIdentity: string | undefined;
  readonly sshHostKeyPolicy: HostKeyPolicy;
  /** Port of the gateway on the ssh host's loopback. */
  readonly remotePort: number;
}

/**
 * Name of the gateway behind a tunnel in a token store: its pin, else the ssh host and the port there. The address of
 * the local end would give one gateway's token to the next one.
 */
export function gatewayKeyBehind(plan: TunnelText, pins: readonly string[]): string {
  return pins[0] ?? `ssh://${sshTargetText(parseSshTarget(plan.sshTarget))}/${plan.remotePort}`;
}

/** The wish. Throws `INVALID_SSH_TARGET` (N37). */
export function tunnelWish(plan: TunnelText, home: string): TunnelWish {
  return {
    target: parseSshTarget(plan.sshTarget),
    remotePort: plan.remotePort,
    hostKeyPolicy: plan.sshHostKeyPolicy,
    ...(plan.sshIdentity === undefined
      ? {}
      : { identity: plan.sshIdentity.replace(/^~(?=\/)/, home) }),
  };
}
