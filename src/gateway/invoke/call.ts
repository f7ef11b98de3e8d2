/**
 * One call to a node as the invoker keeps it, and the outcomes it can have. Values only; the machine is `invoke.ts`.
 */
import type { Clock } from "../../lib/clock.ts";
import { CAP_INVOKE_OUTPUT } from "../../protocol/hello.ts";
import type { Expiring } from "./deadlines.ts";
import type { InvokeOutcome } from "./desk.ts";
import type { LiveOutput } from "./live.ts";
import type { OnTwins } from "./twins.ts";
import type { EffectiveSurface } from "../pairing/desk.ts";
import type { Peer } from "../peers/peer.ts";

/** What the invoker needs from the rest of the gateway. */
export interface InvokerOptions {
  readonly clock: Clock;
  /** What this node may do now. */
  readonly surfaceOf: (peer: Peer) => EffectiveSurface;
  /** Two live sessions of one node identity (F32). */
  readonly onTwins?: OnTwins;
}

/** Names a call of one operator connection. */
export interface OwnCall {
  readonly peer: Peer;
  readonly idempotencyKey: string;
}

/** A call under way. */
export interface PendingCall extends Expiring {
  readonly id: string;
  readonly nodeId: string;
  readonly command: string;
  readonly node: Peer;
  readonly key: string | undefined;
  readonly live: LiveOutput | undefined;
  caller: Peer | undefined;
  /** Set when the call was cancelled: what to say when the node stays silent. */
  cancelled: { readonly code: string; readonly message: string } | undefined;
  readonly settle: (outcome: InvokeOutcome) => void;
}

/** Result of `node.invoke.result`, already checked against its schema. */
export interface InvokeResult {
  readonly id: string;
  readonly nodeId: string;
  readonly ok: boolean;
  readonly payload?: unknown;
  readonly payloadJSON?: string | null;
  readonly error?: { readonly code?: string; readonly message?: string } | null;
}

/** An outcome that is not good. */
export function failure(code: string, message: string, dispatched: boolean): InvokeOutcome {
  return { ok: false, code, message, dispatched };
}

/** The outcome a node reports. */
export function outcomeOf(result: InvokeResult): InvokeOutcome {
  if (result.ok) {
    return typeof result.payloadJSON === "string" && result.payload === undefined
      ? { ok: true, payloadJSON: result.payloadJSON }
      : { ok: true, payloadJSON: null, payload: result.payload ?? null };
  }
  const { code = "UNAVAILABLE", message = "node invoke failed" } = result.error ?? {};
  return { ok: false, code, message, dispatched: true, byNode: true };
}

/** Whether a peer takes part in live output (decision 12). */
export function speaksOutput(peer: Peer | undefined): boolean {
  return peer?.principal.caps.includes(CAP_INVOKE_OUTPUT) ?? false;
}

/**
 * Members of `node.invoke.request` for nodes of ours only; others check the event strictly. `requester` comes from the
 * connection that asks, never from what it says, so that no caller can use a grant given to another.
 */
export function ownMembers(
  node: Peer,
  caller: Peer | undefined,
  isLive: boolean,
): { readonly live?: boolean; readonly requester?: string } {
  if (!speaksOutput(node)) return {};
  const requester = caller && requesterOf(caller);
  return { live: isLive, ...(requester === undefined ? {} : { requester }) };
}

/** Who asks: the proven device, else `owner`; a connection that proved neither has no name a grant could be for. */
function requesterOf({ principal }: Peer): string | undefined {
  return principal.deviceId ?? (principal.owner ? "owner" : undefined);
}

/** Names a call of one connection. */
export function callKey(peer: Peer, idempotencyKey: string): string {
  return `${peer.connId}\n${idempotencyKey}`;
}
