/**
 * The certificate while the gateway runs: takes over changed files without dropping a connection, warns before it ends,
 * and leads nodes of ours from one certificate to the next, so that a renewal needs no visit (F22, F23).
 *
 *   gateway                                  node (of ours, pinned), or a command line with a configured pin
 *   gateway.cert {current, next}      ->     next is a pin too, kept durably
 *                                     <-     node.cert.heard {next}
 *   (files and listener are switched)
 *   gateway.cert {current: next}      ->     next becomes the pin, the old one is dropped
 */
import { readCertificate } from "../../identity/certificate.ts";
import { dateWarnings, loadOrCreateTls, type TlsFiles } from "../../identity/tls_files.ts";
import {
  loadNextTls,
  makeNextTls,
  switchTls,
  type TlsPlace,
} from "../../identity/tls_succession.ts";
import { type Clock, every } from "../../lib/clock.ts";
import { isOpenclawError, messageOf, OpenclawError } from "../../lib/errors.ts";
import type { Logger } from "../../lib/log.ts";
import type { TlsMaterial } from "../../net/listen/options.ts";
import type { StatePaths } from "../../config/paths.ts";
import { watchConfig } from "../../config/file/watch.ts";
import { refusal } from "../../protocol/errors.ts";
import { CAP_CERTIFICATE, CAP_INVOKE_OUTPUT } from "../../protocol/hello.ts";
import { deviceName, type DeviceRecord } from "../../store/device_record.ts";
import type { EventHub } from "../peers/events.ts";
import type { Peer } from "../peers/peer.ts";
import type { Registry } from "../peers/registry.ts";
import { HeardPins } from "./heard_pins.ts";

/** Quiet time after a change: certificate and key are two files. */
const DEBOUNCE_MS = 200;
const DAY_MS = 86_400_000;

/** What a {@linkcode CertificateKeeper} needs. */
export interface CertificateKeeperOptions {
  readonly place: TlsPlace;
  /** Where the gateway's own files are; files elsewhere belong to the owner and are only reloaded. */
  readonly paths: Pick<StatePaths, "tlsCertFile" | "tlsKeyFile">;
  /** Its fingerprint is kept up to date. */
  readonly facts: { fingerprint: string | undefined };
  readonly registry: Registry;
  readonly events: EventHub;
  readonly store: { readonly devices: { values(): Iterable<DeviceRecord> } };
  readonly clock: Clock;
  readonly log: Logger;
  /** Called after another certificate took force. */
  readonly onChange?: () => void;
}

/** One certificate in words. */
export interface CertificateFacts {
  readonly fingerprint: string;
  readonly spkiFingerprint: string;
  readonly notAfterMs: number;
}

/** For `gateway.cert.show`. */
export interface CertificateReport {
  readonly current: CertificateFacts;
  readonly next: CertificateFacts | null;
  /** Paired nodes, and whether each has kept the next pin. */
  readonly nodes: readonly {
    nodeId: string;
    displayName: string;
    connected: boolean;
    heard: boolean;
  }[];
}

/** Owns the certificate in force. */
export class CertificateKeeper {
  readonly #options: CertificateKeeperOptions;
  #tls: TlsFiles;
  #next: TlsFiles | undefined;
  #apply: (tls: TlsMaterial) => void = () => {};
  #stops: (() => void)[] = [];
  #work: Promise<unknown> = Promise.resolve();
  readonly #heard: HeardPins;

  constructor(tls: TlsFiles, options: CertificateKeeperOptions) {
    this.#tls = tls;
    this.#options = options;
    this.#heard = new HeardPins(options.place);
  }

