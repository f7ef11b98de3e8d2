/**
 * Slows down guessing: failures are counted per purpose and client address, in a bounded table.
 * Attacks stopped: I03, N02, N10. Source: gateway-protocol.md 6.
 */
import type { Clock } from "../../lib/clock.ts";
import { limiterKey } from "../../net/address.ts";
import { isLoopbackIp } from "../peers/address.ts";

/** What is being guessed. Each has its own count. */
export type ThrottlePurpose =
  | "shared-secret"
  | "device-token"
  | "bootstrap-token"
  | "device-join"
  | "http-bearer";

/** `gateway.auth.rateLimit`. */
export interface ThrottleOptions {
  /** Failures within `windowMs` that lock. Default 10. */
  readonly maxAttempts?: number;
  /** Default 60,000. */
  readonly windowMs?: number;
  /** Default 300,000. */
  readonly lockoutMs?: number;
  /** Loopback is delayed instead of locked. Default true. */
  readonly exemptLoopback?: boolean;
}

const DEFAULTS: Required<ThrottleOptions> = {
  maxAttempts: 10,
  windowMs: 60_000,
  lockoutMs: 300_000,
  exemptLoopback: true,
};

/** Who guesses. */
export interface ThrottleActor {
  readonly address: string;
  /** Present for a web page: it is counted by itself and never exempt (N02). */
  readonly origin?: string | undefined;
}

interface Bucket {
  /** Monotonic time of each recent failure, oldest first; at most as many as lock it. */
  failures: number[];
  lockedUntilMs: number;
}

/** A bucket and how many failures lock it. */
interface Count {
  readonly key: string;
  readonly limit: number;
}

const MAX_KEYS = 10_000;
/** Origins of pages on this machine whose failures together lock all of them. */
const MAX_ORIGINS = 5;
const OVERFLOW_KEY = "overflow";
const FIRST_DELAY_MS = 250;
const MAX_DELAY_MS = 5_000;

/** Counts failures and says who must wait. */
export class Throttle {
  readonly #clock: Clock;
  #options: Required<ThrottleOptions>;
  readonly #buckets = new Map<string, Bucket>();

  constructor(clock: Clock, options: ThrottleOptions = {}) {
    this.#clock = clock;
    this.#options = { ...DEFAULTS, ...options };
  }

  /** New limits for everything that happens from now on; counts and running lockouts stay. */
  configure(options: ThrottleOptions): void {
    this.#options = { ...DEFAULTS, ...options };
  }

  /** Whether this actor is delayed instead of locked. */
  exempt(actor: ThrottleActor): boolean {
    return this.#options.exemptLoopback && actor.origin === undefined &&
      isLoopbackIp(actor.address);
  }

  /** Milliseconds until the actor may try again; 0 when it may try now. `strict` ignores the loopback exemption. */
  lockedForMs(purpose: ThrottlePurpose, actor: ThrottleActor, strict = false): number {
    if (!strict && this.exempt(actor)) return 0;
    const nowMs = this.#clock.monotonic();
    const ends = this.#counts(purpose, actor).map(({ key }) =>
      this.#buckets.get(key)?.lockedUntilMs ?? 0
    );
    return Math.max(0, Math.ceil(Math.max(...ends) - nowMs));
  }

  /** Counts a failure. Returns how long its answer should be held back: 0 except for exempt actors. */
  failed(purpose: ThrottlePurpose, actor: ThrottleActor): number {
    const nowMs = this.#clock.monotonic();
    const [count = 0] = this.#counts(purpose, actor).map((one) => this.#add(one, nowMs));
    return this.exempt(actor) ? Math.min(MAX_DELAY_MS, FIRST_DELAY_MS * 2 ** (count - 1)) : 0;
  }

  #add({ key, limit }: Count, nowMs: number): number {
    const bucket = this.#touch(key, nowMs);
    bucket.failures = bucket.failures.filter((atMs) => nowMs - atMs < this.#options.windowMs);
    bucket.failures.push(nowMs);
    const count = bucket.failures.length;
    if (count >= limit) bucket.lockedUntilMs = nowMs + this.#options.lockoutMs;
    if (count > limit) bucket.failures.shift();
    return count;
  }

  /** Forgets the failures of an actor that proved itself. */
  succeeded(purpose: ThrottlePurpose, actor: ThrottleActor): void {
    const [own] = this.#counts(purpose, actor);
    if (own && !own.key.endsWith(OVERFLOW_KEY)) this.#buckets.delete(own.key);
  }

  /** Number of keys held: at most 10,000 and two shared ones per purpose. */
  get size(): number {
    return this.#buckets.size;
  }

  /** Where a failure of this actor counts: first its own bucket. */
  #counts(purpose: ThrottlePurpose, actor: ThrottleActor): readonly Count[] {
    const limit = this.#options.maxAttempts;
    if (actor.origin === undefined || !isLoopbackIp(actor.address)) {
      return [{ key: this.#key(purpose, limiterKey(actor.address).slice(0, 64)), limit }];
    }
    return [
      { key: this.#key(purpose, `browser-origin:${actor.origin.slice(0, 256)}`), limit },
      // N02: a page has one origin; whoever has many is no page, and must not get ten guesses for each.
      { key: `${purpose} browser-origins`, limit: MAX_ORIGINS * limit },
    ];
  }

  /** A full table must not become a way to be forgotten: newcomers share one bucket. */
  #key(purpose: ThrottlePurpose, who: string): string {
    const key = `${purpose} ${who}`;
    return this.#buckets.size >= MAX_KEYS && !this.#buckets.has(key)
      ? `${purpose} ${OVERFLOW_KEY}`
      : key;
  }

  /** The bucket of a key, as the one that failed last: the first ones are the oldest. */
  #touch(key: string, nowMs: number): Bucket {
    const bucket = this.#buckets.get(key) ?? { failures: [], lockedUntilMs: 0 };
    this.#buckets.delete(key);
    if (this.#buckets.size >= MAX_KEYS / 2) this.#dropStale(nowMs);
    this.#buckets.set(key, bucket);
    return bucket;
  }

  /**
   * Oldest first, at most a few per call so that a flood of keys stays cheap. One that is still locked goes to the end:
   * eight locked addresses must not keep ten thousand stale ones in the table.
   */
  #dropStale(nowMs: number): void {
    let looked = 0;
    for (const [key, bucket] of this.#buckets) {
      if (++looked > 8) return;
      const isLocked = bucket.lockedUntilMs > nowMs;
      if (!isLocked && nowMs - (bucket.failures.at(-1) ?? 0) < this.#options.windowMs) return;
      this.#buckets.delete(key);
      if (isLocked) this.#buckets.set(key, bucket);
    }
  }
}
