/**
 * HTTP on the gateway's port: health, readiness, startup, metrics, join codes, `POST /tools/invoke`, the device page, and
 * the refusal of everything else (N20, N44). Source: gateway-protocol.md 14, 15.3.
 */
import { isObject, jsonValue } from "../lib/objects.ts";
import type { IncomingMessage, ServerResponse } from "node:http";
import { joinBytes } from "../lib/bytes.ts";
import { WIRE_VERSION } from "../protocol/versions.ts";
import { type AuthPolicy, sharedSecretFor } from "./auth/auth.ts";
import type { GatewayPhase } from "./handshake/gate.ts";
import type { JoinDesk } from "./pairing/join/desk.ts";
import type { ToolAnswer } from "./http_tools.ts";
import { scanJson } from "../protocol/json_scan.ts";
import { decideOrigin, isLocalHost, type OriginPolicy } from "./auth/origin.ts";
import {
  isRead,
  pathOf,
  send,
  sendJson,
  sendJsonText,
  sendNotAllowed,
  sendText,
} from "./http_answer.ts";
import type { PeerFacts } from "./peers/peer_facts.ts";
import type { Throttle } from "./auth/throttle.ts";

/** What the HTTP surface can see of the gateway. */
export interface HttpGateway {
  phase(): GatewayPhase;
  uptimeMs(): number;
  /** Names of what keeps the gateway from being ready. */
  failing(): readonly string[];
  auth(): AuthPolicy;
  readonly throttle: Throttle;
  readonly joins: JoinDesk;
  judge(request: IncomingMessage): PeerFacts;
  origins(): OriginPolicy;
  /** For the holder of the shared secret only. */
  callTool(
    tool: { readonly name: string; readonly args: unknown },
    peer: PeerFacts,
    signal: AbortSignal,
  ): Promise<ToolAnswer>;
  /** `gateway.http.securityHeaders.strictTransportSecurity`. */
  hsts(): string | undefined;
  /** Text of `GET /metrics`. */
  metrics(): string;
  /** Answers the paths of the device page; false for every other one. */
  page(request: IncomingMessage, response: ServerResponse): boolean;
}

const MAX_BODY_BYTES = 2 * 1024 * 1024;

/** Answers one request; never throws. */
export function answerHttp(
  gateway: HttpGateway,
  request: IncomingMessage,
  response: ServerResponse,
): void {
  securityHeaders(gateway, response);
  const peer = gateway.judge(request);
  const path = pathOf(request);
  const probe = PROBES[path];
  // Whether the gateway is up is no secret, and a load balancer in front of it asks before anybody configured it.
  if (probe) return answerProbe(gateway, request, response, { peer, probe });
  if (peer.attribution === "unattributable") return sendJson(response, 403, UNATTRIBUTABLE);
  if (path === "/metrics") {
    void answerMetrics(gateway, request, response, peer).catch(() => response.destroy());
  } else if (path === "/tools/invoke") {
    void answerTools(gateway, request, response, peer).catch(() => response.destroy());
  } else if (path.startsWith("/j/")) {
    void answerJoin(gateway, request, response, peer).catch(() => response.destroy());
  } else if (!gateway.page(request, response)) {
    sendText(response, 404, "Not Found");
  }
}

/** Body of the refusal when nobody can say whose request this is. */
export const UNATTRIBUTABLE = {
  error: {
    message: "cannot tell who is behind this proxy; add its address to gateway.trustedProxies",
    type: "proxy_attribution_required",
  },
};

function securityHeaders(gateway: HttpGateway, response: ServerResponse): void {
  response.setHeader("x-content-type-options", "nosniff");
  response.setHeader("referrer-policy", "no-referrer");
  response.setHeader(
    "permissions-policy",
    "camera=(), microphone=(self), geolocation=()",
  );
  const hsts = gateway.hsts();
  if (hsts !== undefined) response.setHeader("strict-transport-security", hsts);
}

type Probe = "health" | "ready" | "startup";

const PROBES: Readonly<Record<string, Probe>> = Object.assign(Object.create(null), {
  "/health": "health",
  "/healthz": "health",
  "/ready": "ready",
  "/readyz": "ready",
  "/startup": "startup",
  "/startupz": "startup",
});

/** Who sees more than "it is up": this machine's own callers, and whoever holds the shared secret. */
async function checkInsider(
  gateway: HttpGateway,
  request: IncomingMessage,
  peer: PeerFacts,
): Promise<BearerVerdict> {
  // N03: a page behind a rebound name is a direct local caller too, but its Host gives it away.
  if (peer.local && peer.origin === undefined && isLocalHost(peer.host)) return "ok";
  if (peer.attribution === "unattributable") return "refused"; // nobody whose guesses could be counted
  return await checkBearer(gateway, request, peer);
}

function answerProbe(
  gateway: HttpGateway,
  request: IncomingMessage,
  response: ServerResponse,
  { peer, probe }: { peer: PeerFacts; probe: Probe },
): void {
  if (!isRead(request)) return sendNotAllowed(response, "GET, HEAD");
  if (probe === "health") return sendJson(response, 200, { ok: true, status: "live" });
  void checkInsider(gateway, request, peer).then((verdict) => {
    const detailed = verdict === "ok";
    const [status, body] = probe === "ready"
      ? readiness(gateway, detailed)
      : startup(gateway, detailed);
    sendJson(response, status, body);
  }).catch(() => response.destroy());
}

function readiness(gateway: HttpGateway, detailed: boolean): [number, Record<string, unknown>] {
  const phase = gateway.phase();
  const failing = phase === "ready" ? gateway.failing() : [phase];
  const ready = failing.length === 0;
  const details = detailed ? { failing, uptimeMs: gateway.uptimeMs() } : {};
  return [ready ? 200 : 503, { ready, ...details }];
}

