/** Plays the client's side of a recorded exchange against a gateway and tells what was answered differently. */
import { isObject } from "../../src/lib/objects.ts";
import {
  type DeviceKey,
  deviceKeyOfSeed,
  verifyDeviceSignature,
} from "../../src/identity/device_key.ts";
import { fromHex } from "../../src/lib/bytes.ts";
import { authPayload } from "../../src/protocol/auth_payload.ts";
import type { TestGateway } from "./gateway.ts";
import type { Change, Frame, Wire } from "./wire.ts";

/** One line of a recording. */
export interface Line {
  readonly conn: string;
  readonly dir: "open" | "c2s" | "s2c" | "close" | "http" | "note";
  // deno-lint-ignore no-explicit-any
  readonly frame: any;
}

/** One answer that differs: where, and both sides as text. */
export interface Difference {
  readonly where: string;
  readonly recorded: string;
  readonly ours: string;
}

/** Reads a recording. */
export function parseRecording(text: string): Line[] {
  return text.split("\n").filter(Boolean).map((line) => JSON.parse(line));
}

interface KeyRow {
  readonly seed: string;
  readonly publicKey: string;
}

/** Plays recordings; one per gateway. */
export class Replay {
  readonly differences: Difference[] = [];
  readonly #gateway: TestGateway;
  readonly #keys: readonly KeyRow[];
  readonly #wires = new Map<string, Wire>();
  readonly #challenges = new Map<string, { nonce: string; ts: number }>();
  /** Values of the recording (ids, tokens) and what ours are instead. */
  readonly #instead = new Map<string, string>();
  readonly #refused = new Set<string>();
  /** Methods by connection and request id, to name answers. */
  readonly #methods = new Map<string, string>();
  /** Answers per request and events per name that were taken so far. */
  readonly #taken = new Map<string, number>();
  /** Connections that were answered otherwise: how they end is not waited for. */
  readonly #astray = new Set<string>();
  readonly #knownShape: (path: string) => boolean;

  /** `knownShape` names fields that are missing on purpose. */
  constructor(
    gateway: TestGateway,
    keys: readonly KeyRow[],
    knownShape: (path: string) => boolean,
  ) {
    this.#knownShape = knownShape;
    this.#gateway = gateway;
    this.#keys = keys;
  }

  /** Plays all lines in their order. */
  async play(lines: readonly Line[]): Promise<void> {
    for (const line of lines) await this.#line(line);
  }

  async #line({ conn, dir, frame }: Line): Promise<void> {
    if (dir === "note" || conn === "note") return;
    if (dir === "http") return await this.#http(frame);
    if (dir === "open") return await this.#open(conn, frame);
    if (this.#refused.has(conn)) return;
    const wire = this.#wires.get(conn);
    if (!wire) throw new Error(`recording uses connection ${conn} before it opens it`);
    if (dir === "c2s") return await this.#send(conn, wire, frame);
    if (dir === "s2c") return await this.#answered(conn, wire, frame);
    if (dir === "close") return await this.#closed(conn, wire, frame);
  }

