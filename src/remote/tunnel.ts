/**
 * One ssh forward to a gateway's loopback port: started, proven by a challenge through it, and stopped with everything
 * it started. Keeping one alive is `keep_tunnel.ts`. Source: remote-access.md 2, decisions.md 23, 34.
 */
import { join } from "@std/path";
import { type Clock, systemClock, wait } from "../lib/clock.ts";
import { isOpenclawError, messageOf, OpenclawError } from "../lib/errors.ts";
import { showable } from "../lib/text.ts";
import { findProgram } from "../platform/find_program.ts";
import { findPortHolder } from "../platform/port_holder.ts";
import type { Program } from "../platform/process/start.ts";
import { startGuarded } from "./programs/guarded_program.ts";
import { removeSocket, socketPlace } from "./programs/unix_socket.ts";
import { byHand, forwardArgs, type ForwardFacts, type LocalEnd } from "./ssh_args.ts";
import { askSshConfig, placeKey, reachedText } from "./ssh_config.ts";
import { sshFailure } from "./ssh_failure.ts";
import { sshTargetText } from "./ssh_target.ts";

/** What a look through the tunnel found. */
export type ProbeResult =
  /** A gateway answered with its challenge. */
  | "gateway"
  /** Something answers with TLS, but not with the certificate that is trusted: whoever connects is told more. */
  | "untrusted"
  /** ssh carries bytes, but nothing speaks the protocol at the other end. */
  | "no-gateway"
  /** Nothing came through. */
  | "silent";

/** Looks through the local end of a tunnel. Must settle within `timeoutMs`. */
export type TunnelProbe = (local: LocalEnd, timeoutMs: number) => Promise<ProbeResult>;

/** What a tunnel needs from its surroundings. */
export interface TunnelSurroundings {
  readonly platform: "linux" | "macos" | "windows";
  /** Path of the ssh client, from {@linkcode findSsh}. */
  readonly sshPath: string;
  /** Environment for ssh: HOME, PATH and the agent's socket, nothing of ours. */
  readonly env: Readonly<Record<string, string>>;
  /** Folder (0700) for sockets. */
  readonly tunnelsDir: string;
  readonly probe: TunnelProbe;
  /** `-F` file of every call, from `OPENCLAW_SSH_CONFIG`. */
  readonly configFile?: string | undefined;
  readonly clock?: Clock;
}

/** What is wanted. */
export interface TunnelWish extends Omit<ForwardFacts, "local" | "config"> {
  /** A fixed loopback port for the local end; otherwise a unix socket (POSIX) or a free port (Windows). */
  readonly localPort?: number;
  /** Fixed file name of the unix socket, so that other commands find a lasting tunnel. Default a random one. */
  readonly socketName?: string;
  /** Longest wait until the gateway answers through it, in milliseconds. Default 10,000. */
  readonly readyMs?: number;
}

/** An open tunnel. */
export interface Tunnel {
  readonly local: LocalEnd;
  /** Where it leads, see {@linkcode placeKey}; `undefined` when ssh did not tell its configuration. */
  readonly place: string | undefined;
  readonly pid: number;
  /** Why ssh ended; never rejects. */
  readonly ended: Promise<OpenclawError>;
  /** Ends ssh (TERM, KILL after 1.5 s) and removes the socket. */
  stop(): Promise<void>;
}

/** Folders an ssh client is trusted in; never a bare PATH lookup. Source: remote-access.md 2. */
export function sshFolders(
  platform: "linux" | "macos" | "windows",
  systemRoot = "C:\\Windows",
): string[] {
  return platform === "windows"
    ? [join(systemRoot, "System32", "OpenSSH")]
    : ["/usr/bin", "/bin", "/usr/local/bin"];
}

/** The ssh client of this machine. Throws `SSH_MISSING`. */
export async function findSsh(
  platform: "linux" | "macos" | "windows",
  systemRoot?: string,
): Promise<string> {
  const name = platform === "windows" ? "ssh.exe" : "ssh";
  const folders = sshFolders(platform, systemRoot);
  const path = await findProgram(folders, name);
  if (path !== undefined) return path;
  throw new OpenclawError("SSH_MISSING", `Cannot find ssh in ${folders.join(", ")}`, {
    hint: platform === "linux"
      ? "sudo apt-get install openssh-client"
      : "install the OpenSSH client",
  });
}

/** The environment ssh gets: its own needs, no credential of ours (E11). */
export function sshEnvironment(
  env: Readonly<Record<string, string | undefined>>,
): Record<string, string> {
  const names = [
    "HOME",
    "PATH",
    "USER",
    "LOGNAME",
    "SSH_AUTH_SOCK",
    "SYSTEMROOT",
    "USERPROFILE",
    "TEMP",
  ];
  return Object.fromEntries(names.flatMap((name) => env[name] ? [[name, env[name]]] : []));
}

/**
 * Opens a tunnel and waits until a gateway answers through it.
 * Throws the coded reasons of {@linkcode sshFailure}; `TUNNEL_NO_GATEWAY` when ssh works but no gateway answers;
 * `TUNNEL_NOT_READY` when nothing happened in time.
 */
