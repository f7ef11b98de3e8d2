/**
 * One ssh for the commands of a while: the first opens it, the following ones use it without a handshake, and it ends
 * some seconds after the last one is done, or soon after the last one was killed; `leased_program.ts` sees to that.
 * Source: remote-access.md 2; F24, N38.
 *
 * ```
 * record of a living ssh? ── take a lease ── a gateway greets through it ──► use it
 *        │ no                                       │ silent (frozen): kill it
 *        └───────── lock ── look again ── ssh … ── take a lease ── greets ── record ──► use it
 * ```
 */
import { join } from "@std/path";
import { sha256Hex } from "../lib/bytes.ts";
import { wait } from "../lib/clock.ts";
import { isOpenclawError, type OpenclawError } from "../lib/errors.ts";
import { check, int, obj, opt, str } from "../lib/schema.ts";
import { ensureDir, readOwned, withFileLock, writeAtomic } from "../platform/files.ts";
import { type ProcessIdentity, stillRuns } from "../platform/process/identity.ts";
import { signalOne } from "../platform/process/group.ts";
import { type Lease, leaseOf, saidOf, startLeased, takeLease } from "./programs/leased_program.ts";
import { removeSocket, socketPlace } from "./programs/unix_socket.ts";
import { forwardArgs, type LocalEnd } from "./ssh_args.ts";
import { askSshConfig, reachedText, type SshConfig } from "./ssh_config.ts";
import { sshFailure } from "./ssh_failure.ts";
import { sshTargetText } from "./ssh_target.ts";
import {
  awaitGateway,
  moreTelling,
  placeOf,
  type TunnelSurroundings,
  type TunnelWish,
} from "./tunnel.ts";
import { jsonValue } from "../lib/objects.ts";

/** How long a look through somebody's tunnel may take before it counts as frozen. */
const LOOK_TIMEOUT_MS = 2_000;
const READY_MS = 10_000;
/** How often a starting ssh is looked at. */
const LOOK_EVERY_MS = 20;
const MAX_SAID_BYTES = 4 * 1024;

const recordSchema = obj({
  pid: int({ min: 1 }),
  startTicks: opt(int()),
  target: str(),
  remotePort: int(),
  idleSeconds: int(),
  path: str(),
  lease: str(),
});

/** A shared tunnel as its starter wrote it down. */
export interface SharedRecord extends ProcessIdentity {
  /** `user@host:port` as given. */
  readonly target: string;
  readonly remotePort: number;
  readonly idleSeconds: number;
  /** Its unix socket. */
  readonly path: string;
  /** The FIFO its users hold. */
  readonly lease: string;
}

/** What {@linkcode joinShared} found or made. */
export interface SharedTunnel {
  readonly local: LocalEnd;
  /** What ssh makes of the target. */
  readonly config: SshConfig;
  /** Call when done with it: ssh stays for the next command. */
  close(): void;
}

interface Facts {
  readonly wish: TunnelWish;
  readonly around: TunnelSurroundings;
  readonly idleSeconds: number;
  readonly config: SshConfig;
  readonly file: string;
}

/** A tunnel with a share taken in it. */
interface Joined {
  readonly local: LocalEnd;
  readonly lease: Lease;
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
  const config = await askSshConfig(placeOf(wish, around), {
    path: around.sshPath,
    env: around.env,
  });
  if (!config) return undefined;
  // Another host, key, jump or host key rule is another tunnel, also when the alias stayed the same (N38).
  const facts = JSON.stringify([config.text, wish.remotePort, wish.hostKeyPolicy]);
  const key = await sha256Hex(facts);
  const file = join(around.tunnelsDir, `shared-${key.slice(0, 16)}.json`);
  const wanted = { wish, around, idleSeconds, config, file };
  const { local, lease } = await usable(wanted) ?? await openOnce(wanted);
  return { local, config, close: () => lease.close() };
}

/** Commands that start together open one. */
async function openOnce(facts: Facts): Promise<Joined> {
  await ensureDir(facts.around.tunnelsDir);
  const waitMs = facts.wish.readyMs ?? READY_MS;
  const lock = facts.file.replace(/json$/, "lock");
  return await withFileLock(lock, async () => await usable(facts) ?? await open(facts), { waitMs });
}

