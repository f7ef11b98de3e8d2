/**
 * The `PAIRING_REQUIRED` answer as data. Source: gateway-protocol.md 7.3; decision 6.
 */
import type { DeviceRecord } from "../../store/device_record.ts";
import type { AdmissionRequest, PairingReason, PairingRequired } from "./desk.ts";

/** How soon a waiting node should knock again (decision 6). */
const WAIT_RETRY_MS = 1_500;

/** What each reason says on the wire. Source: 7.3. */
const REASON_TEXT: Readonly<Record<PairingReason, { text: string; hint: string }>> = {
  "not-paired": {
    text: "device is not approved yet",
    hint: "Approve this device from the pending pairing requests.",
  },
  "role-upgrade": {
    text: "device is asking for a higher role than currently approved",
    hint: "Review the requested role upgrade, then approve the pending request.",
  },
  "scope-upgrade": {
    text: "device is asking for more scopes than currently approved",
    hint: "Review the requested scopes, then approve the pending upgrade.",
  },
  "metadata-upgrade": {
    text: "device identity changed and must be re-approved",
    hint: "Review the refreshed device details, then approve the pending request.",
  },
};

/** The answer to a connect that waits for an operator. */
export function pairingRequired(
  request: AdmissionRequest,
  record: DeviceRecord | undefined,
  reason: PairingReason,
  requestId: string,
): PairingRequired {
  const { text, hint } = REASON_TEXT[reason];
  return {
    kind: "pairing-required",
    reason,
    requestId,
    text,
    remediationHint: hint,
    deviceId: request.device.deviceId,
    requestedRole: request.role,
    requestedScopes: request.scopes,
    ...(record === undefined
      ? {}
      : { approvedRoles: record.roles, approvedScopes: record.approvedScopes }),
    ...(request.role === "node"
      ? {
        waiting: {
          recommendedNextStep: "wait_then_retry",
          retryable: true,
          pauseReconnect: false,
          retryAfterMs: WAIT_RETRY_MS,
        },
      }
      : {}),
  };
}