  async #open(conn: string, frame: { headers?: Record<string, string> }): Promise<void> {
    try {
      this.#wires.set(conn, await this.#gateway.open({ headers: { ...frame.headers } }));
    } catch (error) {
      this.#refused.add(conn);
      this.#differ(`${conn} open`, "an open socket", error instanceof Error ? error.message : "");
    }
  }

  // deno-lint-ignore no-explicit-any
  async #send(conn: string, wire: Wire, frame: any): Promise<void> {
    if (typeof frame.raw === "string") return wire.sendText(frame.raw);
    if (frame.id && frame.method) this.#methods.set(`${conn} ${frame.id}`, frame.method);
    const mapped = mapStrings(frame, this.#instead);
    if (frame.method === "connect" && frame.params?.device) {
      mapped.params = await this.#sign(conn, wire, frame.params, mapped.params);
    }
    wire.sendText(JSON.stringify(mapped));
  }

  /** Signs anew for our nonce and clock, in the layout and as rightly or wrongly as it was recorded. */
  async #sign(conn: string, wire: Wire, recorded: Change, mapped: Change): Promise<Change> {
    const then = this.#challenges.get(conn)!;
    const now = await wire.challenge();
    const before = recorded.device as Record<string, string | number | undefined>;
    const row = this.#keys.find((k) => k.publicKey === before.publicKey);
    if (!row || typeof before.nonce !== "string") return mapped;
    const key = await deviceKeyOfSeed(fromHex(row.seed)!);
    const layout = await layoutOf(recorded, key);
    const nonce = before.nonce === then.nonce ? now.nonce : before.nonce;
    const signedAt = now.ts + (Number(before.signedAt) - then.ts);
    const device = { ...mapped.device as Change, nonce, signedAt };
    const text = payloadOf(layout ?? "v3", { ...mapped, device });
    const signature = await key.sign(layout ? text : `not ${text}`);
    return { ...mapped, device: { ...device, signature } };
  }

  // deno-lint-ignore no-explicit-any
  async #answered(conn: string, wire: Wire, frame: any): Promise<void> {
    if (frame.event === "connect.challenge") {
      this.#challenges.set(conn, frame.payload);
      await wire.challenge();
      return;
    }
    if (frame.type === "event") return await this.#event(conn, wire, frame);
    if (frame.type !== "res") return;
    const where = `${conn} ${this.#methods.get(`${conn} ${frame.id}`) ?? frame.id}`;
    let ours: Frame;
    try {
      ours = await wire.answer(frame.id, this.#take(`${conn} answer ${frame.id}`));
    } catch (error) {
      return this.#differ(where, describe(frame), error instanceof Error ? error.message : "");
    }
    if (frame.ok !== ours.ok) {
      this.#astray.add(conn);
      return this.#differ(where, describe(frame), describe(ours));
    }
    if (!frame.ok) return this.#compareErrors(where, frame, ours);
    learn(frame.payload, ours.payload, this.#instead);
    const missing = shapeProblems(frame.payload, ours.payload, "")
      .filter((path) => !this.#knownShape(path));
    if (missing.length > 0) this.#differ(where, missing.join(", "), "not there or of another type");
  }

  #take(key: string): number {
    const nth = this.#taken.get(key) ?? 0;
    this.#taken.set(key, nth + 1);
    return nth;
  }

  async #event(conn: string, wire: Wire, frame: Frame): Promise<void> {
    const name = frame.event ?? "";
    if (!EVENTS.has(name) || this.#astray.has(conn)) return;
    const nth = this.#take(`${conn} event ${name}`);
    const where = `${conn} event ${name}`;
    try {
      const ours = await wire.nth((f) => f.event === name, nth);
      learn(frame.payload, ours.payload, this.#instead);
      const missing = shapeProblems(frame.payload, ours.payload, "")
        .filter((path) => !this.#knownShape(path));
      if (missing.length > 0) {
        this.#differ(where, missing.join(", "), "not there or of another type");
      }
      if ((frame.seq === undefined) !== (ours.seq === undefined)) {
        this.#differ(where, `numbered: ${frame.seq !== undefined}`, "the other way");
      }
    } catch (error) {
      this.#differ(where, "an event", error instanceof Error ? error.message.slice(0, 80) : "");
    }
  }

  #compareErrors(where: string, recorded: Frame, ours: Frame): void {
    learn(recorded.error, ours.error, this.#instead);
    const a = JSON.stringify(comparable(mapStrings(recorded.error, this.#instead)));
    const b = JSON.stringify(comparable(ours.error));
    if (a !== b) this.#differ(where, a, b);
  }

  async #closed(
    conn: string,
    wire: Wire,
    frame: { by: string; code: number; reason: string },
  ): Promise<void> {
    if (frame.by === "client" || frame.code === 1005 || frame.code === 1006) {
      wire.terminate();
      return;
    }
    const ended = this.#astray.has(conn) ? Promise.reject(new Error("astray")) : wire.ended();
    const ours = await ended.catch(() => ({ code: -1, reason: "still open" }));
    const reason = mapText(frame.reason, this.#instead);
    const a = `close ${frame.code} ${reason}`;
    const b = `close ${ours.code} ${ours.reason}`;
    if (a !== b) this.#differ(`${conn} close`, a, b);
  }

  // deno-lint-ignore no-explicit-any
  async #http(frame: any): Promise<void> {
    const response = await fetch(this.#gateway.http + frame.url, {
      method: frame.method,
      headers: frame.reqHeaders ?? {},
      ...(frame.reqBody ? { body: frame.reqBody } : {}),
      redirect: "manual",
    });
    const text = await response.text();
    const render = (status: number, type: string | null, body: string) =>
      `${status} ${type?.split(";")[0] ?? ""} ${bodyShape(body)}`;
    const a = render(frame.status, frame.resHeaders["content-type"] ?? null, frame.resBody ?? "");
    const b = render(response.status, response.headers.get("content-type"), text);
    const forwarded = frame.reqHeaders?.["x-forwarded-for"] ? " forwarded" : "";
    const bearer = frame.reqHeaders?.authorization ? " bearer" : "";
    if (a !== b) this.#differ(`${frame.method} ${frame.url}${forwarded}${bearer}`, a, b);
  }

  #differ(where: string, recorded: string, ours: string): void {
    this.differences.push({ where, recorded, ours });
  }
}

async function layoutOf(params: Change, key: DeviceKey): Promise<"v3" | "v2" | undefined> {
  const { signature } = params.device as Record<string, string>;
  for (const layout of ["v3", "v2"] as const) {
    if (await verifyDeviceSignature(key.publicKey, payloadOf(layout, params), signature ?? "")) {
      return layout;
    }
  }
  return undefined;
}

function payloadOf(layout: "v3" | "v2", params: Change): string {
  const client = params.client as Record<string, string>;
  const auth = (params.auth ?? {}) as Record<string, string>;
  const device = params.device as Record<string, string | number>;
  return authPayload(layout, {
    deviceId: String(device.id),
    clientId: client.id!,
    clientMode: client.mode!,
    role: (params.role as string | undefined) ?? "operator",
    scopes: (params.scopes as string[] | undefined) ?? [],
    signedAtMs: Number(device.signedAt),
    token: auth.token ?? auth.deviceToken ?? auth.bootstrapToken,
    nonce: String(device.nonce),
    platform: client.platform,
    deviceFamily: client.deviceFamily,
  });
}

/** Events that are waited for; the others come when they please. */
const EVENTS = new Set([
  "device.pair.requested",
  "device.pair.resolved",
  "node.pair.requested",
  "node.pair.resolved",
  "node.invoke.request",
  "node.invoke.cancel",
  "exec.approval.requested",
  "exec.approval.resolved",
  "shutdown",
]);

/** Keys whose values are made up by each gateway. */
const OWN_VALUES = new Set([
  "requestId",
  "deviceToken",
  "id",
  "setupId",
  "bootstrapToken",
  "hash",
]);

function learn(recorded: unknown, ours: unknown, instead: Map<string, string>): void {
  if (Array.isArray(recorded) && Array.isArray(ours)) {
    recorded.forEach((entry, n) => learn(entry, ours[n], instead));
  } else if (isObject(recorded) && isObject(ours)) {
    for (const [key, value] of Object.entries(recorded)) {
      const other = ours[key];
      if (OWN_VALUES.has(key) && typeof value === "string" && typeof other === "string") {
        instead.set(value, other);
      } else learn(value, other, instead);
    }
  }
}

// deno-lint-ignore no-explicit-any
function mapStrings(value: any, instead: Map<string, string>): any {
  if (typeof value === "string") return instead.get(value) ?? value;
  if (Array.isArray(value)) return value.map((entry) => mapStrings(entry, instead));
  if (!isObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, entry]) => [key, mapStrings(entry, instead)]),
  );
}

