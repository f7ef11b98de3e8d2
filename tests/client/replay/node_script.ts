/**
 * The gateway's side of a recorded node connection. Our node need not publish what the recorded one did (statistics,
 * skills, plugins); what it must do at each place is connect and answer the invokes.
 */
import type { ServerSocket } from "../../../src/net/socket.ts";
import { listen, type Listener } from "../../../src/net/listen/ws_server.ts";
import type { Line } from "../../support/replay.ts";
import type { Exchanged } from "./scripted_gateway.ts";

// deno-lint-ignore no-explicit-any
type Any = any;

/** One connection of our node. */
export class NodeSide {
  /** `connect` first, then the answered invokes, each beside the recorded frame. */
  readonly exchanged: Exchanged[] = [];
  /** Everything our node sent after `connect`, in its order. */
  readonly sent: Any[] = [];
  done = false;
  readonly #socket: ServerSocket;
  readonly #instead: Map<string, string>;
  readonly #answeredIds = new Set<unknown>();
  #at = 0;

  constructor(
    readonly lines: readonly Line[],
    { socket, connect, instead }: {
      socket: ServerSocket;
      connect: Any;
      instead: Map<string, string>;
    },
  ) {
    this.#socket = socket;
    this.#instead = instead;
    const at = lines.findIndex(({ frame }) => frame.method === "connect");
    this.exchanged.push({ recorded: lines[at]!.frame, ours: connect });
    const answer =
      lines.find(({ dir, frame }) => dir === "s2c" && frame.id === lines[at]!.frame.id)!.frame;
    socket.send(JSON.stringify({ ...answer, id: connect.id }));
    this.#at = lines.findIndex(({ frame }) => frame === answer) + 1;
    this.#go();
  }

  /** A frame after `connect`: every request is answered at once. */
  take(frame: Any): void {
    this.sent.push(frame);
    const payload = frame.method === "skills.bins" ? { bins: [] } : { ok: true };
    this.#socket.send(JSON.stringify({ type: "res", id: frame.id, ok: true, payload }));
    this.#go();
  }

  #go(): void {
    for (; this.#at < this.lines.length; this.#at++) {
      const { dir, frame } = this.lines[this.#at]!;
      if (dir === "c2s" && frame.method === "node.invoke.result" && !this.#answered(frame)) return;
      if (dir === "s2c" && frame.type === "event") this.#event(frame);
      if (dir === "close" && frame.by === "server") this.#socket.close(frame.code, frame.reason);
    }
    this.done = true;
  }

  #answered(recorded: Any): boolean {
    const ours = this.sent.find((frame) =>
      frame.method === "node.invoke.result" && frame.params.id === recorded.params.id
    );
    if (!ours) return false;
    if (this.#answeredIds.has(recorded.params.id)) return true;
    this.#answeredIds.add(recorded.params.id);
    this.exchanged.push({ recorded, ours });
    const hash = (frame: Any) => JSON.parse(frame.params.payloadJSON ?? "{}").hash;
    if (hash(recorded) && hash(ours)) this.#instead.set(hash(recorded), hash(ours));
    return true;
  }

  /** A file's hash is ours, not the recorded one's. */
  #event(frame: Any): void {
    let text = JSON.stringify(frame);
    for (const [theirs, own] of this.#instead) text = text.replaceAll(theirs, own);
    this.#socket.send(text);
  }
}

/** Listens and gives the n-th accepted connection of our node the n-th script. */
export class NodeScript implements AsyncDisposable {
  readonly sides: NodeSide[] = [];
  /** Offers of protocol 4 that an older gateway refused. */
  refusedOffers = 0;
  readonly #instead = new Map<string, string>();
  #listener!: Listener;

  static async start(
    scripts: readonly (readonly Line[])[],
    /** Lines of a refusal of protocol 4 by an older gateway. */
    mismatch: readonly Line[] | undefined,
  ): Promise<NodeScript> {
    const script = new NodeScript();
    script.#listener = await listen({
      host: "127.0.0.1",
      port: 0,
      onRequest: (_request, response) => response.writeHead(404).end(),
      onSocket: (socket) => script.#greet(socket, scripts, mismatch),
    });
    return script;
  }

  get port(): number {
    return this.#listener.port;
  }

  #greet(
    socket: ServerSocket,
    scripts: readonly (readonly Line[])[],
    mismatch: readonly Line[] | undefined,
  ): void {
    let side: NodeSide | undefined;
    const lines = scripts[this.sides.length] ?? [];
    const challenge = lines.find(({ frame }) => frame.event === "connect.challenge")?.frame;
    socket.attach({
      onText: (text) => {
        const frame = JSON.parse(text);
        if (side) return side.take(frame);
        socket.markAuthenticated();
        if (mismatch && frame.params.maxProtocol > 3) return this.#refuse(socket, frame, mismatch);
        side = new NodeSide(lines, { socket, connect: frame, instead: this.#instead });
        this.sides.push(side);
      },
      onClose: () => {},
    });
    if (challenge) socket.send(JSON.stringify(challenge));
    else socket.close(1012, "the recording is over");
  }

  #refuse(socket: ServerSocket, connect: Any, mismatch: readonly Line[]): void {
    this.refusedOffers++;
    const answer = mismatch.find(({ dir, frame }) => dir === "s2c" && frame.type === "res")!.frame;
    const close = mismatch.find(({ dir }) => dir === "close")!.frame;
    socket.send(JSON.stringify({ ...answer, id: connect.id }));
    socket.close(close.code, close.reason);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#listener.close();
  }
}
