/**
 * What keeps a gateway of this machine from starting: the refusals of `gateway run`, found when nothing listens. Data
 * only. Source: config-and-credentials.md 5.5, 7, 8.
 */
import type { Diagnosis } from "./hops.ts";

/** By code of the refusal. */
export const START_DIAGNOSES: Readonly<Record<string, Diagnosis>> = {
  GATEWAY_AUTH_NOT_CONFIGURED: {
    hop: "config",
    cause: "no gateway runs here, and none can start: its auth mode lacks what it needs",
    command: "openclaw config get gateway.auth",
  },
  GATEWAY_BIND_WITHOUT_AUTH: {
    hop: "config",
    cause: "no gateway runs here, and none starts open to the network without a secret",
    command: "openclaw config unset gateway.auth.mode   # a token is made at the next start",
  },
  GATEWAY_BIND_INVALID: {
    hop: "config",
    cause: "no gateway runs here, and none can start: gateway.bind=custom without a usable address",
    command: "openclaw config set gateway.bind loopback",
  },
  TAILSCALE_BIND_CONFLICT: {
    hop: "config",
    cause: "no gateway runs here, and none can start: Tailscale serve and funnel need loopback",
    command: "openclaw config set gateway.bind loopback",
  },
  TAILSCALE_FUNNEL_AUTH: {
    hop: "config",
    cause: "no gateway runs here, and none goes public by Tailscale funnel without a password",
    command: "openclaw config set gateway.auth.mode password",
  },
  CERTIFICATE_UNREADABLE: {
    hop: "config",
    cause:
      "the gateway's certificate or key cannot be used; it does not start, and never goes plaintext",
    command: "openclaw config get gateway.tls",
  },
  TLS_UNUSABLE: {
    hop: "config",
    cause:
      "the gateway's key does not belong to its certificate, or is too weak; it does not start without both",
    command: "openclaw config get gateway.tls",
  },
};
