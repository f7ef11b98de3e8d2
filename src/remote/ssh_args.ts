/**
 * Argument lists of the ssh calls we make. Pure; nothing here is ever given to a shell.
 * Source: remote-access.md 2, decisions.md 34.
 */
import { sshDestination, type SshTarget } from "./ssh_target.ts";

/** Local end of a forward. */
export type LocalEnd =
  /** A unix socket in a 0700 folder of ours, so that no other user can take its place (decision 34). */
  | { readonly kind: "unix"; readonly path: string }
  /** A loopback port, where unix sockets cannot be had. */
  | { readonly kind: "port"; readonly port: number };

/** How host keys are checked: `strict` refuses unknown keys, `openssh` leaves it to the ssh configuration. */
export type HostKeyPolicy = "strict" | "openssh";

/** Facts of one forward. */
export interface ForwardFacts {
  readonly target: SshTarget;
  readonly local: LocalEnd;
  /** Port of the gateway on the remote loopback. */
  readonly remotePort: number;
  readonly hostKeyPolicy: HostKeyPolicy;
  /** Private key file; `undefined` leaves it to ssh. */
  readonly identity?: string;
  /** `-F` configuration file instead of the account's own. */
  readonly configFile?: string;
  /** Set when the tunnel is to outlive its starter; see `shared_tunnel.ts`. */
  readonly share?: {
    /** Where ssh puts its control socket, without which it has no idle timer. */
    readonly controlPath: string;
    /** ssh ends by itself after this long without a connection through it. */
    readonly idleSeconds: number;
  };
}

/**
 * `none` keeps a `ControlMaster auto` of the account's configuration from taking our forward into another ssh, where it
 * would outlive us. A shared tunnel goes to the background once it is authenticated and the forward stands.
 */
function controlOptions(share: ForwardFacts["share"]): string[] {
  if (!share) return ["-o", "ControlMaster=no", "-o", "ControlPath=none"];
  return [
    ...["-f", "-o", "ControlMaster=yes", "-o", `ControlPath=${share.controlPath}`],
    ...["-o", `ControlPersist=${share.idleSeconds}`],
  ];
}

/** Options every call shares: never ask, never hang, notice a dead peer within 45 s. */
function commonOptions(policy: HostKeyPolicy): string[] {
  const hostKeys = policy === "strict"
    ? ["-o", "StrictHostKeyChecking=yes", "-o", "UpdateHostKeys=yes"]
    : [];
  return [
    "-o",
    "ExitOnForwardFailure=yes",
    "-o",
    "BatchMode=yes",
    ...hostKeys,
    "-o",
    "ConnectTimeout=5",
    "-o",
    "ServerAliveInterval=15",
    "-o",
    "ServerAliveCountMax=3",
  ];
}

function place(facts: { target: SshTarget; identity?: string; configFile?: string }): string[] {
  return [
    ...(facts.configFile === undefined ? [] : ["-F", facts.configFile]),
    ...(facts.target.port === undefined ? [] : ["-p", String(facts.target.port)]),
    ...(facts.identity === undefined ? [] : ["-i", facts.identity]),
  ];
}

/**
 * The managed forward: `ssh -N [user@]host -L …`. The destination stands first, so that `ps | grep "ssh -N <host>"`
 * finds it (decision 34); it needs no `--` before it because {@linkcode parseSshTarget} refuses a leading dash (N37).
 */
export function forwardArgs(facts: ForwardFacts): string[] {
  const local = facts.local.kind === "unix"
    ? facts.local.path
    // The address keeps GatewayPorts in somebody's configuration from opening the port to the network.
    : `127.0.0.1:${facts.local.port}`;
  const unixOptions = facts.local.kind === "unix"
    ? ["-o", "StreamLocalBindUnlink=yes", "-o", "StreamLocalBindMask=0177"]
    : [];
  return [
    "-N",
    sshDestination(facts.target),
    "-L",
    `${local}:127.0.0.1:${facts.remotePort}`,
    ...commonOptions(facts.hostKeyPolicy),
    ...unixOptions,
    ...controlOptions(facts.share),
    ...place(facts),
  ];
}

/** `ssh -G`: prints the effective configuration without connecting. */
export function configQueryArgs(
  facts: { target: SshTarget; identity?: string; configFile?: string },
): string[] {
  return ["-G", ...place(facts), "--", sshDestination(facts.target)];
}

/** Asks the ssh behind a control socket for its pid; needs no configuration and no host. */
export function controlCheckArgs(controlPath: string): string[] {
  return ["-F", "none", "-S", controlPath, "-O", "check", "--", "shared"];
}
