/**
 * What every failure on the way to a gateway means: which hop is broken, why, and the one command to type next.
 * Data only; walking the hops is `actions/doctor.ts`.
 */

/** The hops in the order they are passed. */
export const HOPS = [
  "config",
  "name",
  "route",
  "tcp",
  "tls",
  "pin",
  "upgrade",
  "challenge",
  "credential",
  "pairing",
  "surface",
  "policy",
  "run",
] as const;

/** One hop. */
export type Hop = typeof HOPS[number];

/** What a failure code means. */
export interface Diagnosis {
  readonly hop: Hop;
  readonly cause: string;
  /** One command to paste; `<…>` are facts filled in by the caller. */
  readonly command?: string;
}

/** By error code of the connection attempt. */
export const DIAGNOSES: Readonly<Record<string, Diagnosis>> = {
  CONFIG_INVALID: {
    hop: "config",
    cause: "the configuration file cannot be used",
    command: "openclaw config validate",
  },
  PROFILE_INVALID: { hop: "config", cause: "the profile name cannot be used" },
  FILE_UNSAFE: {
    hop: "config",
    cause: "a file with secrets belongs to, or can be written by, somebody else",
  },
  GATEWAY_URL_INVALID: {
    hop: "config",
    cause: "the gateway's address is not a ws:// or wss:// URL",
    command: "openclaw config get gateway.remote.url",
  },
  GATEWAY_REMOTE_URL_MISSING: {
    hop: "config",
    cause: "remote mode without an address",
    command: "openclaw config set gateway.remote.url wss://gateway.example:18789",
  },
  ENDPOINT_MALFORMED: { hop: "config", cause: "the gateway's address cannot be read" },
  PLAINTEXT_REFUSED: {
    hop: "config",
    cause: "plaintext ws:// to another machine would show the token to the network",
    command: "openclaw config set gateway.remote.url <wss-url>",
  },
  DNS_FAILED: {
    hop: "name",
    cause: "the host name is not known to this machine's resolver",
    command: "getent hosts <host>",
  },
  ROUTE_MISSING: {
    hop: "route",
    cause: "this machine has no route to the address: network down, VPN off, or wrong address",
    command: "ip route get <host>",
  },
  CONNECTION_REFUSED: {
    hop: "tcp",
    cause:
      "nothing listens at this address and port: the gateway is not running, or uses another port",
    command: "openclaw gateway run",
  },
  CONNECT_TIMEOUT: {
    hop: "tcp",
    cause: "no answer at all: a firewall drops the packets, or the address is wrong",
    command: "openclaw gateway call health --timeout 30s",
  },
  CONNECTION_FAILED: { hop: "tcp", cause: "the connection could not be made" },
  CONNECTION_LOST: {
    hop: "upgrade",
    cause: "the other side closed at once: TLS against plaintext, or not a gateway",
    command: "openclaw gateway fingerprint",
  },
  TLS_NOT_SPOKEN: {
    hop: "tls",
    cause: "the port answers, but does not speak TLS",
    command: "openclaw config set gateway.tls.enabled true",
  },
  TLS_FAILED: { hop: "tls", cause: "the TLS handshake failed" },
  TLS_UNTRUSTED: {
    hop: "pin",
    cause: "the certificate is self-signed and no fingerprint is pinned",
    command: "openclaw config set gateway.remote.tlsFingerprint <observed>",
  },
  TLS_PIN_MISMATCH: {
    hop: "pin",
    cause:
      "the certificate is another one than the pinned: it was made anew, or this is not your gateway",
    command: "openclaw gateway fingerprint   # on the gateway; compare with <observed>",
  },
  PIN_MALFORMED: {
    hop: "pin",
    cause: "the fingerprint is not 64 hex digits",
    command: "openclaw gateway fingerprint",
  },
  PIN_WITHOUT_TLS: {
    hop: "pin",
    cause: "a fingerprint is set, but the address is plaintext ws://",
    command: "openclaw config set gateway.remote.url <wss-url>",
  },
  TLS_PIN_WITHOUT_TLS: {
    hop: "pin",
    cause: "a fingerprint is set, but the address is plaintext ws://",
    command: "openclaw config set gateway.remote.url <wss-url>",
  },
  HTTP_REFUSED: {
    hop: "upgrade",
    cause: "an HTTP server answered and refused the WebSocket upgrade",
  },
  NOT_A_GATEWAY: { hop: "upgrade", cause: "something answers there, but it is not a gateway" },
  HANDSHAKE_TIMEOUT: {
    hop: "challenge",
    cause: "connected, but no gateway greeting came: another service, or a stuck gateway",
    command: "openclaw gateway health --timeout 30s",
  },
  HANDSHAKE_FAILED: { hop: "challenge", cause: "the greeting was not that of a gateway" },
  PROTOCOL_MISMATCH: { hop: "challenge", cause: "the gateway speaks another protocol version" },
  GATEWAY_STARTING: { hop: "challenge", cause: "the gateway is still starting" },
  GATEWAY_URL_CREDENTIALS_MISSING: {
    hop: "credential",
    cause: "an address was given by hand, and stored secrets are never sent there",
    command: "openclaw doctor --url <url> --token <token>",
  },
  GATEWAY_SECRET_REF_UNAVAILABLE: {
    hop: "credential",
    cause: "the configured secret reference has no value now",
    command: "openclaw config get gateway.auth",
  },
  AUTH_TOKEN_MISSING: {
    hop: "credential",
    cause: "the gateway wants a token and none is configured here (a blank one counts as none)",
    command: "export OPENCLAW_GATEWAY_TOKEN=<token>",
  },
  AUTH_TOKEN_MISMATCH: {
    hop: "credential",
    cause: "the token is not the gateway's",
    command: "openclaw config get gateway.auth.token --reveal   # on the gateway",
  },
  AUTH_PASSWORD_MISSING: {
    hop: "credential",
    cause: "the gateway wants a password and none is configured here",
    command: "export OPENCLAW_GATEWAY_PASSWORD=<password>",
  },
  AUTH_PASSWORD_MISMATCH: {
    hop: "credential",
    cause: "the password is not the gateway's",
    command: "openclaw config get gateway.auth.password --reveal   # on the gateway",
  },
  AUTH_DEVICE_TOKEN_MISMATCH: {
    hop: "credential",
    cause:
      "the stored device token is not valid any more; it was dropped, a new one comes with the next pairing",
    command: "openclaw doctor",
  },
  AUTH_BOOTSTRAP_TOKEN_INVALID: {
    hop: "credential",
    cause: "the join line was used up, revoked or is too old",
    command: "openclaw devices join-code   # on the gateway",
  },
  AUTH_RATE_LIMITED: {
    hop: "credential",
    cause: "too many failed attempts; the gateway waits before it listens to this address again",
    command: "openclaw doctor --timeout 30s",
  },
  DEVICE_AUTH_SIGNATURE_EXPIRED: {
    hop: "credential",
    cause: "this machine's clock and the gateway's differ by more than two minutes",
    command: "date -u   # on both machines",
  },
  DEVICE_KEY_UNUSABLE: { hop: "credential", cause: "this machine's own key cannot be used" },
  PAIRING_REQUIRED: {
    hop: "pairing",
    cause: "the gateway knows the secret, but not this device",
    command: "openclaw devices approve <requestId>   # on the gateway",
  },
  NODE_UNKNOWN: {
    hop: "surface",
    cause: "no such node: it was never paired here, or it is connected to another gateway",
    command: "openclaw devices list",
  },
  NODE_AMBIGUOUS: {
    hop: "surface",
    cause: "several nodes answer to this name",
    command: "openclaw nodes status",
  },
  NODE_OFFLINE: {
    hop: "surface",
    cause: "the node is paired, but not connected now",
    command: "openclaw node run   # on the node",
  },
  NODE_SURFACE_PENDING: {
    hop: "surface",
    cause: "the node's commands wait for approval",
    command: "openclaw nodes approve <requestId>",
  },
  NODE_CANNOT_RUN: {
    hop: "surface",
    cause: "the node does not offer system.run, or the gateway's policy denies it",
    command: "openclaw nodes describe --node <node>",
  },
  POLICY_DENIES: {
    hop: "policy",
    cause: "the node's exec policy denies everything",
    command: "openclaw approvals get --node <node>",
  },
  RUN_FAILED: {
    hop: "run",
    cause: "the node is there, but a call to it failed",
    command:
      'openclaw nodes invoke --node <node> --command system.which --params \'{"bins":["sh"]}\'',
  },
};
