/**
 * A real gateway with its own state directory, and scripted peers on real sockets: they sign with synthetic keys and say
 * exactly what a test wants, also what no honest client would.
 */
import { join } from "@std/path";
import { statePaths } from "../../src/config/paths.ts";
import { type RunningGateway, startGateway } from "../../src/gateway/server.ts";
import { type Clock, systemClock } from "../../src/lib/clock.ts";
import { type DeviceKey, deviceKeyOfSeed } from "../../src/identity/device_key.ts";
import { authPayload } from "../../src/protocol/auth_payload.ts";

export const TOKEN = "tok-synthetic-gateway-0123456789abcdef";
const WAIT_MS = 5_000;

/** What goes into `openclaw.json` besides the token. */
export type Settings = Readonly<Record<string, unknown>>;

/** A gateway under test. */
export interface World extends AsyncDisposable {
  readonly gateway: RunningGateway;
  readonly stateDir: string;
  readonly paths: ReturnType<typeof statePaths>;
  connect(options?: ConnectOptions): Promise<ScriptedPeer>;
  /** Stops this gateway and starts a new one on the same state. */
  restart(): Promise<void>;
}

/** The real clock, with a wall clock that can be stepped (F19, F21). */
export class SteppedClock implements Clock {
  #offsetMs = 0;
  readonly monotonic = systemClock.monotonic;
  readonly after = systemClock.after;

  now(): number {
    return systemClock.now() + this.#offsetMs;
  }

  step(byMs: number): void {
    this.#offsetMs += byMs;
  }
}

/** Starts a gateway on a free port. `settings` is the `gateway` object of the configuration. */
export async function openWorld(settings: Settings = {}, clock?: Clock): Promise<World> {
  const stateDir = await Deno.makeTempDir({ prefix: "openclaw-test-" });
  await Deno.chmod(stateDir, 0o700);
  const config = { gateway: { auth: { mode: "token", token: TOKEN }, ...settings } };
  await Deno.writeTextFile(join(stateDir, "openclaw.json"), JSON.stringify(config), {
    mode: 0o600,
  });
  const env = { HOME: stateDir, OPENCLAW_STATE_DIR: stateDir, PATH: Deno.env.get("PATH") ?? "" };
  const paths = statePaths(env);
  const start = () =>
    startGateway({ paths, env, flags: { port: 0 }, ...(clock === undefined ? {} : { clock }) });
  let gateway = await start();
  const peers: ScriptedPeer[] = [];
  return {
    get gateway() {
      return gateway;
    },
    stateDir,
    paths,
    async connect(options = {}) {
      const peer = await ScriptedPeer.open(gateway.url, options);
      peers.push(peer);
      return peer;
    },
    async restart() {
      await Promise.all(peers.splice(0).map((peer) => peer.close()));
      await gateway.stop({ drainMs: 0 });
      gateway = await start();
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(peers.map((peer) => peer.close()));
      await gateway.stop({ drainMs: 0 });
      await Deno.remove(stateDir, { recursive: true });
    },
  };
}

/** What a scripted peer says in `connect`. */
export interface ConnectOptions {
  readonly role?: "operator" | "node";
  readonly scopes?: readonly string[];
  readonly caps?: readonly string[];
  readonly commands?: readonly string[];
  readonly permissions?: Readonly<Record<string, boolean>>;
  readonly protocol?: 3 | 4;
  /** First byte of the 32-byte seed; no device block without it. */
  readonly key?: number;
  readonly token?: string | null;
  readonly auth?: Readonly<Record<string, string>>;
  readonly client?: Readonly<Record<string, unknown>>;
  /** Sent instead of the computed device block. */
  readonly device?: Readonly<Record<string, unknown>>;
}

/** A key made of one repeated byte. */
export function keyOf(byte: number): Promise<DeviceKey> {
  return deviceKeyOfSeed(new Uint8Array(32).fill(byte));
}

export const NODE_COMMANDS = [
  "system.run",
  "system.run.prepare",
  "system.which",
  "system.execApprovals.get",
  "system.execApprovals.set",
];

