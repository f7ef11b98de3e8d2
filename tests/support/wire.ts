/** A small scripted client of the gateway protocol for tests: frames as they are, nothing helpful in between. */
import { WebSocket } from "ws";
import type { DeviceKey } from "../../src/identity/device_key.ts";
import { deviceKeyOfSeed } from "../../src/identity/device_key.ts";
import { authPayload } from "../../src/protocol/auth_payload.ts";
import { within } from "../net/raw.ts";

/** Any frame the gateway sends. */
export interface Frame {
  readonly type: string;
  readonly id?: string;
  readonly ok?: boolean;
  readonly event?: string;
  readonly seq?: number;
  // deno-lint-ignore no-explicit-any
  readonly payload?: any;
  readonly error?: {
    readonly code: string;
    readonly message: string;
    // deno-lint-ignore no-explicit-any
    readonly details?: any;
    readonly retryable?: boolean;
    readonly retryAfterMs?: number;
  };
}

/** Options of {@linkcode Wire.open}. */
export interface WireOptions {
  readonly headers?: Record<string, string>;
  /** Accepts the gateway's own certificate. */
  readonly insecureTls?: boolean;
}

/** What a `connect` is made of; everything can be overridden. */
export interface ConnectFacts {
  readonly nonce: string;
  readonly ts: number;
}

const WAIT_MS = 10_000;

/** One connection. */
export class Wire {
  readonly frames: Frame[] = [];
  readonly closed: Promise<{ code: number; reason: string }>;
  pings = 0;
  readonly #ws: WebSocket;
  readonly #waiters = new Set<() => void>();
  #count = 0;

  private constructor(ws: WebSocket) {
    this.#ws = ws;
    this.closed = new Promise((resolve) => {
      ws.on("close", (code, reason) => {
        resolve({ code, reason: reason.toString() });
        this.#wake();
      });
    });
    ws.on("message", (data) => {
      this.frames.push(JSON.parse(data.toString()));
      this.#wake();
    });
    ws.on("ping", () => this.pings++);
    ws.on("error", () => {});
  }

  /** Opens a socket; a refused upgrade is thrown as `HTTP <status>: <body>`. */
  static open(url: string, options: WireOptions = {}): Promise<Wire> {
    const ws = new WebSocket(url, {
      headers: options.headers ?? {},
      perMessageDeflate: false,
      ...(options.insecureTls ? { rejectUnauthorized: false } : {}),
    });
    const wire = new Wire(ws);
    const opened = new Promise<Wire>((resolve, reject) => {
      ws.on("open", () => resolve(wire));
      ws.on("error", reject);
      ws.on("unexpected-response", (_request, response) => {
        let body = "";
        response.on("data", (part: Uint8Array) => body += new TextDecoder().decode(part));
        response.on("end", () => reject(new Error(`HTTP ${response.statusCode}: ${body}`)));
      });
    });
    return within(WAIT_MS, opened, "the upgrade");
  }

  #wake(): void {
    for (const wake of this.#waiters) wake();
  }

  /** The first frame, from the beginning or from `from`, that `wanted` accepts. */
  async find(wanted: (frame: Frame) => boolean, from = 0): Promise<Frame> {
    const look = () => this.frames.slice(from).find(wanted);
    let isClosed = false;
    this.closed.then(() => isClosed = true);
    return await within(
      WAIT_MS,
      (async () => {
        for (;;) {
          const found = look();
          if (found) return found;
          if (isClosed) throw new Error(`closed while waiting; got ${JSON.stringify(this.frames)}`);
          await new Promise<void>((resolve) => {
            const wake = () => {
              this.#waiters.delete(wake);
              resolve();
            };
            this.#waiters.add(wake);
            this.closed.then(wake);
          });
        }
      })(),
      "a frame",
    );
  }

  /** The event with this name. */
  event(name: string, from = 0): Promise<Frame> {
    return this.find((frame) => frame.event === name, from);
  }

