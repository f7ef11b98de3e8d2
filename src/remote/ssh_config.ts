/**
 * What ssh itself makes of a target (`ssh -G`): the host behind an alias, for messages; the whole answer, to know whether
 * an open tunnel still leads to the same place. Source: remote-access.md 2.
 */
import { sha256Hex } from "../lib/bytes.ts";
import { showableWithin } from "../lib/text.ts";
import { runProgram } from "../platform/process/start.ts";
import { configQueryArgs, type ForwardFacts, type OwnSettings, type SshPlace } from "./ssh_args.ts";
import type { SshTarget } from "./ssh_target.ts";

/** ssh answers in some 10 ms; more than the specification's 800 for machines that do much else, where sharing would end. */
const ASK_TIMEOUT_MS = 3_000;

/** What `ssh -G` says of a target. */
export interface SshConfig extends OwnSettings {
  /** Its whole output. */
  readonly text: string;
  readonly user: string | undefined;
  readonly hostName: string | undefined;
  readonly port: number | undefined;
  readonly proxyJump: string | undefined;
  /** `false` when unknown host keys are accepted without a question. */
  readonly checksHostKeys: boolean;
}

/** Reads the output of `ssh -G`. Pure. */
export function readSshConfig(text: string): SshConfig {
  const first = (name: string) =>
    text.split("\n").map((line) => line.trim())
      .filter((line) => line.toLowerCase().startsWith(`${name} `))
      .map((line) => line.slice(name.length + 1).trim())
      .find((value) => value !== "" && value !== "none");
  const port = Number(first("port"));
  return {
    text,
    user: first("user"),
    hostName: first("hostname"),
    port: Number.isInteger(port) && port > 0 && port < 65536 ? port : undefined,
    proxyJump: first("proxyjump"),
    checksHostKeys: !/^(no|off|false|accept-new)$/i.test(first("stricthostkeychecking") ?? ""),
    ownForwards: /^(local|remote|dynamic)forward /im.test(text),
    forks: first("forkafterauthentication") === "yes",
  };
}

/** Asks ssh; `undefined` when it does not answer within 3 s or refuses its configuration. */
export async function askSshConfig(
  facts: SshPlace,
  ssh: { readonly path: string; readonly env: Readonly<Record<string, string>> },
): Promise<SshConfig | undefined> {
  const result = await runProgram({
    file: ssh.path,
    args: configQueryArgs(facts),
    env: ssh.env,
    timeoutMs: ASK_TIMEOUT_MS,
  });
  return result.exitCode === 0 ? readSshConfig(result.stdout) : undefined;
}

/** Lines of `ssh -G` about how somebody proves who he is. */
const ABOUT_KEYS = /^(?:identity|certificatefile|pkcs11|addkeystoagent|preferredauth)/i;

/**
 * A name for the place a forward leads to: the same for two of them only when ssh calls the same host in the same way and
 * checks it by the same rule (N38). Which key opened it does not matter to those who use it once it is open.
 */
export async function placeKey(
  config: SshConfig,
  forward: Pick<ForwardFacts, "remotePort" | "hostKeyPolicy">,
): Promise<string> {
  const lines = config.text.split("\n").filter((line) => !ABOUT_KEYS.test(line));
  return await sha256Hex(JSON.stringify([lines, forward.remotePort, forward.hostKeyPolicy]));
}

/** Where ssh really goes, for a message: `root@10.0.0.5:2222 through jump`; `undefined` when the target says as much. */
export function reachedText(target: SshTarget, config: SshConfig): string | undefined {
  const { user, hostName, port, proxyJump } = config;
  if (hostName === undefined) return undefined;
  const sameHost = hostName.toLowerCase() === target.host.toLowerCase();
  if (sameHost && proxyJump === undefined) return undefined;
  const host = hostName.includes(":") ? `[${hostName}]` : hostName;
  const place = `${user === undefined ? "" : `${user}@`}${host}${
    port === undefined || port === 22 ? "" : `:${port}`
  }`;
  return showableWithin(proxyJump === undefined ? place : `${place} through ${proxyJump}`, 200);
}