export async function openTunnel(wish: TunnelWish, around: TunnelSurroundings): Promise<Tunnel> {
  const place = placeOf(wish, around);
  const config = await askSshConfig(place, { path: around.sshPath, env: around.env });
  const { local, ownSocket } = await localEnd(wish, around);
  const program = await startGuarded({
    file: around.sshPath,
    args: forwardArgs({ ...place, local, config }),
    env: around.env,
    stdout: "null",
    socket: ownSocket,
  }, around.platform);
  const said = lastLines(program.stderr);
  let stopping = false;
  const ended = program.ended.then(async (end) => {
    await program.stdin?.close().catch(() => {/* already closed by its end */});
    const how = String(end.exitCode ?? end.signal);
    const reached = stopping || !config ? undefined : reachedText(wish.target, config);
    return sshFailure(place, { how, stderr: await said, reached });
  });
  const tunnel: Tunnel = {
    local,
    place: config && await placeKey(config, wish),
    pid: program.pid,
    ended,
    stop: () => {
      stopping = true;
      return stopTunnel(program, local, ended);
    },
  };
  try {
    await awaitGateway(wish, around, tunnel);
    return tunnel;
  } catch (error) {
    await tunnel.stop();
    throw moreTelling(error, await ended);
  }
}

/** A wish with the configuration of its surroundings. */
export function placeOf(wish: TunnelWish, around: TunnelSurroundings): TunnelWish {
  return { configFile: around.configFile, ...wish };
}

/** ssh stays when the host refuses the forward: then what it said tells more than that nobody answered. */
export function moreTelling(error: unknown, end: OpenclawError): unknown {
  const isVague = isOpenclawError(error) && error.code === "TUNNEL_NO_GATEWAY";
  return isVague && end.code === "SSH_FORWARD_REFUSED" ? end : error;
}

async function localEnd(
  wish: TunnelWish,
  around: TunnelSurroundings,
): Promise<{ readonly local: LocalEnd; readonly ownSocket?: string | undefined }> {
  if (wish.localPort !== undefined) {
    // F24: somebody else's listener on our port would answer the first look in the gateway's place.
    if (!canBind(wish.localPort)) throw portTaken(wish.localPort);
    return { local: { kind: "port", port: wish.localPort } };
  }
  if (around.platform === "windows") {
    return { local: { kind: "port", port: freePort(wish.remotePort) } };
  }
  const { path, isOwn } = await socketPlace(around.tunnelsDir, wish.socketName);
  // A fixed name may belong to the next tunnel by the time this one's guard is done.
  return { local: { kind: "unix", path }, ownSocket: isOwn ? path : undefined };
}

function portTaken(port: number): OpenclawError {
  const holder = findPortHolder(port);
  const found = holder
    ? `process ${holder.pid} (${showable(holder.name)}) listens there`
    : "the port is already taken";
  return new OpenclawError(
    "SSH_LOCAL_END_TAKEN",
    `Cannot open an ssh tunnel on 127.0.0.1:${port}: ${found}`,
    { hint: `ss -ltnp 'sport = :${port}'   # or leave --local-port out`, retryable: true },
  );
}

/** The port that could be bound (0 finds a free one), or `undefined` when it is taken. */
function canBind(port: number): number | undefined {
  try {
    using listener = Deno.listen({ hostname: "127.0.0.1", port });
    return (listener.addr as Deno.NetAddr).port;
  } catch (error) {
    if (error instanceof Deno.errors.AddrInUse) return undefined;
    throw error;
  }
}

function freePort(preferred: number): number {
  const port = canBind(preferred) ?? canBind(0);
  if (port !== undefined) return port;
  throw new OpenclawError("NO_FREE_PORT", "Cannot find a free loopback port for the ssh tunnel");
}

/**
 * Waits until a gateway answers through an open forward.
 * Throws `TUNNEL_NO_GATEWAY`, `TUNNEL_NOT_READY`, and the reason for which the tunnel ended meanwhile.
 */
export async function awaitGateway(
  wish: TunnelWish,
  around: TunnelSurroundings,
  tunnel: Pick<Tunnel, "local"> & Partial<Pick<Tunnel, "ended">>,
): Promise<void> {
  const clock = around.clock ?? systemClock;
  const limitMs = wish.readyMs ?? 10_000;
  const endMs = clock.monotonic() + limitMs;
  let early: OpenclawError | undefined;
  tunnel.ended?.then((error) => early = error);
  let last: ProbeResult = "silent";
  while (clock.monotonic() < endMs) {
    if (early) throw early;
    last = await around.probe(tunnel.local, Math.max(250, endMs - clock.monotonic()));
    if (last === "gateway" || last === "untrusted") return;
    // ssh is up and says that nothing listens over there: more waiting does not help.
    if (last === "no-gateway") break;
    await wait(20, undefined, clock);
  }
  if (early) throw early;
  const name = sshTargetText(wish.target);
  const place = placeOf(wish, around);
  if (last === "no-gateway") {
    throw new OpenclawError(
      "TUNNEL_NO_GATEWAY",
      `The ssh tunnel to "${name}" works, but no gateway answers on its port ${wish.remotePort}`,
      { hint: byHand(place, "ssh", "openclaw gateway status"), retryable: true },
    );
  }
  throw new OpenclawError(
    "TUNNEL_NOT_READY",
    `The ssh tunnel to "${name}" did not come up within ${limitMs} ms: the host, a jump host or a key agent does not answer`,
    { hint: byHand(place, "ssh -v", "true"), retryable: true },
  );
}

async function stopTunnel(
  program: Program,
  local: LocalEnd,
  ended: Promise<unknown>,
): Promise<void> {
  await program.stop({ graceMs: 1500 });
  await ended;
  if (local.kind === "unix") await removeSocket(local.path);
}

/** The last 4 KiB a program says, without ever holding more. */
async function lastLines(stream: ReadableStream<Uint8Array>): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  try {
    for await (const chunk of stream) {
      text = (text + decoder.decode(chunk, { stream: true })).slice(-4096);
    }
  } catch (error) {
    text += messageOf(error);
  }
  return text;
}
