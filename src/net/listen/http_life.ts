/**
 * Bounds the life of a connection that only speaks HTTP. The runtime has deadlines for a request's header and body, but none
 * once the answer is out: a body that drips behind it, or a small request every few seconds, would hold an unknown
 * socket for ever. Attacks stopped: N12, N13; N03 with two Host headers.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { Clock } from "../../lib/clock.ts";

/** For the rest of a body nobody reads: enough for the answer to arrive before the connection is cut. */
const LINGER_MS = 1_000;

const BORN = Symbol("born");
type Born = Socket & { [BORN]?: number };

type RequestListener = (request: IncomingMessage, response: ServerResponse) => void;

/** Wraps `onRequest`: after `lifeMs` from its first request a connection ends with its next answer. */
export function withBoundedLife(
  onRequest: RequestListener,
  { clock, lifeMs }: { readonly clock: Clock; readonly lifeMs: number },
): RequestListener {
  return (request, response) => {
    const socket = request.socket as Born;
    const nowMs = clock.monotonic();
    const isOld = nowMs - (socket[BORN] ??= nowMs) >= lifeMs;
    const isClear = namesOneHost(request);
    if (isOld || !isClear) response.setHeader("connection", "close");
    response.once("finish", () => endUnread(request, clock));
    if (isClear) return onRequest(request, response);
    response.statusCode = 400;
    response.end("Bad Request");
  };
}

/** Whether nobody could read another `Host` than the one this program judges (RFC 9112, 3.2). */
export function namesOneHost({ rawHeaders }: IncomingMessage): boolean {
  let hosts = 0;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    if (rawHeaders[i]?.toLowerCase() === "host") hosts++;
  }
  return hosts <= 1;
}

function endUnread(request: IncomingMessage, clock: Clock): void {
  if (request.complete) return;
  const { socket } = request;
  const cancel = clock.after(LINGER_MS, () => socket.destroy());
  request.once("end", cancel);
  socket.once("close", cancel);
}
