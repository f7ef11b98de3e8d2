/**
 * A decided exec approval, for the history. Those that wait or may still be used are `open_approval.ts`.
 */

/** One decided approval as `approval.history` shows it. */
export interface ApprovalRecord {
  readonly id: string;
  readonly status: "allowed" | "denied" | "expired" | "cancelled";
  readonly commandText: string;
  readonly commandPreview: string | null;
  readonly warningText: string | null;
  readonly host: string;
  readonly nodeId: string | null;
  readonly agentId: string | null;
  readonly allowedDecisions: readonly string[];
  readonly decision: string | null;
  readonly reason: string;
  readonly resolver: { readonly kind: string; readonly id?: string };
  readonly selfApproved: boolean;
  readonly requester: string;
  /** Device that asked; absent for connections without one. */
  readonly requesterDeviceId?: string;
  readonly createdAtMs: number;
  readonly expiresAtMs: number;
  readonly resolvedAtMs: number;
}
