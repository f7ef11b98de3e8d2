/**
 * Filing of pairing requests: one per device, refreshed while it asks for the same, replaced when it asks for something
 * else. Source: gateway-protocol.md 8.1.
 */
import { limiterKey } from "../../net/address.ts";
import { refusal } from "../../protocol/errors.ts";
import { coversAll } from "../../protocol/scopes.ts";
import type { DeviceRecord, Surface } from "../../store/device_record.ts";
import type { PairingRequest } from "../../store/pairing_request.ts";
import type { Change } from "../../store/store.ts";
import {
  answerRequest,
  countAsked,
  expireRequests,
  type PairingContext,
  waitingRequests,
} from "./context.ts";
import type { AdmissionRequest, PairingReason } from "./desk.ts";
import { metadataChanged } from "./rules.ts";
import { sameSurface, surfaceChanges } from "../nodes/surface.ts";

/** A refresh is recorded at most this often: a waiting node knocks every 1.5 s and must not keep the disk busy. */
const REFRESH_EVERY_MS = 60_000;
/** Waiting requests in all; a flood of devices must not fill memory or the operator's screen. */
const MAX_WAITING = 256;
/** Scopes of one request: as many as one connect may ask for. */
const MAX_SCOPES = 64;

/** What is filed. */
export interface Filing {
  readonly request: AdmissionRequest;
  readonly reason: PairingReason;
  readonly surface: Surface | undefined;
  readonly record: DeviceRecord | undefined;
}

/** Files, refreshes or replaces the device's request. Settles when durable; a mere refresh writes nothing. */
export async function fileRequest(
  context: PairingContext,
  filing: Filing,
): Promise<PairingRequest> {
  const { store, clock } = context;
  const old = waitingRequests(context).find((r) => r.deviceId === filing.request.device.deviceId);
  const nowMs = clock.now();
  const changed = old === undefined ? [] : changes(old, filing);
  if (old !== undefined && changed.length === 0) {
    if (nowMs - old.refreshedAtMs >= REFRESH_EVERY_MS) {
      store.later(store.requests, old.requestId, { ...old, refreshedAtMs: nowMs });
    }
    return old;
  }
  countAsked(context, filing.request.device.deviceId);
  const made = buildRequest(filing, old, nowMs);
  await store.commit((tx) => {
    expireRequests(context, tx);
    if (old === undefined) makeRoom(context, tx, addressOf(made));
    else {
      answerRequest(context, tx, old, {
        outcome: "superseded",
        replacedBy: made.requestId,
        changed,
        atMs: nowMs,
      });
    }
    tx.put(store.requests, made.requestId, made);
  });
  if (old !== undefined) {
    context.emit("device.pair.resolved", {
      requestId: old.requestId,
      deviceId: old.deviceId,
      decision: "rejected",
      ts: nowMs,
    });
  }
  context.emit("device.pair.requested", requestEvent(made));
  context.emit("device.pair.changed", {});
  return made;
}

/**
 * The address with the most waiting requests gives up its newest, or gets no more: a flood from one place does not keep
 * others from knocking, and who waited there before it goes on waiting. The device files again when it comes back.
 */
function makeRoom(context: PairingContext, tx: Change, newcomer: string): void {
  const { requests } = context.store;
  if (requests.size < MAX_WAITING) return;
  const byAddress = Map.groupBy(requests.values(), addressOf);
  const own = byAddress.get(newcomer)?.length ?? 0;
  const [most = []] = [...byAddress.values()].sort((a, b) => b.length - a.length);
  const newest = most.reduce((a, b) => b.ts >= a.ts ? b : a, most[0] as PairingRequest);
  if (most.length <= own) throw queueFull();
  answerRequest(context, tx, newest, { outcome: "expired", atMs: context.clock.now() });
}

function addressOf({ remoteIp }: Pick<PairingRequest, "remoteIp">): string {
  return remoteIp === undefined ? "local" : limiterKey(remoteIp);
}

/** What was asked for before and now; when that is more than one connect may ask for, only what is asked now. */
export function mergedScopes(before: readonly string[] | undefined, now: readonly string[]) {
  const all = [...new Set([...(before ?? []), ...now])];
  return all.length <= MAX_SCOPES ? all : [...new Set(now)];
}

function queueFull() {
  return refusal("UNAVAILABLE", `too many pairing requests wait for approval (${MAX_WAITING})`, {
    retryable: true,
    retryAfterMs: 30_000,
  });
}

/** What the new connect asks for beyond the waiting request, for people; empty = the same. */
function changes(old: PairingRequest, { request, surface }: Filing): string[] {
  const { device } = request;
  const out: string[] = [];
  if (!old.roles.includes(request.role)) out.push(`asks for role ${request.role}`);
  if (!coversAll(old.scopes, request.scopes)) {
    out.push(`asks for ${request.scopes.filter((s) => !old.scopes.includes(s)).join(", ")}`);
  }
  if (old.platform !== device.platform || old.deviceFamily !== device.deviceFamily) {
    out.push(`platform is ${device.platform ?? "unknown"}`);
  }
  if (old.displayName !== device.displayName) out.push("name changed");
  if (surface !== undefined && !sameSurface(old.surface, surface)) {
    const items = surfaceChanges(old.surface, surface);
    out.push(items.length > 0 ? `commands ${items.join(" ")}` : "permissions changed");
  }
  return out;
}

function buildRequest(
  filing: Filing,
  old: PairingRequest | undefined,
  nowMs: number,
): PairingRequest {
  const { request, reason, record } = filing;
  const { device } = request;
  const surface = filing.surface ?? old?.surface;
  return {
    requestId: crypto.randomUUID(),
    ...device,
    role: request.role,
    roles: [...new Set([...(old?.roles ?? []), request.role])],
    scopes: mergedScopes(old?.scopes, request.scopes),
    ...(request.remoteIp === undefined ? {} : { remoteIp: request.remoteIp }),
    ...(request.browserOrigin === undefined ? {} : { browserOrigin: request.browserOrigin }),
    silent: false,
    isRepair: record !== undefined,
    reason: record !== undefined && metadataChanged(record, device) ? "metadata-upgrade" : reason,
    ...(surface === undefined ? {} : { surface }),
    ts: nowMs,
    refreshedAtMs: nowMs,
  };
}

/** Payload of `device.pair.requested`: the closed record of the wire, without the surface (decision 3). */
export function requestEvent(request: PairingRequest) {
  const { surface: _s, refreshedAtMs: _r, version: _v, reason: _w, modelIdentifier: _m, ...event } =
    request;
  return event;
}
