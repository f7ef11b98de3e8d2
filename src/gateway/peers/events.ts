/**
 * Event definitions and fan-out. An event without an entry here cannot be sent; its payload is serialised once,
 * however many connections get it. Source: gateway-protocol.md 13.
 */
import { eventText, type StateVersion } from "../../protocol/frames.ts";
import { coversScope, type Scope } from "../../protocol/scopes.ts";
import type { Peer } from "./peer.ts";

/** Who may see an event: a scope, every connection, or only the one it is addressed to (no sequence number). */
export type EventAudience = Scope | "all" | "direct";

/** Rules of one event. `dropIfSlow`: skipped, not queued, when the peer's buffer is half full. */
export interface EventDefinition {
  readonly scope: EventAudience;
  readonly dropIfSlow?: boolean;
}

/** All events of this gateway. */
export const EVENTS = {
  "connect.challenge": { scope: "direct" },
  "tick": { scope: "all", dropIfSlow: true },
  "health": { scope: "all", dropIfSlow: true },
  "heartbeat": { scope: "all" },
  "shutdown": { scope: "all" },
  "presence": { scope: "operator.read", dropIfSlow: true },
  "config.changed": { scope: "operator.read" },
  "node.presence": { scope: "operator.read" },
  "device.pair.requested": { scope: "operator.pairing" },
  "device.pair.resolved": { scope: "operator.pairing" },
  "device.pair.changed": { scope: "operator.pairing" },
  "device.pair.setup.completed": { scope: "operator.pairing" },
  "device.pair.setup.deliveryUncertain": { scope: "operator.pairing" },
  "node.pair.requested": { scope: "operator.pairing" },
  "node.pair.resolved": { scope: "operator.pairing" },
  "exec.approval.requested": { scope: "operator.approvals" },
  "exec.approval.resolved": { scope: "operator.approvals" },
  "node.invoke.request": { scope: "direct" },
  "node.invoke.cancel": { scope: "direct" },
  "node.invoke.input": { scope: "direct" },
  "node.invoke.output": { scope: "direct" },
  "node.identity.duplicate": { scope: "direct" },
  "gateway.cert": { scope: "direct" },
} as const satisfies Record<string, EventDefinition>;

/** Name of an event of this gateway. */
export type EventName = keyof typeof EVENTS;

/** Names for `hello-ok.features.events`. */
export const EVENT_NAMES: readonly EventName[] = Object.keys(EVENTS) as EventName[];

/** Optional parts of {@linkcode EventHub.broadcast}. */
export interface BroadcastOptions {
  /** Narrows the audience further, after the scope check. */
  readonly only?: (peer: Peer) => boolean;
  readonly stateVersion?: StateVersion;
}

/** Sends events to live connections. */
export class EventHub {
  readonly #peers: () => Iterable<Peer>;

  /** `peers` lists the live connections at the moment of a broadcast. */
  constructor(peers: () => Iterable<Peer>) {
    this.#peers = peers;
  }

  /** Sends to every live connection the definition admits; numbered per connection. */
  broadcast(name: EventName, payload: unknown, options: BroadcastOptions = {}): void {
    const { scope, dropIfSlow = false }: EventDefinition = EVENTS[name];
    if (scope === "direct") throw new TypeError(`Event "${name}" is addressed to one connection`);
    let head: string | undefined;
    for (const peer of this.#peers()) {
      if (scope !== "all" && !coversScope(peer.principal.scopes, scope)) continue;
      if (options.only && !options.only(peer)) continue;
      head ??= headOf(name, payload, options.stateVersion);
      peer.sendEvent(head, dropIfSlow);
    }
  }

  /** Sends to one connection, without a number. Returns false when it is closed. */
  send(peer: { sendText(frame: string): boolean }, name: EventName, payload: unknown): boolean {
    return peer.sendText(eventText(name, payload));
  }
}

function headOf(name: EventName, payload: unknown, stateVersion: StateVersion | undefined): string {
  const head = eventText(name, payload).slice(0, -1);
  return stateVersion === undefined
    ? head
    : `${head},"stateVersion":${JSON.stringify(stateVersion)}`;
}
