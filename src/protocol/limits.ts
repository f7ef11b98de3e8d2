/**
 * Sizes and times of the wire, each with its reason. Owns the numbers; enforcing them belongs to
 * `gateway/peers/connection.ts`, `net/listen/ws_server.ts` and `client/`. Source: gateway-protocol.md 1.2.
 */

/** Default port of a gateway. */
export const DEFAULT_PORT = 18789;

/** Largest frame before hello, bytes. A stranger may not make us hold more (N11). */
export const MAX_PREAUTH_FRAME_BYTES = 64 * 1024;
/** Largest frame after hello, bytes; advertised as `policy.maxPayload`. Only for {@linkcode BIG_FRAME_METHODS}. */
export const MAX_FRAME_BYTES = 25 * 1024 * 1024;
/** Largest frame of every other method after hello, bytes (decision 30). */
export const MAX_SMALL_FRAME_BYTES = 1024 * 1024;
/** Methods whose frames may be as large as {@linkcode MAX_FRAME_BYTES}. */
export const BIG_FRAME_METHODS: ReadonlySet<string> = new Set([
  "node.invoke",
  "node.invoke.result",
]);
/** Outgoing bytes a connection may have waiting; advertised as `policy.maxBufferedBytes` (N43, F17). */
export const MAX_BUFFERED_BYTES = 50 * 1024 * 1024;
/** From accept to hello, milliseconds. Overrides: `gateway.handshakeTimeoutMs`, `OPENCLAW_HANDSHAKE_TIMEOUT_MS`. */
export const HANDSHAKE_TIMEOUT_MS = 15_000;
/** Unauthenticated sockets of one client address (N12). Override: `OPENCLAW_MAX_PREAUTH_CONNECTIONS_PER_IP`. */
export const MAX_PREAUTH_PER_ADDRESS = 32;
/** Unauthenticated sockets altogether (decision 11). */
export const MAX_PREAUTH_TOTAL = 512;
/** Frames a client may send ahead of its hello-ok; one more closes with 1008. */
export const MAX_EARLY_FRAMES = 15;
/** Pace of the `tick` event; advertised as `policy.tickIntervalMs`. Clients leave after two missing ticks. */
export const TICK_INTERVAL_MS = 30_000;
/**
 * Time for a sign of life after a ping, which goes out with each tick: a dead peer is noticed within 43 s (F10, F11). TCP
 * sends again what a gap of 12 s swallowed before this is over.
 */
export const PING_ANSWER_MS = 13_000;
/** Pace of the `health` refresh. */
export const HEALTH_INTERVAL_MS = 60_000;
/** A presence entry outlives its connection this long. */
export const PRESENCE_LIFETIME_MS = 5 * 60_000;
/** Presence entries kept at most. */
export const MAX_PRESENCE_ENTRIES = 200;
/** Allowed difference between `device.signedAt` and the gateway clock, both directions. Source: 3.4. */
export const SIGNATURE_SKEW_MS = 120_000;
/** `unauthorized role` answers on one connection before it is closed. Source: section 6. */
export const MAX_ROLE_ERRORS = 10;
/** Longest WebSocket close reason, UTF-8 bytes (RFC 6455: 125 minus the code). */
export const MAX_CLOSE_REASON_BYTES = 123;
/** Requests of one connection that may run at once; the next waits unread in the socket. */
export const MAX_RUNNING_REQUESTS = 256;
/** Deadline of `node.invoke` when the caller names none. */
export const DEFAULT_INVOKE_TIMEOUT_MS = 30_000;
/** How long a pairing request stays without being refreshed. */
export const PAIRING_REQUEST_LIFETIME_MS = 300_000;
/** Life of a bootstrap token. */
export const BOOTSTRAP_TOKEN_LIFETIME_MS = 600_000;
/** Default life of an exec approval request. */
export const APPROVAL_LIFETIME_MS = 1_800_000;

/** JSON nesting refused beyond this depth, before parsing (N16, decision 30). */
export const MAX_JSON_DEPTH = 64;
/** Object keys in one frame (N16). */
export const MAX_JSON_KEYS = 50_000;
/** Characters of one object key, and of all in one frame (N16). */
export const MAX_JSON_KEY_CHARS = 4_096;
export const MAX_JSON_KEYS_CHARS = 4 * 1024 * 1024;
/** Array elements and members in one frame; bounds the time `JSON.parse` can take. */
export const MAX_JSON_VALUES = 1_000_000;
/** Characters of one number (N16: five megabytes of digits). */
export const MAX_JSON_NUMBER_CHARS = 400;

/** Longest secret in `connect.auth`, characters: a longer one could not be shown to any gateway. */
export const MAX_SECRET_CHARS = 4096;
