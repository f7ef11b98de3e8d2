/**
 * Which processes listen on a port, for a gateway that finds its port taken. Linux only (`/proc`); elsewhere and for
 * processes of other users it cannot be told.
 */

/** A process that listens. */
export interface PortHolder {
  readonly pid: number;
  /** Command name; show it escaped. */
  readonly name: string;
}

const LISTEN = "0A";

/** The processes of this user that listen on `port`, at whatever address; empty when none can be found. Never throws. */
export function findPortHolders(port: number): PortHolder[] {
  if (Deno.build.os !== "linux") return [];
  const inodes = new Set([...inodesOf("/proc/net/tcp", port), ...inodesOf("/proc/net/tcp6", port)]);
  if (inodes.size === 0) return [];
  return entries("/proc").filter(({ name }) => /^[0-9]+$/.test(name) && holdsAny(name, inodes))
    .map(({ name }) => ({ pid: Number(name), name: read(`/proc/${name}/comm`).trim() }));
}

/** One of {@linkcode findPortHolders}. */
export function findPortHolder(port: number): PortHolder | undefined {
  return findPortHolders(port)[0];
}

function holdsAny(pid: string, inodes: ReadonlySet<string>): boolean {
  return entries(`/proc/${pid}/fd`).some((fd) =>
    inodes.has(socketInode(`/proc/${pid}/fd/${fd.name}`) ?? "")
  );
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
