/** HTTP answers instead of an upgrade, written by hand because the socket is no longer HTTP's. */
import type { Duplex } from "node:stream";
import type { UpgradeRefusal } from "./options.ts";
import { utf8 } from "../../lib/bytes.ts";

/** N12: too many sockets that have not proved who they are. */
export const TOO_MANY: UpgradeRefusal = {
  status: 503,
  headers: { "retry-after": "1" },
  body: "Too many unauthenticated sockets",
};

/** What came is no HTTP. */
export const NOT_HTTP: UpgradeRefusal = { status: 400, body: "Bad Request" };

const STATUS: Readonly<Record<number, string>> = {
  400: "Bad Request",
  403: "Forbidden",
  404: "Not Found",
  429: "Too Many Requests",
  503: "Service Unavailable",
};

/** Answers and ends the connection. */
export function refuse(socket: Duplex, { status, headers, body }: UpgradeRefusal): void {
  const lines = Object.entries({
    "content-type": "text/plain; charset=utf-8",
    "content-length": String(utf8(body).length),
    connection: "close",
    ...headers,
  }).map(([name, value]) => `${name}: ${value}\r\n`);
  if (!socket.writable) return void socket.destroy();
  socket.once("finish", () => socket.destroy());
  socket.end(`HTTP/1.1 ${status} ${STATUS[status] ?? "Refused"}\r\n${lines.join("")}\r\n${body}`);
}
