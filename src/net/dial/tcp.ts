/**
 * Opens TCP and unix connections for outgoing sockets. A name with several addresses is tried as RFC 8305 says, so that
 * a dead address family costs a quarter of a second and not a minute (F38). Imported lazily: it loads `node:net`.
 */
import { lookup } from "node:dns";
import { connect, type Socket } from "node:net";
import { NEXT_ADDRESS_MS } from "../limits.ts";

/** One address of a name. */
export interface HostAddress {
  readonly address: string;
  readonly family: number;
}

/** Where to connect. */
export type TcpTarget =
  | { readonly unixPath: string }
  | { readonly host: string; readonly port: number; readonly lookup?: LookupAll };

/** All addresses of a name, best first. */
export type LookupAll = (host: string) => Promise<readonly HostAddress[]>;

const systemLookup: LookupAll = (host) =>
  new Promise((resolve, reject) => {
    lookup(host, { all: true }, (error, addresses) => error ? reject(error) : resolve(addresses));
  });

/** Families take turns, the first one listed begins. */
export function interleave(addresses: readonly HostAddress[]): HostAddress[] {
  const first = addresses.filter((entry) => entry.family === addresses[0]?.family);
  const second = addresses.filter((entry) => entry.family !== addresses[0]?.family);
  const out: HostAddress[] = [];
  for (let i = 0; i < Math.max(first.length, second.length); i++) {
    for (const list of [first, second]) if (list[i]) out.push(list[i] as HostAddress);
  }
  return out;
}

/** Connects; rejects with the error of the system, or with `signal.reason`. */
export async function openTcp(target: TcpTarget, signal: AbortSignal): Promise<Socket> {
  signal.throwIfAborted();
  if ("unixPath" in target) return await race([{ path: target.unixPath }], signal);
  const { host, port } = target;
  const addresses = await abortable((target.lookup ?? systemLookup)(host), signal);
  return await race(interleave(addresses).map(({ address }) => ({ host: address, port })), signal);
}

/** Settles with `work`, or rejects when the signal is aborted; the work itself goes on unheard. */
export function abortable<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason);
    signal.addEventListener("abort", abort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}

type Where = { readonly path: string } | { readonly host: string; readonly port: number };

function race(targets: readonly Where[], signal: AbortSignal): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const tried = new Set<Socket>();
    let next = 0, timer: ReturnType<typeof setTimeout> | undefined;
    const settle = (winner: Socket | undefined, error?: unknown) => {
      clearTimeout(timer);
      signal.removeEventListener("abort", abort);
      for (const socket of tried) if (socket !== winner) socket.destroy();
      if (winner) resolve(winner);
      else reject(error);
    };
    const abort = () => settle(undefined, signal.reason);
    const start = () => {
      clearTimeout(timer);
      const where = targets[next++];
      if (!where) return;
      const socket = connect(where);
      tried.add(socket);
      const failed = (error: Error) => {
        tried.delete(socket);
        socket.destroy();
        if (next < targets.length) start();
        else if (tried.size === 0) settle(undefined, error);
      };
      socket.once("error", failed);
      socket.once("connect", () => {
        socket.removeListener("error", failed);
        socket.setNoDelay(true);
        settle(socket);
      });
      if (next < targets.length) timer = setTimeout(start, NEXT_ADDRESS_MS);
    };
    signal.addEventListener("abort", abort, { once: true });
    if (targets.length === 0) settle(undefined, new Error("the name has no addresses"));
    else start();
  });
}
