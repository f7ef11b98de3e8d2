/** Times of outgoing connections, each with its reason. */

/** How long a peer may take to answer a close frame before the connection is dropped. */
export const CLOSE_TIMEOUT_MS = 2_000;
/** Default deadline of a whole dial: name, TCP, TLS and upgrade. */
export const DIAL_TIMEOUT_MS = 10_000;
/** Head start of one address before the next is tried beside it (F38: other family within 300 ms; RFC 8305: 250). */
export const NEXT_ADDRESS_MS = 250;
