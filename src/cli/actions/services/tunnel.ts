/**
 * Runs, installs and reports the lasting ssh tunnel.
 */
import { loadConfig } from "../../../config/file/load.ts";
import { type StatePaths, statePaths } from "../../../config/paths.ts";
import { OpenclawError } from "../../../lib/errors.ts";
import { createLogger, renderText } from "../../../lib/log.ts";
import { ensureDir, tryLockFile } from "../../../platform/files.ts";
import { join, resolve } from "@std/path";
import { onStopSignals } from "../../../platform/signals.ts";
import { keepTunnel, type TunnelState } from "../../../remote/keep_tunnel.ts";
import { type BehindTunnel, gatewayBehind, probeTunnel } from "../../../remote/probe_tunnel.ts";
import { sshTargetText } from "../../../remote/ssh_target.ts";
import type { TunnelSurroundings, TunnelWish } from "../../../remote/tunnel.ts";
import { listShared } from "../../../remote/shared_tunnel.ts";
import { readRecord, writeRecord } from "../../../remote/tunnel_record.ts";
import { tunnelSurroundings } from "../../../remote/surroundings.ts";
import { tunnelWish } from "../../../remote/tunnel_wish.ts";
import { acceptedPins } from "../../connect/operator_pins.ts";
import type { Io } from "../../terminal/io.ts";
import { serviceScene } from "./scene.ts";
import { installService, runtimeLine } from "./services.ts";

/** Flags that describe a tunnel. */
export interface TunnelFlags {
  readonly target: string | undefined;
  readonly sshIdentity: string | undefined;
  readonly remotePort: number | undefined;
  readonly localPort: number | undefined;
}

/** Name of the lasting tunnel's socket; commands of the same account look for it. */
const SOCKET_NAME = "gateway.sock";

interface Wanted {
  readonly paths: StatePaths;
  readonly wish: TunnelWish;
  readonly around: TunnelSurroundings;
}

async function wanted(flags: TunnelFlags, io: Io): Promise<Wanted> {
  const paths = statePaths(io.env);
  const { config } = await loadConfig(paths, io.env);
  const { remote, port } = config.gateway;
  const sshTarget = flags.target ?? remote.sshTarget;
  if (sshTarget === undefined) {
    throw new OpenclawError(
      "SSH_TARGET_MISSING",
      "Cannot open a tunnel: neither a target nor gateway.remote.sshTarget is given",
      {
        hint: "openclaw tunnel run user@host",
        exitCode: 2,
      },
    );
  }
  const wish = tunnelWish({
    sshTarget,
    sshIdentity: flags.sshIdentity ?? (flags.target === undefined ? remote.sshIdentity : undefined),
    sshHostKeyPolicy: remote.sshHostKeyPolicy,
    remotePort: flags.remotePort ?? remote.remotePort ?? port,
  }, paths.home);
  return {
    paths,
    wish: {
      ...wish,
      socketName: SOCKET_NAME,
      ...(flags.localPort === undefined ? {} : { localPort: flags.localPort }),
    },
    around: await tunnelSurroundings(io.env, paths.tunnelsDir, await behindOf(remote, paths)),
  };
}

/** How the gateway behind the tunnel is spoken to, with the certificates now in force in place of the configured one (F22). */
async function behindOf(
  remote: Parameters<typeof gatewayBehind>[0],
  paths: StatePaths,
): Promise<BehindTunnel> {
  const { url, pins: [pin] = [] } = gatewayBehind(remote);
  return pin === undefined ? { url } : { url, pins: await acceptedPins(paths, pin) };
}

/** Where the local end is, for people and programs. */
export function localText(local: TunnelState["local"]): string {
  if (!local) return "none";
  return local.kind === "unix" ? local.path : `127.0.0.1:${local.port}`;
}

