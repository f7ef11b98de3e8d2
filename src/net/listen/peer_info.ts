/** What an upgrade request tells about its sender, as {@linkcode PeerInfo}. */
import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import { plainAddress } from "../address.ts";
import type { PeerInfo } from "../socket.ts";

/** Reads the facts of a request before the socket stops being HTTP's. */
export function peerInfo(request: IncomingMessage, socket: Socket, encrypted: boolean): PeerInfo {
  return {
    remoteAddress: plainAddress(socket.remoteAddress ?? ""),
    remotePort: socket.remotePort ?? 0,
    headers: request.headers as PeerInfo["headers"],
    url: request.url ?? "/",
    encrypted,
  };
}
