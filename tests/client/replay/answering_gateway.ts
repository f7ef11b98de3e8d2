/**
 * A real loopback gateway that answers by method with what was recorded: for command lines, which may call in another
 * order, more or less often, or over fewer connections than the recorded ones.
 */
import { listen, type Listener } from "../../../src/net/listen/ws_server.ts";
import type { ServerSocket } from "../../../src/net/socket.ts";
import { isRequest } from "./scripted_gateway.ts";
import { connectionsOf, type Recording, RECORDINGS } from "./recordings.ts";

// deno-lint-ignore no-explicit-any
type Any = any;

/** A request and what was answered. */
export interface Call {
  readonly method: string;
  readonly params: Any;
  readonly answer: Any;
  /** Events the caller got before the answer. */
  readonly events: readonly Any[];
  /** Scopes of the recorded connection. */
  readonly scopes: readonly string[];
}

/** Requests of a recording in their order, `connect` included. */
export function callsOf(recording: Recording): Call[] {
  return [...connectionsOf(recording).values()].flatMap((lines) => {
    const scopes = lines.find(({ frame }) => frame.method === "connect")?.frame.params.scopes ?? [];
    return lines.flatMap(({ dir, frame }, at) => {
      if (dir !== "c2s" || !isRequest(frame)) return [];
      const rest = lines.slice(at + 1).filter((line) => line.dir === "s2c");
      const end = rest.findIndex((line) => line.frame.type === "res" && line.frame.id === frame.id);
      if (end < 0) return [];
      const events = rest.slice(0, end).map((line) => line.frame).filter((f) => f.type === "event");
      return [{
        method: frame.method,
        params: frame.params,
        answer: rest[end]!.frame,
        events,
        scopes,
      }];
    });
  });
}

/** An answer to a method that our command line calls and the recorded one did not, from another recording. */
function borrowed(recording: Recording, method: string): Call | undefined {
  const version = recording.name.slice(0, 3);
  for (const other of RECORDINGS.values()) {
    if (!other.name.startsWith(version)) continue;
    const call = callsOf(other).find((c) => c.method === method && c.answer.ok);
    if (call) return call;
  }
  return undefined;
}

/** Answers as recorded. */
export class AnsweringGateway implements AsyncDisposable {
  readonly connects: Any[] = [];
  readonly calls: { readonly method: string; readonly params: Any }[] = [];
  readonly #recorded: readonly Call[];
  readonly #taken = new Map<string, number>();
  #listener!: Listener;

  private constructor(private readonly recording: Recording) {
    this.#recorded = callsOf(recording);
  }

  static async start(recording: Recording): Promise<AnsweringGateway> {
    const gateway = new AnsweringGateway(recording);
    gateway.#listener = await listen({
      host: "127.0.0.1",
      port: 0,
      onRequest: ({ url, method }, response) => {
        const known = recording.lines.find(({ dir, frame }) =>
          dir === "http" && frame.url === url && frame.method === method
        )?.frame;
        response.writeHead(known?.status ?? 404, { "content-type": "application/json" });
        response.end(known?.resBody ?? "");
      },
      onSocket: (socket) => gateway.#greet(socket),
    });
    return gateway;
  }

  get port(): number {
    return this.#listener.port;
  }

  #greet(socket: ServerSocket): void {
    socket.attach({ onText: (text) => this.#answer(socket, JSON.parse(text)), onClose: () => {} });
    const challenge = this.recording.lines.find(({ frame }) => frame.event === "connect.challenge");
    socket.send(JSON.stringify(challenge!.frame));
  }

  #answer(socket: ServerSocket, frame: Any): void {
    if (frame.method === "connect") {
      socket.markAuthenticated();
      this.connects.push(frame.params);
    } else this.calls.push({ method: frame.method, params: frame.params });
    const call = this.#take(frame.method);
    for (const event of call?.events ?? []) {
      if (event.event !== "connect.challenge") socket.send(JSON.stringify(event));
    }
    const answer = call?.answer ?? {
      type: "res",
      ok: false,
      error: { code: "INVALID_REQUEST", message: `unknown method: ${frame.method}` },
    };
    socket.send(JSON.stringify({ ...answer, id: frame.id }));
    if (frame.method === "connect" && !answer.ok) socket.close(1008, answer.error.message);
  }

  /**
   * The next recorded answer of a method; the last one again when ours asks more often. Ours asks for all scopes at once,
   * so the answer of the connection that had most comes first.
   */
  #take(method: string): Call | undefined {
    const all = this.#recorded.filter((call) => call.method === method);
    if (method !== "connect") all.sort((a, b) => rank(b) - rank(a));
    const nth = this.#taken.get(method) ?? 0;
    this.#taken.set(method, nth + 1);
    return all[Math.min(nth, all.length - 1)] ?? borrowed(this.recording, method);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#listener.close();
  }
}

const rank = ({ scopes }: Call) => scopes.includes("operator.admin") ? 1 : 0;
