/**
 * Which process listens on a port, for the message of a gateway that finds its port taken. Linux only (`/proc`); elsewhere
 * and for processes of other users it cannot be told.
 */

/** A process that listens. */
export interface PortHolder {
  readonly pid: number;
  /** Command name; show it escaped. */
  readonly name: string;
}

const LISTEN = "0A";

/** The process of this user that listens on `port`; `undefined` when it cannot be found. Never throws. */
export function findPortHolder(port: number): PortHolder | undefined {
  if (Deno.build.os !== "linux") return undefined;
  const inodes = new Set([...inodesOf("/proc/net/tcp", port), ...inodesOf("/proc/net/tcp6", port)]);
  if (inodes.size === 0) return undefined;
  for (const { name } of entries("/proc")) {
    if (!/^[0-9]+$/.test(name)) continue;
    const holds = entries(`/proc/${name}/fd`).some((fd) =>
      inodes.has(socketInode(`/proc/${name}/fd/${fd.name}`) ?? "")
    );
    if (holds) return { pid: Number(name), name: read(`/proc/${name}/comm`).trim() };
  }
  return undefined;
}

function inodesOf(table: string, port: number): string[] {
  const hex = port.toString(16).toUpperCase().padStart(4, "0");
  return read(table).split("\n").map((line) => line.trim().split(/\s+/))
    .filter((row) => row[1]?.endsWith(`:${hex}`) && row[3] === LISTEN)
    .map((row) => row[9] ?? "");
}

function socketInode(path: string): string | undefined {
  try {
    return /^socket:\[([0-9]+)\]$/.exec(Deno.readLinkSync(path))?.[1];
  } catch {
    return undefined; // closed meanwhile, or not ours to see
  }
}

function entries(path: string): Deno.DirEntry[] {
  try {
    return [...Deno.readDirSync(path)];
  } catch {
    return []; // gone meanwhile, or not ours to see
  }
}

function read(path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return ""; // gone meanwhile, or not ours to see
  }
}
