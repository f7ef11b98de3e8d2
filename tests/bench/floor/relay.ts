/**
 * Floor program: a relay that only routes the frames of `node.invoke`, with no policy, no state and no
 * authentication. What a gateway costs above it is the price of being a gateway.
 *
 *   deno run -A relay.ts [--tls CERT.pem KEY.pem] [--check]     --check verifies the device signature on connect
 *
 * Prints its port on stdout.
 */
import { randomUUID } from "node:crypto";
import { createServer } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { type WebSocket, WebSocketServer } from "ws";
import { authPayload } from "../../../src/protocol/auth_payload.ts";

interface Call {
  readonly caller: WebSocket;
  readonly id: string;
  readonly nodeId: string;
  readonly command: string;
}

const nodes = new Map<string, WebSocket>();
const calls = new Map<string, Call>();
const tlsAt = Deno.args.indexOf("--tls");
const checks = Deno.args.includes("--check");

const text = (path: string | undefined) => Deno.readTextFileSync(path ?? "");
const http = tlsAt < 0 ? createServer() : createTlsServer({
  cert: text(Deno.args[tlsAt + 1]),
  key: text(Deno.args[tlsAt + 2]),
});
http.on("connection", (socket) => socket.setNoDelay(true));
const server = new WebSocketServer({
  noServer: true,
  perMessageDeflate: false,
  maxPayload: 25 << 20,
});
http.on("upgrade", (request, socket, head) => {
  server.handleUpgrade(request, socket, head, welcome);
});
http.listen(0, "127.0.0.1", () => console.log((http.address() as AddressInfo).port));

function welcome(socket: WebSocket): void {
  const nonce = randomUUID();
  socket.on("message", (data) => onText(socket, nonce, String(data)));
  socket.send(JSON.stringify({
    type: "event",
    event: "connect.challenge",
    payload: { nonce, ts: Date.now() },
  }));
}

// deno-lint-ignore no-explicit-any
type Any = any;

function onText(socket: WebSocket, nonce: string, text: string): void {
  const frame: Any = JSON.parse(text);
  const { id, params } = frame;
  if (frame.method === "node.invoke") {
    const invokeId = randomUUID();
    calls.set(invokeId, { caller: socket, id, nodeId: params.nodeId, command: params.command });
    nodes.get(params.nodeId)?.send(JSON.stringify({
      type: "event",
      event: "node.invoke.request",
      payload: {
        id: invokeId,
        nodeId: params.nodeId,
        command: params.command,
        paramsJSON: JSON.stringify(params.params),
        timeoutMs: 30_000,
        idempotencyKey: params.idempotencyKey,
      },
    }));
    return;
  }
  if (frame.method === "node.invoke.result") {
    socket.send(JSON.stringify({ type: "res", id, ok: true, payload: { ok: true } }));
    const call = calls.get(params.id);
    calls.delete(params.id);
    call?.caller.send(JSON.stringify({
      type: "res",
      id: call.id,
      ok: true,
      payload: {
        ok: true,
        nodeId: call.nodeId,
        command: call.command,
        payload: params.payload ?? JSON.parse(params.payloadJSON),
        payloadJSON: params.payloadJSON ?? null,
      },
    }));
    return;
  }
  if (frame.method === "connect") connect(socket, nonce, id, params);
  else socket.send(JSON.stringify({ type: "res", id, ok: true, payload: {} }));
}

async function connect(socket: WebSocket, nonce: string, id: string, params: Any): Promise<void> {
  if (checks && !(await isSigned(params, nonce))) {
    socket.close(1008, "device signature invalid");
    return;
  }
  if (params.role === "node") {
    const nodeId = params.device.id;
    nodes.set(nodeId, socket);
    socket.on("close", () => nodes.get(nodeId) === socket && nodes.delete(nodeId));
  }
  socket.send(JSON.stringify({
    type: "res",
    id,
    ok: true,
    payload: { type: "hello-ok", protocol: 4, policy: { tickIntervalMs: 30_000 } },
  }));
}

function fromBase64Url(encoded: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(
    atob(encoded.replaceAll("-", "+").replaceAll("_", "/")),
    (c) => c.charCodeAt(0),
  );
}

async function isSigned(params: Any, nonce: string): Promise<boolean> {
  if (params.device === undefined) return true;
  const key = await crypto.subtle.importKey(
    "raw",
    fromBase64Url(params.device.publicKey),
    "Ed25519",
    false,
    ["verify"],
  );
  const signed = authPayload("v3", {
    deviceId: params.device.id,
    clientId: params.client.id,
    clientMode: params.client.mode,
    role: params.role,
    scopes: params.scopes,
    signedAtMs: params.device.signedAt,
    token: params.auth?.token,
    nonce,
    platform: params.client.platform,
    deviceFamily: params.client.deviceFamily,
  });
  return crypto.subtle.verify(
    "Ed25519",
    key,
    fromBase64Url(params.device.signature),
    new TextEncoder().encode(signed),
  );
}
