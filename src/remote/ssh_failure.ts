/**
 * Turns what ssh printed before it ended into a coded reason with the next step (F25, N38). Pure.
 */
import { OpenclawError } from "../lib/errors.ts";
import { showableWithin } from "../lib/text.ts";
import { type SshTarget, sshTargetText } from "./ssh_target.ts";

interface Reason {
  readonly code: string;
  readonly match: RegExp;
  readonly text: string;
  readonly hint: (target: string) => string;
}

const REASONS: readonly Reason[] = [
  {
    code: "SSH_HOST_KEY_CHANGED",
    match: /REMOTE HOST IDENTIFICATION HAS CHANGED|host key .* has changed/i,
    text: "the host key is not the one known from before; somebody may be in the middle",
    hint: (target) => `ssh ${target}   # then ask its administrator; never skip this check`,
  },
  {
    code: "SSH_HOST_KEY_UNKNOWN",
    match: /Host key verification failed|No .* host key is known/i,
    text: "its host key is not known yet",
    hint: (target) => `ssh ${target}   # once, to look at and accept the host key`,
  },
  {
    code: "SSH_AUTH_FAILED",
    match: /Permission denied|Too many authentication failures|no such identity|passphrase/i,
    text: "it accepts none of the offered keys, and a password cannot be asked for here",
    hint: (target) => `ssh-copy-id ${target}   # or: ssh-add <key>, or --ssh-identity <key file>`,
  },
  {
    code: "SSH_FORWARD_REFUSED",
    match: /administratively prohibited|forwarding failed|port forwarding is disabled|open failed/i,
    text: "it connected, but the forward to the gateway's port was refused",
    hint: (target) => `ssh ${target} openclaw gateway status`,
  },
  {
    code: "SSH_LOCAL_END_TAKEN",
    match: /cannot listen to port|Address already in use|bind.*failed/i,
    text: "the local end of the forward is already taken",
    hint: () => "openclaw tunnel status",
  },
  {
    code: "SSH_HOST_NOT_FOUND",
    match: /Could not resolve hostname|Name or service not known/i,
    text: "its name cannot be resolved",
    hint: (target) => `ssh -G ${target} | head -3   # shows which host ssh would call`,
  },
  {
    code: "SSH_UNREACHABLE",
    match:
      /Connection refused|timed out|No route to host|Network is unreachable|Connection reset|Connection closed/i,
    text: "nothing answers there",
    hint: (target) => `ssh ${target} true`,
  },
];

/** How an ssh ended. */
export interface SshEnd {
  /** For instance `255` or `SIGKILL`; `undefined` when nobody was told. */
  readonly how?: string;
  /** Its last lines. */
  readonly stderr: string;
  /** What it was started for. Default `open an ssh tunnel to`. */
  readonly tried?: string;
  /** Where its configuration sent it, when that is not what the target says. */
  readonly reached?: string | undefined;
}

/** An error for an ssh that ended. */
export function sshFailure(target: SshTarget, end: SshEnd): OpenclawError {
  const { how, stderr, reached, tried = "open an ssh tunnel to" } = end;
  const name = sshTargetText(target);
  const lines = showableWithin(stderr.trim().split("\n").slice(-4).join(" | "), 400);
  const reason = REASONS.find((r) => r.match.test(stderr));
  const why = reason ? `${reason.text} (${lines})` : lines || "it said nothing";
  return new OpenclawError(
    reason?.code ?? "SSH_ENDED",
    `Cannot ${tried} "${name}"${reached === undefined ? "" : ` (${reached})`}: ssh exited${
      how === undefined ? "" : ` (${how})`
    }: ${why}`,
    { hint: reason?.hint(name) ?? `ssh ${name} true`, retryable: !isFinal(reason?.code) },
  );
}

/** Whether waiting will not help: a person has to act first. */
export function isFinal(code: string | undefined): boolean {
  return code === "SSH_HOST_KEY_CHANGED" || code === "SSH_HOST_KEY_UNKNOWN" ||
    code === "SSH_AUTH_FAILED";
}
