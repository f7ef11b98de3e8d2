/**
 * Join codes: making, checking, redeeming, revoking. The secret is derived from the server key and a random code, so only
 * hashes are stored, and it never contains the shared token (I15). Used up, expired, revoked and unknown look the same
 * from outside (I16). Source: gateway-protocol.md 15; decision 35.
 */
import { randomBase64Url, sha256Hex, toBase64Url, utf8 } from "../../../lib/bytes.ts";
import { isOpenclawError } from "../../../lib/errors.ts";
import { verificationCodeOf } from "../../../identity/verification_code.ts";
import { refusal } from "../../../protocol/errors.ts";
import { BOOTSTRAP_TOKEN_LIFETIME_MS } from "../../../protocol/limits.ts";
import { coversAll } from "../../../protocol/scopes.ts";
import type { JoinCode } from "../../../store/join_code.ts";
import type { Change } from "../../../store/store.ts";
import type { JoinAnswer, JoinDesk } from "./desk.ts";
import type { PairingContext } from "../context.ts";
import type { BootstrapQuestion, BootstrapTicket } from "../desk.ts";
import type { DeviceFacts } from "../../../store/device_record.ts";

/** Longest life of a join code: a week. */
export const MAX_JOIN_LIFETIME_MS = 7 * 24 * 3_600_000;
/** Most devices one code may admit. */
export const MAX_JOIN_USES = 1_000;

const NOT_FOUND: JoinAnswer = { status: 404, body: `{"error":"not_found"}` };

/** What a new code grants. `payload` is everything of the setup code except token and expiry. */
export interface JoinGrant {
  readonly profile: JoinCode["profile"];
  readonly scopes: readonly string[];
  readonly payload: Readonly<Record<string, unknown>>;
  readonly createdBy: string;
  readonly withUrl: boolean;
  readonly name?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly commands?: readonly string[];
  /** Default 1. */
  readonly uses?: number;
  /** Default 10 minutes. */
  readonly ttlMs?: number;
}

/** A fresh code: the only time its secret is shown. */
export interface MadeJoinCode {
  readonly setupId: string;
  readonly expiresAtMs: number;
  /** base64url of the setup JSON. */
  readonly setupCode: string;
  /** Last path segment of the join URL. */
  readonly urlCode?: string;
}

/** All join codes of a gateway. */
export class JoinCodes implements JoinDesk {
  readonly #context: PairingContext;

  constructor(context: PairingContext) {
    this.#context = context;
  }

  /** Makes a code. Settles when durable. */
  async make(grant: JoinGrant): Promise<MadeJoinCode> {
    const { store, clock } = this.#context;
    const nowMs = clock.now();
    const urlCode = randomBase64Url(16);
    const token = await this.#token(urlCode);
    const expiresAtMs = nowMs + (grant.ttlMs ?? BOOTSTRAP_TOKEN_LIFETIME_MS);
    const code: JoinCode = {
      setupId: crypto.randomUUID(),
      tokenHash: await sha256Hex(token),
      ...(grant.withUrl ? { urlHash: await sha256Hex(urlCode) } : {}),
      payload: grant.payload,
      profile: grant.profile,
      role: grant.profile === "node" ? "node" : "operator",
      scopes: grant.scopes,
      ...(grant.name === undefined ? {} : { name: grant.name }),
      ...(grant.labels === undefined ? {} : { labels: grant.labels }),
      ...(grant.commands === undefined ? {} : { commands: grant.commands }),
      usesLeft: grant.uses ?? 1,
      uses: [],
      createdAtMs: nowMs,
      createdBy: grant.createdBy,
      expiresAtMs,
    };
    await store.commit((tx) => {
      this.#forgetOld(tx, nowMs);
      tx.put(store.joinCodes, code.setupId, code);
    });
    return {
      setupId: code.setupId,
      expiresAtMs,
      setupCode: toBase64Url(utf8(setupJson(code, token))),
      ...(grant.withUrl ? { urlCode } : {}),
    };
  }

