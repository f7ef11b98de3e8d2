/**
 * The exec approvals of a gateway, in memory and on disk: every step is durable before anybody is told, and a restart
 * brings back what waits and what may still be used. Who may do what, timers and events are `desk.ts`.
 * Source: gateway-protocol.md 11.7, 16; F01.
 */
import type { Clock } from "../../lib/clock.ts";
import type { GatewayStore } from "../../store/gateway_store.ts";
import type { StoredApproval } from "../../store/open_approval.ts";
import type { Change } from "../../store/store.ts";
import { approvalRecord, ending } from "./ends.ts";
import type { ApprovalView, OpenApproval, Resolution } from "./types.ts";

/** Decided approvals in the history, and in memory. */
const MAX_HISTORY = 500;
/** Answers in memory that still allow a run; beyond it the oldest go. */
const MAX_USABLE = 1_000;

/** All approvals of one gateway. */
export class ApprovalBook {
  readonly #store: GatewayStore;
  readonly #clock: Clock;
  readonly #approvals = new Map<string, OpenApproval>();

  private constructor(store: GatewayStore, clock: Clock) {
    this.#store = store;
    this.#clock = clock;
  }

  /**
   * Reads what the last run left. To the history goes what expired meanwhile, by the wall clock, and what was asked by a
   * connection without a device: only that connection could have used the answer (11.4), and it is gone.
   */
  static async open(store: GatewayStore, clock: Clock): Promise<ApprovalBook> {
    const book = new ApprovalBook(store, clock);
    const nowMs = clock.now();
    const over: [StoredApproval, Resolution][] = [];
    const oldestFirst = [...store.openApprovals.values()]
      .sort((a, b) => a.createdAtMs - b.createdAtMs);
    for (const stored of oldestFirst) {
      if (stored.expiresAtMs <= nowMs) {
        over.push([stored, ending("expired", "timeout", stored.expiresAtMs)]);
      } else if (stored.requester.deviceId === undefined) {
        over.push([stored, ending("cancelled", "cancelled", nowMs)]);
      } else book.#approvals.set(stored.id, fromStored(stored));
    }
    // A disk that takes no writes now is no reason not to start: they are judged again next time.
    await store.commit((tx) => {
      for (const [stored, ended] of over) {
        tx.remove(store.openApprovals, stored.id);
        if (stored.resolution !== undefined) continue;
        tx.put(store.approvals, stored.id, approvalRecord(fromStored(stored), ended));
      }
    }).catch(() => {});
    return book;
  }

  get(id: string): OpenApproval | undefined {
    return this.#approvals.get(id);
  }

  /**
   * Whether an id can be given to a new request. Not one that was used, and not the beginning of another: people answer by
   * the first characters, and must not be led to a different command.
   */
  isFree(id: string): boolean {
    if (this.#approvals.has(id) || this.#store.approvals.has(id)) return false;
    for (const other of this.#approvals.keys()) if (other.startsWith(id)) return false;
    return true;
  }

  values(): IterableIterator<OpenApproval> {
    return this.#approvals.values();
  }

  /** Remembers a request that ended at once, because nobody can answer it. */
  note(approval: OpenApproval, resolution: Resolution): void {
    approval.resolution = resolution;
    this.#approvals.set(approval.id, approval);
    this.#forgetDecided();
  }

  /** A new request. Settles when durable. @throws `STORE_UNAVAILABLE`: it was not opened. */
  async add(approval: OpenApproval): Promise<void> {
    const { openApprovals } = this.#store;
    this.#approvals.set(approval.id, approval);
    try {
      await this.#store.commit((tx) => {
        this.#forgetExpired(tx);
        tx.put(openApprovals, approval.id, toStored(approval, undefined));
      });
    } catch (error) {
      this.#approvals.delete(approval.id);
      throw error;
    }
  }

  /** Ends a request. Settles when durable; only then it has a resolution. @throws `STORE_UNAVAILABLE`: it waits on. */
  async end(approval: OpenApproval, resolution: Resolution): Promise<void> {
    const saving = this.#save(approval, resolution);
    approval.settling = saving.catch(() => {}).finally(() => approval.settling = undefined);
    await saving;
    approval.resolution = resolution;
    this.#forgetDecided();
  }

