/**
 * Notices a listener that no longer accepts, and has it listen anew (F36). The runtime's accept loop ends without a word
 * at the first "too many open files", also one that other descriptors of the process caused. Whether it still turns is
 * found out by connecting to the own port; connections that stand are not touched.
 */
import { type Clock, wait } from "../../lib/clock.ts";
import { openTcp } from "../dial/tcp.ts";

/** Between two looks at a listener that accepted nothing meanwhile. */
const QUIET_MS = 30_000;
/** Until the next look after something looked wrong. */
const SUSPECT_MS = 1_000;
/** How long a connection may wait to be accepted, twice: one wait may have passed while this process stood still. */
const ACCEPT_MS = 1_000;

/** What is watched. */
export interface AcceptWatchOptions {
  readonly clock: Clock;
  /** Where the listener can be reached from this machine. */
  readonly address: { readonly host: string; readonly port: number };
  /** Listens anew at the same place; a rejection = try again later. */
  revive(): Promise<void>;
}

/** Watches one listener. */
export class AcceptWatch {
  readonly #options: AcceptWatchOptions;
  readonly #stopped = new AbortController();
  #accepted = 0;
  #cancel: () => void;
  #looking = false;
  #onAccepted = () => {};
  /** A connection of ours was accepted before: so none of them is held up by a firewall. */
  #reachable: boolean;

  constructor(options: AcceptWatchOptions) {
    this.#options = options;
    this.#reachable = /^127\.|^::1$/.test(options.address.host);
    this.#cancel = this.#later(QUIET_MS, 0);
  }

  /** A connection was accepted. */
  accepted(): void {
    this.#accepted++;
    this.#onAccepted();
  }

  /** Descriptors ran short: look soon. */
  suspect(): void {
    if (this.#looking || this.#stopped.signal.aborted) return;
    this.#cancel();
    this.#cancel = this.#later(SUSPECT_MS, this.#accepted);
  }

  stop(): void {
    this.#cancel();
    this.#stopped.abort();
  }

  /** Looks after `delayMs`, unless something was accepted since `seen`. */
  #later(delayMs: number, seen: number): () => void {
    return this.#options.clock.after(delayMs, () => {
      if (delayMs === QUIET_MS && this.#accepted !== seen) {
        this.#cancel = this.#later(QUIET_MS, this.#accepted);
      } else void this.#look();
    });
  }

  async #look(): Promise<void> {
    this.#looking = true;
    let nextMs = SUSPECT_MS;
    try {
      const verdict = await this.#accepts();
      if (verdict === "no" && !this.#stopped.signal.aborted) await this.#options.revive();
      else if (verdict === "yes") nextMs = QUIET_MS;
    } catch {
      // The place is taken or there are no descriptors: the next look tries again.
    }
    this.#looking = false;
    if (this.#stopped.signal.aborted) return;
    this.#cancel = this.#later(nextMs, this.#accepted);
  }

  /** `unknown` = this machine could not connect at all, which proves nothing. */
  async #accepts(): Promise<"yes" | "no" | "unknown"> {
    const { address, clock } = this.#options;
    const enough = new AbortController();
    const signal = AbortSignal.any([enough.signal, this.#stopped.signal]);
    const accepted = new Promise<"yes">((resolve) => this.#onAccepted = () => resolve("yes"));
    const late = wait(ACCEPT_MS, signal, clock).then(() => wait(ACCEPT_MS, signal, clock))
      .then(() => "no" as const, () => "unknown" as const);
    // A connection that stands, or waits in a full queue, says nothing yet; one that fails ends the look.
    const dialled = openTcp(address, signal).catch(() => undefined);
    const failed = dialled.then((socket) => socket ? late : "unknown" as const);
    const verdict = await Promise.race([accepted, late, failed]);
    enough.abort();
    (await dialled)?.destroy();
    this.#onAccepted = () => {};
    this.#reachable ||= verdict === "yes";
    return verdict === "no" && !this.#reachable ? "unknown" : verdict;
  }
}
