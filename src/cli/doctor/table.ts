/**
 * What every failure on the way to a gateway means: which hop is broken, why, and the one command to type next.
 * Data only; walking the hops is `examine.ts`. What lies behind the gateway is `node_table.ts`.
 */
import { CREDENTIAL_DIAGNOSES } from "./credential_table.ts";
import type { Diagnosis } from "./hops.ts";
import { NODE_DIAGNOSES } from "./node_table.ts";
import { START_DIAGNOSES } from "./start_table.ts";

const WHO_LISTENS = "openclaw gateway status   # on the gateway's machine: who holds the port";
const PIN_OBSERVED = "openclaw config set gateway.remote.tlsFingerprint <observed>   " +
  "# if openclaw gateway fingerprint says so on the gateway";

/** By error code of the connection attempt. */
export const DIAGNOSES: Readonly<Record<string, Diagnosis>> = {
  CONFIG_INVALID: {
    hop: "config",
    cause: "the configuration file cannot be used",
    command: "openclaw config validate",
  },
  PROFILE_INVALID: {
    hop: "config",
    cause: "the profile name cannot be used",
    command: "openclaw --profile work doctor   # small letters, digits, - and _",
  },
  FILE_UNSAFE: {
    hop: "config",
    cause: "a file with secrets belongs to, or can be written by, somebody else",
    command: "ls -la <path>",
  },
  STATE_READ_ONLY: {
    hop: "config",
    cause: "the state directory cannot be written: read-only disk, or it belongs to somebody else",
    command: "ls -ld <folder>",
  },
  DISK_FULL: { hop: "config", cause: "the disk is full", command: "df -h <folder>" },
  FILE_FAILED: {
    hop: "config",
    cause: "a file of the state directory, or the configuration, cannot be read or written",
    command: "ls -ld <folder>",
  },
  TLS_FILES_INCOMPLETE: {
    hop: "config",
    cause:
      "of certificate and key one is missing; the gateway does not start, and never goes plaintext",
    command: "ls -l <tlsDir>",
  },
  ...START_DIAGNOSES,
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
  ENDPOINT_MALFORMED: {
    hop: "config",
    cause: "the gateway's address cannot be read",
    command: "openclaw config get gateway.remote.url",
  },
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
      "nothing listens at this address and port: the gateway is not running there, or uses another port",
    command: "openclaw gateway status   # on the gateway's machine",
  },
  GATEWAY_NOT_RUNNING: {
    hop: "tcp",
    cause: "no gateway runs on this state directory, and nothing listens at the address",
    command: "openclaw gateway run",
  },
  TUNNEL_NOT_OPEN: {
    hop: "tcp",
    cause:
      "the remote gateway is configured at a loopback address, which a tunnel must serve, and none is open",
    command: "openclaw tunnel run --via <user>@<gateway host>",
  },
  GATEWAY_OTHER_PORT: {
    hop: "tcp",
    cause: "wrong port: the gateway of this state directory listens at another address",
    command: "openclaw doctor --url <actualUrl> --token <token>",
  },
  GATEWAY_LOCK_HELD: {
    hop: "tcp",
    cause: "a process holds the gateway's lock but does not listen: it starts, stops, or is stuck",
    command: "cat <lockFile>   # the process id of the holder",
  },
  CONNECT_TIMEOUT: {
    hop: "tcp",
    cause: "no answer at all: a firewall drops the packets, or the address is wrong",
    command: "openclaw gateway call health --timeout 30s",
  },
  PORT_SILENT: {
    hop: "upgrade",
    cause:
      "the port accepts connections and then says nothing: a stuck gateway, or another service",
    command: "openclaw gateway status   # on the gateway's machine",
  },
  CONNECTION_FAILED: {
    hop: "tcp",
    cause: "the connection could not be made",
    command: "openclaw gateway probe",
  },
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
  TLS_REQUIRED: {
    hop: "tls",
    cause: "the gateway speaks TLS, but the address is plaintext ws://",
    command: "openclaw config set gateway.remote.url <wss-url>",
  },
  TLS_CERTIFICATE_DATES: {
    hop: "tls",
    cause:
      "the certificate has expired (or this machine's clock is ahead), and no fingerprint is pinned",
    command: "openclaw gateway cert renew   # on the gateway",
  },
  TLS_CERTIFICATE_NAME: {
    hop: "tls",
    cause: "the certificate is for another host name",
    command: PIN_OBSERVED,
  },
  TLS_FAILED: { hop: "tls", cause: "the TLS handshake failed", command: WHO_LISTENS },
  TLS_UNTRUSTED: {
    hop: "pin",
    cause: "the certificate is self-signed and no fingerprint is pinned",
    command: PIN_OBSERVED,
  },
  TLS_PIN_MISMATCH: {
    hop: "pin",
    cause: "the certificate is not the pinned one: a mistyped pin, or this is not your gateway",
    command: "openclaw gateway fingerprint   # on the gateway; compare with <observed>",
  },
  TLS_CERTIFICATE_CHANGED: {
    hop: "pin",
    cause:
      "this pin was right before: the certificate was made anew, or somebody stands in between",
    command: "openclaw gateway fingerprint   # on the gateway; if it says <observed>, pin that",
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
    command: WHO_LISTENS,
  },
  UPGRADE_REDIRECTED: {
    hop: "upgrade",
    cause:
      "the server redirects elsewhere; no credential is ever taken to the new place, so configure it",
    command: "curl -sI <http-url>",
  },
  PROXY_WITHOUT_GATEWAY: {
    hop: "upgrade",
    cause: "a proxy answered (502/504): it cannot reach the gateway behind it",
    command: "openclaw gateway status   # on the gateway's machine",
  },
  PROXY_WANTS_LOGIN: {
    hop: "upgrade",
    cause: "a proxy in the way wants a login of its own before it lets anything through",
    command: "curl -sI <http-url>",
  },
  PROXY_NOT_TRUSTED: {
    hop: "upgrade",
    cause: "the gateway does not trust the proxy this connection came through",
    command:
      "openclaw config set gateway.trustedProxies '[\"<proxy address>\"]'   # on the gateway",
  },
  GATEWAY_BUSY: {
    hop: "upgrade",
    cause: "the gateway takes no more connections now: it stops, or too many wait to authenticate",
    command: "openclaw doctor --timeout 30s",
  },
  NOT_A_GATEWAY: {
    hop: "upgrade",
    cause: "something answers there, but it is not a gateway",
    command: WHO_LISTENS,
  },
  HANDSHAKE_TIMEOUT: {
    hop: "challenge",
    cause: "connected, but no gateway greeting came: another service, or a stuck gateway",
    command: "openclaw gateway health --timeout 30s",
  },
  HANDSHAKE_FAILED: {
    hop: "challenge",
    cause: "the greeting was not that of a gateway",
    command: WHO_LISTENS,
  },
  PROTOCOL_MISMATCH: {
    hop: "challenge",
    cause: "the gateway speaks another protocol version",
    command: "openclaw --version   # here, and on the gateway's machine",
  },
  GATEWAY_STARTING: {
    hop: "challenge",
    cause: "the gateway is still starting",
    command: "openclaw doctor --timeout 30s",
  },
  ...CREDENTIAL_DIAGNOSES,
  ...NODE_DIAGNOSES,
};
