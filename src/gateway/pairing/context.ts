/**
 * What the parts of the pairing desk share: stores, time, events, configuration. Also the waiting requests and the memory
 * of answered ones. Source: gateway-protocol.md 8.1; decision 3.
 */
import type { Budget } from "../../lib/budget.ts";
import type { Clock } from "../../lib/clock.ts";
import type { OpenclawError } from "../../lib/errors.ts";
import type { Logger } from "../../lib/log.ts";
import { showableWithin } from "../../lib/text.ts";
import { refusal } from "../../protocol/errors.ts";
import { PAIRING_REQUEST_LIFETIME_MS } from "../../protocol/limits.ts";
import type { GatewayStore } from "../../store/gateway_store.ts";
import type { AnsweredRequest, PairingRequest } from "../../store/pairing_request.ts";
import type { Change } from "../../store/store.ts";
import type { EventName } from "../peers/events.ts";
import type { NodePolicy } from "../nodes/policy.ts";
import type { Principal } from "../peers/principal.ts";
import type { AdmissionRequest } from "./desk.ts";
import { mayTouch, type PairingSwitches } from "./rules.ts";
import type { Tokens } from "./tokens.ts";

/** How long answered ids are remembered, and how many. */
const ANSWERED_MS = 7 * 24 * 3_600_000;
const MAX_ANSWERED = 2_000;
/** Different requests of one device within a minute. */
const MAX_ASKED = 30;
/** Kept of what changed: lines, and bytes of each. A device may declare a thousand commands. */
const MAX_CHANGED = 32;
const MAX_CHANGED_BYTES = 300;

/** Shared by the parts of the desk. */
export interface PairingContext {
  readonly store: GatewayStore;
  readonly tokens: Tokens;
  readonly clock: Clock;
  readonly log: Logger;
  /** What each device asked anew lately. */
  readonly asked: Budget;
  /** Sends an event to everyone its definition admits; called after the change is durable. */
  readonly emit: (name: EventName, payload: unknown) => void;
  /** Called with the id of every device request that was answered. */
  readonly answered: Set<(requestId: string) => void>;
  /** Called for every knock of a device that has to wait, with its request. */
  readonly onWaiting: (filed: PairingRequest, request: AdmissionRequest) => void;
  /** Command lists in force. */
  readonly nodePolicy: () => NodePolicy;
  readonly switches: () => PairingSwitches;
}

/**
 * Counts one request that differs from the device's last. Each is written, shown to every operator and ends the one before:
 * in a loop nobody could answer any, and the disk had no rest.
 * @throws `UNAVAILABLE` (retryable): too many within a minute.
 */
export function countAsked({ asked }: PairingContext, deviceId: string): void {
  const retryAfterMs = asked.take(deviceId, MAX_ASKED);
  if (retryAfterMs === 0) return;
  throw refusal("UNAVAILABLE", "this device asked for too many different things within a minute", {
    retryable: true,
    retryAfterMs,
  });
}

/** For rules that give the refusal instead of throwing it. */
export function throwIf(error: OpenclawError | undefined): void {
  if (error !== undefined) throw error;
}

/** Waits until no undurable change is visible, so that a verdict never rests on one. */
export async function settledReads(store: GatewayStore): Promise<void> {
  await store.settled();
}

/** A waiting request that has not expired. */
export function waitingRequest(
  { store, clock }: PairingContext,
  requestId: string,
): PairingRequest | undefined {
  const request = store.requests.get(requestId);
  return request === undefined || isExpired(request, clock.now()) ? undefined : request;
}

/** Waiting requests, oldest first. */
export function waitingRequests({ store, clock }: PairingContext): PairingRequest[] {
  const nowMs = clock.now();
  return [...store.requests.values()].filter((request) => !isExpired(request, nowMs));
}

function isExpired(request: PairingRequest, nowMs: number): boolean {
  return request.refreshedAtMs + PAIRING_REQUEST_LIFETIME_MS <= nowMs;
}

/** Moves expired requests to the memory of answered ones; part of every change of requests. */
export function expireRequests(context: PairingContext, tx: Change): void {
  const nowMs = context.clock.now();
  for (const request of [...context.store.requests.values()]) {
    if (!isExpired(request, nowMs)) continue;
    answerRequest(context, tx, request, {
      outcome: "expired",
      atMs: request.refreshedAtMs + PAIRING_REQUEST_LIFETIME_MS,
    });
  }
}

/** Ends a waiting device request and remembers how. */
export function answerRequest(
  context: PairingContext,
  tx: Change,
  request: PairingRequest,
  answer: Pick<AnsweredRequest, "outcome" | "atMs" | "replacedBy" | "changed">,
): void {
  tx.remove(context.store.requests, request.requestId);
  remember(context, tx, {
    requestId: request.requestId,
    kind: "device",
    deviceId: request.deviceId,
    ...answer,
  });
}

/** Remembers what became of an id. */
export function remember(context: PairingContext, tx: Change, answered: AnsweredRequest): void {
  const { store, clock } = context;
  const changed = answered.changed?.slice(0, MAX_CHANGED).map((line) =>
    showableWithin(line, MAX_CHANGED_BYTES)
  );
  tx.put(store.answered, answered.requestId, changed ? { ...answered, changed } : answered);
  const oldestMs = clock.now() - ANSWERED_MS;
  for (const old of store.answered.values()) {
    if (old.atMs >= oldestMs && store.answered.size <= MAX_ANSWERED) break;
    tx.remove(store.answered, old.requestId);
  }
}

/**
 * Why an id cannot be acted on: unknown, or what became of it. An id that was printed once leads somewhere.
 * `list` is the command that shows what is waiting now.
 */
export function deadRequest(
  context: PairingContext,
  principal: Principal,
  requestId: string,
  list: string,
): OpenclawError {
  const answered = context.store.answered.get(requestId) ?? expiredNow(context, requestId);
  // Someone else's request looks unknown to a device that may only manage itself.
  if (answered === undefined || !mayTouch(principal, answered.deviceId)) {
    return refusal("INVALID_REQUEST", "unknown requestId");
  }
  const details = {
    code: `REQUEST_${answered.outcome.toUpperCase()}`,
    requestId,
    deviceId: answered.deviceId,
    ...(answered.replacedBy === undefined ? {} : { replacedBy: answered.replacedBy }),
    ...(answered.changed === undefined ? {} : { changed: answered.changed }),
  };
  return refusal("INVALID_REQUEST", `unknown requestId: ${fateText(answered, list)}`, { details });
}

function expiredNow({ store }: PairingContext, requestId: string): AnsweredRequest | undefined {
  const request = store.requests.get(requestId);
  if (request === undefined) return undefined;
  const atMs = request.refreshedAtMs + PAIRING_REQUEST_LIFETIME_MS;
  return { requestId, kind: "device", deviceId: request.deviceId, outcome: "expired", atMs };
}

function fateText(answered: AnsweredRequest, list: string): string {
  const { requestId, outcome, replacedBy, changed } = answered;
  if (outcome === "superseded") {
    const what = changed !== undefined && changed.length > 0 ? ` (${changed.join(", ")})` : "";
    return `${requestId} was replaced by ${replacedBy ?? "a newer request"}${what}`;
  }
  if (outcome === "expired") {
    return `${requestId} expired at ${new Date(answered.atMs).toISOString()}; ` +
      `the device files a new one when it connects again, see ${list}`;
  }
  return `${requestId} was already ${outcome}`;
}
