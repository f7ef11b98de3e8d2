/**
 * An exec approval that still matters: it waits for an answer, or its answer may still be used. Kept so that a restart of
 * the gateway loses none (F01). What became of decided ones is `approval_record.ts`.
 */
import type { ApprovalBinding, SystemRunPlan } from "../approvals/binding.ts";
import type { ApprovalRecord } from "./approval_record.ts";

/** Who asked. Only this connection, or this device on any connection, may use the answer. */
export interface ApprovalRequester {
  readonly connId: string;
  readonly deviceId?: string;
  /** For people. */
  readonly name: string;
}

/** One approval as it lies in the store. */
export interface StoredApproval extends
  Pick<
    ApprovalRecord,
    "id" | "commandText" | "commandPreview" | "warningText" | "host" | "nodeId" | "agentId"
  > {
  /** The `request` of the wire events. */
  readonly view: Readonly<Record<string, unknown>>;
  readonly plan?: SystemRunPlan;
  readonly binding?: ApprovalBinding;
  readonly requester: ApprovalRequester;
  readonly createdAtMs: number;
  readonly expiresAtMs: number;
  /** Present once it is decided; opaque here. */
  readonly resolution?: unknown;
}
