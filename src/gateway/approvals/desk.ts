/**
 * The desk for exec approvals: asking, answering, waiting, and using an answer for exactly one run. Memory is the
 * authority (after a restart everything must be asked again); decided ones go to the history in the store.
 * Source: gateway-protocol.md 11.7, 11.8, node-host.md 8; decision 15.
 */
import type { Clock } from "../../lib/clock.ts";
import { approvalNotFound, refusal } from "../../protocol/errors.ts";
import type { GatewayStore } from "../../store/gateway_store.ts";
import { approvalRecord, ending, noAllowAlways, ownRequest, resolverOf } from "./ends.ts";
import {
  type ApprovalParams,
  countsAsReviewer,
  isRequester,
  mayAnswer,
  maySee,
  readApproval,
} from "./rules.ts";
import type { ApprovalDecision, ApprovalDesk, OpenApproval, Resolution } from "./types.ts";
import type { EventHub } from "../peers/events.ts";
import type { Peer } from "../peers/peer.ts";

/** How long repeating the same answer is still accepted. Source: 11.7. */
const REPEAT_MS = 15_000;
/** Requests that wait at once; more are refused. */
const MAX_OPEN = 256;
/** Decided approvals in the history. */
const MAX_HISTORY = 500;

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
  readonly #approvals = new Map<string, OpenApproval>();
  readonly #waiters = new Map<string, ((resolution: Resolution) => void)[]>();
  readonly #timers = new Map<string, () => void>();

  constructor(options: ApprovalDeskOptions) {
    this.#options = options;
  }

  get open(): number {
    return this.#timers.size;
  }

  /** Opens a request. With nobody to decide it ends at once, undecided. */
  async ask(peer: Peer, params: ApprovalParams): Promise<Asked> {
    const { clock, events } = this.#options;
    const approval = await readApproval(params, peer, clock.now());
    if (this.#approvals.has(approval.id)) {
      throw refusal(
        "INVALID_REQUEST",
        peer.principal.protocol === 3
          ? "approval id already pending"
          : "approval request unavailable",
      );
    }
    if (this.#timers.size >= MAX_OPEN) {
      throw refusal("UNAVAILABLE", "too many approvals wait for a decision", { retryable: true });
    }
    this.#approvals.set(approval.id, approval);
    const decided = this.#wait(approval);
    const reviewers = [...this.#options.peers()].filter((p) => countsAsReviewer(p, approval));
    if (reviewers.length === 0 && params.requireDeliveryRoute !== false) {
      this.#end(approval, ending("expired", "no-route", clock.now()));
      return { approval, deliveryRoute: "none", decided };
    }
    const lifetimeMs = approval.expiresAtMs - approval.createdAtMs;
    this.#timers.set(approval.id, clock.after(lifetimeMs, () => this.#expire(approval)));
    events.broadcast("exec.approval.requested", {
      approvalKind: "exec",
      id: approval.id,
      request: approval.view,
      createdAtMs: approval.createdAtMs,
      expiresAtMs: approval.expiresAtMs,
    }, { only: (p) => maySee(p, approval) });
    return { approval, deliveryRoute: "approval-client", decided };
  }

  #wait(approval: OpenApproval): Promise<Resolution> {
    if (approval.resolution !== undefined) return Promise.resolve(approval.resolution);
    return new Promise((resolve) => {
      const waiters = this.#waiters.get(approval.id) ?? [];
      waiters.push(resolve);
      this.#waiters.set(approval.id, waiters);
    });
  }

  /** Requests that wait and that this connection may see. */
  list(peer: Peer): OpenApproval[] {
    return [...this.#approvals.values()].filter((approval) =>
      approval.resolution === undefined && maySee(peer, approval)
    );
  }

  /** One approval by id or unique prefix, as far as the connection may see it. */
  find(peer: Peer, id: string): OpenApproval | undefined {
    const exact = this.#approvals.get(id);
    const found = exact === undefined && id.length >= 8
      ? [...this.#approvals.values()].filter((a) => a.id.startsWith(id) && maySee(peer, a))
      : [exact];
    const [approval] = found;
    return found.length === 1 && approval !== undefined && maySee(peer, approval)
      ? approval
      : undefined;
  }

  /** Waits for the decision; only for those who may see the request or asked it. */
  waitFor(peer: Peer, id: string): { approval: OpenApproval; decided: Promise<Resolution> } {
    const approval = this.#approvals.get(id);
    if (approval === undefined || !(maySee(peer, approval) || isRequester(peer, approval))) {
      throw refusal("INVALID_REQUEST", "approval expired or not found");
    }
    return { approval, decided: this.#wait(approval) };
  }

  /** Answers a request; the first answer wins. `applied` is false for a repetition of the same answer. */
  resolve(
    peer: Peer,
    answer: { readonly id: string; readonly decision: string },
  ): { approval: OpenApproval; applied: boolean } {
    const decision = answer.decision as ApprovalDecision;
    if (!["allow-once", "allow-always", "deny"].includes(decision)) {
      throw refusal("INVALID_REQUEST", "invalid decision");
    }
    const approval = this.find(peer, answer.id);
    if (approval === undefined) {
      throw approvalNotFound();
    }
    if (approval.resolution !== undefined) return this.#repeat(approval, decision);
    if (!mayAnswer(peer, approval)) throw ownRequest();
    if (!approval.view.allowedDecisions.includes(decision)) throw noAllowAlways(peer);
    const nowMs = this.#options.clock.now();
    this.#end(approval, {
      decision,
      status: decision === "deny" ? "denied" : "allowed",
      reason: "user",
      resolver: resolverOf(peer),
      atMs: nowMs,
      selfApproved: isRequester(peer, approval),
    });
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
  use(approval: OpenApproval): ApprovalDecision | undefined {
    const decision = approval.resolution?.decision;
    if (decision === "allow-always") return decision;
    if (decision !== "allow-once" || approval.consumed) return undefined;
    approval.consumed = true;
    return decision;
  }

  /** The approval with exactly this id, for binding a run to it. */
  byId(id: string): OpenApproval | undefined {
    return this.#approvals.get(id);
  }

  #expire(approval: OpenApproval): void {
    this.#end(approval, ending("expired", "timeout", this.#options.clock.now()));
  }

  #end(approval: OpenApproval, resolution: Resolution): void {
    if (approval.resolution !== undefined) return;
    approval.resolution = resolution;
    this.#timers.get(approval.id)?.();
    this.#timers.delete(approval.id);
    const waiters = this.#waiters.get(approval.id) ?? [];
    this.#waiters.delete(approval.id);
    for (const waiter of waiters) waiter(resolution);
    this.#record(approval, resolution);
    if (resolution.reason === "no-route") return;
    const payload = {
      id: approval.id,
      decision: resolution.decision ?? "deny",
      resolvedBy: resolution.resolver.name,
      ts: resolution.atMs,
      request: approval.view,
    };
    // The requester's answers go out before the event (11.8): they are queued in microtasks.
    this.#options.clock.after(
      0,
      () =>
        this.#options.events.broadcast("exec.approval.resolved", payload, {
          only: (peer) => maySee(peer, approval),
        }),
    );
  }

  #record(approval: OpenApproval, resolution: Resolution): void {
    const { store } = this.#options;
    const history = [...this.#approvals.values()].filter((a) => a.resolution !== undefined);
    for (const old of history.slice(0, Math.max(0, history.length - MAX_HISTORY))) {
      this.#approvals.delete(old.id);
    }
    if (resolution.reason === "no-route") return;
    store.later(store.approvals, approval.id, approvalRecord(approval, resolution));
    const over = store.approvals.size - MAX_HISTORY;
    if (over > 0) {
      const oldest = [...store.approvals.values()].slice(0, over);
      void store.commit((tx) => {
        for (const record of oldest) tx.remove(store.approvals, record.id);
      }).catch(() => {
        // The history is a convenience; the next decision prunes again.
      });
    }
  }

  disconnected(peer: Peer): void {
    if (peer.principal.deviceId !== undefined) return;
    // Nobody but this connection could use it: whatever is decided later must not run.
    for (const approval of this.#approvals.values()) {
      if (approval.requester !== peer || approval.resolution !== undefined) continue;
      this.#end(approval, ending("cancelled", "cancelled", this.#options.clock.now()));
    }
  }

  stop(): void {
    for (const approval of this.#approvals.values()) {
      if (approval.resolution !== undefined) continue;
      this.#end(approval, ending("cancelled", "cancelled", this.#options.clock.now()));
    }
  }
}
