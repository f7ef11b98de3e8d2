/**
 * A gateway for client tests: a real listener that sends the challenge and lets the test decide every answer. It checks
 * device signatures as a real one does.
 */
import { verifyDeviceSignature } from "../../src/identity/device_key.ts";
import type { CloseInfo, PeerInfo, ServerSocket } from "../../src/net/socket.ts";
import { listen, type Listener, type ListenOptions } from "../../src/net/listen/ws_server.ts";
import { authPayload } from "../../src/protocol/auth_payload.ts";

// deno-lint-ignore no-explicit-any
type Any = any;

/** One connection as the test sees it. */
export class GatewaySide {
  readonly nonce = crypto.randomUUID();
  readonly requests: Any[] = [];
  connect: Any;
  closed: CloseInfo | undefined;

  constructor(readonly socket: ServerSocket, readonly info: PeerInfo) {}

  event(event: string, payload: unknown, seq?: number): void {
    this.socket.send(
      JSON.stringify({ type: "event", event, payload, ...(seq === undefined ? {} : { seq }) }),
    );
  }

  answer(id: string, payload: unknown): void {
    this.socket.send(JSON.stringify({ type: "res", id, ok: true, payload }));
  }

  refuse(id: string, error: Any, close?: { code: number; reason?: string }): void {
    this.socket.send(JSON.stringify({ type: "res", id, ok: false, error }));
    if (close) this.socket.close(close.code, close.reason);
  }

  hello(extra: Any = {}): void {
    this.answer(this.connect.id, {
      type: "hello-ok",
      protocol: this.connect.params.maxProtocol,
      ...extra,
    });
  }

  /** Whether the device block of the connect frame proves the key it names. */
  async proves(version: "v2" | "v3" = "v3"): Promise<boolean> {
    const { device, auth, client, role, scopes } = this.connect.params;
    if (!device) return false;
    const text = authPayload(version, {
      deviceId: device.id,
      clientId: client.id,
      clientMode: client.mode,
      role,
      scopes,
      signedAtMs: device.signedAt,
      token: auth?.token ?? auth?.deviceToken ?? auth?.bootstrapToken,
      nonce: this.nonce,
      platform: client.platform,
      deviceFamily: client.deviceFamily,
    });
    return await verifyDeviceSignature(device.publicKey, text, device.signature);
  }
}

/** What the test does with connections. */
export interface Script {
  /** Sent as `connect.challenge`; `null` sends none. Default: nonce of the side and `ts` 1737264000000. */
  challenge?(side: GatewaySide): unknown;
  onConnect(side: GatewaySide, index: number): void | Promise<void>;
  onRequest?(side: GatewaySide, frame: Any): void;
  readonly listen?: Partial<ListenOptions>;
}

/** Time of every default challenge: far from any real clock, so that a signature with the own clock shows. */
export const CHALLENGE_TS = 1737264000000;

export class FakeGateway {
  readonly sides: GatewaySide[] = [];
  #listener!: Listener;

  static async start(script: Script): Promise<FakeGateway> {
    const gateway = new FakeGateway();
    gateway.#listener = await listen({
      host: "127.0.0.1",
      port: 0,
      onRequest: (_request, response) => response.end(),
      onSocket: (socket, info) => gateway.#accept(socket, info, script),
      ...script.listen,
    });
    return gateway;
  }

  #accept(socket: ServerSocket, info: PeerInfo, script: Script): void {
    const side = new GatewaySide(socket, info);
    const index = this.sides.push(side) - 1;
    socket.attach({
      onText: (text) => {
        const frame = JSON.parse(text);
        if (side.connect) {
          side.requests.push(frame);
          return script.onRequest?.(side, frame);
        }
        side.connect = frame;
        socket.markAuthenticated();
        script.onConnect(side, index);
      },
      onClose: (closed) => side.closed = closed,
    });
    const payload = script.challenge
      ? script.challenge(side)
      : { nonce: side.nonce, ts: CHALLENGE_TS };
    if (payload !== null) side.event("connect.challenge", payload);
  }

  get port(): number {
    return this.#listener.port;
  }

  get url(): string {
    return `ws://127.0.0.1:${this.port}`;
  }

  close(): Promise<void> {
    return this.#listener.close();
  }
}
