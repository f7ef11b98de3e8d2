/**
 * Asks a machine over ssh which node identity lives there. What it answers is as good as the ssh host key that was known
 * beforehand: strict checking, keys only, nothing forwarded, bounded in time and size. Source: remote-access.md 7.
 */
import { OpenclawError } from "../lib/errors.ts";
import { check, obj, str } from "../lib/schema.ts";
import { runProgram } from "../platform/process/start.ts";
import { byHand, type SshPlace } from "./ssh_args.ts";
import { sshFailure } from "./ssh_failure.ts";
import { sshDestination } from "./ssh_target.ts";
import { jsonValue } from "../lib/objects.ts";

/** The question, as the remote shell reads it; a login shell, because the program often lies in the account's own PATH. */
export const IDENTITY_COMMAND = "sh -lc 'openclaw node identity --json'";
const MAX_ANSWER_BYTES = 64 * 1024;

/** Whom to ask, and how. */
export interface VerifyFacts extends SshPlace {
  /** Key file; then no other key is offered. The target's host is an IP address, never a name a stranger chose. */
  readonly identity: string | undefined;
  readonly timeoutMs: number;
}

/** What a node's machine says its identity is. */
export interface NodeIdentity {
  readonly deviceId: string;
  readonly publicKey: string;
}

/** Arguments of the call. Pure. */
export function verifyArgs({ target, identity, configFile }: VerifyFacts): string[] {
  const options = [
    "BatchMode=yes",
    "ConnectTimeout=5",
    "NumberOfPasswordPrompts=0",
    "PreferredAuthentications=publickey",
    "StrictHostKeyChecking=yes",
    "UpdateHostKeys=no",
    "ForwardAgent=no",
    "ForwardX11=no",
    "ForwardX11Trusted=no",
    "ClearAllForwardings=yes",
    "ExitOnForwardFailure=yes",
    // The account's own multiplexing could answer for another login than the one meant here.
    "ControlMaster=no",
    "ControlPath=none",
    // What the account's configuration has for people: another command, a terminal, something to run here.
    "RemoteCommand=none",
    "RequestTTY=no",
    "PermitLocalCommand=no",
    "LogLevel=INFO",
    ...(identity === undefined ? [] : ["IdentitiesOnly=yes"]),
  ];
  return [
    ...(configFile === undefined ? [] : ["-F", configFile]),
    ...options.flatMap((option) => ["-o", option]),
    "-a",
    "-x",
    "-p",
    String(target.port ?? 22),
    ...(identity === undefined ? [] : ["-i", identity]),
    "--",
    sshDestination(target),
    IDENTITY_COMMAND,
  ];
}

/** Asks. Throws the codes of {@linkcode sshFailure}, and `NODE_IDENTITY_UNREADABLE`. */
export async function askIdentity(
  facts: VerifyFacts,
  ssh: {
    readonly path: string;
    readonly env: Readonly<Record<string, string>>;
    readonly signal: AbortSignal;
  },
): Promise<NodeIdentity> {
  const result = await runProgram({
    file: ssh.path,
    args: verifyArgs(facts),
    env: ssh.env,
    timeoutMs: facts.timeoutMs,
    maxOutputBytes: MAX_ANSWER_BYTES,
    signal: ssh.signal,
  });
  if (result.exitCode !== 0) {
    const how = result.timedOut
      ? `no answer in ${facts.timeoutMs} ms`
      : String(result.exitCode ?? result.signal);
    const tried = "ask over ssh for the node identity at";
    throw sshFailure(facts, { how, stderr: result.stderr, tried });
  }
  const identity = readIdentity(result.stdout);
  if (identity) return identity;
  throw new OpenclawError(
    "NODE_IDENTITY_UNREADABLE",
    `Cannot read the identity of the node at "${facts.target.host}": its answer is not the expected JSON`,
    { hint: byHand(facts, "ssh", "openclaw node identity --json") },
  );
}

/** Reads the answer; a login shell may have said something before it. */
export function readIdentity(text: string): NodeIdentity | undefined {
  const [from, to] = [text.indexOf("{"), text.lastIndexOf("}")];
  const checked = check(
    obj({ deviceId: str(), publicKey: str() }, { unknown: "keep" }),
    jsonValue(text.slice(Math.max(0, from), to + 1)),
  );
  return checked.ok ? checked.value : undefined;
}
