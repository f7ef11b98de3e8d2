/**
 * Incoming frames as a client reads them, and refusals as errors. Lenient where the contract lets a gateway leave
 * things out (gateway-protocol.md 17), strict about shapes. Everything a gateway says is shown escaped (N32).
 */
import { isObject, jsonValue } from "../lib/objects.ts";
import { OpenclawError } from "../lib/errors.ts";
import { Secret } from "../lib/secret.ts";
import { showableWithin } from "../lib/text.ts";
import type { HelloOk } from "../protocol/hello.ts";
import { scanJson } from "../protocol/json_scan.ts";
import { TICK_INTERVAL_MS } from "../protocol/limits.ts";
import type { CloseInfo } from "../net/socket.ts";

type Plain = Readonly<Record<string, unknown>>;

/** A frame from the gateway. */
export type Incoming =
  | {
    readonly type: "event";
    readonly event: string;
    readonly payload: unknown;
    readonly seq?: number;
  }
  | { readonly type: "res"; readonly id: string; readonly ok: true; readonly payload: unknown }
  | { readonly type: "res"; readonly id: string; readonly ok: false; readonly error: Plain };

/** Reads one frame; `undefined` when it is none we know (ignored, as the reference clients do). */
export function readIncoming(text: string): Incoming | undefined {
  if (scanJson(text) !== undefined) return undefined;
  const value = jsonValue(text);
  if (!isObject(value)) return undefined;
  if (value.type === "event" && typeof value.event === "string") {
    const seq = Number.isSafeInteger(value.seq) ? { seq: value.seq as number } : {};
    return { type: "event", event: value.event, payload: value.payload, ...seq };
  }
  if (value.type !== "res" || typeof value.id !== "string") return undefined;
  if (value.ok === true) return { type: "res", id: value.id, ok: true, payload: value.payload };
  return { type: "res", id: value.id, ok: false, error: isObject(value.error) ? value.error : {} };
}

const CODE = /^[A-Z][A-Z0-9_]{0,63}$/;
/** Ids outside this form are dropped (gateway-protocol.md 7.3): they end up in a command to paste. */
const REQUEST_ID = /^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$/;

const codeOf = (value: unknown) =>
  typeof value === "string" && CODE.test(value) ? value : undefined;

/** A refusal of the gateway: `code` is `details.code`, else the top-level code, which is also in `details.wireCode`. */
export function refusalError(error: Plain): OpenclawError {
  const details = isObject(error.details) ? { ...error.details } : {};
  const wireCode = codeOf(error.code) ?? "INVALID_RESPONSE";
  if (typeof details.requestId !== "string" || !REQUEST_ID.test(details.requestId)) {
    delete details.requestId;
  }
  const text = typeof error.message === "string" && error.message !== ""
    // Line breaks stay: an exec refusal explains itself over several lines. Logs fold and escape them again (N32).
    ? error.message.slice(0, 8_000).split("\n").map((line) => showableWithin(line, 2_000)).join(
      "\n",
    )
    : "the gateway refused without a message";
  return new OpenclawError(codeOf(details.code) ?? wireCode, text, {
    retryable: error.retryable === true || details.retryable === true,
    ...(isDelay(error.retryAfterMs ?? details.retryAfterMs)
      ? { retryAfterMs: (error.retryAfterMs ?? details.retryAfterMs) as number }
      : {}),
    details: { ...details, wireCode },
  });
}

function isDelay(value: unknown): boolean {
  return typeof value === "number" && Number.isFinite(value) && value >= 0;
}

/** A connection that ended before or without an answer. */
export function closedError({ code, reason }: CloseInfo, during: string): OpenclawError {
  const shown = showableWithin(reason, 200);
  const requestId = /\(requestId: ([^)]+)\)/.exec(reason)?.[1];
  const details = {
    closeCode: code,
    ...(shown ? { closeReason: shown } : {}),
    ...(requestId && REQUEST_ID.test(requestId) ? { requestId } : {}),
  };
  const text = `gateway closed the connection (${code})${
    shown ? `: ${shown}` : ""
  } during ${during}`;
  return new OpenclawError(codeOfClose(code, reason), text, { retryable: true, details });
}

