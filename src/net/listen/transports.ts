/**
 * TCP connections of a listener before anybody is known: counted per address (N12) and against the descriptors of the
 * whole process (F36), so that newcomers are refused while there are descriptors left to refuse them with.
 */
import type { Socket } from "node:net";
import { freeDescriptors } from "../../platform/descriptors.ts";
import { plainAddress } from "../address.ts";
import { Slots } from "./slots.ts";

/** Descriptors that stay for files and outgoing connections, or a quarter when there are few. */
const MAX_RESERVE = 64;
/** Newcomers that the system may keep until they are accepted. They are accepted in one go, each with a descriptor. */
const MAX_BACKLOG = 511;
const MIN_BACKLOG = 4;

/** Open connections of all listeners of this process, and how many there may be. */
const descriptors = { open: 0, max: Infinity };

/** Looks at the descriptors of this process before it listens; returns the backlog that suits them. */
export async function planDescriptors(): Promise<number> {
  const free = await freeDescriptors() ?? Infinity;
  const backlog = Math.max(MIN_BACKLOG, Math.min(MAX_BACKLOG, Math.floor(free / 8)));
  const spare = free - Math.min(MAX_RESERVE, free / 4) - backlog;
  descriptors.max = descriptors.open + Math.max(1, Math.floor(spare));
  return backlog;
}

const KEY = Symbol("key");
type Keyed = Socket & { [KEY]?: string };

/** The transports of one listener. */
export class Transports {
  /** Of any stage before authentication, by `address port`. */
  readonly #unknown = new Map<string, Socket>();
  readonly #slots: Slots;

  constructor(limits: { readonly rawPerAddress: number; readonly rawTotal: number }) {
    this.#slots = new Slots({ perAddress: limits.rawPerAddress, total: limits.rawTotal });
  }

  /** Takes a new connection, or destroys it. `full` = for want of descriptors. */
  accept(socket: Socket): "taken" | "refused" | "full" {
    const address = plainAddress(socket.remoteAddress ?? "");
    const isFull = descriptors.open >= descriptors.max;
    if (isFull || !this.#slots.take(address)) {
      socket.destroy();
      return isFull ? "full" : "refused";
    }
    descriptors.open++;
    const key = keyOf(address, socket.remotePort);
    this.#unknown.set(key, socket);
    (socket as Keyed)[KEY] = key;
    socket.once("close", this.#closed);
    return "taken";
  }

  /** One function for all sockets. The key is kept on the socket, because a closed one has no address any more. */
  readonly #closed = (() => {
    const free = (key: string) => {
      descriptors.open--;
      this.#free(key);
    };
    return function (this: Keyed): void {
      free(this[KEY] ?? "");
    };
  })();

  /** The transport belongs to somebody known. */
  known(transport: Socket): void {
    this.#free(keyOf(plainAddress(transport.remoteAddress ?? ""), transport.remotePort));
  }

  /** Drops all that belong to nobody known. */
  destroy(): void {
    for (const socket of this.#unknown.values()) socket.destroy();
  }

  #free(key: string): void {
    if (this.#unknown.delete(key)) this.#slots.free(key.slice(0, key.indexOf(" ")));
  }
}

function keyOf(address: string, port: number | undefined): string {
  return `${address} ${port}`;
}
