/**
 * Who is and lately was connected, as `system-presence` tells it. Bounded; entries outlive their connection by five
 * minutes. Source: gateway-protocol.md 11.1.
 */
import type { Clock } from "../../lib/clock.ts";
import type { PresenceEntry } from "../../protocol/hello.ts";
import { MAX_PRESENCE_ENTRIES, PRESENCE_LIFETIME_MS } from "../../protocol/limits.ts";
import type { Principal } from "./principal.ts";

interface Held {
  readonly entry: PresenceEntry;
  readonly connId: string;
  /** Wall clock of the disconnect; absent while connected. */
  readonly goneAtMs?: number;
}

/** Modes of short calls that would only fill the list. */
const HIDDEN_MODES: ReadonlySet<string> = new Set(["cli", "probe", "backend"]);
const CHANGE_DELAY_MS = 100;

/** The presence list and its version. */
export class Presence {
  readonly #clock: Clock;
  readonly #self: () => PresenceEntry;
  readonly #changed: () => void;
  readonly #held = new Map<string, Held>();
  #version = 1;
  #cancelChange: (() => void) | undefined;

  /** `self` is the gateway's own entry; `changed` is called at most ten times a second. */
  constructor(clock: Clock, self: () => PresenceEntry, changed: () => void) {
    this.#clock = clock;
    this.#self = self;
    this.#changed = changed;
  }

  /** Counts changes; `stateVersion.presence`. */
  get version(): number {
    return this.#version;
  }

  /** A connection got hello-ok. */
  connected(connId: string, principal: Principal): void {
    if (HIDDEN_MODES.has(principal.clientMode)) return;
    const key = keyOf(principal, connId);
    this.#held.delete(key); // to the end: the oldest are dropped first
    this.#held.set(key, { connId, entry: entryOf(principal, "connect", this.#clock.now()) });
    this.#makeRoom(connId);
    this.#bump();
  }

  /** Who left goes first, then connections without a device: no crowd of those hides the nodes that are here. */
  #makeRoom(newcomer: string): void {
    const wanted: ((held: Held) => boolean)[] = [
      (held) => held.goneAtMs !== undefined,
      (held) => held.entry.deviceId === undefined,
      () => true,
    ];
    for (const goes of wanted) {
      for (const [oldest, held] of this.#held) {
        if (this.#held.size <= MAX_PRESENCE_ENTRIES) return;
        if (held.connId !== newcomer && goes(held)) this.#held.delete(oldest);
      }
    }
  }

  /** A live connection ended; a newer connection of the same peer keeps its entry (F33). */
  disconnected(connId: string, principal: Principal): void {
    const key = keyOf(principal, connId);
    if (this.#held.get(key)?.connId !== connId) return;
    const nowMs = this.#clock.now();
    const entry = entryOf(principal, "disconnect", nowMs);
    this.#held.set(key, { connId, goneAtMs: nowMs, entry });
    this.#bump();
  }

  /** The gateway itself, then everybody else, newest last. */
  list(): PresenceEntry[] {
    const nowMs = this.#clock.now();
    const out = [this.#self()];
    for (const [key, { entry, goneAtMs }] of this.#held) {
      if (goneAtMs !== undefined && Math.abs(nowMs - goneAtMs) > PRESENCE_LIFETIME_MS) {
        this.#held.delete(key);
      } else out.push(entry);
    }
    return out;
  }

  /** Ends the pending notice. */
  stop(): void {
    this.#cancelChange?.();
    this.#cancelChange = undefined;
  }

  // A thousand nodes that come back at once are one notice, not a thousand lists.
  #bump(): void {
    this.#version++;
    this.#cancelChange ??= this.#clock.after(CHANGE_DELAY_MS, () => {
      this.#cancelChange = undefined;
      this.#changed();
    });
  }
}

function keyOf(principal: Principal, connId: string): string {
  return principal.deviceId === undefined ? connId : `${principal.role} ${principal.deviceId}`;
}

function entryOf(principal: Principal, reason: string, nowMs: number): PresenceEntry {
  const host = principal.displayName ?? principal.clientId;
  const { deviceFamily, modelIdentifier, deviceId, instanceId, scopes, role } = principal;
  return {
    host,
    clientId: principal.clientId,
    ...(principal.local ? {} : { ip: principal.remoteAddress }),
    version: principal.clientVersion,
    platform: principal.platform,
    ...(deviceFamily === undefined ? {} : { deviceFamily }),
    ...(modelIdentifier === undefined ? {} : { modelIdentifier }),
    mode: principal.clientMode,
    ...(deviceId === undefined ? {} : { deviceId }),
    roles: [role],
    ...(scopes.length > 0 ? { scopes } : {}),
    ...(instanceId === undefined ? {} : { instanceId }),
    reason,
    text: `Node: ${host} · mode ${principal.clientMode}`,
    ts: nowMs,
  };
}
