/**
 * Programs that skills of the gateway want allowed, by name with the path they have on this machine. Asked only when a
 * policy says `autoAllowSkills`. Source: node-host.md 7.4 (skill auto-allow).
 */
import type { Clock } from "../lib/clock.ts";
import type { InvokeSession } from "./invokes.ts";
import type { Machine } from "./machine.ts";

/** How long an answer counts. Source: node-host.md 7.4. */
const CACHE_MS = 90_000;
const ASK_TIMEOUT_MS = 5_000;

/** The names of one gateway, cached. */
export class SkillBins {
  readonly #machine: Machine;
  readonly #clock: Clock;
  #session: InvokeSession | undefined;
  #cached: { atMs: number; bins: ReadonlyMap<string, string> } | undefined;

  constructor(machine: Machine, clock: Clock) {
    this.#machine = machine;
    this.#clock = clock;
  }

  /** A new session stands; names of another gateway must not live on. */
  use(session: InvokeSession): void {
    this.#session = session;
    this.#cached = undefined;
  }

  /** Trusted paths by name; none when the gateway does not answer. */
  async get(): Promise<ReadonlyMap<string, string>> {
    const nowMs = this.#clock.monotonic();
    if (this.#cached && nowMs - this.#cached.atMs < CACHE_MS) return this.#cached.bins;
    const answer = await this.#session
      ?.request("skills.bins", {}, { timeoutMs: ASK_TIMEOUT_MS })
      .catch(() => undefined) as { bins?: unknown } | undefined;
    const names = Array.isArray(answer?.bins) ? answer.bins : [];
    const bins = new Map<string, string>();
    for (const name of names) {
      const path = typeof name === "string" ? this.#machine.which(name) : undefined;
      if (path !== undefined) bins.set(name, path);
    }
    this.#cached = { atMs: nowMs, bins };
    return bins;
  }
}