/** The living tunnel of the record; one that is frozen is ended. */
async function usable({ wish, around, file }: Facts): Promise<Joined | undefined> {
  const record = await readShared(file);
  if (!record || !stillRuns(record)) return undefined;
  const lease = takeLease(record.lease);
  if (!lease) return undefined;
  const local: LocalEnd = { kind: "unix", path: record.path };
  try {
    const found = await around.probe(local, LOOK_TIMEOUT_MS);
    if (found === "gateway" || found === "untrusted") return { local, lease };
    // ssh is alive and says that nobody listens over there: a new one would hear the same.
    const again = { ...wish, readyMs: LOOK_TIMEOUT_MS };
    if (found === "no-gateway") await awaitGateway(again, around, { local });
  } catch (error) {
    // One that was killed a moment ago refuses once and is silent then: another one may do better.
    if (!isOpenclawError(error, "TUNNEL_NOT_READY")) {
      lease.close();
      throw error;
    }
  }
  lease.close();
  end(record);
  return undefined;
}

async function open(facts: Facts): Promise<Joined> {
  const { wish, around, idleSeconds, config, file } = facts;
  await sweep(around.tunnelsDir);
  const { path } = await socketPlace(around.tunnelsDir);
  const local: LocalEnd = { kind: "unix", path };
  const [lease, said] = [leaseOf(path), await Said.open(saidOf(path))];
  const watched = new AbortController();
  let ssh: ProcessIdentity | undefined;
  let own: Lease | undefined;
  try {
    ssh = await startLeased({
      file: around.sshPath,
      args: forwardArgs({ ...placeOf(wish, around), local, config }),
      env: around.env,
      socket: path,
      idleSeconds,
    });
    own = takeLease(lease);
    const ended = whyEnded(ssh, facts, said, watched.signal);
    if (!own) {
      end(ssh);
      throw await ended;
    }
    await awaitGateway(wish, around, { local, ended });
    const target = sshTargetText(wish.target);
    const { remotePort } = wish;
    const record = { ...ssh, target, remotePort, idleSeconds, path, lease };
    await writeAtomic(file, JSON.stringify(record, null, 2) + "\n");
    return { local, lease: own };
  } catch (error) {
    if (ssh) end(ssh);
    else await removeSocket(path);
    own?.close();
    throw moreTelling(error, failure(facts, said.text()));
  } finally {
    watched.abort();
    await said.close();
  }
}

/** What a starting ssh says, in a file that its keeper may remove at any time. */
class Said {
  private constructor(readonly path: string, readonly file: Deno.FsFile) {}

  static async open(path: string): Promise<Said> {
    return new Said(
      path,
      await Deno.open(path, { read: true, write: true, createNew: true, mode: 0o600 }),
    );
  }

  /** Its last lines so far; at once, so that nobody can close it meanwhile. */
  text(): string {
    const { size } = this.file.statSync();
    this.file.seekSync(Math.max(0, size - MAX_SAID_BYTES), Deno.SeekMode.Start);
    const bytes = new Uint8Array(MAX_SAID_BYTES);
    return new TextDecoder().decode(bytes.subarray(0, this.file.readSync(bytes) ?? 0));
  }

  async close(): Promise<void> {
    this.file.close();
    await Deno.remove(this.path).catch(() => {/* the keeper was faster */});
  }
}

/** Why ssh ended, once it has; it is no child of ours, so it is looked at. */
async function whyEnded(
  ssh: ProcessIdentity,
  facts: Facts,
  said: Said,
  signal: AbortSignal,
): Promise<OpenclawError> {
  while (stillRuns(ssh) && !signal.aborted) {
    await wait(LOOK_EVERY_MS, signal).catch(() => {/* nobody asks any more */});
  }
  return failure(facts, signal.aborted ? "" : said.text());
}

function failure({ wish, around, config }: Facts, stderr: string): OpenclawError {
  const reached = reachedText(wish.target, config);
  return sshFailure(placeOf(wish, around), { stderr, reached });
}

/** Ends an ssh of ours. Only where the process can be told from a later one with its pid (F31). */
function end(record: ProcessIdentity): void {
  if (record.startTicks !== undefined && stillRuns(record)) signalOne(record.pid, "SIGKILL");
}

/** The record, whether its ssh still runs or not. */
async function readShared(file: string): Promise<SharedRecord | undefined> {
  const owned = await readOwned(file, { maxBytes: 16 * 1024 });
  if (!owned) return undefined;
  const checked = check(recordSchema, jsonValue(owned.bytes));
  // Cut by a crash: as good as no record.
  return checked.ok ? checked.value as SharedRecord : undefined;
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

/** Removes what tunnels left behind that could not tidy up themselves. */
async function sweep(tunnelsDir: string): Promise<void> {
  for (const [file, record] of await records(tunnelsDir)) {
    if (record && stillRuns(record)) continue;
    for (const path of [record?.lease, file]) {
      if (path) await Deno.remove(path).catch(() => {/* somebody else swept */});
    }
    if (record) await removeSocket(record.path);
  }
}