/** Options of a node as our node host is one. */
export function nodeOptions(key: number, more: ConnectOptions = {}): ConnectOptions {
  return {
    role: "node",
    scopes: [],
    caps: ["system"],
    commands: NODE_COMMANDS,
    key,
    ...more,
    client: {
      id: "node-host",
      mode: "node",
      deviceFamily: "Linux",
      displayName: `node ${key}`,
      ...more.client,
    },
  };
}

interface Frame {
  readonly type: string;
  readonly id?: string;
  readonly event?: string;
  readonly ok?: boolean;
  // deno-lint-ignore no-explicit-any
  readonly payload?: any;
  // deno-lint-ignore no-explicit-any
  readonly error?: any;
}

/** One scripted connection. */
export class ScriptedPeer {
  readonly #socket: WebSocket;
  readonly #frames: Frame[] = [];
  readonly #waiters = new Set<() => void>();
  #closed: { code: number; reason: string } | undefined;
  #next = 1;
  /** Answer to `connect`. */
  hello!: Frame;
  key: DeviceKey | undefined;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.onmessage = (event) => {
      this.#frames.push(JSON.parse(event.data));
      this.#wake();
    };
    socket.onclose = (event) => {
      this.#closed = { code: event.code, reason: event.reason };
      this.#wake();
    };
    socket.onerror = (event) => event.preventDefault?.();
  }

  #wake(): void {
    for (const waiter of [...this.#waiters]) waiter();
  }

  /** Opens, answers the challenge, and waits for the answer to `connect`. */
  static async open(url: string, options: ConnectOptions): Promise<ScriptedPeer> {
    const peer = new ScriptedPeer(new WebSocket(url));
    const challenge = await peer.event("connect.challenge");
    const { nonce, ts } = challenge;
    peer.key = options.key === undefined ? undefined : await keyOf(options.key);
    const params = await connectParams(options, peer.key, nonce, ts);
    peer.hello = await peer.raw("connect", params);
    return peer;
  }

  /** Device id of the key. */
  get id(): string {
    return this.key?.deviceId ?? "";
  }

  /** Fails when `connect` was refused. */
  expectHello(): this {
    if (this.hello.ok !== true) throw new Error(`refused: ${JSON.stringify(this.hello.error)}`);
    return this;
  }

  /** Sends a request and waits for its (last) response frame. */
  async raw(method: string, params: unknown = {}): Promise<Frame> {
    const id = this.send(method, params);
    return await this.response(id);
  }

  /** Sends a request without waiting; returns its id. */
  send(method: string, params: unknown = {}): string {
    const id = `req-${this.#next++}`;
    this.#socket.send(JSON.stringify({ type: "req", id, method, params }));
    return id;
  }

  /** Sends any text. */
  sendText(text: string): void {
    this.#socket.send(text);
  }

  /** The next response to a request. */
  response(id: string): Promise<Frame> {
    return this.take((frame) => frame.type === "res" && frame.id === id, `response ${id}`);
  }

  /** The payload of a good answer; throws the error of a bad one. */
  // deno-lint-ignore no-explicit-any
  async call(method: string, params: unknown = {}): Promise<any> {
    const frame = await this.raw(method, params);
    if (frame.ok !== true) throw new Error(`${method}: ${JSON.stringify(frame.error)}`);
    return frame.payload;
  }

  /** The error of a refused call; throws when it was answered. */
  // deno-lint-ignore no-explicit-any
  async refusal(method: string, params: unknown = {}): Promise<any> {
    const frame = await this.raw(method, params);
    if (frame.ok !== false) {
      throw new Error(`${method} was answered: ${JSON.stringify(frame.payload)}`);
    }
    return frame.error;
  }

  /** Payload of the next event of this name. */
  // deno-lint-ignore no-explicit-any
  async event(name: string, where: (payload: any) => boolean = () => true): Promise<any> {
    const frame = await this.take(
      (f) => f.type === "event" && f.event === name && where(f.payload),
      `event ${name}`,
    );
    return frame.payload;
  }

  /** Events of this name that arrived and were not taken. */
  // deno-lint-ignore no-explicit-any
  seen(name: string): any[] {
    return this.#frames.filter((f) => f.type === "event" && f.event === name).map((f) => f.payload);
  }

  async take(where: (frame: Frame) => boolean, what: string): Promise<Frame> {
    return await this.#until(what, () => {
      const at = this.#frames.findIndex(where);
      return at < 0 ? undefined : this.#frames.splice(at, 1)[0];
    });
  }

  /** Waits for the close. */
  closed(): Promise<{ code: number; reason: string }> {
    return this.#until("close", () => this.#closed);
  }

  #until<T>(what: string, look: () => T | undefined): Promise<T> {
    return new Promise((resolve, reject) => {
      const done = () => {
        clearTimeout(timer);
        this.#waiters.delete(check);
      };
      const check = () => {
        const found = look();
        if (found !== undefined) {
          done();
          resolve(found);
        } else if (this.#closed !== undefined) {
          done();
          reject(
            new Error(`closed ${this.#closed.code} "${this.#closed.reason}" waiting for ${what}`),
          );
        }
      };
      const timer = setTimeout(() => {
        done();
        reject(new Error(`no ${what} within ${WAIT_MS} ms`));
      }, WAIT_MS);
      this.#waiters.add(check);
      check();
    });
  }

  /** Answers the next `node.invoke.request`; returns its payload. */
  // deno-lint-ignore no-explicit-any
  async answerInvoke(payload: unknown): Promise<any> {
    const request = await this.event("node.invoke.request");
    await this.call("node.invoke.result", {
      id: request.id,
      nodeId: request.nodeId,
      ok: true,
      payloadJSON: JSON.stringify(payload),
    });
    return request;
  }

  /** Closes and waits until it is closed. */
  async close(): Promise<void> {
    if (this.#closed !== undefined) return;
    this.#socket.close();
    await this.closed();
  }
}

