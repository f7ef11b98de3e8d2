/**
 * A small gateway for node tests: real WebSocket server, challenge, hello-ok or a refusal, and invokes. It checks nothing;
 * the project's own gateway is tested with nodes elsewhere.
 */
import { listen } from "../../../src/net/listen/ws_server.ts";
import type { ServerSocket } from "../../../src/net/socket.ts";

type Json = Record<string, unknown>;

/** A request of the node as the gateway saw it. */
export interface SeenRequest {
  readonly method: string;
  readonly params: Json;
}

/** Answers one invoke. */
export interface InvokeAnswer {
  readonly ok: boolean;
  readonly payload: Json;
  readonly error?: { code: string; message: string };
}

/** One connected node. */
export class NodeLeg {
  readonly connect: Json;
  readonly seen: SeenRequest[] = [];
  /** Called for every progress request; the promise delays the answer. */
  onProgress: (params: Json) => Promise<unknown> = () => Promise.resolve({ ok: true });
  readonly socket: ServerSocket;
  readonly closed = Promise.withResolvers<{ code: number; reason: string }>();
  readonly #answers = new Map<string, (answer: InvokeAnswer) => void>();
  #watchers: (() => void)[] = [];

  constructor(socket: ServerSocket, connect: Json) {
    this.socket = socket;
    this.connect = connect;
  }

  get nodeId(): string {
    return String((this.connect["device"] as Json)["id"]);
  }

  event(event: string, payload: Json): void {
    this.socket.send(JSON.stringify({ type: "event", event, payload }));
  }

  /** Sends one invoke and waits for its result. */
  invoke(command: string, params: unknown, more: Json = {}): Promise<InvokeAnswer> {
    const id = String(more["id"] ?? crypto.randomUUID());
    const answer = new Promise<InvokeAnswer>((resolve) => this.#answers.set(id, resolve));
    this.event("node.invoke.request", {
      id,
      nodeId: this.nodeId,
      command,
      paramsJSON: params === undefined ? null : JSON.stringify(params),
      timeoutMs: 30_000,
      ...more,
    });
    return answer;
  }

  async take(frame: Json): Promise<void> {
    const method = String(frame["method"]);
    const params = (frame["params"] ?? {}) as Json;
    this.seen.push({ method, params });
    this.#watchers.splice(0).forEach((wake) => wake());
    const payload = method === "node.invoke.progress"
      ? await this.onProgress(params)
      : { ok: true };
    this.socket.send(JSON.stringify({ type: "res", id: frame["id"], ok: true, payload }));
    if (method !== "node.invoke.result") return;
    const done = this.#answers.get(String(params["id"]));
    const text = params["payloadJSON"];
    done?.({
      ok: params["ok"] === true,
      payload: typeof text === "string" ? JSON.parse(text) : {},
      ...(params["error"] ? { error: params["error"] as { code: string; message: string } } : {}),
    });
  }

  /** Waits until a request fits, at most 5 s. */
  async waitFor(test: (seen: SeenRequest) => boolean): Promise<SeenRequest> {
    const endMs = performance.now() + 5000;
    for (;;) {
      const found = this.seen.find(test);
      if (found) return found;
      if (performance.now() > endMs) throw new Error(`Not seen in ${JSON.stringify(this.seen)}`);
      let timer: ReturnType<typeof setTimeout> | undefined;
      await new Promise<void>((resolve) => {
        this.#watchers.push(resolve);
        timer = setTimeout(resolve, 200);
      });
      clearTimeout(timer);
    }
  }
}

/** How a connect is answered: hello-ok members, or an error. */
export type ConnectAnswer = { hello?: Json } | { error: Json; close: [number, string] };

export interface TestGatewayOptions {
  tls?: { certPem: string; keyPem: string };
  answer?: (connect: Json, attempt: number) => ConnectAnswer;
  live?: boolean;
  port?: number;
}

/** A running gateway. */
export class TestGateway {
  readonly legs: NodeLeg[] = [];
  attempts = 0;
  #server: Awaited<ReturnType<typeof listen>> | undefined;
  readonly #options: TestGatewayOptions;
  #watchers: (() => void)[] = [];
  readonly #sockets = new Set<ServerSocket>();

  constructor(options: TestGatewayOptions = {}) {
    this.#options = options;
  }

  static async start(options: TestGatewayOptions = {}): Promise<TestGateway> {
    const gateway = new TestGateway(options);
    gateway.#server = await listen({
      host: "127.0.0.1",
      port: options.port ?? 0,
      ...(options.tls ? { tls: options.tls } : {}),
      onRequest: (_request, response) => void response.writeHead(404).end(),
      onSocket: (socket) => gateway.#onSocket(socket),
    });
    return gateway;
  }

  get port(): number {
    return this.#server!.port;
  }

  /** The nth connected node (from 0), waiting for it at most 10 s. */
  async leg(n = 0): Promise<NodeLeg> {
    await this.until(() => this.legs.length > n, `node ${n} connected`);
    return this.legs[n]!;
  }

  async until(test: () => boolean, what: string, timeoutMs = 10_000): Promise<void> {
    const endMs = performance.now() + timeoutMs;
    while (!test()) {
      if (performance.now() > endMs) throw new Error(`Not within ${timeoutMs} ms: ${what}`);
      let timer: ReturnType<typeof setTimeout> | undefined;
      await new Promise<void>((resolve) => {
        this.#watchers.push(resolve);
        timer = setTimeout(resolve, 50);
      });
      clearTimeout(timer);
    }
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.terminate();
    await this.#server?.close();
  }

  #onSocket(socket: ServerSocket): void {
    this.#sockets.add(socket);
    let leg: NodeLeg | undefined;
    socket.attach({
      onText: (text) => {
        const frame = JSON.parse(text) as Json;
        if (leg) return void leg.take(frame);
        leg = this.#onConnect(socket, frame);
        this.#watchers.splice(0).forEach((wake) => wake());
      },
      onClose: (info) => {
        this.#sockets.delete(socket);
        leg?.closed.resolve(info);
      },
    });
    const payload = { nonce: crypto.randomUUID(), ts: Date.now() };
    socket.send(JSON.stringify({ type: "event", event: "connect.challenge", payload }));
  }

  #onConnect(socket: ServerSocket, frame: Json): NodeLeg | undefined {
    const connect = frame["params"] as Json;
    const answer = this.#options.answer?.(connect, ++this.attempts) ?? { hello: {} };
    if ("error" in answer) {
      const { error } = answer;
      socket.send(JSON.stringify({ type: "res", id: frame["id"], ok: false, error }));
      socket.close(...answer.close);
      return undefined;
    }
    socket.markAuthenticated();
    socket.raiseLimit(25 * 1024 * 1024);
    const live = this.#options.live ?? true;
    const payload = {
      type: "hello-ok",
      protocol: 4,
      server: { version: "test", connId: "c1" },
      features: {
        methods: live ? ["node.invoke.progress"] : [],
        events: [],
        capabilities: live ? ["invoke-output-v1"] : [],
      },
      policy: { maxPayload: 26214400, maxBufferedBytes: 52428800, tickIntervalMs: 30000 },
      ...answer.hello,
    };
    const leg = new NodeLeg(socket, connect);
    socket.send(JSON.stringify({ type: "res", id: frame["id"], ok: true, payload }));
    this.legs.push(leg);
    return leg;
  }
}
