/**
 * Whether a command goes through a managed ssh tunnel, and which one. Pure. Source: remote-access.md 2, decision 34.
 */
import { OpenclawError } from "../lib/errors.ts";
import type { HostKeyPolicy } from "./ssh_args.ts";
import { parseSshTarget } from "./ssh_target.ts";
import type { TunnelWish } from "./tunnel.ts";

/** What decides. `remote` is `gateway.remote` of the configuration. */
export interface TunnelFacts {
  /** `--via ssh://user@host[:port]`. */
  readonly via: string | undefined;
  /** `--ssh-identity`. */
  readonly identity?: string | undefined;
  /** Whether the command uses the configured remote gateway (no `--url`, no `OPENCLAW_GATEWAY_URL`, mode remote). */
  readonly usesRemote: boolean;
  readonly remote: {
    readonly transport?: "ssh" | "direct" | undefined;
    readonly sshTarget?: string | undefined;
    readonly sshIdentity?: string | undefined;
    readonly remotePort?: number | undefined;
    readonly sshHostKeyPolicy: HostKeyPolicy;
  };
  /** `gateway.port` or its environment variable. */
  readonly gatewayPort: number;
  readonly home: string;
}

/** The tunnel to use, or `undefined` to connect directly. Throws `INVALID_SSH_TARGET`, `SSH_TARGET_MISSING`. */
export function decideTunnel(facts: TunnelFacts): TunnelWish | undefined {
  const { remote } = facts;
  const configured = facts.usesRemote &&
    (remote.transport === "ssh" || (remote.sshTarget && remote.transport === undefined));
  const text = facts.via ?? (configured ? remote.sshTarget : undefined);
  if (text === undefined) {
    if (!configured) return undefined;
    throw new OpenclawError(
      "SSH_TARGET_MISSING",
      'Cannot open a tunnel: gateway.remote.transport is "ssh", but gateway.remote.sshTarget is not set',
      { hint: "openclaw config set gateway.remote.sshTarget user@host" },
    );
  }
  const identity = facts.identity ?? (facts.via === undefined ? remote.sshIdentity : undefined);
  return {
    target: parseSshTarget(text),
    remotePort: remote.remotePort ?? facts.gatewayPort,
    hostKeyPolicy: remote.sshHostKeyPolicy,
    ...(identity === undefined ? {} : { identity: identity.replace(/^~(?=\/)/, facts.home) }),
  };
}
