/**
 * Device tokens: computed from a server key, never stored (decision 7). Owns issuing, checking and the steps of a grant;
 * who may ask for a rotation is `rules.ts`.
 */
import { timingSafeEqual } from "@std/crypto/timing-safe-equal";
import {
  type Bytes,
  fromBase64,
  randomBase64Url,
  sha256Hex,
  toBase64Url,
  utf8,
} from "../../lib/bytes.ts";
import { Secret } from "../../lib/secret.ts";
import type { TokenGrant } from "../../store/device_record.ts";
import type { GatewayStore } from "../../store/gateway_store.ts";

/** How long the previous token works after a rotation when the new one is never used (decision 7). */
export const PREVIOUS_TOKEN_MS = 10 * 60_000;

const META_KEY = "token-key";
/** Generation that stands for a token of an imported store. */
const IMPORTED = 0;

/** Issues and checks tokens with the gateway's key. */
export class Tokens {
  readonly #key: CryptoKey;
  /** A grant object belongs to one device; the id is kept all the same, so that a mix-up cannot hand out a token. */
  readonly #cache = new WeakMap<
    TokenGrant,
    { readonly deviceId: string; readonly token: Secret }
  >();

  private constructor(key: CryptoKey) {
    this.#key = key;
  }

  /** Reads the key from the store, or makes one and waits until it is on disk. */
  static async open(store: GatewayStore): Promise<Tokens> {
    let text = store.meta.get(META_KEY);
    if (text === undefined) {
      const made = text = randomBase64Url(32);
      await store.commit((tx) => tx.put(store.meta, META_KEY, made));
    }
    return new Tokens(
      await crypto.subtle.importKey(
        "raw",
        fromBase64(text) ?? utf8(text),
        { name: "HMAC", hash: "SHA-256" },
        false,
        ["sign"],
      ),
    );
  }

  /** The token of a grant now: 43 characters of base64url. */
  async issue(deviceId: string, grant: TokenGrant): Promise<Secret> {
    const known = this.#cache.get(grant);
    if (known?.deviceId === deviceId) return known.token;
    const token = new Secret(await this.#compute(deviceId, grant, grant.generation));
    this.#cache.set(grant, { deviceId, token });
    return token;
  }

  /** The generation `token` belongs to when it is good now, else `undefined`. Constant time in the token's content. */
  async check(
    deviceId: string,
    grant: TokenGrant,
    token: Secret,
    nowMs: number,
  ): Promise<number | undefined> {
    const text = token.reveal();
    const current = await this.issue(deviceId, grant);
    if (sameText(current.reveal(), text)) return grant.generation;
    if (grant.importedHash !== undefined && sameText(grant.importedHash, await sha256Hex(text))) {
      return IMPORTED;
    }
    if (grant.usedGeneration === grant.generation || nowMs >= (grant.previousUntilMs ?? 0)) {
      return undefined;
    }
    const previous = await this.#compute(deviceId, grant, grant.usedGeneration);
    return sameText(previous, text) ? grant.usedGeneration : undefined;
  }

  /** A secret derived from the server key for another purpose, base64url. */
  async derive(purpose: string, value: string): Promise<string> {
    return toBase64Url(await this.#mac(`${purpose}|${value}`));
  }

  async #compute(deviceId: string, grant: TokenGrant, generation: number): Promise<string> {
    return toBase64Url(
      await this.#mac(`device|${deviceId}|${grant.role}|${grant.epoch}.${generation}`),
    );
  }

  async #mac(text: string): Promise<Bytes> {
    return new Uint8Array(await crypto.subtle.sign("HMAC", this.#key, utf8(text)));
  }
}

function sameText(a: string, b: string): boolean {
  const [left, right] = [utf8(a), utf8(b)];
  return left.length === right.length && timingSafeEqual(left, right);
}

/** A first grant, or one after a revocation: a new epoch, so no older token fits it. */
export function newGrant(role: string, scopes: readonly string[], nowMs: number): TokenGrant {
  return {
    role,
    scopes: [...scopes],
    createdAtMs: nowMs,
    epoch: randomBase64Url(9),
    generation: 1,
    usedGeneration: 1,
  };
}

/** The next generation; the one the device last used works until the new one was used, at most 10 minutes. */
export function rotateGrant(
  grant: TokenGrant,
  scopes: readonly string[],
  nowMs: number,
): TokenGrant {
  return {
    ...grant,
    scopes: [...scopes],
    generation: grant.generation + 1,
    rotatedAtMs: nowMs,
    previousUntilMs: nowMs + PREVIOUS_TOKEN_MS,
  };
}

/** Ends a grant for good. */
export function revokeGrant(grant: TokenGrant, nowMs: number): TokenGrant {
  const { importedHash: _gone, previousUntilMs: _over, ...rest } = grant;
  return { ...rest, usedGeneration: grant.generation, revokedAtMs: nowMs };
}

/** After a connect with `generation`: the newest one in use ends its predecessors. Returns the same grant when nothing changes. */
export function useGrant(grant: TokenGrant, generation: number): TokenGrant {
  if (generation !== grant.generation) return grant;
  const settled = grant.usedGeneration === grant.generation && grant.importedHash === undefined;
  if (settled) return grant;
  const { importedHash: _gone, previousUntilMs: _over, ...rest } = grant;
  return { ...rest, usedGeneration: generation };
}