/** `tunnel run`: until Ctrl-C. */
export async function runTunnel(flags: TunnelFlags, io: Io): Promise<number> {
  const { paths, wish, around } = await wanted(flags, io);
  await ensureDir(paths.tunnelsDir);
  const lock = await tryLockFile(join(paths.tunnelsDir, "tunnel.lock"));
  if (!lock) {
    throw new OpenclawError(
      "TUNNEL_RUNNING",
      "Cannot keep a tunnel open: another one already runs for this account",
      {
        hint: "openclaw tunnel status",
      },
    );
  }
  const stop = new AbortController();
  const unhook = onStopSignals(() => stop.abort());
  const target = sshTargetText(wish.target);
  let hinted: string | undefined;
  const log = createLogger({
    subsystem: "tunnel",
    sink: (record) => io.out.note(renderText(record)),
  });
  try {
    await keepTunnel({
      wish,
      around,
      log,
      signal: stop.signal,
      onState: async (state) => {
        await writeRecord(paths.tunnelsDir, { target, remotePort: wish.remotePort, state });
        if (state.tunnel === "open") {
          io.out.note(`Tunnel to ${target} open at ${localText(state.local)}`);
        }
        if (state.tunnel === "open") hinted = undefined;
        // Once per reason: a tunnel that cannot open tries again every few seconds.
        if (state.tunnel === "down" && state.lastError && state.lastError.code !== hinted) {
          hinted = state.lastError.code;
          if (state.lastError.hint) io.out.note(`hint: ${state.lastError.hint}`);
        }
      },
    });
  } finally {
    unhook();
    lock.close();
  }
  return 0;
}

/** `tunnel install`. */
export async function installTunnel(
  flags: TunnelFlags & { readonly force: boolean | undefined; readonly print: boolean | undefined },
  io: Io,
): Promise<number> {
  const { wish } = await wanted(flags, io);
  const flag = (name: string, value: string | number | undefined) =>
    value === undefined ? [] : [name, String(value)];
  return await installService(
    {
      kind: "tunnel",
      args: [
        "tunnel",
        "run",
        sshTargetText(wish.target),
        // A service starts in another folder.
        ...flag("--ssh-identity", wish.identity && resolve(wish.identity)),
        "--remote-port",
        String(wish.remotePort),
        ...flag("--local-port", wish.localPort),
      ],
      secrets: {},
      environment: {},
    },
    { ...flags, system: false, runtime: undefined },
    io,
  );
}

/** `tunnel status`: exit code 0 when a gateway answers through it, else 1. */
export async function showTunnelStatus(io: Io): Promise<number> {
  const paths = statePaths(io.env);
  const record = await readRecord(paths.tunnelsDir);
  const scene = await serviceScene("tunnel", io);
  const service = await scene.manager.status(scene.names);
  const { config } = await loadConfig(paths, io.env);
  const look = probeTunnel(await behindOf(config.gateway.remote, paths));
  const local = record?.state.local;
  const gateway = local ? await look(local, 3000) : undefined;
  const open = record?.state.tunnel === "open" && gateway !== "silent";
  const shared = await listShared(paths.tunnelsDir);
  io.out.show({
    tunnel: record ? (open ? "open" : record.state.tunnel) : "not running",
    gateway: gateway ?? null,
    target: record?.target ?? null,
    local: local ?? null,
    pid: record?.pid ?? null,
    sshPid: record?.state.pid ?? null,
    restarts: record?.state.restarts ?? 0,
    sinceMs: record?.state.sinceMs ?? null,
    lastError: record?.state.lastError ?? null,
    shared: shared.map(({ pid, target, remotePort, idleSeconds }) => ({
      pid,
      target,
      remotePort,
      idleSeconds,
    })),
    service: { label: scene.manager.label, ...service },
  }, () => {
    io.out.text(
      `Tunnel: ${
        record
          ? `${open ? "open" : record.state.tunnel} (pid ${record.pid}) to ${record.target}`
          : "not running"
      }`,
    );
    if (local) io.out.text(`Local end: ${localText(local)}`);
    io.out.text(`Gateway: ${gatewayLine(gateway)}`);
    for (const { pid, target, idleSeconds } of shared) {
      io.out.text(`Shared: ${target} (ssh pid ${pid}), ends ${idleSeconds} s after its last use`);
    }
    const last = record?.state.lastError;
    if (last) io.out.text(`Last error: ${last.message}`);
    if (last?.hint) io.out.note(`hint: ${last.hint}`);
    io.out.text(
      `Service: ${scene.manager.label} (${
        service.loaded ? scene.manager.loadedText : scene.manager.notLoadedText
      })`,
    );
    if (service.installed) io.out.text(runtimeLine(service.runtime));
    if (!record && !service.installed) io.out.note("hint: openclaw tunnel run user@host");
  });
  return gateway === "gateway" ? 0 : 1;
}

function gatewayLine(gateway: string | undefined): string {
  if (gateway === "gateway") return "answers through the tunnel";
  if (gateway === "no-gateway") return "ssh works, but no gateway answers on the other side";
  if (gateway === "untrusted") return "something answers, but not with the pinned certificate";
  return gateway === "silent"
    ? "nothing comes through the tunnel"
    : "unknown, the tunnel is not open";
}
