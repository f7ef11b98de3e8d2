/**
 * The upgrade a connected device asks for by itself. Source: gateway-protocol.md 8.5 (`device.scopes.*`).
 */
import { refusal } from "../../protocol/errors.ts";
import { coversAll } from "../../protocol/scopes.ts";
import type { DeviceRecord } from "../../store/device_record.ts";
import type { PairingRequest } from "../../store/pairing_request.ts";
import {
  answerRequest,
  countAsked,
  deadRequest,
  expireRequests,
  type PairingContext,
  waitingRequest,
  waitingRequests,
} from "./context.ts";
import { mergedScopes, requestEvent } from "./requests.ts";
import { isSelfService } from "./rules.ts";
import type { Principal } from "../peers/principal.ts";

/** `device.scopes.requestUpgrade`: a connected device asks for more. */
export async function requestUpgrade(
  context: PairingContext,
  principal: Principal,
  scopes: readonly string[],
): Promise<{ readonly requestId: string | null; readonly status: string }> {
  const { store, clock, emit } = context;
  const record = principal.deviceId === undefined
    ? undefined
    : store.devices.get(principal.deviceId);
  if (record === undefined) {
    throw refusal("INVALID_REQUEST", "this connection has no paired device");
  }
  if (coversAll(record.approvedScopes, scopes)) return { requestId: null, status: "approved" };
  const old = waitingRequests(context).find((r) => r.deviceId === record.deviceId);
  if (old !== undefined && coversAll(old.scopes, scopes)) {
    return { requestId: old.requestId, status: "pending" };
  }
  countAsked(context, record.deviceId);
  const nowMs = clock.now();
  const made = upgradeRequest(record, old, scopes, nowMs);
  await store.commit((tx) => {
    expireRequests(context, tx);
    if (old !== undefined) {
      answerRequest(context, tx, old, {
        outcome: "superseded",
        replacedBy: made.requestId,
        changed: [`asks for ${scopes.join(", ")}`],
        atMs: nowMs,
      });
    }
    tx.put(store.requests, made.requestId, made);
  });
  if (old !== undefined) {
    const { requestId, deviceId } = old;
    emit("device.pair.resolved", { requestId, deviceId, decision: "rejected", ts: nowMs });
  }
  emit("device.pair.requested", requestEvent(made));
  emit("device.pair.changed", {});
  return { requestId: made.requestId, status: "pending" };
}

function upgradeRequest(
  record: DeviceRecord,
  old: PairingRequest | undefined,
  scopes: readonly string[],
  nowMs: number,
): PairingRequest {
  const { deviceId, publicKey, clientId, clientMode, displayName, platform, deviceFamily } = record;
  return {
    requestId: crypto.randomUUID(),
    deviceId,
    publicKey,
    clientId,
    clientMode,
    ...(displayName === undefined ? {} : { displayName }),
    ...(platform === undefined ? {} : { platform }),
    ...(deviceFamily === undefined ? {} : { deviceFamily }),
    role: "operator",
    roles: [...new Set([...(old?.roles ?? []), "operator"])],
    scopes: mergedScopes(old?.scopes, scopes),
    ...(record.remoteIp === undefined ? {} : { remoteIp: record.remoteIp }),
    silent: false,
    isRepair: true,
    reason: "scope-upgrade",
    ...(old?.surface === undefined ? {} : { surface: old.surface }),
    ts: nowMs,
    refreshedAtMs: nowMs,
  };
}

/** Waits for the answer to a request of the caller's device. `status` is `pending` when time is up. */
export async function waitForRequest(
  context: PairingContext,
  principal: Principal,
  wait: { readonly requestId: string; readonly timeoutMs: number; readonly signal: AbortSignal },
): Promise<{ readonly requestId: string; readonly status: string }> {
  const { requestId } = wait;
  const before = outcome(context, principal, requestId);
  if (before !== undefined) return { requestId, status: before };
  await new Promise<void>((resolve) => {
    const end = () => {
      cancel();
      context.answered.delete(onAnswer);
      wait.signal.removeEventListener("abort", end);
      resolve();
    };
    const onAnswer = (id: string) => {
      if (id === requestId) end();
    };
    const cancel = context.clock.after(wait.timeoutMs, end);
    context.answered.add(onAnswer);
    wait.signal.addEventListener("abort", end);
  });
  return { requestId, status: outcome(context, principal, requestId) ?? "pending" };
}

/** What became of a request; `undefined` while it waits. */
function outcome(context: PairingContext, principal: Principal, requestId: string) {
  const request = waitingRequest(context, requestId);
  if (request !== undefined && request.deviceId === principal.deviceId) return undefined;
  const answered = context.store.answered.get(requestId);
  const foreign = isSelfService(principal) && answered?.deviceId !== principal.deviceId;
  if (answered === undefined || foreign) {
    throw deadRequest(context, principal, requestId, "`openclaw devices list`");
  }
  return answered.outcome;
}
