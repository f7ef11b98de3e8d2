/**
 * The gateway's side of a recording on a real loopback WebSocket server: sends what the real gateway sent, in its order,
 * and keeps what our client sent in place of the recorded client.
 */
import type { CloseInfo, ServerSocket } from "../../../src/net/socket.ts";
import { listen, type Listener } from "../../../src/net/listen/ws_server.ts";
import type { Line } from "../../support/replay.ts";

// deno-lint-ignore no-explicit-any
type Any = any;

/** A frame of the recorded client and ours in its place. */
export interface Exchanged {
  readonly recorded: Any;
  readonly ours: Any;
}

/** One connection of ours against the recorded one of the same number. */
export class ScriptedSide {
  readonly exchanged: Exchanged[] = [];
  closed: CloseInfo | undefined;
  readonly #ids = new Map<string, string>();
  readonly #inbox: Any[] = [];
  #at = 0;

  constructor(readonly lines: readonly Line[], readonly socket: ServerSocket) {
    socket.attach({
      onText: (text) => {
        socket.markAuthenticated();
        this.#inbox.push(JSON.parse(text));
        this.#go();
      },
      onClose: (info) => this.closed = info,
    });
    this.#go();
  }

  /** Sends until the recorded client would say something that ours has not said yet. */
  #go(): void {
    for (;;) {
      const line = this.lines[this.#at];
      if (!line) return;
      if (line.dir === "c2s" && this.#expects(line.frame)) {
        const ours = this.#inbox.shift();
        if (ours === undefined) return;
        this.exchanged.push({ recorded: line.frame, ours });
        if (typeof line.frame.id === "string") this.#ids.set(line.frame.id, ours.id);
      } else if (line.dir === "s2c") this.#send(line.frame);
      else if (line.dir === "close") this.#close(line.frame);
      this.#at++;
    }
  }

  /** The first frame is always `connect` with us; later frames that are no requests cannot come from our client. */
  #expects(frame: Any): boolean {
    return this.exchanged.length === 0 || isRequest(frame);
  }

  #send(frame: Any): void {
    const id = this.#ids.get(frame.id);
    this.socket.send(JSON.stringify(id === undefined ? frame : { ...frame, id }));
  }

  #close({ by, code, reason }: { by: string; code: number; reason: string }): void {
    if (by !== "server") return;
    if (code !== 1005 && code !== 1006) this.socket.close(code, reason);
    // A gateway that was gone; later it only means that the recorded client left.
    else if (this.exchanged.length === 0) this.socket.terminate();
  }
}

/** Whether our client could send it. */
export function isRequest(frame: Any): boolean {
  return frame?.type === "req" && typeof frame.id === "string" && frame.id !== "" &&
    typeof frame.method === "string" && frame.method !== "" &&
    Object.keys(frame).every((key) => ["type", "id", "method", "params"].includes(key));
}

/** Listens and gives the n-th connection the n-th script. */
export class ScriptedGateway implements AsyncDisposable {
  /** The newest connection; absent when its upgrade was refused. */
  last: ScriptedSide | undefined;
  /** Upgrades beyond the scripts: our client dialled more often than the recorded one. */
  surplus = 0;
  #upgrades = 0;
  #listener!: Listener;

  static async start(scripts: readonly (readonly Line[])[]): Promise<ScriptedGateway> {
    const gateway = new ScriptedGateway();
    gateway.#listener = await listen({
      host: "127.0.0.1",
      port: 0,
      onRequest: (_request, response) => response.writeHead(404).end(),
      onUpgrade: () => {
        const script = scripts[gateway.#upgrades++];
        gateway.last = undefined;
        const refused = script?.find((line) => line.dir === "close" && line.frame.http)?.frame;
        if (refused) {
          return { status: refused.http, headers: refused.headers ?? {}, body: refused.body ?? "" };
        }
        if (script) return undefined;
        gateway.surplus++;
        return { status: 410, body: "the recording has no further connection" };
      },
      onSocket: (socket) => {
        const script = scripts[gateway.#upgrades - 1] ?? [];
        gateway.last = new ScriptedSide(script, socket);
      },
    });
    return gateway;
  }

  get url(): string {
    return `ws://127.0.0.1:${this.#listener.port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#listener.close();
  }
}
