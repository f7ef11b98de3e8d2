/**
 * From what the configuration or `--via` says to a checked wish for a tunnel. Pure.
 */
import type { HostKeyPolicy } from "./ssh_args.ts";
import { parseSshTarget } from "./ssh_target.ts";
import type { TunnelWish } from "./tunnel.ts";

/** Text of a wish, as `config/endpoint.ts` decides it. */
export interface TunnelText {
  /** `[user@]host[:port]`, also with a leading `ssh://`. */
  readonly sshTarget: string;
  readonly sshIdentity: string | undefined;
  readonly sshHostKeyPolicy: HostKeyPolicy;
  /** Port of the gateway on the ssh host's loopback. */
  readonly remotePort: number;
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