function mapText(text: string, instead: Map<string, string>): string {
  let out = text;
  for (const [from, to] of instead) if (from.length > 20) out = out.replaceAll(from, to);
  return out;
}

/** Errors are compared whole, except waits. */
function comparable(error: Frame["error"]): unknown {
  const { retryAfterMs, details, ...rest } = error ?? { code: "", message: "" };
  const sorted = isObject(details)
    ? Object.fromEntries(Object.entries(details).sort(([a], [b]) => a < b ? -1 : 1))
    : details;
  return {
    code: rest.code,
    message: rest.message,
    retryable: rest.retryable ?? false,
    waits: retryAfterMs !== undefined,
    details: sorted ?? null,
  };
}

/** Paths of `recorded` that ours lacks or has with another type. A trimmed recording says nothing. */
function shapeProblems(recorded: unknown, ours: unknown, path: string): string[] {
  if (typeof recorded === "string" && recorded.includes("…[trimmed")) return [];
  if (Array.isArray(recorded)) {
    if (!Array.isArray(ours)) return [path];
    return recorded.length > 0 && ours.length > 0
      ? shapeProblems(recorded[0], ours[0], `${path}/0`)
      : [];
  }
  if (isObject(recorded)) {
    if (!isObject(ours)) return [path];
    return Object.entries(recorded).flatMap(([key, value]) =>
      shapeProblems(value, ours[key], `${path}/${key}`)
    );
  }
  if (recorded === null) return [];
  return typeof recorded === typeof ours ? [] : [path];
}

function describe(frame: Frame): string {
  if (frame.ok) return `ok ${JSON.stringify(frame.payload ?? null).slice(0, 120)}`;
  return JSON.stringify(comparable(frame.error));
}

function bodyShape(body: string): string {
  try {
    const value: unknown = JSON.parse(body);
    return isObject(value) ? Object.keys(value).sort().join(",") : typeof value;
  } catch {
    return body.startsWith("<") ? "page" : body.slice(0, 60);
  }
}
