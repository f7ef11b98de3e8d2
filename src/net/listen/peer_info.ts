/** What an upgrade request tells about its sender, as {@linkcode PeerInfo}. */
import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import { plainAddress } from "../address.ts";
import type { PeerInfo } from "../socket.ts";

/**
 * Lower-case names of headers that were sent more than once. The runtime joins them into one value (`Host` and a few
 * others keep the first), so that a client's own copy looks like a part of what a proxy said (N07, N08).
 */
export function repeatedHeaders({ rawHeaders }: Pick<IncomingMessage, "rawHeaders">): string[] {
  const seen = new Set<string>();
  const repeated = new Set<string>();
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = (rawHeaders[i] ?? "").toLowerCase();
    if (seen.has(name)) repeated.add(name);
    seen.add(name);
  }
  return [...repeated];
}

/** Reads the facts of a request before the socket stops being HTTP's. */
export function peerInfo(request: IncomingMessage, socket: Socket, encrypted: boolean): PeerInfo {
  return {
    remoteAddress: plainAddress(socket.remoteAddress ?? ""),
    remotePort: socket.remotePort ?? 0,
    headers: request.headers as PeerInfo["headers"],
    repeatedHeaders: repeatedHeaders(request),
    url: request.url ?? "/",
    encrypted,
  };
}
