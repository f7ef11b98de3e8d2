/**
 * The one small socket that protocol code sees: text frames in both directions over any transport.
 * Server side and both client sides implement it; nothing above `net/` knows which one it has.
 */

/** How a connection ended. 1006 = lost without a close frame, 1005 = close frame without a code. */
export interface CloseInfo {
  readonly code: number;
  readonly reason: string;
}

/** Receives what happens on a socket. One object per connection, so that an idle one costs no closures. */
export interface SocketHandler {
  /** One complete text frame. */
  onText(text: string): void;
  /** Called exactly once; nothing else is called after it. */
  onClose(info: CloseInfo): void;
  /** A binary frame; without this method the socket closes with 1003. */
  onBinary?(bytes: Uint8Array): void;
  /** Answer to {@linkcode FrameSocket.ping}. */
  onPong?(): void;
  /** The outgoing buffer has run empty after being full. */
  onDrain?(): void;
}

/** One open connection. All methods are harmless after the close. */
export interface FrameSocket {
  /** Starts delivery to `handler`; frames and the close that came earlier are delivered first. Once per socket. */
  attach(handler: SocketHandler): void;
  /** Sends one text frame; bytes are taken as UTF-8 (for frames serialized once for many sockets). */
  send(frame: string | Uint8Array): void;
  /** Bytes accepted by `send` that the peer has not taken yet. */
  readonly bufferedBytes: number;
  readonly open: boolean;
  /** Close handshake; the reason is cut to the 123 bytes RFC 6455 allows. Ends hard after 2 s without an answer. */
  close(code?: number, reason?: string): void;
  /** Drops the connection at once, without a close frame. */
  terminate(): void;
  /** Stops reading, so that TCP slows the peer. Absent where the transport cannot. */
  pause?(): void;
  resume?(): void;
  /** Sends a WebSocket ping. Absent where the transport cannot. */
  ping?(): void;
}

/** A server-side socket: limits grow once the peer is known. */
export interface ServerSocket extends FrameSocket {
  /** IP address of the TCP peer, IPv4-mapped addresses as plain IPv4. */
  readonly remoteAddress: string;
  /** New largest incoming frame in bytes, from the next frame header on. */
  raiseLimit(maxBytes: number): void;
  /** Bytes that came in so far, of whatever kind. */
  readonly receivedBytes: number;
  /** Keeps what is sent until `release`, which hands it to the system in one go. */
  hold(): void;
  release(): void;
  /** Ends the deadline for the handshake and frees the slot among unauthenticated sockets (decision 11). */
  markAuthenticated(): void;
}

/** What the upgrade request told about the peer. Do not keep it longer than the handshake: it holds all headers. */
export interface PeerInfo {
  /** IP address of the socket, IPv4-mapped addresses as plain IPv4. */
  readonly remoteAddress: string;
  readonly remotePort: number;
  /** Header names in lower case. Values are as sent: never show them unescaped. */
  readonly headers: Readonly<Record<string, string | undefined>>;
  /** Names in lower case of headers that were sent more than once. */
  readonly repeatedHeaders: readonly string[];
  /** Path and query as sent. */
  readonly url: string;
  /** Whether the socket speaks TLS. */
  readonly encrypted: boolean;
}