  /** As {@linkcode end}, for an end that allows nothing: it holds even if the disk refuses it. */
  async giveUp(approval: OpenApproval, resolution: Resolution): Promise<void> {
    approval.resolution = resolution;
    await this.#save(approval, resolution).catch(() => {});
    this.#forgetDecided();
  }

  async #save(approval: OpenApproval, resolution: Resolution): Promise<void> {
    const { openApprovals, approvals } = this.#store;
    await this.#store.commit((tx) => {
      if (resolution.status === "allowed") {
        tx.put(openApprovals, approval.id, toStored(approval, resolution));
      } else {
        tx.remove(openApprovals, approval.id);
      }
      tx.put(approvals, approval.id, approvalRecord(approval, resolution));
      const over = approvals.size - MAX_HISTORY;
      if (over <= 0) return;
      const oldest = [...approvals.values()].sort((a, b) => a.resolvedAtMs - b.resolvedAtMs);
      for (const record of oldest.slice(0, over)) tx.remove(approvals, record.id);
    });
  }

  /** An allow-once was used: a crash must not make it usable again. @throws `STORE_UNAVAILABLE`: it was not used. */
  async spend(approval: OpenApproval): Promise<void> {
    approval.consumed = true;
    try {
      await this.#store.commit((tx) => tx.remove(this.#store.openApprovals, approval.id));
    } catch (error) {
      approval.consumed = false;
      throw error;
    }
  }

  /** Nobody can use the answer any more. */
  async abandon(approval: OpenApproval): Promise<void> {
    approval.consumed = true;
    await this.#store.commit((tx) => tx.remove(this.#store.openApprovals, approval.id))
      .catch(() => {});
  }

  #forgetExpired(tx: Change): void {
    const nowMs = this.#clock.now();
    for (const stored of [...this.#store.openApprovals.values()]) {
      const over = stored.resolution !== undefined && stored.expiresAtMs <= nowMs;
      if (over) tx.remove(this.#store.openApprovals, stored.id);
    }
  }

  /**
   * Answers leave memory, oldest first. One that still allows a run does not make room for those that do not: else whoever
   * asks often enough takes an answer away that somebody else was given.
   */
  #forgetDecided(): void {
    const nowMs = this.#clock.now();
    const decided = [...this.#approvals.values()].filter((a) => a.resolution !== undefined);
    const usable = decided.filter((approval) => allowsRun(approval, nowMs));
    const over = decided.filter((approval) => !allowsRun(approval, nowMs));
    for (const old of over) if (old.plan !== undefined) this.#approvals.set(old.id, slim(old));
    this.#forgetOldest(over, MAX_HISTORY);
    this.#forgetOldest(usable, MAX_USABLE);
  }

  #forgetOldest(approvals: readonly OpenApproval[], keep: number): void {
    for (const old of approvals.slice(0, Math.max(0, approvals.length - keep))) {
      this.#approvals.delete(old.id);
    }
  }
}

function allowsRun({ resolution, consumed, expiresAtMs }: OpenApproval, nowMs: number): boolean {
  return resolution?.status === "allowed" && !consumed && expiresAtMs > nowMs;
}

/** Enough of an ended request to say how it ended. */
function slim(approval: OpenApproval): OpenApproval {
  const { command, allowedDecisions } = approval.view;
  const view = { command, allowedDecisions };
  return { ...approval, view, plan: undefined, settling: undefined };
}

function toStored(approval: OpenApproval, resolution: Resolution | undefined): StoredApproval {
  const { settling: _s, consumed: _c, resolution: _r, plan, binding, ...facts } = approval;
  return {
    ...facts,
    ...(plan === undefined ? {} : { plan }),
    ...(binding === undefined ? {} : { binding }),
    ...(resolution === undefined ? {} : { resolution }),
  };
}

function fromStored({ plan, binding, resolution, ...facts }: StoredApproval): OpenApproval {
  return {
    ...facts,
    view: facts.view as ApprovalView,
    plan,
    binding,
    resolution: resolution as Resolution | undefined,
    settling: undefined,
    consumed: false,
  };
}
