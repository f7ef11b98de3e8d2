/**
 * The health snapshot: what `health`, hello-ok and the `health` event show. This gateway has no plugins, channels or
 * agents, so those parts are honestly empty. Source: gateway-protocol.md 11.1.
 */
import type { Clock } from "../../lib/clock.ts";

/** Result of the `health` method. */
export interface HealthSnapshot {
  readonly ok: boolean;
  /** Wall clock of the check, milliseconds. */
  readonly ts: number;
  readonly durationMs: number;
  readonly [field: string]: unknown;
}

/** Names of what is wrong; empty when all is well. */
export type HealthProbe = () => readonly string[];

/** Keeps the last snapshot and its version. */
export class HealthMonitor {
  readonly #clock: Clock;
  readonly #probe: HealthProbe;
  #version = 0;
  #current: HealthSnapshot;
  #text: string;

  constructor(clock: Clock, probe: HealthProbe) {
    this.#clock = clock;
    this.#probe = probe;
    this.#current = this.refresh();
    this.#text = JSON.stringify(this.#current);
  }

  /** Checks now. */
  refresh(): HealthSnapshot {
    const startMs = this.#clock.monotonic();
    const failing = this.#probe();
    this.#version++;
    this.#current = {
      ok: failing.length === 0,
      ts: this.#clock.now(),
      durationMs: Math.round(this.#clock.monotonic() - startMs),
      ...(failing.length > 0 ? { failing } : {}),
      plugins: { loaded: [], errors: [], unavailable: [] },
      configReload: { hotReloadStatus: "active" },
      channels: {},
      channelOrder: [],
      channelLabels: {},
      heartbeatSeconds: 0,
      defaultAgentId: "main",
      agents: [],
      sessions: { path: "", count: 0, recent: [] },
    };
    this.#text = JSON.stringify(this.#current);
    return this.#current;
  }

  /** The last snapshot. */
  get current(): HealthSnapshot {
    return this.#current;
  }

  /** {@linkcode current} as JSON, made once. */
  get text(): string {
    return this.#text;
  }

  /** Counts checks; `stateVersion.health`. */
  get version(): number {
    return this.#version;
  }

  /** What is wrong right now. */
  failing(): readonly string[] {
    return this.#probe();
  }
}
