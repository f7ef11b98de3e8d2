/**
 * How exec approvals end: resolutions, refusals and history rows as values. The desk is `desk.ts`.
 */
import { refusal } from "../../protocol/errors.ts";
import type { ApprovalRecord } from "../../store/approval_record.ts";
import type { OpenApproval, Resolution, Resolver } from "./types.ts";
import type { Peer } from "../peers/peer.ts";
import { principalName } from "../peers/principal.ts";

/** A request nobody decided. */
export function ending(
  status: "expired" | "cancelled",
  reason: "timeout" | "no-route" | "cancelled",
  atMs: number,
): Resolution {
  const resolver = { kind: "system", name: null } as const;
  return { decision: null, status, reason, resolver, atMs, selfApproved: false };
}

/** Who answered. */
export function resolverOf(peer: Peer): Resolver {
  const { principal } = peer;
  return principal.deviceId === undefined
    ? { kind: "runtime", id: principal.clientId, name: principalName(principal) }
    : { kind: "device", id: principal.deviceId, name: principalName(principal) };
}

/** Decision 15. */
export function ownRequest() {
  return refusal(
    "FORBIDDEN",
    "a connection may not answer its own request without operator.admin",
    {
      details: { reason: "OWN_REQUEST" },
    },
  );
}

/** Allow-always was not offered. */
export function noAllowAlways(peer: Peer) {
  return refusal(
    "INVALID_REQUEST",
    peer.principal.protocol === 3
      ? "allow-always is unavailable because the effective policy requires approval every time"
      : "allow-always is unavailable for this command",
    { details: { reason: "APPROVAL_ALLOW_ALWAYS_UNAVAILABLE" } },
  );
}

/** The history row of a decided request. */
export function approvalRecord(approval: OpenApproval, resolution: Resolution): ApprovalRecord {
  const { id, commandText, commandPreview, warningText, host, nodeId, agentId, requester } =
    approval;
  const { kind, id: resolverId } = resolution.resolver;
  return {
    id,
    status: resolution.status,
    commandText,
    commandPreview,
    warningText,
    host,
    nodeId,
    agentId,
    allowedDecisions: approval.view.allowedDecisions,
    decision: resolution.decision,
    reason: resolution.reason,
    resolver: { kind, ...(resolverId === undefined ? {} : { id: resolverId }) },
    selfApproved: resolution.selfApproved,
    requester: requester.name,
    ...(requester.deviceId === undefined ? {} : { requesterDeviceId: requester.deviceId }),
    createdAtMs: approval.createdAtMs,
    expiresAtMs: approval.expiresAtMs,
    resolvedAtMs: resolution.atMs,
  };
}
