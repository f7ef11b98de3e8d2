/**
 * The flags every command has that talks to a gateway. What they mean together with environment and configuration
 * is decided in `config/credentials/target.ts`.
 */
import { duration, type Flag, text } from "../grammar/command.ts";

/** Values of {@linkcode rpcFlags}. */
export interface RpcValues {
  readonly url: string | undefined;
  readonly token: string | undefined;
  readonly password: string | undefined;
  readonly tlsFingerprint: string | undefined;
  /** ssh host to go through: `[user@]host[:port]`. */
  readonly via: string | undefined;
  /** Milliseconds for connecting and for the answer together. */
  readonly timeoutMs: number;
}

/** `--url --token --password --tls-fingerprint --via --timeout`. */
export function rpcFlags(defaultTimeoutMs = 10_000): {
  readonly [K in keyof RpcValues]: Flag<RpcValues[K]>;
} {
  return {
    url: text({
      help: "Gateway to talk to; needs --token or --password",
      value: "<ws-url>",
      env: "OPENCLAW_GATEWAY_URL",
    }),
    token: text({ help: "Gateway token", value: "<token>", env: "OPENCLAW_GATEWAY_TOKEN" }),
    password: text({
      help: "Gateway password",
      value: "<password>",
      env: "OPENCLAW_GATEWAY_PASSWORD",
    }),
    tlsFingerprint: text({
      help: "SHA-256 fingerprint the gateway's certificate must have",
      value: "<sha256>",
    }),
    via: text({
      help:
        "Go through an ssh tunnel to the gateway on this host's loopback; needs --token or --password",
      value: "<ssh://user@host>",
    }),
    timeoutMs: duration({
      name: "timeout",
      help: "Longest wait for connecting and the answer",
      default: defaultTimeoutMs,
    }),
  };
}
