/**
 * The three frame shapes: types, reading one from text, building one as text.
 * Depth and size are checked before by `json_scan.ts`. Source: gateway-protocol.md 1.1.
 */
import { isObject, jsonValue } from "../lib/objects.ts";
import type { WireError } from "./errors.ts";

/** A call. `id` is opaque to the receiver. */
export interface RequestFrame {
  readonly type: "req";
  readonly id: string;
  readonly method: string;
  readonly params?: unknown;
  readonly traceparent?: string;
  readonly expectedProfileId?: string;
}

/** An answer; a two-phase request gets two with the same id. */
export interface ResponseFrame {
  readonly type: "res";
  readonly id: string;
  readonly ok: boolean;
  readonly payload?: unknown;
  readonly error?: WireError;
}

/** Counters that come with state events. */
export interface StateVersion {
  readonly presence: number;
  readonly health: number;
}

/** Something that happened. */
export interface EventFrame {
  readonly type: "event";
  readonly event: string;
  readonly payload?: unknown;
  readonly seq?: number;
  readonly stateVersion?: StateVersion;
}

/** What {@linkcode readRequest} found. `id` is what an answer to a bad frame should carry. */
export type ReadRequest =
  | { readonly kind: "request"; readonly frame: RequestFrame }
  | { readonly kind: "not-json" }
  | { readonly kind: "invalid"; readonly id: string; readonly detail: string };

const REQUEST_KEYS: ReadonlySet<string> = new Set([
  "type",
  "id",
  "method",
  "params",
  "traceparent",
  "expectedProfileId",
]);

/** Reads a request frame; closed shape. */
export function readRequest(text: string): ReadRequest {
  const value = jsonValue(text);
  if (value === undefined) return { kind: "not-json" };
  if (isRequest(value)) return { kind: "request", frame: value };
  const detail = requestProblem(value);
  if (detail === undefined) return { kind: "request", frame: value as RequestFrame };
  const id = isObject(value) && typeof value.id === "string" && value.id.length > 0
    ? value.id
    : "invalid";
  return { kind: "invalid", id, detail };
}

/** All problems in one text, a missing key first, as the reference words them. */
function requestProblem(value: unknown): string | undefined {
  if (!isObject(value)) return "at root: must be object";
  const missing = value.id === undefined ? "id" : value.method === undefined ? "method" : undefined;
  const problems = [
    missing && `must have required property '${missing}'`,
    unknownKey(value),
    value.type === "req" ? undefined : "at /type: must be equal to constant",
    textProblem(value, "id", 1, 256),
    textProblem(value, "method", 1, 256),
    textProblem(value, "traceparent", 0, 128),
    textProblem(value, "expectedProfileId", 0, 256),
  ];
  const found = problems.filter((problem) => problem !== undefined);
  return found.length === 0 ? undefined : found.join("; ");
}

function unknownKey(value: Record<string, unknown>): string | undefined {
  for (const key in value) {
    if (!REQUEST_KEYS.has(key)) return `at root: unexpected property '${key.slice(0, 64)}'`;
  }
  return undefined;
}

/** Of a key that is there; whether it must be is decided by the caller. */
function textProblem(
  value: Record<string, unknown>,
  key: string,
  min: number,
  max: number,
): string | undefined {
  const text = value[key];
  if (text === undefined) return undefined;
  if (typeof text !== "string") return `at /${key}: must be string`;
  if (text.length < min) return `at /${key}: must NOT have fewer than ${min} characters`;
  return text.length > max ? `at /${key}: must NOT have more than ${max} characters` : undefined;
}

/** Whether a value is a well-formed request; allocation-free, because every frame passes here. */
function isRequest(value: unknown): value is RequestFrame {
  if (!isObject(value) || value.type !== "req") return false;
  const { id, method } = value;
  if (typeof id !== "string" || id.length === 0 || id.length > 256) return false;
  if (typeof method !== "string" || method.length === 0 || method.length > 256) return false;
  for (const key in value) {
    if (key !== "type" && key !== "id" && key !== "method" && key !== "params") return false;
  }
  return true;
}

/** A payload that is JSON text already; {@linkcode responseText} puts it into the frame as it is. */
export class RawJson {
  readonly text: string;

  /** `text` must be one complete JSON value. */
  constructor(text: string) {
    this.text = text;
  }
}

/** Text of a successful response. `undefined` payload is left out, `null` is sent. */
export function responseText(id: string, payload: unknown): string {
  const body = payload instanceof RawJson ? payload.text : JSON.stringify(payload);
  const head = `{"type":"res","id":${JSON.stringify(id)},"ok":true`;
  return body === undefined ? head + "}" : `${head},"payload":${body}}`;
}

/** Text of a failed response. */
export function errorText(id: string, error: WireError): string {
  return `{"type":"res","id":${JSON.stringify(id)},"ok":false,"error":${JSON.stringify(error)}}`;
}

/** Text of an event without a sequence number (addressed to one connection). */
export function eventText(event: string, payload: unknown): string {
  const body = JSON.stringify(payload);
  return body === undefined
    ? `{"type":"event","event":"${event}"}`
    : `{"type":"event","event":"${event}","payload":${body}}`;
}
