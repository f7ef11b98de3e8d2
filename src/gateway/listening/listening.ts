/**
 * Where a running gateway listens and with which certificate: opened at start, changed when the configuration says so.
 * Connections that stand outlive every change; an address that cannot be had leaves the old ones served.
 */
import type { ServerPlan } from "../../config/server/server_plan.ts";
import type { TlsFiles } from "../../identity/tls_files.ts";
import { loadTlsInForce } from "../../identity/tls_succession.ts";
import type { Door } from "../door.ts";
import { type Listeners, openListeners } from "./listeners.ts";
import {
  CertificateKeeper,
  type CertificateKeeperOptions,
} from "../services/certificate_keeper.ts";
import type { GatewayServices } from "../services/services.ts";

/** Inputs of {@linkcode openListening}. */
export interface ListeningOptions {
  readonly plan: ServerPlan;
  readonly tls: TlsFiles | undefined;
  readonly door: Door;
  readonly services: GatewayServices;
}

/** Listens as planned. @throws as `openListeners`. */
export async function openListening(options: ListeningOptions): Promise<Listening> {
  const { plan, door, services, tls } = options;
  const listeners = await openListeners({ plan, tls, door, services });
  const listening = new Listening(listeners, options);
  await listening.keepCertificate(plan, tls);
  return listening;
}

/** Owns the listeners and the certificate of a gateway. */
export class Listening {
  readonly listeners: Listeners;
  readonly #services: GatewayServices;
  #plan: ServerPlan;

  constructor(listeners: Listeners, { plan, services }: ListeningOptions) {
    this.listeners = listeners;
    this.#services = services;
    this.#plan = plan;
  }

  /** How the gateway runs now. */
  get plan(): ServerPlan {
    return this.#plan;
  }

  /** Takes what needs no other socket: auth is judged against the addresses in use. */
  adopt(plan: Pick<ServerPlan, "auth">): void {
    this.#plan = { ...this.#plan, auth: plan.auth };
  }

  /**
   * Listens as `plan` says from now on. Returns whether anything changed.
   * @throws {OpenclawError} `PORT_IN_USE`, `LISTEN_FAILED`, `TLS_FILES_INCOMPLETE`, `TLS_UNUSABLE`; all stays as it was.
   */
  async change(plan: ServerPlan): Promise<boolean> {
    const before = this.#plan;
    if (JSON.stringify(shapeOf(before)) === JSON.stringify(shapeOf(plan))) {
      this.#takeOver(plan);
      return false;
    }
    const { clock } = this.#services;
    const tls = plan.tls.enabled ? await loadTlsInForce({ ...plan.tls, clock }) : undefined;
    await this.listeners.rebind(plan, tls);
    this.#plan = { ...plan, auth: before.auth };
    if (JSON.stringify(before.tls) !== JSON.stringify(plan.tls)) {
      await this.keepCertificate(plan, tls);
    }
    this.#publish(tls?.fingerprint);
    this.#services.changes.tell();
    return true;
  }

  /**
   * What changes while the same sockets listen: a deadline; keys of TLS that do not matter now; and Tailscale, which
   * publishes what listens anyway, but who publishes has to know.
   */
  #takeOver({ tailscaleMode, handshakeTimeoutMs, tls }: ServerPlan): void {
    const before = this.#plan;
    this.#plan = { ...before, tailscaleMode, handshakeTimeoutMs, tls };
    if (handshakeTimeoutMs !== before.handshakeTimeoutMs) {
      this.listeners.setHandshakeTimeout(handshakeTimeoutMs);
    }
    if (tailscaleMode !== before.tailscaleMode) this.#services.changes.tell();
  }

  /** Puts a keeper in charge of the certificate; without TLS there is none. */
  async keepCertificate(plan: ServerPlan, tls: TlsFiles | undefined): Promise<void> {
    const services = this.#services;
    await services.certificates?.stop();
    const options: CertificateKeeperOptions = {
      ...services,
      place: plan.tls,
      onChange: () => services.changes.tell(),
    };
    services.certificates = tls && new CertificateKeeper(tls, options);
    await services.certificates?.start((material) => this.listeners.setTls(material));
    this.#publish(tls?.fingerprint);
  }

  #publish(fingerprint: string | undefined): void {
    const { port, urls } = this.listeners;
    Object.assign(this.#services.facts, { port, urls, url: urls[0] ?? "", fingerprint });
  }
}

/** What the sockets cannot take over while they listen. */
function shapeOf({ port, bind, tls: { enabled, certPath, keyPath, caPath } }: ServerPlan) {
  return { port, addresses: bind.addresses, tls: enabled && { certPath, keyPath, caPath } };
}
