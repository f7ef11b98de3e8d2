/**
 * Argument lists of the ssh calls we make. Pure; nothing here is ever given to a shell.
 * Source: remote-access.md 2, decisions.md 34.
 */
import { quoteWord } from "../approvals/words.ts";
import { sshDestination, type SshTarget } from "./ssh_target.ts";

/** Local end of a forward. */
export type LocalEnd =
  /** A unix socket in a 0700 folder of ours, so that no other user can take its place (decision 34). */
  | { readonly kind: "unix"; readonly path: string }
  /** A loopback port, where unix sockets cannot be had. */
  | { readonly kind: "port"; readonly port: number };

/** How host keys are checked: `strict` refuses unknown keys, `openssh` leaves it to the ssh configuration. */
export type HostKeyPolicy = "strict" | "openssh";

/** What an account's own configuration for a host may hold that a forward has to know of. */
export interface OwnSettings {
  /** Forwards of its own, which may fail without ours. */
  readonly ownForwards: boolean;
  /** ssh would go to the background by itself, out of our hands. */
  readonly forks: boolean;
}

/** Which host is called, and how. */
export interface SshPlace {
  readonly target: SshTarget;
  /** Private key file; `undefined` leaves it to ssh. */
  readonly identity?: string | undefined;
  /** `-F` configuration file instead of the account's own. */
  readonly configFile?: string | undefined;
}

/** Facts of one forward. */
export interface ForwardFacts extends SshPlace {
  readonly local: LocalEnd;
  /** Port of the gateway on the remote loopback. */
  readonly remotePort: number;
  readonly hostKeyPolicy: HostKeyPolicy;
  /** What `ssh -G` says of the target, when it answered. */
  readonly config?: OwnSettings | undefined;
}

/**
 * Options every call shares: never ask, never hang, notice a dead peer within 45 s. They also undo what an account's
 * configuration may have for people and what would break a forward: a command to run, another ssh to ride on (it would
 * outlive us), silence about failures. `ForkAfterAuthentication` is unknown before OpenSSH 8.7 and so only named when set.
 */
function commonOptions({ hostKeyPolicy, config }: ForwardFacts): string[] {
  const options = [
    // The forwards of the configuration may be taken; ours is proven by a gateway's greeting.
    `ExitOnForwardFailure=${config?.ownForwards ? "no" : "yes"}`,
    "BatchMode=yes",
    ...(hostKeyPolicy === "strict" ? ["StrictHostKeyChecking=yes", "UpdateHostKeys=yes"] : []),
    "ConnectTimeout=5",
    "ServerAliveInterval=15",
    "ServerAliveCountMax=3",
    "ControlMaster=no",
    "ControlPath=none",
    "PermitLocalCommand=no",
    "RemoteCommand=none",
    "RequestTTY=no",
    "Tunnel=no",
    "LogLevel=INFO",
    ...(config?.forks ? ["ForkAfterAuthentication=no"] : []),
  ];
  return options.flatMap((option) => ["-o", option]);
}

function placeOptions(facts: SshPlace): string[] {
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
    ...commonOptions(facts),
    ...unixOptions,
    ...placeOptions(facts),
  ];
}

/** A line that calls the same place by hand, for a hint: `ssh -p 2222 me@host true`. The words are shell text. */
export function byHand(facts: SshPlace, program: string, ...words: string[]): string {
  const place = [...placeOptions(facts), sshDestination(facts.target)];
  return [program, ...place.map(quoteWord), ...words].join(" ");
}

/** `ssh -G`: prints the effective configuration without connecting. Without `-N` it refuses one that asks for the background. */
export function configQueryArgs(facts: SshPlace): string[] {
  return ["-G", "-N", ...placeOptions(facts), "--", sshDestination(facts.target)];
}
