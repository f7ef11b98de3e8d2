/**
 * Many light nodes in this process: each has its own key, keeps one connection with the real client, and counts its
 * sessions. For tests of restarts; they run nothing.
 */
import { join } from "@std/path";
import { keepConnected } from "../../src/client/keep_connected.ts";
import { newConnectMemory, openSession } from "../../src/client/session.ts";
import { loadOrCreateDeviceKey } from "../../src/identity/device_key.ts";
import type { Fingerprint } from "../../src/identity/fingerprint.ts";
import { TokenStore } from "../../src/identity/token_store.ts";
import { isOpenclawError } from "../../src/lib/errors.ts";
import { Secret } from "../../src/lib/secret.ts";

/** Where the crowd connects and how it is let in the first time. */
export interface CrowdFacts {
  readonly size: number;
  readonly url: string;
  readonly pin: Fingerprint;
  readonly bootstrapToken: string;
  /** Folder for keys and tokens. */
  readonly dir: string;
}

/** A crowd of connected nodes. */
export class Crowd {
  readonly #stop = new AbortController();
  readonly #wakes = new Set<() => void>();
  readonly #done: Promise<unknown>;
  /** Times of the current sessions' opening, by node; empty while nobody is connected. */
  readonly openedMs = new Map<number, number>();
  /** Failures by code. */
  readonly problems = new Map<string, number>();
  /** Waits the nodes chose, milliseconds. */
  readonly waitsMs: number[] = [];

  constructor(facts: CrowdFacts) {
    this.#done = Promise.all(Array.from({ length: facts.size }, (_, n) => this.#member(n, facts)));
  }

  async #member(n: number, facts: CrowdFacts): Promise<void> {
    const deviceKey = await loadOrCreateDeviceKey(join(facts.dir, `key-${n}.json`));
    const { deviceId } = deviceKey;
    const tokens = new TokenStore({ path: join(facts.dir, `tokens-${n}.json`), deviceId });
    const memory = newConnectMemory();
    await keepConnected({
      open: (signal) =>
        openSession({
          dial: { url: facts.url, pins: [facts.pin], longLived: true, signal },
          hello: {
            client: {
              id: "node-host",
              mode: "node",
              version: "2026.9.6",
              platform: "linux",
              displayName: `crowd-${n}`,
              instanceId: `crowd-${n}`,
            },
            role: "node",
            scopes: [],
            caps: ["system"],
            commands: ["system.which"],
          },
          credentials: { bootstrapToken: new Secret(facts.bootstrapToken) },
          deviceKey,
          tokens,
          memory,
        }),
      onSession: (session) => {
        this.openedMs.set(n, performance.now());
        this.#wake();
        void session.closed.then(() => {
          this.openedMs.delete(n);
          this.#wake();
        });
      },
      onProblem: ({ error, waitMs }) => {
        const code = isOpenclawError(error) ? error.code : "UNKNOWN";
        this.problems.set(code, (this.problems.get(code) ?? 0) + 1);
        if (waitMs !== undefined) this.waitsMs.push(waitMs);
      },
      signal: this.#stop.signal,
    });
  }

  #wake(): void {
    for (const wake of this.#wakes) wake();
  }

  /** Waits until so many are connected; fails with the problems seen. */
  async until(count: number, withinMs: number): Promise<void> {
    const late = Promise.withResolvers<never>();
    const timer = setTimeout(() => {
      const problems = JSON.stringify([...this.problems]);
      late.reject(new Error(`${this.openedMs.size} of ${count} in ${withinMs} ms: ${problems}`));
    }, withinMs);
    try {
      while (this.openedMs.size !== count) {
        const next = Promise.withResolvers<void>();
        this.#wakes.add(next.resolve);
        await Promise.race([next.promise, late.promise]);
        this.#wakes.delete(next.resolve);
      }
    } finally {
      clearTimeout(timer);
    }
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await this.#done;
  }
}
