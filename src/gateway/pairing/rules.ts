/**
 * The verdicts of pairing: when it is required, when it is silent, who may approve, what a token operation may do.
 * Pure. Source: gateway-protocol.md 8.2, 5.3, 8.5; decisions 1, 2, 4.
 */
import type { OpenclawError } from "../../lib/errors.ts";
import { missingScopeError, refusal } from "../../protocol/errors.ts";
import { coversAll, coversScope, missingScope } from "../../protocol/scopes.ts";
import { type DeviceFacts, type DeviceRecord, effectiveRoles } from "../../store/device_record.ts";
import type { PairingRequest } from "../../store/pairing_request.ts";
import type { AdmissionRequest, PairingReason } from "./desk.ts";
import type { Principal } from "../peers/principal.ts";

/** Why this connection needs an approval; `undefined` = it is covered by the record. */
export function pairingReason(
  record: DeviceRecord | undefined,
  request: AdmissionRequest,
): PairingReason | undefined {
  if (record === undefined || record.publicKey !== request.device.publicKey) return "not-paired";
  if (!effectiveRoles(record).includes(request.role)) return "role-upgrade";
  if (metadataChanged(record, request.device)) return "metadata-upgrade"; // I10
  if (request.role === "operator" && !coversAll(record.approvedScopes, request.scopes)) {
    return "scope-upgrade";
  }
  return undefined;
}

const PLATFORM_SPELLING: Readonly<Record<string, string>> = { darwin: "macos", win32: "windows" };

function platformId(platform: string | undefined): string {
  const text = (platform ?? "").trim().toLowerCase();
  return PLATFORM_SPELLING[text] ?? text;
}

/** I10: platform and family are pinned. The two spellings of one platform, and a family told for the first time, are the same. */
export function metadataChanged(record: DeviceRecord, device: DeviceFacts): boolean {
  if (
    record.platform !== undefined && platformId(record.platform) !== platformId(device.platform)
  ) {
    return true;
  }
  const [pinned, told] = [record.deviceFamily, device.deviceFamily].map((f) =>
    f?.trim().toLowerCase()
  );
  return pinned !== undefined && told !== undefined && pinned !== told;
}

/** Switches of `gateway.nodes.pairing`. */
export interface PairingSwitches {
  readonly autoApproveLocal: boolean;
  /** Whether an address is in `autoApproveCidrs`. */
  readonly trustedAddress: (address: string) => boolean;
}

/** Decision 2: how a first pairing may be approved without a person; `undefined` = it may not. */
export function automaticApproval(
  reason: PairingReason,
  request: AdmissionRequest,
  switches: PairingSwitches,
): "silent" | "trusted-cidr" | undefined {
  if (reason !== "not-paired" || request.browserOrigin !== undefined) return undefined;
  if (request.role === "operator") return request.owner ? "silent" : undefined;
  if (request.owner && switches.autoApproveLocal) return "silent";
  const trusted = !request.local && request.remoteIp !== undefined &&
    !request.asksScopes && switches.trustedAddress(request.remoteIp);
  return trusted ? "trusted-cidr" : undefined;
}

/**
 * A caller that came by its device's own right, and not admin: it sees and manages its own device (8.5). The first session
 * of a join code is one, too: the code paired this device and vouches for nothing else (I06).
 */
export function isSelfService({ authMethod, scopes }: Principal): boolean {
  return (authMethod === "device-token" || authMethod === "bootstrap-token") &&
    !coversScope(scopes, "operator.admin");
}

/** Whether this caller may see or touch the device at all. */
export function mayTouch(principal: Principal, deviceId: string): boolean {
  return !isSelfService(principal) || principal.deviceId === deviceId;
}

/**
 * I06: an approval hands out no more than the approver holds, on every route. Owners hold everything (decision 4).
 * I10: a device does not confirm its own changes, else the platform pinned at its approval would pin nothing.
 * Returns the refusal, or `undefined` when the caller may approve.
 */
export function refuseApprove(
  principal: Principal,
  request: Pick<PairingRequest, "deviceId" | "roles" | "scopes">,
): OpenclawError | undefined {
  if (principal.owner || coversScope(principal.scopes, "operator.admin")) return undefined;
  if (principal.deviceId === request.deviceId) return denied(principal, "operator.admin");
  const needed = request.roles.some((role) => role !== "operator")
    ? ["operator.admin", ...request.scopes]
    : request.scopes;
  const missing = missingScope(principal.scopes, needed);
  return missing === undefined ? undefined : denied(principal, missing);
}

function denied({ protocol }: Principal, missing: string): OpenclawError {
  return protocol === 3
    ? refusal("INVALID_REQUEST", `missing scope: ${missing}`)
    : refusal("INVALID_REQUEST", "device pairing approval denied", {
      details: { reason: "missing-scope", missingScope: missing },
    });
}

/** Whether the caller may approve a surface that needs `required`. */
export function refuseSurfaceApprove(
  principal: Principal,
  required: readonly string[],
): OpenclawError | undefined {
  if (principal.owner) return undefined;
  const missing = missingScope(principal.scopes, required);
  return missing === undefined ? undefined : missingScopeError(missing);
}

/** I04: a token operation reaches only scopes the caller holds, or the caller's own device. */
export function mayOperateToken(
  principal: Principal,
  device: DeviceRecord,
  scopes: readonly string[],
) {
  if (!mayTouch(principal, device.deviceId)) return false;
  if (principal.owner || principal.deviceId === device.deviceId) return true;
  return coversAll(principal.scopes, scopes);
}