function codeOfClose(code: number, reason: string): string {
  if (code === 1002) return "PROTOCOL_MISMATCH";
  if (code === 1012) return "SERVICE_RESTART";
  if (code === 1013) return "GATEWAY_STARTING";
  return reason.startsWith("pairing required") ? "PAIRING_REQUIRED" : "CONNECTION_LOST";
}

/** A token handed out in hello-ok. */
export interface IssuedToken {
  readonly role: string;
  readonly token: Secret;
  readonly scopes: readonly string[];
  readonly issuedAtMs?: number;
}

/** hello-ok as a session keeps it: lists are always there, tokens are taken out. */
export interface SessionHello {
  readonly protocol: number;
  readonly server: { readonly version?: string; readonly connId?: string };
  readonly features: {
    readonly methods: readonly string[];
    readonly events: readonly string[];
    readonly capabilities: readonly string[];
  };
  readonly snapshot: Plain;
  readonly auth: {
    readonly role?: string;
    readonly method?: string;
    readonly scopes: readonly string[];
  };
  readonly policy: { readonly tickIntervalMs: number; readonly maxPayload?: number };
  readonly issued: readonly IssuedToken[];
}

const texts = (value: unknown): string[] =>
  Array.isArray(value) ? value.filter((entry) => typeof entry === "string") : [];
const plain = (value: unknown): Plain => isObject(value) ? value : {};
const text = (value: unknown) => typeof value === "string" ? value : undefined;

/** Reads hello-ok; only `type` and `protocol` are demanded. `undefined` when it is something else. */
export function readHello(payload: unknown): SessionHello | undefined {
  if (
    !isObject(payload) || payload.type !== "hello-ok" || !Number.isSafeInteger(payload.protocol)
  ) {
    return undefined;
  }
  const hello: Partial<Record<keyof HelloOk, unknown>> = payload;
  const features = plain(hello.features), auth = plain(hello.auth), policy = plain(hello.policy);
  const server = plain(hello.server);
  const version = text(server.version), connId = text(server.connId);
  const role = text(auth.role), method = text(auth.method);
  const tick = policy.tickIntervalMs, maxPayload = policy.maxPayload;
  return {
    protocol: payload.protocol as number,
    server: { ...(version ? { version } : {}), ...(connId ? { connId } : {}) },
    features: {
      methods: texts(features.methods),
      events: texts(features.events),
      capabilities: texts(features.capabilities),
    },
    snapshot: plain(hello.snapshot),
    auth: { ...(role ? { role } : {}), ...(method ? { method } : {}), scopes: texts(auth.scopes) },
    policy: {
      // A gateway cannot make us wait for ever, nor spin, by naming an odd pace.
      tickIntervalMs: isDelay(tick)
        ? Math.min(Math.max(tick as number, 1_000), 300_000)
        : TICK_INTERVAL_MS,
      ...(isDelay(maxPayload) ? { maxPayload: maxPayload as number } : {}),
    },
    issued: issuedTokens(auth),
  };
}

function issuedTokens(auth: Plain): IssuedToken[] {
  const handoff = Array.isArray(auth.deviceTokens) ? auth.deviceTokens.filter(isObject) : [];
  const own = { ...auth, token: auth.deviceToken };
  return [own, ...handoff].flatMap((entry: Plain) => {
    if (typeof entry.token !== "string" || entry.token === "" || typeof entry.role !== "string") {
      return [];
    }
    const issuedAtMs = isDelay(entry.issuedAtMs) ? { issuedAtMs: entry.issuedAtMs as number } : {};
    return [{
      role: entry.role,
      token: new Secret(entry.token),
      scopes: texts(entry.scopes),
      ...issuedAtMs,
    }];
  });
}
