/**
 * Open exec approvals: what is asked, by whom, and what became of it. Values only; the desk is `desk.ts`.
 * Source: gateway-protocol.md 11.7, 11.8, 13.
 */
import type { ApprovalBinding, SystemRunPlan } from "../../approvals/binding.ts";
import type { ApprovalRecord } from "../../store/approval_record.ts";
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
export interface OpenApproval extends
  Pick<
    ApprovalRecord,
    "id" | "commandText" | "commandPreview" | "warningText" | "host" | "nodeId" | "agentId"
  > {
  readonly view: ApprovalView;
  /** For host `node`: exactly what may run. */
  readonly plan: SystemRunPlan | undefined;
  readonly binding: ApprovalBinding | undefined;
  /** Connection that asked; a device may use the approval on another one. */
  readonly requester: Peer;
  readonly createdAtMs: number;
  readonly expiresAtMs: number;
  resolution: Resolution | undefined;
  /** An allow-once that was used (exactly once). */
  consumed: boolean;
}

/** The desk as the server sees it. */
export interface ApprovalDesk {
  /** Requests that wait for a decision. */
  readonly open: number;
  /** A connection ended: what only it could use is cancelled. */
  disconnected(peer: Peer): void;
  /** Cancels everything that waits. */
  stop(): void;
}