  /** Starts watching; `apply` gives a new pair to the listeners. */
  async start(apply: (tls: TlsMaterial) => void): Promise<void> {
    this.#apply = apply;
    const { place: { certPath, keyPath }, clock, log } = this.#options;
    this.#next = await loadNextTls(this.#options.place).catch((error) => {
      log.warn("next certificate not used", { problem: messageOf(error) });
      return undefined;
    });
    if (this.#next) await this.#heard.load(this.#next.fingerprint);
    const onChange = () => void this.#inTurn(() => this.#reload());
    const watches = [certPath, keyPath].map((path) =>
      watchConfig({ path, debounceMs: DEBOUNCE_MS, onChange, clock })
    );
    this.#stops = [
      ...watches.map((watch) => watch.close),
      every(clock, DAY_MS, () => void this.#warn()),
    ];
  }

  /** Ends the watches. */
  async stop(): Promise<void> {
    for (const stop of this.#stops) stop();
    await this.#work;
  }

  /** Tells a node or a command line that has just connected. */
  connected(peer: Peer): void {
    if (this.#next || isFollower(peer)) this.#announce(peer);
  }

  /** A node has kept the next pin; durable when it resolves. */
  async heard(nodeId: string, fingerprint: string): Promise<void> {
    if (fingerprint === this.#next?.fingerprint) await this.#heard.add(nodeId);
  }

  /** What is in force, what follows, and who knows. */
  async report(): Promise<CertificateReport> {
    return {
      current: await factsOf(this.#tls),
      next: this.#next ? await factsOf(this.#next) : null,
      nodes: this.#nodes(),
    };
  }

  /** Makes the next certificate and tells every connected node of ours. */
  prepare(): Promise<CertificateReport> {
    return this.#inTurn(async () => {
      this.#requireOwn();
      if (!this.#next) {
        this.#next = await makeNextTls(this.#options.place);
        await this.#heard.load(this.#next.fingerprint);
      }
      for (const peer of this.#options.registry.peers()) this.#announce(peer);
      return await this.report();
    });
  }

  /**
   * Puts the next certificate in force. @throws {OpenclawError} `CERTIFICATE_NOT_HEARD` while a paired node does not
   * know it, unless `force`.
   */
  switchOver(force: boolean): Promise<CertificateReport> {
    return this.#inTurn(async () => {
      this.#requireOwn();
      const deaf = this.#nodes().filter(({ heard }) => !heard);
      if (deaf.length > 0 && !force) {
        const names = deaf.map(({ displayName }) => displayName).join(", ");
        throw new OpenclawError(
          "CERTIFICATE_NOT_HEARD",
          `These nodes do not know the next certificate yet: ${names}`,
          { details: { nodes: deaf.map(({ nodeId }) => nodeId) } },
        );
      }
      this.#use(await switchTls(this.#options.place));
      this.#next = undefined;
      await this.#heard.clear();
      for (const peer of this.#options.registry.peers()) this.#announce(peer);
      return await this.report();
    });
  }

  #requireOwn(): void {
    const { place, paths } = this.#options;
    if (place.certPath === paths.tlsCertFile && place.keyPath === paths.tlsKeyFile) return;
    throw refusal(
      "INVALID_REQUEST",
      "the certificate files belong to the owner (gateway.tls.certPath): replace them, they are reloaded at once",
    );
  }

  #announce(peer: Peer): void {
    const { role, caps } = peer.principal;
    const isNode = role === "node" && caps.includes(CAP_INVOKE_OUTPUT);
    if (!isNode && !isFollower(peer)) return;
    this.#options.events.send(peer, "gateway.cert", {
      current: this.#tls.fingerprint,
      next: this.#next?.fingerprint ?? null,
    });
  }

  #nodes(): CertificateReport["nodes"] {
    const { registry, store } = this.#options;
    return [...store.devices.values()].filter(({ surface }) => surface !== undefined).map((
      record,
    ) => ({
      nodeId: record.deviceId,
      displayName: record.nodeName ?? deviceName(record),
      connected: registry.node(record.deviceId) !== undefined,
      heard: this.#heard.has(record.deviceId),
    }));
  }

  /** Changed files: both halves must be there and fit, otherwise the pair in force stays. */
  async #reload(): Promise<void> {
    const { place, log } = this.#options;
    try {
      const tls = await loadOrCreateTls({ ...place, autoGenerate: false });
      if (tls.fingerprint === this.#tls.fingerprint && tls.keyPem === this.#tls.keyPem) return;
      this.#use(tls);
      for (const warning of tls.warnings) log.warn(warning);
    } catch (error) {
      if (!isOpenclawError(error)) throw error;
      log.warn("certificate not reloaded, the old one stays", { problem: messageOf(error) });
    }
  }

  #use(tls: TlsFiles): void {
    this.#apply({ certPem: tls.certPem, keyPem: tls.keyPem });
    const { facts, log } = this.#options;
    log.warn("certificate changed", { before: this.#tls.fingerprint, now: tls.fingerprint });
    this.#tls = tls;
    facts.fingerprint = tls.fingerprint;
    this.#options.onChange?.();
  }

  async #warn(): Promise<void> {
    const { notBeforeMs, notAfterMs } = await readCertificate(this.#tls.certPem);
    for (const warning of dateWarnings(notBeforeMs, notAfterMs, this.#options.clock)) {
      this.#options.log.warn(warning, { renew: "openclaw gateway cert renew" });
    }
  }

  /** One change at a time; a failed one does not stop the next. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#work.then(work);
    this.#work = turn.catch(() => {/* told to whoever asked */});
    return turn;
  }
}

/** A command line that keeps what it is told about the pin it has. */
const isFollower = ({ principal: { role, caps } }: Peer) =>
  role === "operator" && caps.includes(CAP_CERTIFICATE);

async function factsOf({ certPem }: TlsFiles): Promise<CertificateFacts> {
  const { fingerprint, spkiFingerprint, notAfterMs } = await readCertificate(certPem);
  return { fingerprint, spkiFingerprint, notAfterMs };
}
