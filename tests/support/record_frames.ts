/**
 * Preloaded into test and product processes (`deno … --preload`): writes every frame that our gateway and our clients
 * send into a file of the folder `OPENCLAW_TEST_RECORD` names. The product itself knows nothing of it.
 */
import { LiveSession } from "../../src/client/live_session.ts";
import { Connection } from "../../src/gateway/peers/connection.ts";
import { BuiltinSocket } from "../../src/net/dial/builtin_socket.ts";
import { WsSocket } from "../../src/net/ws_frames.ts";

/** Name of the environment variable with the folder. */
export const RECORD_DIR = "OPENCLAW_TEST_RECORD";

/** One line of a recording. */
export interface SuiteFrame {
  readonly conn: string;
  /**
   * `gateway`: our gateway sent it. `client`: a client of ours sent it. `request`: a peer of our gateway, honest or not,
   * sent it; kept only to tell which answer belongs to which method.
   */
  readonly from: "gateway" | "client" | "request";
  readonly text: string;
}

const MAIN = Deno.mainModule.endsWith("/main.ts");

function writer(dir: string): (frame: SuiteFrame) => void {
  Deno.mkdirSync(dir, { recursive: true });
  const path = `${dir}/${Deno.pid}-${crypto.randomUUID()}.jsonl`;
  const encoder = new TextEncoder();
  // Opened for each line: a file that stays open would look like a leak of the test that is running.
  return (frame) =>
    Deno.writeFileSync(path, encoder.encode(JSON.stringify(frame) + "\n"), { append: true });
}

/** The text of a frame of this protocol, or `undefined` for what other tests send. */
function frameText(frame: string | Uint8Array): string | undefined {
  const text = typeof frame === "string" ? frame : new TextDecoder().decode(frame);
  return /^\{"type":"(?:req|res|event)"/.test(text) && text.length < 1_000_000 ? text : undefined;
}

function recordGateway(write: (frame: SuiteFrame) => void): void {
  const { sendText, onText } = Connection.prototype;
  Connection.prototype.sendText = function (frame: string): boolean {
    const sent = sendText.call(this, frame);
    if (sent && frame.length < 1_000_000) {
      write({ conn: this.connId, from: "gateway", text: frame });
    }
    return sent;
  };
  Connection.prototype.onText = function (text: string): void {
    const known = frameText(text);
    if (known !== undefined) write({ conn: this.connId, from: "request", text: known });
    onText.call(this, text);
  };
}

/** Clients: everything in a process of the product, elsewhere what a session of ours sends after hello. */
function recordClients(write: (frame: SuiteFrame) => void): void {
  const ids = new WeakMap<object, string>();
  const idOf = (socket: object) => {
    const id = ids.get(socket) ?? crypto.randomUUID();
    ids.set(socket, id);
    return id;
  };
  if (!MAIN) {
    const { request } = LiveSession.prototype;
    LiveSession.prototype.request = function (method, params, options) {
      const frame = { type: "req", id: "-", method, ...(params === undefined ? {} : { params }) };
      if (NODE_CALLS.test(method)) {
        write({ conn: idOf(this), from: "client", text: JSON.stringify(frame) });
      }
      return request.call(this, method, params, options);
    };
    return;
  }
  for (const socket of [BuiltinSocket.prototype, WsSocket.prototype]) {
    const { send } = socket;
    socket.send = function (this: BuiltinSocket & WsSocket, frame: string | Uint8Array): void {
      const text = "raiseLimit" in this ? undefined : frameText(frame);
      if (text !== undefined) write({ conn: idOf(this), from: "client", text });
      send.call(this, frame);
    };
  }
}

/** What only our node calls; tests of the client library call what they like. */
const NODE_CALLS = /^node\.(event|invoke\.(result|progress)|[a-zA-Z]+\.update)$|^skills\.bins$/;

const dir = Deno.env.get(RECORD_DIR);
if (dir) {
  const write = writer(dir);
  recordGateway(write);
  recordClients(write);
}
