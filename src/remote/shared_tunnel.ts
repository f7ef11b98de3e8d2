/**
 * One ssh for the commands of a while: the first opens it, the following ones use it without a handshake, and ssh ends by
 * itself when nothing went through it for some seconds. ssh's own idle timer (ControlPersist) does that, so no program
 * of ours stays behind. Its control socket is removed as soon as it is up: who holds it could run commands on the ssh
 * host, and only the forward is wanted. Source: remote-access.md 2; F24, N38.
 *
 * ```
 * record of a living ssh? ── a gateway greets through it ──► use it
 *        │ no                        │ silent (frozen): kill it
 *        └───────── lock ── look again ── ssh -f … ── greets ── record ──► use it
 * ```
 */
import { join } from "@std/path";
import { sha256Hex } from "../lib/bytes.ts";
import { OpenclawError } from "../lib/errors.ts";
import { check, int, obj, opt, str } from "../lib/schema.ts";
import { readOwned, withFileLock, writeAtomic } from "../platform/files.ts";
import { identityOf, type ProcessIdentity, stillRuns } from "../platform/process/identity.ts";
import { runProgram } from "../platform/process/start.ts";
import { signalOne } from "../platform/process/group.ts";
import { controlCheckArgs, forwardArgs, type LocalEnd } from "./ssh_args.ts";
import { askSshConfig, reachedText, type SshConfig } from "./ssh_config.ts";
import { sshFailure } from "./ssh_failure.ts";
import { sshTargetText } from "./ssh_target.ts";
import { awaitGateway, type TunnelSurroundings, type TunnelWish, unixEnd } from "./tunnel.ts";

/** How long a look through somebody's tunnel may take before it counts as frozen. */
const LOOK_TIMEOUT_MS = 2_000;
const READY_MS = 10_000;

const recordSchema = obj({
  pid: int({ min: 1 }),
  startTicks: opt(int()),
  target: str(),
  remotePort: int(),
  idleSeconds: int(),
  path: str(),
});

/** A shared tunnel as its starter wrote it down. */
export interface SharedRecord extends ProcessIdentity {
  /** `user@host:port` as given. */
  readonly target: string;
  readonly remotePort: number;
  readonly idleSeconds: number;
  /** Its unix socket. */
  readonly path: string;
}

/** What {@linkcode joinShared} found or made. */
export interface SharedTunnel {
  readonly local: LocalEnd;
  /** What ssh makes of the target. */
  readonly config: SshConfig;
}

interface Facts {
  readonly wish: TunnelWish;
  readonly around: TunnelSurroundings;
  readonly idleSeconds: number;
  readonly config: SshConfig;
  readonly file: string;
}

/**
 * A forward that others may use, too. `undefined` where ssh cannot share (Windows) or does not tell its configuration:
 * then the command opens its own. Throws like {@linkcode openTunnel}.
 */
export async function joinShared(
  wish: TunnelWish,
  around: TunnelSurroundings,
  idleSeconds: number,
): Promise<SharedTunnel | undefined> {
  if (around.platform === "windows") return undefined;
  const place = { ...(around.configFile ? { configFile: around.configFile } : {}), ...wish };
  const config = await askSshConfig(place, { path: around.sshPath, env: around.env });
  if (!config) return undefined;
  // Another host, key, jump or host key rule is another tunnel, also when the alias stayed the same (N38).
  const facts = JSON.stringify([config.text, wish.remotePort, wish.hostKeyPolicy]);
  const key = await sha256Hex(facts);
  const file = join(around.tunnelsDir, `shared-${key.slice(0, 16)}.json`);
  const wanted = { wish, around, idleSeconds, config, file };
  const found = await usable(wanted);
  if (found) return { local: found, config };
  await unixEnd(around);
  const waitMs = wish.readyMs ?? READY_MS;
  const local = await withFileLock(
    file.replace(/json$/, "lock"),
    async () => await usable(wanted) ?? await open(wanted),
    { waitMs },
  );
  return { local, config };
}

/** The living tunnel of the record; one that is frozen is ended. */
async function usable({ wish, around, file }: Facts): Promise<LocalEnd | undefined> {
  const record = await readShared(file);
  if (!record || !stillRuns(record)) return undefined;
  const local: LocalEnd = { kind: "unix", path: record.path };
  const found = await around.probe(local, LOOK_TIMEOUT_MS);
  if (found === "gateway" || found === "untrusted") return local;
  // ssh is alive and says that nobody listens over there: a new one would hear the same.
  if (found === "no-gateway") await awaitGateway(wish, around, { local });
  end(record);
  return undefined;
}