async function connectParams(
  options: ConnectOptions,
  key: DeviceKey | undefined,
  nonce: string,
  ts: number,
) {
  const { role = "operator", scopes = [], caps = [], protocol = 4 } = options;
  const client = {
    id: "cli",
    mode: "cli",
    version: "2026.9.6",
    platform: "linux",
    instanceId: "instance-1",
    ...options.client,
  };
  const auth = options.auth ??
    (options.token === null ? undefined : { token: options.token ?? TOKEN });
  const known = auth as Record<string, string> | undefined;
  const token = known?.token ?? known?.deviceToken ?? known?.bootstrapToken;
  const device = options.device ?? (key === undefined ? undefined : {
    id: key.deviceId,
    publicKey: key.publicKey,
    signature: await key.sign(authPayload("v3", {
      deviceId: key.deviceId,
      clientId: client.id,
      clientMode: client.mode,
      role,
      scopes,
      signedAtMs: ts,
      token,
      nonce,
      platform: client.platform,
      deviceFamily: (client as { deviceFamily?: string }).deviceFamily,
    })),
    signedAt: ts,
    nonce,
  });
  return {
    minProtocol: protocol,
    maxProtocol: protocol,
    client,
    role,
    scopes,
    caps,
    ...(options.commands === undefined ? {} : { commands: options.commands }),
    ...(options.permissions === undefined ? {} : { permissions: options.permissions }),
    ...(auth === undefined ? {} : { auth }),
    ...(device === undefined ? {} : { device }),
  };
}

export const ALL = [
  "operator.admin",
  "operator.read",
  "operator.write",
  "operator.approvals",
  "operator.pairing",
];

/** An owner as the command line on the gateway host is one. */
export function owner(world: World, more: ConnectOptions = {}): Promise<ScriptedPeer> {
  return world.connect({ scopes: ALL, ...more }).then((peer) => peer.expectHello());
}

/** A node that is paired and approved; `operator` answers its requests. */
export async function admittedNode(
  world: Pick<World, "connect">,
  operator: ScriptedPeer,
  options: ConnectOptions,
): Promise<ScriptedPeer> {
  const knock = await world.connect(options);
  const { requestId } = knock.hello.error.details;
  await knock.closed();
  const { pending } = await operator.call("device.pair.list");
  const row = pending.find((p: { requestId: string }) => p.requestId === requestId);
  await operator.call("device.pair.admit", { requestId, surfaceHash: row.surfaceHash });
  return (await world.connect(options)).expectHello();
}