  /** Nonce and time of the challenge. */
  async challenge(): Promise<ConnectFacts> {
    return (await this.event("connect.challenge")).payload;
  }

  /** Sends text as it is. */
  sendText(text: string): void {
    this.#ws.send(text);
  }

  /** Sends a request; returns its id. */
  send(method: string, params?: unknown): string {
    const id = `t${++this.#count}`;
    this.sendText(
      JSON.stringify({ type: "req", id, method, ...(params === undefined ? {} : { params }) }),
    );
    return id;
  }

  /** Sends a request and waits for its answer. */
  async request(method: string, params?: unknown): Promise<Frame> {
    const id = this.send(method, params);
    return await this.answer(id);
  }

  /** The answer to a request; `nth` counts from 0 for requests that get two. */
  answer(id: string, nth = 0): Promise<Frame> {
    return this.nth((frame) => frame.type === "res" && frame.id === id, nth);
  }

  /** The frame number `nth`, counting from 0, that `wanted` accepts. */
  async nth(wanted: (frame: Frame) => boolean, nth: number): Promise<Frame> {
    let left = nth;
    const seen = new Set<Frame>();
    return await this.find((frame) => {
      if (!wanted(frame) || seen.has(frame)) return false;
      seen.add(frame);
      return left-- === 0;
    });
  }

  /** Stops and goes on reading. */
  pause(): void {
    this.#ws.pause();
  }
  resume(): void {
    this.#ws.resume();
  }

  /** Waits for the close. */
  ended(): Promise<{ code: number; reason: string }> {
    return within(WAIT_MS, this.closed, "the close");
  }

  async close(code?: number, reason?: string): Promise<void> {
    this.#ws.close(code, reason);
    await this.ended();
  }

  terminate(): void {
    this.#ws.terminate();
  }
}

/** Changes to the params of {@linkcode connectParams}. */
export type Change = Record<string, unknown>;

/** Params of a command line. */
export function connectParams(change: Change = {}): Change {
  return {
    minProtocol: 4,
    maxProtocol: 4,
    client: {
      id: "cli",
      mode: "cli",
      version: "2026.9.6",
      platform: "linux",
      deviceFamily: "Linux",
    },
    role: "operator",
    scopes: [
      "operator.admin",
      "operator.read",
      "operator.write",
      "operator.pairing",
      "operator.approvals",
    ],
    caps: [],
    ...change,
  };
}

/** Params of a node host. */
export function nodeParams(change: Change = {}): Change {
  return connectParams({
    client: {
      id: "node-host",
      mode: "node",
      version: "2026.9.6",
      platform: "linux",
      deviceFamily: "Linux",
      displayName: "Test Node",
    },
    role: "node",
    scopes: [],
    caps: ["system"],
    commands: ["system.run", "system.which"],
    ...change,
  });
}

/** Adds a device block that signs exactly these params. */
export async function signed(
  key: DeviceKey,
  { nonce, ts }: ConnectFacts,
  params: Change,
  layout: "v2" | "v3" = "v3",
): Promise<Change> {
  const client = params.client as Record<string, string>;
  const auth = (params.auth ?? {}) as Record<string, string>;
  const text = authPayload(layout, {
    deviceId: key.deviceId,
    clientId: client.id!,
    clientMode: client.mode!,
    role: (params.role as string | undefined) ?? "operator",
    scopes: (params.scopes as string[] | undefined) ?? [],
    signedAtMs: ts,
    token: auth.token ?? auth.deviceToken ?? auth.bootstrapToken,
    nonce,
    platform: client.platform,
    deviceFamily: client.deviceFamily,
  });
  const signature = await key.sign(text);
  return {
    ...params,
    device: { id: key.deviceId, publicKey: key.publicKey, signature, signedAt: ts, nonce },
  };
}

/** Keys of the synthetic devices in the recorded exchanges; public, for tests only. */
export const testKey = (first: number): Promise<DeviceKey> =>
  deviceKeyOfSeed(Uint8Array.from({ length: 32 }, (_, n) => (first + n) & 255));
