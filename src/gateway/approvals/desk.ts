/**
 * The desk for exec approvals: asking, answering, waiting, and using an answer for exactly one run. What waits and what
 * may still be used is kept by `book.ts`, durably. Source: gateway-protocol.md 11.7, 11.8, node-host.md 8; decision 15.
 */
import type { Clock } from "../../lib/clock.ts";
import { wait } from "../../lib/clock.ts";
import { approvalNotFound, refusal } from "../../protocol/errors.ts";
import type { GatewayStore } from "../../store/gateway_store.ts";
import { ApprovalBook } from "./book.ts";
import { WaitingLoad } from "./load.ts";
import { ending, noAllowAlways, ownRequest, resolverOf } from "./ends.ts";
import {
  type ApprovalParams,
  countsAsReviewer,
  isRequester,
  mayAnswer,
  maySee,
  readApproval,
  reviewsOthers,
} from "./rules.ts";
import type { ApprovalDecision, ApprovalDesk, OpenApproval, Resolution } from "./types.ts";
import type { EventHub } from "../peers/events.ts";
import type { Peer } from "../peers/peer.ts";

/** How long repeating the same answer is still accepted. Source: 11.7. */
const REPEAT_MS = 15_000;

/** What the desk needs. */
export interface ApprovalDeskOptions {
  readonly clock: Clock;
  readonly store: GatewayStore;
  readonly events: EventHub;
  readonly peers: () => Iterable<Peer>;
}

/** First and second answer of a request. */
export interface Asked {
  readonly approval: OpenApproval;
  /** Somebody can decide. */
  readonly deliveryRoute: "approval-client" | "none";
  readonly decided: Promise<Resolution>;
}

/** The desk of one gateway. */
export class ExecApprovals implements ApprovalDesk {
  readonly #options: ApprovalDeskOptions;
  readonly #book: ApprovalBook;
  readonly #waiters = new Map<string, Set<(resolution: Resolution) => void>>();
  readonly #timers = new Map<string, () => void>();
  readonly #load: WaitingLoad;
  #stopped = false;

  private constructor(options: ApprovalDeskOptions, book: ApprovalBook) {
    this.#options = options;
    this.#book = book;
    this.#load = new WaitingLoad(options.clock);
    for (const approval of book.values()) this.#arm(approval);
  }

  /** Opens the desk with what the last run left. */
  static async open(options: ApprovalDeskOptions): Promise<ExecApprovals> {
    return new ExecApprovals(options, await ApprovalBook.open(options.store, options.clock));
  }

  get open(): number {
    return this.#load.size;
  }

  /** Opens a request; it is on disk when this settles. With nobody to decide it ends at once, undecided. */
  async ask(peer: Peer, params: ApprovalParams): Promise<Asked> {
    const { clock, events } = this.#options;
    const approval = await readApproval(params, peer, clock.now());
    if (!this.#book.isFree(approval.id)) {
      throw refusal(
        "INVALID_REQUEST",
        peer.principal.protocol === 3
          ? "approval id already pending"
          : "approval request unavailable",
      );
    }
    const tooMuch = this.#load.refusal(approval);
    if (tooMuch !== undefined) throw tooMuch;
    const reviewers = [...this.#options.peers()].filter((p) => countsAsReviewer(p, approval));
    if (reviewers.length === 0 && params.requireDeliveryRoute !== false) {
      const nobody = ending("expired", "no-route", clock.now());
      this.#book.note(approval, nobody);
      return { approval, deliveryRoute: "none", decided: Promise.resolve(nobody) };
    }
    const flood = reviewsOthers(peer.principal) ? undefined : this.#load.showing(approval);
    if (flood !== undefined) throw flood;
    const decided = this.#wait(approval);
    this.#arm(approval);
    try {
      await this.#book.add(approval);
    } catch (error) {
      this.#disarm(approval);
      throw error;
    }
    if (approval.resolution !== undefined) return { approval, deliveryRoute: "none", decided };
    events.broadcast("exec.approval.requested", {
      approvalKind: "exec",
      id: approval.id,
      request: approval.view,
      createdAtMs: approval.createdAtMs,
      expiresAtMs: approval.expiresAtMs,
    }, { only: (p) => maySee(p, approval) });
    return { approval, deliveryRoute: "approval-client", decided };
  }

  /** Starts the clock of a request that waits. After a restart the wall clock says what is left. */
  #arm(approval: OpenApproval): void {
    if (approval.resolution !== undefined) return;
    const { clock } = this.#options;
    const lifetimeMs = approval.expiresAtMs - approval.createdAtMs;
    const leftMs = Math.min(lifetimeMs, Math.max(0, approval.expiresAtMs - clock.now()));
    this.#timers.set(approval.id, clock.after(leftMs, () => this.#expire(approval)));
    this.#load.add(approval);
  }

