/**
 * Approves a fresh node whose key ssh confirms: the gateway logs in at the address the node came from and asks for its
 * identity there. Off unless configured. The node meanwhile waits like any other. Source: remote-access.md 7.
 */
import type { Env } from "../../config/env.ts";
import { readEnv } from "../../config/env.ts";
import type { Clock } from "../../lib/clock.ts";
import { messageOf } from "../../lib/errors.ts";
import type { Logger } from "../../lib/log.ts";
import { platformName } from "../../platform/os.ts";
import { askIdentity, type NodeIdentity } from "../../remote/ssh_verify.ts";
import { findSsh, sshEnvironment } from "../../remote/tunnel.ts";
import type { PairingRequest } from "../../store/pairing_request.ts";
import type { PairingContext } from "../pairing/context.ts";
import type { AdmissionRequest } from "../pairing/desk.ts";
import { approveVouched } from "../pairing/devices.ts";
import {
  addressToAsk,
  COOLDOWN_MS,
  MAX_VOUCHING,
  VOUCH_TIMEOUT_MS,
  type VouchSettings,
} from "./rules.ts";

/** What the voucher works with. */
export interface VoucherOptions {
  readonly context: PairingContext;
  /** `undefined` = off. */
  readonly settings: () => VouchSettings | undefined;
  readonly env: Env;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Looks after the waiting nodes of one gateway. */
export class SshVoucher {
  readonly #options: VoucherOptions;
  readonly #running = new Map<string, Promise<void>>();
  /** Addresses left alone until a monotonic time. */
  readonly #quiet = new Map<string, number>();
  readonly #stop = new AbortController();

  constructor(options: VoucherOptions) {
    this.#options = options;
  }

  /** Called for every knock of a waiting node; starts at most one call per address. */
  consider(filed: PairingRequest, request: AdmissionRequest): void {
    const settings = this.#options.settings();
    const address = settings && addressToAsk(filed, request, settings);
    if (!settings || address === undefined || this.#stop.signal.aborted) return;
    const nowMs = this.#options.clock.monotonic();
    for (const [key, untilMs] of this.#quiet) if (untilMs <= nowMs) this.#quiet.delete(key);
    if (this.#quiet.has(address) || this.#running.has(address)) return;
    if (this.#running.size >= MAX_VOUCHING) return; // it knocks again
    const work = this.#vouch(filed, address, settings).finally(() => this.#running.delete(address));
    this.#running.set(address, work);
  }

  /** Ends what runs. */
  async close(): Promise<void> {
    this.#stop.abort();
    await Promise.all(this.#running.values());
  }

  async #vouch(filed: PairingRequest, address: string, settings: VouchSettings): Promise<void> {
    const { context, clock, log } = this.#options;
    const facts = { node: filed.deviceId, remote: address, request: filed.requestId };
    try {
      const found = await this.#ask(address, settings);
      if (found.deviceId !== filed.deviceId || found.publicKey !== filed.publicKey) {
        this.#quiet.set(address, clock.monotonic() + COOLDOWN_MS.mismatch);
        log.warn("ssh names another node identity: not approved", facts);
        return;
      }
      if (await approveVouched(context, filed)) {
        log.info("node approved: ssh confirms its key", facts);
      }
    } catch (error) {
      if (this.#stop.signal.aborted) return;
      this.#quiet.set(address, clock.monotonic() + COOLDOWN_MS.failed);
      log.warn("ssh cannot confirm a node: not approved", { ...facts, reason: messageOf(error) });
    }
  }

  async #ask(address: string, settings: VouchSettings): Promise<NodeIdentity> {
    const { env } = this.#options;
    const home = env["HOME"] ?? "";
    return await askIdentity({
      target: { user: settings.user, host: address, port: undefined },
      identity: settings.identity?.replace(/^~(?=\/)/, home),
      configFile: readEnv(env).sshConfig,
      timeoutMs: settings.timeoutMs ?? VOUCH_TIMEOUT_MS,
    }, {
      path: await findSsh(platformName(), env["SYSTEMROOT"]),
      env: sshEnvironment(env),
      signal: this.#stop.signal,
    });
  }
}
