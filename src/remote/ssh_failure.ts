/**
 * Turns what ssh printed before it ended into a coded reason with the next step (F25, N38). Pure.
 */
import { OpenclawError } from "../lib/errors.ts";
import { showableWithin } from "../lib/text.ts";
import { byHand, type SshPlace } from "./ssh_args.ts";
import { sshTargetText } from "./ssh_target.ts";

interface Reason {
  readonly code: string;
  readonly match: RegExp;
  readonly text: string;
  /** The lines that say what was found, where they are not the last ones. */
  readonly found?: RegExp;
  readonly hint: (place: SshPlace) => string;
}

const REASONS: readonly Reason[] = [
  {
    code: "SSH_HOST_KEY_CHANGED",
    match: /REMOTE HOST IDENTIFICATION HAS CHANGED|host key .* has changed/i,
    text: "the host key is not the one known from before; somebody may be in the middle",
    found: /^SHA256:|^Offending /,
    hint: (place) =>
      `${byHand(place, "ssh")}   # then ask its administrator; never skip this check`,
  },
  {
    code: "SSH_HOST_KEY_UNKNOWN",
    match: /Host key verification failed|No .* host key is known/i,
    text: "its host key is not known yet",
    hint: (place) => `${byHand(place, "ssh")}   # once, to look at and accept the host key`,
  },
  {
    code: "SSH_AUTH_FAILED",
    match: /Permission denied|Too many authentication failures|no such identity|passphrase/i,
    text: "it accepts none of the offered keys, and a password cannot be asked for here",
    hint: (place) =>
      `${
        byHand(place, "ssh-copy-id")
      }   # or: ssh-add <key file>, or its IdentityFile in ~/.ssh/config`,
  },
  {
    code: "SSH_FORWARD_REFUSED",
    match: /administratively prohibited|port forwarding is disabled/i,
    text: "it let us in, but refuses the forward to the gateway's port",
    hint: (place) =>
      `${
        byHand(place, "ssh", "sudo", "sshd", "-T")
      } | grep -iE 'forwarding|permitopen'   # AllowTcpForwarding and PermitOpen decide`,
  },
  {
    code: "SSH_LOCAL_END_TAKEN",
    match:
      /cannot listen to port|Address already in use|cannot bind to path|request local forwarding/i,
    text: "the local end of the forward cannot be opened",
    hint: () => "openclaw tunnel status",
  },
  {
    code: "SSH_HOST_NOT_FOUND",
    match: /Could not resolve hostname|Name or service not known/i,
    text: "its name cannot be resolved",
    hint: (place) => `${byHand(place, "ssh -G")} | head -3   # shows which host ssh would call`,
  },
  {
    code: "SSH_UNREACHABLE",
    match:
      /Connection refused|timed out|not responding|No route to host|Network is unreachable|Connection reset|Connection closed|closed by remote host/i,
    text: "nothing answers there",
    hint: (place) => byHand(place, "ssh", "true"),
  },
];

/** The reason stands at the end; what a host says to everybody before (`Banner`) is no reason, whatever its words. */
const LAST_LINES = 4;
/** A gateway that was away for a while, no reason for the end of ssh. */
const PASSING = /^channel \d+: open failed: connect failed/;

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
export function sshFailure(place: SshPlace, end: SshEnd): OpenclawError {
  const { how, stderr, reached, tried = "open an ssh tunnel to" } = end;
  const name = sshTargetText(place.target);
  const said = stderr.split("\n").map((line) => line.trim())
    .filter((line) => line !== "" && !PASSING.test(line));
  const last = said.slice(-LAST_LINES);
  const reason = REASONS.find((r) => last.some((line) => r.match.test(line)));
  const found = said.filter((line) => reason?.found?.test(line));
  const lines = showableWithin((found.length > 0 ? found : last).join(" | "), 400);
  const why = reason ? `${reason.text} (${lines})` : lines || "it said nothing";
  return new OpenclawError(
    reason?.code ?? "SSH_ENDED",
    `Cannot ${tried} "${name}"${reached === undefined ? "" : ` (${reached})`}: ssh exited${
      how === undefined ? "" : ` (${how})`
    }: ${why}`,
    {
      hint: reason?.hint(place) ?? byHand(place, "ssh", "true"),
      retryable: !isFinal(reason?.code),
    },
  );
}

/** Whether waiting will not help: a person has to act first. */
export function isFinal(code: string | undefined): boolean {
  return code === "SSH_HOST_KEY_CHANGED" || code === "SSH_HOST_KEY_UNKNOWN" ||
    code === "SSH_AUTH_FAILED";
}
