/**
 * What a gateway that was reached may have against this machine: its credential, its clock, its pairing. Data only.
 */
import type { Diagnosis } from "./hops.ts";

/** By error code. */
export const CREDENTIAL_DIAGNOSES: Readonly<Record<string, Diagnosis>> = {
  GATEWAY_URL_CREDENTIALS_MISSING: {
    hop: "credential",
    cause: "an address was given by hand, and stored secrets are never sent there",
    command: "openclaw doctor --url <url> --token <token>",
  },
  GATEWAY_SECRET_REF_UNAVAILABLE: {
    hop: "credential",
    cause: "the configured secret reference has no value now",
    command: "openclaw config get <path>   # make what it names available, or set a value",
  },
  AUTH_TOKEN_MISSING: {
    hop: "credential",
    cause: "the gateway wants a token and none is configured here",
    command: "export OPENCLAW_GATEWAY_TOKEN=<token>",
  },
  AUTH_TOKEN_EMPTY: {
    hop: "credential",
    cause: "a token is configured here, but it is blank; a blank one counts as none",
    command: "export OPENCLAW_GATEWAY_TOKEN=<token>",
  },
  AUTH_WRONG_SOURCE: {
    hop: "credential",
    cause: "the environment overrides the configuration, and its value is not the gateway's",
    command: "unset OPENCLAW_GATEWAY_<kind>",
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
  CLOCK_SKEW: {
    hop: "credential",
    cause: "this machine's clock and the gateway's differ too much for what they show each other",
    command: "date -u   # on both machines",
  },
  AUTH_ANSWER_LATE: {
    hop: "credential",
    cause:
      "the gateway greets and then holds back its answer, as it does after several wrong credentials from its own machine",
    command: "openclaw doctor --timeout 15s   # long enough for the answer",
  },
  AUTH_IDENTITY_HEADER_REQUIRED: {
    hop: "credential",
    cause: "the gateway lets in only what comes through its proxy, which names the user",
    command: "openclaw config get gateway.auth.trustedProxy   # on the gateway",
  },
  TOKEN_STORE_UNREADABLE: {
    hop: "credential",
    cause: "the file with this machine's device tokens is broken",
    command: "mv <stateDir>/identity/operator-tokens.json /tmp/",
  },
  DEVICE_KEY_UNUSABLE: {
    hop: "credential",
    cause: "this machine's own key cannot be used",
    command: "ls -la <stateDir>/identity",
  },
  PAIRING_REQUIRED: {
    hop: "pairing",
    cause: "the gateway knows the secret, but not this device",
    command: "openclaw devices approve <requestId>   # on the gateway",
  },
  PAIRING_SCOPE_UPGRADE: {
    hop: "pairing",
    cause: "this device is paired, but not for what was asked",
    command: "openclaw devices approve <requestId>   # on the gateway",
  },
};
