/**
 * The pins of a running node: the one in force and the one its gateway announced. A change is in node.json before the
 * gateway is told, so that a crash on either side never leaves a node that cannot come back (F22).
 */
import { type Fingerprint, parseFingerprint } from "../identity/fingerprint.ts";
import type { TokenStore } from "../identity/token_store.ts";
import type { Logger } from "../lib/log.ts";
import { loadNodeFile, type NodeSettings, saveNodeFile } from "./files/node_file.ts";
import { pinsOf, wayKey } from "./way.ts";
import { isObject } from "../lib/objects.ts";

/** Inputs of {@linkcode PinBook}. */
export interface PinBookFacts {
  readonly settings: NodeSettings;
  /** Path of node.json. */
  readonly path: string;
  readonly tokens: TokenStore;
  readonly log: Logger;
}

/** What it needs of a session. */
export interface PinSession {
  request(method: string, params?: unknown): Promise<unknown>;
}

/** Keeps the pins of one gateway. */
export class PinBook {
  readonly #facts: PinBookFacts;
  #pins: readonly Fingerprint[];
  #gatewayKey: string;
  #work: Promise<void> = Promise.resolve();

  constructor(facts: PinBookFacts) {
    this.#facts = facts;
    this.#pins = pinsOf(facts.settings);
    this.#gatewayKey = wayKey(facts.settings);
  }

  /** The certificates that are accepted, the one in force first. */
  get pins(): readonly Fingerprint[] {
    return this.#pins;
  }

  /** Name of the gateway in the token store. */
  get gatewayKey(): string {
    return this.#gatewayKey;
  }

  /** Takes a `gateway.cert` event of a pinned session, that is, of the gateway itself. */
  take(session: PinSession, payload: unknown): void {
    this.#work = this.#work.then(() => this.#learn(session, payload)).catch((error) => {
      this.#facts.log.warn("announced certificate not kept", { problem: String(error?.message) });
    });
  }

  /** Waits for writes under way. */
  async close(): Promise<void> {
    await this.#work;
  }

  async #learn(session: PinSession, payload: unknown): Promise<void> {
    // Without a pin nobody knows who announces; then there is nothing to succeed either.
    if (this.#pins.length === 0 || !isObject(payload)) return;
    const current = fingerprintOf(payload["current"]);
    const next = fingerprintOf(payload["next"]);
    // A certificate that was never announced beforehand cannot be made the pin by its holder's word.
    const pin = current !== undefined && this.#pins.includes(current) ? current : this.#pins[0];
    if (pin === undefined) return;
    await this.#keep(pin, next === pin ? undefined : next);
    if (next !== undefined) await session.request("node.cert.heard", { fingerprint: next });
  }

  async #keep(pin: Fingerprint, next: Fingerprint | undefined): Promise<void> {
    if (this.#pins[0] === pin && this.#pins[1] === next) return;
    const { path, settings, log } = this.#facts;
    const gatewayKey = wayKey({ ...settings, pin });
    await this.#moveToken(gatewayKey);
    const before = await loadNodeFile(path);
    const { tlsFingerprintNext: _old, ...gateway } = before?.gateway ?? {};
    await saveNodeFile(path, before, {
      ...before,
      gateway: {
        ...gateway,
        tlsFingerprint: pin,
        ...(next === undefined ? {} : { tlsFingerprintNext: next }),
      },
    });
    log.info(
      next === undefined ? "the gateway's new certificate is pinned" : "next certificate kept",
      {
        pin,
        ...(next === undefined ? {} : { next }),
      },
    );
    this.#pins = next === undefined ? [pin] : [pin, next];
    this.#gatewayKey = gatewayKey;
  }

  /** Tokens are kept by pin; the old entry stays for a crash in between. */
  async #moveToken(gatewayKey: string): Promise<void> {
    if (gatewayKey === this.#gatewayKey) return;
    const token = await this.#facts.tokens.load(this.#gatewayKey, "node");
    if (token) await this.#facts.tokens.save(gatewayKey, "node", token);
  }
}

function fingerprintOf(value: unknown): Fingerprint | undefined {
  return typeof value === "string" ? parseFingerprint(value) : undefined;
}
