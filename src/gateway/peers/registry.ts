/**
 * The live connections: who is here now. Owns lookup and ending sessions; what a node may do is the invoker's,
 * who was here lately is `presence.ts`.
 */
import type { Role } from "../../protocol/roles.ts";
import type { Peer } from "./peer.ts";

/** Which sessions {@linkcode Registry.closeDevice} ends. */
export interface DeviceSessions {
  readonly deviceId: string;
  /** Only this role; default both. */
  readonly role?: Role;
}

/** Connections that got hello-ok and are not closed. */
export class Registry {
  readonly #peers = new Map<string, Peer>();
  readonly #nodes = new Map<string, Peer>();
  /** Live connections of each device. */
  readonly #sessions = new Map<string, number>();

  /** Adds a connection after hello-ok. An older session of the same node keeps its socket but loses its entry (9.3). */
  add(peer: Peer): void {
    this.#peers.set(peer.connId, peer);
    const { role, deviceId } = peer.principal;
    if (deviceId === undefined) return;
    this.#sessions.set(deviceId, this.sessionsOf(deviceId) + 1);
    if (role === "node") this.#nodes.set(deviceId, peer);
  }

  /** Removes a closed connection. Late: the entry of a newer session of the same node stays (F33, A21). */
  remove(peer: Peer): void {
    const { role, deviceId } = peer.principal;
    if (!this.#peers.delete(peer.connId) || deviceId === undefined) return;
    const left = this.sessionsOf(deviceId) - 1;
    if (left > 0) this.#sessions.set(deviceId, left);
    else this.#sessions.delete(deviceId);
    if (role === "node" && this.#nodes.get(deviceId) === peer) this.#nodes.delete(deviceId);
  }

  /** Number of live connections of a device. */
  sessionsOf(deviceId: string): number {
    return this.#sessions.get(deviceId) ?? 0;
  }

  /** All live connections; safe while connections close during the loop. */
  peers(): IterableIterator<Peer> {
    return this.#peers.values();
  }

  /** Number of live connections. */
  get size(): number {
    return this.#peers.size;
  }

  /** A live connection by its id. */
  peer(connId: string): Peer | undefined {
    return this.#peers.get(connId);
  }

  /** The session in force of a node. */
  node(nodeId: string): Peer | undefined {
    return this.#nodes.get(nodeId);
  }

  /** The sessions in force of all nodes. */
  nodes(): IterableIterator<Peer> {
    return this.#nodes.values();
  }

  /** Whether a device has any live session. */
  deviceConnected(deviceId: string): boolean {
    return this.#sessions.has(deviceId);
  }

  /** Ends a device's sessions at once (I12: live after revoke). Returns how many. */
  closeDevice(sessions: DeviceSessions, code: number, reason: string): number {
    let closed = 0;
    for (const peer of [...this.#peers.values()]) {
      const { deviceId, role } = peer.principal;
      if (deviceId !== sessions.deviceId) continue;
      if (sessions.role !== undefined && role !== sessions.role) continue;
      peer.close(code, reason);
      closed++;
    }
    return closed;
  }
}