  #token(urlCode: string): Promise<string> {
    return this.#context.tokens.derive("join", urlCode);
  }

  /** Finished codes are kept a day for `setupStatus`. */
  #forgetOld(tx: Change, nowMs: number): void {
    const { store } = this.#context;
    for (const code of [...store.joinCodes.values()]) {
      if (code.expiresAtMs < nowMs - 24 * 3_600_000) tx.remove(store.joinCodes, code.setupId);
    }
  }

  #isOpen(code: JoinCode): boolean {
    return code.revokedAtMs === undefined && code.usesLeft > 0 &&
      this.#context.clock.now() < code.expiresAtMs;
  }

  /** Whether a secret is good for this device and role. Looked up by hash: timing tells nothing about other codes. */
  async verify(question: BootstrapQuestion): Promise<BootstrapTicket | undefined> {
    const hash = await sha256Hex(question.token.reveal());
    for (const code of this.#context.store.joinCodes.values()) {
      if (code.tokenHash !== hash || !this.#isOpen(code)) continue;
      const fits = code.role === question.role && coversAll(code.scopes, question.scopes);
      return fits ? { setupId: code.setupId } : undefined;
    }
    return undefined;
  }

  /**
   * Uses a code up, inside the transaction that admits the device. `announce` is for after the commit.
   * @throws `INVALID_REQUEST` when another device was faster.
   */
  consume(
    tx: Change,
    ticket: BootstrapTicket,
    device: DeviceFacts,
  ): { readonly code: JoinCode; readonly announce: () => void } {
    const { store, clock, emit } = this.#context;
    const code = store.joinCodes.get(ticket.setupId);
    if (code === undefined || !this.#isOpen(code)) {
      throw refusal("INVALID_REQUEST", "setup code was used in the meantime", {
        details: { code: CODE_USED },
      });
    }
    const nowMs = clock.now();
    const use = {
      deviceId: device.deviceId,
      deviceName: device.displayName ?? device.deviceId,
      atMs: nowMs,
    };
    const { urlHash: _spent, ...rest } = code;
    const usesLeft = code.usesLeft - 1;
    tx.put(store.joinCodes, code.setupId, {
      ...(usesLeft === 0 ? rest : code),
      usesLeft,
      uses: [...code.uses, use],
    });
    return {
      code,
      announce: () => emit("device.pair.setup.completed", completion(code, use)),
    };
  }

  /** `device.pair.setupStatus`: the latest use of a code with the short code to compare, or nothing yet. */
  async status(setupId: string): Promise<Record<string, unknown>> {
    const { store } = this.#context;
    const code = store.joinCodes.get(setupId);
    const use = code?.uses.at(-1);
    if (code === undefined || use === undefined) return {};
    const device = store.devices.get(use.deviceId);
    return {
      completion: completion(code, use),
      ...(device === undefined
        ? {}
        : { verificationCode: await verificationCodeOf(code.tokenHash, device.publicKey) }),
    };
  }

  /** Codes that still work. */
  list() {
    return [...this.#context.store.joinCodes.values()].filter((code) => this.#isOpen(code)).map((
      code,
    ) => ({
      setupId: code.setupId,
      access: code.profile,
      ...(code.name === undefined ? {} : { name: code.name }),
      ...(code.labels === undefined ? {} : { labels: code.labels }),
      ...(code.commands === undefined ? {} : { commands: code.commands }),
      usesLeft: code.usesLeft,
      createdAtMs: code.createdAtMs,
      createdBy: code.createdBy,
      expiresAtMs: code.expiresAtMs,
    }));
  }

  /** Ends a code. Devices it admitted stay paired. */
  async revoke(setupId: string): Promise<{ setupId: string; revokedAtMs: number }> {
    const { store, clock } = this.#context;
    const code = store.joinCodes.get(setupId);
    if (code === undefined) throw refusal("INVALID_REQUEST", "unknown setupId");
    const revokedAtMs = clock.now();
    await store.commit((tx) => tx.put(store.joinCodes, setupId, { ...code, revokedAtMs }));
    return { setupId, revokedAtMs };
  }

  async fetchJoinPayload(urlCode: string): Promise<JoinAnswer> {
    const { store } = this.#context;
    const hash = await sha256Hex(urlCode);
    const code = [...store.joinCodes.values()].find((c) => c.urlHash === hash);
    if (code === undefined || !this.#isOpen(code)) return NOT_FOUND;
    const { urlHash: _fetched, ...rest } = code;
    const token = await this.#token(urlCode);
    // Re-read: two fetches at once must not both get it.
    if (store.joinCodes.get(code.setupId)?.urlHash !== hash) return NOT_FOUND;
    await store.commit((tx) => tx.put(store.joinCodes, code.setupId, rest));
    return { status: 200, body: setupJson(code, token) };
  }
}

const CODE_USED = "JOIN_CODE_USED";

/** Whether {@linkcode JoinCodes.consume} refused. */
export function isCodeUsed(error: unknown): boolean {
  return isOpenclawError(error) && error.details?.code === CODE_USED;
}

function setupJson(code: JoinCode, bootstrapToken: string): string {
  return JSON.stringify({ ...code.payload, bootstrapToken, expiresAtMs: code.expiresAtMs });
}

function completion(code: JoinCode, use: JoinCode["uses"][number]) {
  return {
    setupId: code.setupId,
    deviceId: use.deviceId,
    deviceName: use.deviceName,
    access: code.profile,
    ts: use.atMs,
  };
}
