/**
 * The unix socket at the local end of a forward: where it can lie, and how it goes again, also by the hand of the shell
 * beside ssh when nobody else is left (F24).
 */
import { basename, dirname, join } from "@std/path";
import { OpenclawError } from "../../lib/errors.ts";
import { lstatOrMissing } from "../../platform/file_safety.ts";
import { ensureDir } from "../../platform/files.ts";

/** Start of the folders in `/tmp` that hold one socket each. */
const OWN_FOLDER = "/tmp/openclaw-ssh-";

/** Shell text: `forget` removes `$socket`, what lies beside it by name, and the folder it got because no other fitted. */
export const FORGET_SOCKET = `
forget() {
  [ -n "$socket" ] || return 0
  rm -f "$socket" "$socket.lease" "$socket.said"
  case $socket in
    ${OWN_FOLDER}*) rmdir "\${socket%/*}" 2>/dev/null ;;
  esac
}
`;

/** A place for a socket. */
export interface SocketPlace {
  readonly path: string;
  /** Whether nobody else ever uses this path, so that it may be removed at any time. */
  readonly isOwn: boolean;
}

/**
 * A place for a socket, by default of a random name. A socket's path has room for 104 bytes on macOS, and ssh appends a
 * random suffix while it binds; in `-L` it reads `:`, `%`, `$`, `\\` and blanks as more than a path. A folder that does not
 * fit is replaced by one of ours in `/tmp`, readable by nobody else.
 */
export async function socketPlace(folder: string, name?: string): Promise<SocketPlace> {
  await ensureDir(folder);
  const path = join(folder, name ?? `${crypto.randomUUID().slice(0, 8)}.sock`);
  if (path.length <= 80 && /^[A-Za-z0-9/._@+,=~-]+$/.test(path)) {
    await clearSocket(path);
    return { path, isOwn: name === undefined };
  }
  const own = { dir: dirname(OWN_FOLDER), prefix: basename(OWN_FOLDER) };
  return { path: join(await Deno.makeTempDir(own), "gw.sock"), isOwn: true };
}

/** F24: a socket left behind, or somebody's who listens there, would answer the first look in the gateway's place. */
async function clearSocket(path: string): Promise<void> {
  const found = await lstatOrMissing(path);
  if (!found) return;
  if (found.isSocket) return await Deno.remove(path);
  throw new OpenclawError(
    "SSH_LOCAL_END_TAKEN",
    `Cannot open an ssh tunnel at "${path}": what lies there is not a socket`,
    { hint: `rm -r "${path}"` },
  );
}

/** Removes the socket, and the folder it got because no other fitted. */
export async function removeSocket(path: string): Promise<void> {
  await Deno.remove(path).catch(() => {/* ssh or its guard removed it */});
  if (path.startsWith(OWN_FOLDER)) {
    await Deno.remove(dirname(path)).catch(() => {/* somebody else's files are in it */});
  }
}