  #disarm(approval: OpenApproval): void {
    this.#timers.get(approval.id)?.();
    this.#timers.delete(approval.id);
    this.#load.remove(approval);
  }

  /** Until it is decided; who left (`signal`) is waited for no longer and costs nothing. */
  #wait(approval: OpenApproval, signal?: AbortSignal): Promise<Resolution> {
    if (approval.resolution !== undefined) return Promise.resolve(approval.resolution);
    return new Promise((resolve) => {
      const waiters = this.#waiters.get(approval.id) ?? new Set();
      const leave = () => waiters.delete(decided);
      const decided = (resolution: Resolution) => {
        signal?.removeEventListener("abort", leave);
        resolve(resolution);
      };
      signal?.addEventListener("abort", leave);
      this.#waiters.set(approval.id, waiters.add(decided));
    });
  }

  /** Requests that wait and that this connection may see. */
  list(peer: Peer): OpenApproval[] {
    return [...this.#book.values()].filter((approval) =>
      approval.resolution === undefined && maySee(peer, approval)
    );
  }

  /** One approval by id or unique prefix, as far as the connection may see it. */
  find(peer: Peer, id: string): OpenApproval | undefined {
    const exact = this.#book.get(id);
    const found = exact === undefined && id.length >= 8
      ? [...this.#book.values()].filter((a) => a.id.startsWith(id) && maySee(peer, a))
      : [exact];
    const [approval] = found;
    return found.length === 1 && approval !== undefined && maySee(peer, approval)
      ? approval
      : undefined;
  }

  /** Waits for the decision; only for those who may see the request or asked it. */
  waitFor(peer: Peer, id: string): { approval: OpenApproval; decided: Promise<Resolution> } {
    const approval = this.#book.get(id);
    if (approval === undefined || !(maySee(peer, approval) || isRequester(peer, approval))) {
      throw refusal("INVALID_REQUEST", "approval expired or not found");
    }
    return { approval, decided: this.#wait(approval, peer.signal) };
  }

  /** Answers a request, durably; the first answer wins. `applied` is false for a repetition of the same answer. */
  async resolve(
    peer: Peer,
    answer: { readonly id: string; readonly decision: string },
  ): Promise<{ approval: OpenApproval; applied: boolean }> {
    const decision = answer.decision as ApprovalDecision;
    if (!["allow-once", "allow-always", "deny"].includes(decision)) {
      throw refusal("INVALID_REQUEST", "invalid decision");
    }
    const approval = this.find(peer, answer.id);
    if (approval === undefined) throw approvalNotFound();
    while (approval.settling !== undefined) await approval.settling;
    if (approval.resolution !== undefined) return this.#repeat(approval, decision);
    if (!mayAnswer(peer, approval)) throw ownRequest();
    if (!approval.view.allowedDecisions.includes(decision)) throw noAllowAlways(peer);
    const resolution: Resolution = {
      decision,
      status: decision === "deny" ? "denied" : "allowed",
      reason: "user",
      resolver: resolverOf(peer),
      atMs: this.#options.clock.now(),
      selfApproved: isRequester(peer, approval),
    };
    await this.#book.end(approval, resolution);
    await this.#tell(approval, resolution);
    return { approval, applied: true };
  }

  #repeat(approval: OpenApproval, decision: ApprovalDecision) {
    const { resolution } = approval;
    const fresh = resolution !== undefined && resolution.reason === "user" &&
      this.#options.clock.now() - resolution.atMs <= REPEAT_MS;
    if (fresh && resolution.decision === decision) return { approval, applied: false };
    if (resolution?.reason === "timeout") {
      throw approvalNotFound();
    }
    throw refusal("INVALID_REQUEST", "approval already resolved", {
      details: { reason: "APPROVAL_ALREADY_RESOLVED" },
    });
  }

  /** The approval a run names, used up at once when it is an allow-once. `undefined` = it allows nothing (any more). */
  async use(approval: OpenApproval): Promise<ApprovalDecision | undefined> {
    const decision = approval.resolution?.decision;
    if (approval.consumed) return undefined;
    if (decision === "allow-always") return decision;
    if (decision !== "allow-once") return undefined;
    await this.#book.spend(approval);
    return decision;
  }

  /** The approval with exactly this id, for binding a run to it. */
  byId(id: string): OpenApproval | undefined {
    return this.#book.get(id);
  }

  #expire(approval: OpenApproval): void {
    // An answer that is on its way to the disk came in time; when the disk refuses it, the request is over.
    if (approval.settling !== undefined) {
      approval.settling.then(() => this.#expire(approval));
    } else if (approval.resolution === undefined) {
      this.#giveUp(approval, ending("expired", "timeout", this.#options.clock.now()));
    }
  }

  #giveUp(approval: OpenApproval, resolution: Resolution): void {
    void this.#book.giveUp(approval, resolution);
    void this.#tell(approval, resolution);
  }

  /** Answers everybody who waits, then sends the event: the requester hears first, the resolver's answer comes last (11.8). */
  async #tell(approval: OpenApproval, resolution: Resolution): Promise<void> {
    this.#disarm(approval);
    const waiters = this.#waiters.get(approval.id) ?? [];
    this.#waiters.delete(approval.id);
    for (const waiter of waiters) waiter(resolution);
    const { clock, events } = this.#options;
    await wait(0, undefined, clock);
    events.broadcast("exec.approval.resolved", {
      id: approval.id,
      decision: resolution.decision ?? "deny",
      resolvedBy: resolution.resolver.name,
      ts: resolution.atMs,
      request: approval.view,
    }, { only: (peer) => maySee(peer, approval) });
  }

  disconnected(peer: Peer): void {
    if (peer.principal.deviceId !== undefined || this.#stopped) return;
    // Nobody but this connection could use it: whatever is or will be decided must not run.
    for (const approval of this.#book.values()) {
      if (approval.requester.connId !== peer.connId) continue;
      if (approval.resolution !== undefined) void this.#book.abandon(approval);
      else if (approval.settling === undefined) {
        this.#giveUp(approval, ending("cancelled", "cancelled", this.#options.clock.now()));
      }
    }
  }

  /**
   * A device was removed or lost a role. I12: nothing it asked for, and nothing asked for on it, may run any more, also when
   * it is paired again. Settles when durable.
   */
  async deviceEnded(deviceId: string, role?: "operator" | "node"): Promise<void> {
    const concerned = [...this.#book.values()].filter(({ requester, nodeId }) =>
      (role !== "node" && requester.deviceId === deviceId) ||
      (role !== "operator" && nodeId === deviceId)
    );
    await Promise.all(concerned.map((approval) => this.#cancel(approval)));
  }

  async #cancel(approval: OpenApproval): Promise<void> {
    while (approval.settling !== undefined) await approval.settling;
    if (approval.resolution !== undefined) return await this.#book.abandon(approval);
    const cancelled = ending("cancelled", "cancelled", this.#options.clock.now());
    await this.#book.giveUp(approval, cancelled);
    await this.#tell(approval, cancelled);
  }

  /** What waits is kept on disk and is there again after a restart. */
  stop(): void {
    this.#stopped = true;
    for (const cancel of this.#timers.values()) cancel();
    this.#timers.clear();
  }
}
