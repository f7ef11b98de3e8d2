/**
 * How a gateway authenticates its callers: mode, secret, and every configuration it must refuse to run with. The
 * decision is pure; `server_plan.ts` fetches secrets and makes a missing token. Source: config-and-credentials.md 5.5.
 */
import type { Secret } from "../../lib/secret.ts";
import { MAX_SECRET_CHARS } from "../../protocol/limits.ts";
import { type AuthMode, decideAuthMode } from "../credentials/auth_mode.ts";
import type { BindDecision } from "./bind.ts";
import type { CredentialFacts } from "../credentials/credentials.ts";
import { refusal } from "../refusal.ts";
import type { Config } from "../schema/schema.ts";

/** What the gateway accepts. */
export interface ServerAuth {
  readonly mode: AuthMode;
  /** The token in force in mode `token`. */
  readonly token: Secret | undefined;
  /** The password in force in mode `password`; in mode `trusted-proxy` the way in for local direct callers. */
  readonly password: Secret | undefined;
  /** Name of the place the secret came from, for people; `undefined` without one. */
  readonly secretSource: string | undefined;
  /** Tailscale Serve identities are accepted on the control page's WebSocket. */
  readonly allowTailscale: boolean;
  readonly rateLimit: Config["gateway"]["auth"]["rateLimit"];
  readonly trustedProxy: Config["gateway"]["auth"]["trustedProxy"];
  readonly trustedProxies: readonly string[];
  readonly allowRealIpFallback: boolean;
}

/** The mode of a server, from its flag, its configuration and what is set. */
export function serverAuthMode(
  flag: AuthMode | undefined,
  config: Config,
  places: CredentialFacts["places"],
): AuthMode {
  const set = (source: "flag" | "env" | "auth") => places[source].password.state !== "unset";
  return decideAuthMode({
    flag,
    configured: config.gateway.auth.mode,
    hasPassword: set("flag") || set("auth") || set("env"),
  });
}

/** Whether Tailscale identities count: as configured, else with `serve` in mode token or none. */
export function allowsTailscale(
  config: Config,
  mode: AuthMode,
  tailscaleMode: Config["gateway"]["tailscale"]["mode"],
): boolean {
  return config.gateway.auth.allowTailscale ??
    (tailscaleMode === "serve" && (mode === "token" || mode === "none"));
}

/** What {@linkcode checkServerAuth} judges. */
export interface AuthCheckFacts {
  readonly auth: ServerAuth;
  readonly bind: BindDecision;
  readonly port: number;
  readonly tailscaleMode: Config["gateway"]["tailscale"]["mode"];
  /** Why a configured token or password has no value, e.g. `environment variable X is not set`. */
  readonly missing?: string | undefined;
  /** A token is configured by flag, file or environment. */
  readonly tokenConfigured: boolean;
}

/** Refuses combinations that would let strangers in or nobody at all; all with exit code 78. */
export function checkServerAuth(facts: AuthCheckFacts): void {
  checkMode(facts);
  const { auth, bind, tailscaleMode } = facts;
  if (tailscaleMode === "funnel" && auth.mode !== "password") {
    throw refusal(
      "TAILSCALE_FUNNEL_AUTH",
      "tailscale funnel requires gateway auth mode=password",
      "openclaw config set gateway.auth.mode password",
    );
  }
  const usable = auth.mode === "trusted-proxy" ||
    (auth.mode === "token" && auth.token !== undefined) ||
    (auth.mode === "password" && auth.password !== undefined);
  if (!bind.loopbackOnly && !usable) {
    const host = bind.addresses[0]?.host ?? "";
    throw refusal(
      "GATEWAY_BIND_WITHOUT_AUTH",
      `refusing to bind gateway to ${host}:${facts.port} without auth: auth mode is ${auth.mode}`,
      "openclaw config unset gateway.auth.mode, or: openclaw config set gateway.bind loopback",
    );
  }
}

function checkMode({ auth, missing, tokenConfigured }: AuthCheckFacts): void {
  const why = missing === undefined ? "" : ` (${missing})`;
  if (auth.mode === "token" && !auth.token && !auth.allowTailscale) {
    throw refusal(
      "GATEWAY_AUTH_NOT_CONFIGURED",
      `gateway auth mode is token, but no token was configured${why}`,
      "set gateway.auth.token, OPENCLAW_GATEWAY_TOKEN or --token",
    );
  }
  if (auth.mode === "password" && !auth.password) {
    throw refusal(
      "GATEWAY_AUTH_NOT_CONFIGURED",
      `gateway auth mode is password, but no password was configured${why}`,
      "set gateway.auth.password, OPENCLAW_GATEWAY_PASSWORD or --password-file",
    );
  }
  if (auth.mode === "trusted-proxy") checkTrustedProxy(auth, tokenConfigured);
  const length = (auth.token ?? auth.password)?.reveal().length ?? 0;
  if (length > MAX_SECRET_CHARS) {
    throw refusal(
      "GATEWAY_AUTH_NOT_CONFIGURED",
      `gateway auth mode is ${auth.mode}, but ${auth.secretSource} has ${length} characters; ` +
        `no client can send more than ${MAX_SECRET_CHARS}`,
      "configure a shorter secret: 48 hex digits are plenty",
    );
  }
}

function checkTrustedProxy(auth: ServerAuth, tokenConfigured: boolean): void {
  const { userHeader } = auth.trustedProxy;
  const but = (problem: string, hint: string) =>
    refusal(
      "GATEWAY_AUTH_NOT_CONFIGURED",
      `gateway auth mode is trusted-proxy, but ${problem}`,
      hint,
    );
  if (userHeader === undefined || userHeader.trim() === "") {
    throw but(
      userHeader === undefined
        ? "gateway.auth.trustedProxy is not configured"
        : "gateway.auth.trustedProxy.userHeader is empty",
      "openclaw config set gateway.auth.trustedProxy.userHeader x-forwarded-user",
    );
  }
  if (tokenConfigured) {
    throw but(
      "a token is also configured: who has it would pass by the proxy",
      "openclaw config unset gateway.auth.token; unset OPENCLAW_GATEWAY_TOKEN",
    );
  }
  if (auth.trustedProxies.length === 0) {
    throw refusal(
      "GATEWAY_AUTH_NOT_CONFIGURED",
      "gateway auth mode=trusted-proxy requires gateway.trustedProxies with the addresses of the proxies",
      "openclaw config set gateway.trustedProxies '[\"10.0.0.2\"]'",
    );
  }
}
