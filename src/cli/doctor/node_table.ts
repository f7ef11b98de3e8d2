/**
 * What every failure behind the gateway, on the way to a node and its commands, means. Data only.
 */
import type { Diagnosis } from "./hops.ts";

/** By code of the failed step. */
export const NODE_DIAGNOSES: Readonly<Record<string, Diagnosis>> = {
  NODE_UNKNOWN: {
    hop: "surface",
    cause: "no such node: it was never paired here, or it is connected to another gateway",
    command: "openclaw devices list",
  },
  NODE_NOT_PAIRED: {
    hop: "surface",
    cause: "the node is there and waits to be let in",
    command: "openclaw devices approve <requestId>",
  },
  NODE_OTHER_GATEWAY: {
    hop: "surface",
    cause: "the node runs, but talks to another gateway",
    command: "openclaw node status   # on the node",
  },
  NODE_CANNOT_CONNECT: {
    hop: "surface",
    cause: "the node of this machine runs, but cannot connect, for a reason of its own",
    command: "openclaw node status",
  },
  NODE_NOT_RUNNING: {
    hop: "surface",
    cause: "the way from this machine to the gateway is free, but its node does not run",
    command: "openclaw node run",
  },
  NODE_FILE_UNREADABLE: {
    hop: "config",
    cause: "node.json cannot be used; it is never overwritten",
    command: "mv <stateDir>/node.json <stateDir>/node.json.broken",
  },
  MISSING_SCOPE: {
    hop: "pairing",
    cause: "this device is let in, but not allowed to see nodes",
    command: "openclaw devices list   # on the gateway: its scopes, and those its proxy grants",
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
  APPROVALS_UNREADABLE: {
    hop: "policy",
    cause: "the node's approvals file is broken; until it is repaired everything is denied",
    command: "openclaw approvals get --node <node>",
  },
  ALLOWLIST_MISS: {
    hop: "policy",
    cause: "the node's policy allows only what is on its list, and this is not",
    command: "openclaw approvals explain --node <node> -- <argv>",
  },
  RUN_FAILED: {
    hop: "run",
    cause: "the node is there, but a call to it failed",
    command:
      'openclaw nodes invoke --node <node> --command system.which --params \'{"bins":["sh"]}\'',
  },
};

/** Commands that differ when the broken way is that of this machine's node, not that of its command line. */
export const NODE_END_COMMANDS: Readonly<Record<string, string>> = {
  TLS_UNTRUSTED: "openclaw node run --tls-fingerprint <observed>",
  TLS_CERTIFICATE_NAME: "openclaw node run --tls-fingerprint <observed>",
  TLS_REQUIRED: "openclaw node run --host <host> --port <port> --tls-fingerprint <observed>",
  TLS_NOT_SPOKEN: "openclaw config set gateway.tls.enabled true   # on the gateway",
  PLAINTEXT_REFUSED: "openclaw node run --host <host> --port <port> --tls-fingerprint <pin>",
  PIN_MALFORMED: "openclaw gateway fingerprint   # on the gateway",
  CONNECT_TIMEOUT:
    "openclaw gateway status   # on the gateway's machine: does it listen for others?",
};
