/**
 * A lean wire peer for load: the same code drives the floor relay and the gateway, so what differs
 * between two figures is the server. It shares nothing with `src/client/` on purpose.
 */
import { WebSocket } from "ws";
import { authPayload } from "../../src/protocol/auth_payload.ts";

/** Key of a load peer. */
export interface Identity {
  readonly deviceId: string;
  readonly publicKey: string;
  sign(text: string): Promise<string>;
}

/** What the peer connects as. */
export interface PeerOptions {
  readonly url: string;
  readonly role: "operator" | "node";
  readonly identity?: Identity;
  readonly token?: string;
  readonly caps?: readonly string[];
}

/** An invoke as the node sees it. */
export interface InvokeRequest {
  readonly id: string;
  readonly nodeId: string;
  readonly command: string;
  readonly paramsJSON: string;
}

/** Commands a load node declares; the first is allowed everywhere. */
const COMMANDS = ["system.which", "system.run.prepare", "system.run"];
const OPERATOR_SCOPES = [
  "operator.admin",
  "operator.approvals",
  "operator.pairing",
  "operator.read",
  "operator.write",
];

const base64Url = (bytes: ArrayBuffer) =>
  btoa(String.fromCharCode(...new Uint8Array(bytes)))
    .replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");

/** A fresh device key. */
export async function makeIdentity(): Promise<Identity> {
  const pair = await crypto.subtle.generateKey("Ed25519", true, [
    "sign",
    "verify",
  ]) as CryptoKeyPair;
  const raw = await crypto.subtle.exportKey("raw", pair.publicKey);
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", raw));
  return {
    deviceId: Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join(""),
    publicKey: base64Url(raw),
    sign: async (text) =>
      base64Url(
        await crypto.subtle.sign("Ed25519", pair.privateKey, new TextEncoder().encode(text)),
      ),
  };
}

// deno-lint-ignore no-explicit-any
type Any = any;

/** One connection after hello. */
export class Peer {
  /** Node side: answers an invoke with a payload. */
  onInvoke: (request: InvokeRequest) => unknown = () => ({});
  /** Operator side: sees events. */
  onEvent: (event: string, payload: Any) => void = () => {};
  readonly closed: Promise<void>;
  readonly #socket: WebSocket;
  readonly #waiting = new Map<string, (frame: Any) => void>();
  #next = 0;

  constructor(socket: WebSocket) {
    this.#socket = socket;
    this.closed = new Promise((resolve) =>
      socket.once("close", () => {
        for (const answer of this.#waiting.values()) {
          answer({ ok: false, error: { code: "CLOSED", message: "connection closed" } });
        }
        resolve();
      })
    );
    socket.on("message", (data) => this.#onText(String(data)));
  }

  #onText(text: string): void {
    const frame = JSON.parse(text);
    if (frame.type === "res") {
      const answer = this.#waiting.get(frame.id);
      this.#waiting.delete(frame.id);
      answer?.(frame);
    } else if (frame.event === "node.invoke.request") this.#answer(frame.payload);
    else this.onEvent(frame.event, frame.payload);
  }

  #answer(request: InvokeRequest): void {
    const send = (payload: unknown) =>
      void this.request("node.invoke.result", {
        id: request.id,
        nodeId: request.nodeId,
        ok: true,
        payloadJSON: JSON.stringify(payload),
      });
    const result = this.onInvoke(request);
    if (result instanceof Promise) result.then(send);
    else send(result);
  }

  /** Sends a request; resolves with its payload or rejects with the wire error. */
  request(method: string, params: unknown): Promise<Any> {
    const id = String(++this.#next);
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, (frame) => {
        if (frame.ok) resolve(frame.payload);
        else reject(new Error(`${method}: ${frame.error?.code} ${frame.error?.message}`));
      });
      this.#socket.send(JSON.stringify({ type: "req", id, method, params }));
    });
  }

  /** `node.invoke` of `command` on a node. */
  invoke(nodeId: string, command: string, params: unknown): Promise<Any> {
    const idempotencyKey = `bench-${this.#next}-${Math.random().toString(36).slice(2)}`;
    return this.request("node.invoke", { nodeId, command, params, idempotencyKey });
  }

  async close(): Promise<void> {
    this.#socket.close(1000);
    await this.closed;
  }
}

/** Dials, answers the challenge and waits for hello. */
export async function openPeer(options: PeerOptions): Promise<Peer> {
  const socket = new WebSocket(options.url, {
    perMessageDeflate: false,
    maxPayload: 64 << 20,
    rejectUnauthorized: false,
  } as Any);
  const challenge = await new Promise<Any>((resolve, reject) => {
    socket.once("error", reject);
    socket.once("message", (data) => resolve(JSON.parse(String(data)).payload));
  });
  const peer = new Peer(socket);
  socket.on("error", () => {});
  await peer.request("connect", await connectParams(options, challenge));
  return peer;
}

async function connectParams(options: PeerOptions, challenge: Any): Promise<unknown> {
  const node = options.role === "node";
  const client = {
    id: node ? "node-host" : "cli",
    mode: node ? "node" : "cli",
    version: "2026.9.6",
    platform: "linux",
    deviceFamily: "Linux",
    displayName: "bench",
  };
  const scopes = node ? [] : OPERATOR_SCOPES;
  const facts = {
    deviceId: options.identity?.deviceId ?? "",
    clientId: client.id,
    clientMode: client.mode,
    role: options.role,
    scopes,
    signedAtMs: challenge.ts,
    token: options.token,
    nonce: challenge.nonce,
    platform: client.platform,
    deviceFamily: client.deviceFamily,
  };
  return {
    minProtocol: 4,
    maxProtocol: 4,
    client,
    role: options.role,
    scopes,
    caps: options.caps ?? [],
    ...(node ? { commands: COMMANDS } : {}),
    ...(options.token === undefined ? {} : { auth: { token: options.token } }),
    ...(options.identity === undefined ? {} : {
      device: {
        id: options.identity.deviceId,
        publicKey: options.identity.publicKey,
        signature: await options.identity.sign(authPayload("v3", facts)),
        signedAt: challenge.ts,
        nonce: challenge.nonce,
      },
    }),
  };
}