async function open(facts: Facts): Promise<LocalEnd> {
  const { wish, around, idleSeconds, config } = facts;
  await sweep(around.tunnelsDir);
  const local = await unixEnd(around);
  const controlDir = await Deno.makeTempDir({ prefix: "openclaw-" });
  const controlPath = join(controlDir, "c");
  // ssh expands "%" in this path.
  const share = { controlPath: controlPath.replaceAll("%", "%%"), idleSeconds };
  try {
    const started = await runProgram({
      file: around.sshPath,
      args: forwardArgs({
        ...(around.configFile ? { configFile: around.configFile } : {}),
        ...wish,
        local,
        share,
      }),
      env: around.env,
      timeoutMs: wish.readyMs ?? READY_MS,
    });
    if (started.exitCode !== 0) {
      const how = started.timedOut ? "no end" : String(started.exitCode ?? started.signal);
      const reached = reachedText(wish.target, config);
      throw sshFailure(wish.target, { how, stderr: started.stderr, reached });
    }
    const record = { ...await identify(facts, controlPath), path: local.path };
    try {
      await awaitGateway(wish, around, { local });
    } catch (error) {
      end(record);
      throw error;
    }
    await writeAtomic(facts.file, JSON.stringify(record, null, 2) + "\n");
    return local;
  } finally {
    await Deno.remove(controlDir, { recursive: true });
  }
}

async function identify(
  { wish, around, idleSeconds }: Facts,
  controlPath: string,
): Promise<Omit<SharedRecord, "path">> {
  const said = await runProgram({
    file: around.sshPath,
    args: controlCheckArgs(controlPath),
    env: around.env,
    timeoutMs: LOOK_TIMEOUT_MS,
  });
  const pid = Number(/pid=(\d+)/.exec(said.stderr + said.stdout)?.[1]);
  const target = sshTargetText(wish.target);
  if (!pid) {
    throw new OpenclawError(
      "SSH_ENDED",
      `The ssh tunnel to "${target}" ended right after it opened`,
      {
        retryable: true,
      },
    );
  }
  return { ...identityOf(pid), target, remotePort: wish.remotePort, idleSeconds };
}

/** Ends an ssh of ours. Only where the process can be told from a later one with its pid (F31). */
function end(record: ProcessIdentity): void {
  if (record.startTicks !== undefined && stillRuns(record)) signalOne(record.pid, "SIGKILL");
}

/** The record, whether its ssh still runs or not. */
async function readShared(file: string): Promise<SharedRecord | undefined> {
  const owned = await readOwned(file, { maxBytes: 16 * 1024 });
  if (!owned) return undefined;
  try {
    const checked = check(recordSchema, JSON.parse(new TextDecoder().decode(owned.bytes)));
    return checked.ok ? checked.value as SharedRecord : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined; // cut by a crash: as good as no record
    throw error;
  }
}

/** The files of shared tunnels with what they say. */
async function records(
  tunnelsDir: string,
): Promise<(readonly [string, SharedRecord | undefined])[]> {
  try {
    const names = (await Array.fromAsync(Deno.readDir(tunnelsDir))).map((entry) => entry.name);
    const files = names.filter((name) => /^shared-[0-9a-f]{16}\.json$/.test(name))
      .map((name) => join(tunnelsDir, name));
    return await Promise.all(files.map(async (file) => [file, await readShared(file)] as const));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

/** The shared tunnels that are open now. */
export async function listShared(tunnelsDir: string): Promise<SharedRecord[]> {
  return (await records(tunnelsDir)).flatMap(([, record]) =>
    record && stillRuns(record) ? [record] : []
  );
}

/** Removes what ended tunnels left behind: ssh does not remove the socket it listened on. */
async function sweep(tunnelsDir: string): Promise<void> {
  for (const [file, record] of await records(tunnelsDir)) {
    if (record && stillRuns(record)) continue;
    for (const path of [record?.path, file]) {
      if (path) await Deno.remove(path).catch(() => {/* somebody else swept */});
    }
  }
}