function startup(gateway: HttpGateway, detailed: boolean): [number, Record<string, unknown>] {
  const phase = gateway.phase();
  const status = { starting: "starting", ready: "started", stopping: "draining" }[phase];
  const ok = phase === "ready";
  const details = detailed ? { version: WIRE_VERSION, uptimeMs: gateway.uptimeMs() } : {};
  return [ok ? 200 : 503, { ok, status, ...details }];
}

type BearerVerdict = "ok" | "refused" | { readonly retryAfterMs: number };

/** The shared secret as `Authorization: Bearer`; counted like every other guess. */
async function checkBearer(
  gateway: HttpGateway,
  request: IncomingMessage,
  peer: PeerFacts,
): Promise<BearerVerdict> {
  const sent = /^Bearer ([^\s]+)$/i.exec(request.headers.authorization ?? "")?.[1];
  const wanted = sharedSecretFor(gateway.auth(), peer);
  if (sent === undefined || !wanted) return "refused";
  const actor = { address: peer.clientAddress, origin: peer.origin };
  const retryAfterMs = gateway.throttle.lockedForMs("http-bearer", actor, true);
  if (retryAfterMs > 0) return { retryAfterMs };
  if (await wanted.equals(sent)) {
    gateway.throttle.succeeded("http-bearer", actor);
    return "ok";
  }
  gateway.throttle.failed("http-bearer", actor);
  return "refused";
}

function refuseBearer(response: ServerResponse, verdict: Exclude<BearerVerdict, "ok">): void {
  if (verdict === "refused") {
    return sendJson(response, 401, errorBody("Unauthorized", "unauthorized"));
  }
  response.setHeader("retry-after", String(Math.ceil(verdict.retryAfterMs / 1000)));
  sendJson(response, 429, errorBody("Too many failed attempts", "rate_limited"));
}

async function answerMetrics(
  gateway: HttpGateway,
  request: IncomingMessage,
  response: ServerResponse,
  peer: PeerFacts,
): Promise<void> {
  if (!isRead(request)) return sendNotAllowed(response, "GET, HEAD");
  const verdict = await checkInsider(gateway, request, peer);
  if (verdict !== "ok") return refuseBearer(response, verdict);
  send(response, 200, "text/plain; version=0.0.4; charset=utf-8", gateway.metrics());
}

/** N20, N44: POST with a JSON content type, the bearer, and no page of another site. */
async function answerTools(
  gateway: HttpGateway,
  request: IncomingMessage,
  response: ServerResponse,
  peer: PeerFacts,
): Promise<void> {
  if (request.method !== "POST") return sendNotAllowed(response, "POST");
  if (peer.origin !== undefined && !decideOrigin(peer, gateway.origins()).ok) {
    return sendJson(response, 403, errorBody("origin not allowed", "forbidden"));
  }
  const verdict = await checkBearer(gateway, request, peer);
  if (verdict !== "ok") return refuseBearer(response, verdict);
  const body = await readJson(request);
  // I14: a body takes up to 15 s to come, and the secret may be another by then.
  const still = await checkBearer(gateway, request, peer);
  if (still !== "ok") return refuseBearer(response, still);
  const tool = isObject(body) ? body.tool : undefined;
  if (!isObject(body) || typeof tool !== "string" || tool.trim() === "") {
    const message = body === undefined ? "Invalid JSON body" : "tool is required";
    return sendJson(response, 400, errorBody(message, "invalid_request_error"));
  }
  const gone = new AbortController();
  response.once("close", () => gone.abort());
  const answer = await gateway.callTool({ name: tool, args: body.args ?? {} }, peer, gone.signal);
  sendJson(response, answer.status, answer.body);
}

async function answerJoin(
  gateway: HttpGateway,
  request: IncomingMessage,
  response: ServerResponse,
  peer: PeerFacts,
): Promise<void> {
  if (request.method !== "GET") return sendNotAllowed(response, "GET");
  // N44: a page loads this as a picture, without an Origin: it must not lock out the programs of this machine.
  const browser = peer.headers["sec-fetch-site"] === undefined ? undefined : "browser";
  const actor = { address: peer.clientAddress, origin: peer.origin ?? browser };
  const retryAfterMs = gateway.throttle.lockedForMs("device-join", actor, true);
  if (retryAfterMs > 0) {
    response.setHeader("retry-after", String(Math.ceil(retryAfterMs / 1000)));
    return sendJson(response, 429, { error: "rate_limited" });
  }
  const code = /^\/j\/([A-Za-z0-9_-]{1,64})$/.exec(request.url ?? "")?.[1];
  const answer = code === undefined
    ? { status: 404, body: `{"error":"not_found"}` }
    : await gateway.joins.fetchJoinPayload(code);
  if (answer.status === 404) gateway.throttle.failed("device-join", actor);
  sendJsonText(response, answer.status, answer.body);
}

function errorBody(message: string, type: string) {
  return { error: { message, type } };
}

async function readJson(request: IncomingMessage): Promise<unknown> {
  const { "content-type": type = "", "content-encoding": coding = "identity" } = request.headers;
  if (!/^application\/json\s*(;|$)/i.test(type) || coding !== "identity") return undefined;
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const part of request) {
    size += part.length;
    if (size > MAX_BODY_BYTES) return undefined;
    parts.push(part);
  }
  const text = new TextDecoder().decode(joinBytes(parts));
  return scanJson(text) === undefined ? jsonValue(text) : undefined; // N16, N17
}
