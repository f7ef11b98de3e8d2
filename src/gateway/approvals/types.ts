/**
 * Open exec approvals: what is asked, by whom, and what became of it. Values only; the desk is `desk.ts`.
 * Source: gateway-protocol.md 11.7, 11.8, 13.
 */
import type { ApprovalBinding, SystemRunPlan } from "../../approvals/binding.ts";
import type { StoredApproval } from "../../store/open_approval.ts";
import type { Peer } from "../peers/peer.ts";

/** What a reviewer can answer. */
export type ApprovalDecision = "allow-once" | "allow-always" | "deny";

/** Who answered. */
export interface Resolver {
  readonly kind: "runtime" | "device" | "system";
  readonly id?: string;
  /** For `exec.approval.resolved.resolvedBy`. */
  readonly name: string | null;
}

/** How a request ended. */
export interface Resolution {
  /** `null`: nobody decided in time. */
  readonly decision: ApprovalDecision | null;
  readonly status: "allowed" | "denied" | "expired" | "cancelled";
  readonly reason: "user" | "timeout" | "no-route" | "cancelled";
  readonly resolver: Resolver;
  readonly atMs: number;
  /** The requester answered its own request (decision 15). */
  readonly selfApproved: boolean;
}

/** The `request` of the wire events, complete. */
export type ApprovalView = Readonly<Record<string, unknown>> & {
  readonly command: string;
  readonly allowedDecisions: readonly ApprovalDecision[];
};

/** One request and its state. */
export interface OpenApproval extends Omit<StoredApproval, "plan" | "binding" | "resolution"> {
  readonly view: ApprovalView;
  /** For host `node`: exactly what may run. */
  readonly plan: SystemRunPlan | undefined;
  readonly binding: ApprovalBinding | undefined;
  /** Set when it is durable, so that nobody acts on an answer that a crash could take back. */
  resolution: Resolution | undefined;
  /** An answer is on its way to the disk; never rejects. */
  settling: Promise<void> | undefined;
  /** An allow-once that was used (exactly once), or an answer that nobody may use any more. */
  consumed: boolean;
}

/** The desk as the server sees it. */
export interface ApprovalDesk {
  /** Requests that wait for a decision. */
  readonly open: number;
  /** A connection ended: what only it could use is cancelled. */
  disconnected(peer: Peer): void;
  /** Ends the timers. What waits is kept for the next start. */
  stop(): void;
}
