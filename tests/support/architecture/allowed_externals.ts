/**
 * The full list of what the program may import from outside, so that each new one shows in review.
 */

/** What may be imported from outside, each with what it is for. A new one is a decision: say why in the commit. */
export const ALLOWED_EXTERNALS: Readonly<Record<string, string>> = {
  "npm:deno-std": "@std: paths, colours, JSON with comments; bundling leaves 25 KB of it",
  "npm:uqr": "the QR code of a setup code; loaded when one is asked for",
  "npm:ws": "WebSocket server, and client over an already checked TLS socket",
  "node:buffer": "what ws and node:crypto hand over",
  "node:child_process": "a program with its own argv[0]; only in platform/",
  "node:crypto": "X.509 and Ed25519 from PEM, where WebCrypto cannot",
  "node:dgram": "mDNS discovery",
  "node:dns": "all addresses of a host, tried in turn",
  "node:events": "waiting for events of the servers",
  "node:fs": "open file descriptors: locks, owners, O_NOFOLLOW",
  "node:http": "server under ws",
  "node:https": "TLS server under ws",
  "node:net": "unix sockets and addresses",
  "node:sqlite": "the gateway's store",
  "node:stream": "types of sockets",
  "node:tls": "client socket whose peer certificate is compared before a byte is sent",
  "node:v8": "asking for a garbage collection after a burst; only in platform/heap.ts",
  "node:vm": "the same",
};
