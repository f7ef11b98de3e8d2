/**
 * The older generation's `node.pair.request` and `node.pair.verify`: an operator files a request for a node's commands,
 * and asks whether a token is the node's. There is one store here, so only paired nodes can be named.
 * Source: gateway-protocol.md 9.2.
 */
import { refusal } from "../../protocol/errors.ts";
import type { Secret } from "../../lib/secret.ts";
import type { DeviceRecord, PendingSurface, Surface } from "../../store/device_record.ts";
import { compareSurface, sameSurface, surfaceChanges } from "../nodes/surface.ts";
import type { Principal } from "../peers/principal.ts";
import { countAsked, type PairingContext, remember } from "./context.ts";
import { mayTouch } from "./rules.ts";
import { allowedSurface, approvedRow, emitResolved, pendingRow } from "./surfaces.ts";

/** What is asked for a node; absent parts stay as they are asked or approved now. */
export interface SurfaceAsk extends Partial<Surface> {
  readonly nodeId: string;
}

function nodeFor(context: PairingContext, principal: Principal, nodeId: string): DeviceRecord {
  const record = context.store.devices.get(nodeId);
  if (record !== undefined && record.roles.includes("node") && mayTouch(principal, nodeId)) {
    return record;
  }
  throw refusal(
    "INVALID_REQUEST",
    "unknown nodeId: a node files its first request itself, by connecting with its key",
  );
}

/** `node.pair.request`. Nothing beyond what is approved is `approved`. Settles when durable. */
export async function requestSurface(
  context: PairingContext,
  principal: Principal,
  { nodeId, ...asked }: SurfaceAsk,
) {
  const { store, clock } = context;
  const record = nodeFor(context, principal, nodeId);
  const { surface, pendingSurface: old } = record;
  const now = old ?? surface ?? { caps: [], commands: [] };
  const wanted = allowedSurface(context, { ...now, ...asked }, {
    protocol: 3,
    platform: record.platform,
    deviceFamily: record.deviceFamily,
  });
  if (!compareSurface(wanted, surface).grows) {
    return { status: "approved", node: approvedRow(context, record), created: false };
  }
  if (old !== undefined && sameSurface(old, wanted)) {
    return { status: "pending", request: pendingRow(nodeId, old), created: false };
  }
  const { clientId, clientMode, displayName, platform, version, deviceFamily } = record;
  const made: PendingSurface = {
    requestId: crypto.randomUUID(),
    clientId,
    clientMode,
    ...(displayName === undefined ? {} : { displayName }),
    ...(platform === undefined ? {} : { platform }),
    ...(version === undefined ? {} : { version }),
    ...(deviceFamily === undefined ? {} : { deviceFamily }),
    ...wanted,
    ts: clock.now(),
  };
  countAsked(context, `${nodeId} for it`); // not the node's own: it may still ask itself
  await store.commit((tx) => {
    tx.put(store.devices, nodeId, { ...record, pendingSurface: made });
    if (old === undefined) return;
    remember(context, tx, {
      requestId: old.requestId,
      kind: "surface",
      deviceId: nodeId,
      outcome: "superseded",
      replacedBy: made.requestId,
      changed: surfaceChanges(old, made),
      atMs: made.ts,
    });
  });
  if (old !== undefined) emitResolved(context, old.requestId, nodeId, "rejected");
  const request = pendingRow(nodeId, made);
  context.emit("node.pair.requested", request);
  return { status: "pending", request, created: true };
}

/** `node.pair.verify`: whether this is the node's device token now. Says the same for unknown nodes and wrong tokens. */
export async function verifyNodeToken(
  context: PairingContext,
  principal: Principal,
  asked: { readonly nodeId: string; readonly token: Secret },
) {
  const { store, tokens, clock } = context;
  const record = mayTouch(principal, asked.nodeId) ? store.devices.get(asked.nodeId) : undefined;
  const grant = record?.tokens.node;
  if (record === undefined || grant === undefined || grant.revokedAtMs !== undefined) {
    return { ok: false };
  }
  const generation = await tokens.check(record.deviceId, grant, asked.token, clock.now());
  return generation === undefined
    ? { ok: false }
    : { ok: true, node: approvedRow(context, record) };
}
