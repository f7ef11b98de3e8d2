/**
 * Counts sockets that have not proved who they are, per address and in total. Attack stopped: N12, idle sockets that
 * use up descriptors and memory. Pure counting; what is refused and how is `ws_server.ts`.
 */
import { ipKind, parseIp } from "../../lib/ip.ts";
import { limiterKey } from "../address.ts";

/** Most sockets at one time. */
export interface SlotLimits {
  readonly perAddress: number;
  readonly total: number;
}

/** A counter with two limits. This machine's own addresses keep to theirs alone: no crowd outside locks out the owner. */
export class Slots {
  readonly #limits: SlotLimits;
  readonly #perKey = new Map<string, number>();
  /** Of all addresses, and of those of other machines. */
  #total = 0;
  #remote = 0;

  constructor(limits: SlotLimits) {
    this.#limits = limits;
  }

  /** Takes a slot for `address`; `false` when a limit is reached. */
  take(address: string): boolean {
    const key = limiterKey(address);
    const held = this.#perKey.get(key) ?? 0;
    const isRemote = !isLoopback(address);
    if (held >= this.#limits.perAddress) return false;
    if (isRemote && this.#remote >= this.#limits.total) return false;
    this.#perKey.set(key, held + 1);
    this.#total++;
    if (isRemote) this.#remote++;
    return true;
  }

  /** Gives back a slot taken for `address`. */
  free(address: string): void {
    const key = limiterKey(address);
    const held = this.#perKey.get(key);
    if (held === undefined) return;
    if (held === 1) this.#perKey.delete(key);
    else this.#perKey.set(key, held - 1);
    this.#total--;
    if (!isLoopback(address)) this.#remote--;
  }

  /** Slots in use. */
  get total(): number {
    return this.#total;
  }
}

function isLoopback(address: string): boolean {
  const bytes = parseIp(address);
  return bytes !== undefined && ipKind(bytes) === "loopback";
}
