/**
 * Everything `gateway run` needs to know before it listens, from flags, environment, configuration and machine: all
 * refusals happen here, before a socket is opened. Makes and saves a token when none is configured.
 */
import { toHex } from "../../lib/bytes.ts";
import { messageOf, OpenclawError } from "../../lib/errors.ts";
import { Secret, secretOf } from "../../lib/secret.ts";
import type { AuthMode } from "../credentials/auth_mode.ts";
import { type BindDecision, type BindMode, decideBind } from "./bind.ts";
import { fetchCredentials } from "../credentials/credential_fetch.ts";
import { credentialPlaces, decideCredentials } from "../credentials/credentials.ts";
import { setConfigValue } from "../file/edit.ts";
import { type Env, type EnvSettings, expandHome, readEnv } from "../env.ts";
import { type HostFacts, loadHostFacts } from "./host_facts.ts";
import { type LoadedConfig, requireValid } from "../file/load.ts";
import { openFolderNotes } from "../file/open_folder.ts";
import type { StatePaths } from "../paths.ts";
import { CONFIG_REFUSAL_EXIT_CODE, refusal, throwAsRefusal } from "../refusal.ts";
import type { Config } from "../schema/schema.ts";
import type { SecretInput } from "../schema/secret_input.ts";
import {
  allowsTailscale,
  checkServerAuth,
  type ServerAuth,
  serverAuthMode,
} from "./server_auth.ts";
import { unsafeKeyNotes } from "./unsafe_keys.ts";

/** What the command line of `gateway run` says. */
export interface ServerFlags {
  readonly port?: number | undefined;
  readonly bind?: BindMode | undefined;
  readonly auth?: AuthMode | undefined;
  readonly token?: Secret | undefined;
  readonly password?: Secret | undefined;
  readonly tailscale?: Config["gateway"]["tailscale"]["mode"] | undefined;
  /** `--tls` (decision 27). */
  readonly tls?: boolean | undefined;
  readonly allowUnconfigured?: boolean | undefined;
}

/** Input of {@linkcode loadServerPlan}. */
export interface ServerFacts {
  readonly flags: ServerFlags;
  readonly env: Env;
  readonly paths: StatePaths;
  readonly loaded: LoadedConfig;
  /** Default: this machine. */
  readonly host?: HostFacts;
  /** Make and save a token when none is configured; on a reload it is a refusal instead. Default true. */
  readonly makeTokens?: boolean;
}

/** How a gateway runs. */
export interface ServerPlan {
  readonly port: number;
  readonly portSource: "flag" | "env" | "config" | "default";
  readonly bind: BindDecision;
  readonly auth: ServerAuth;
  readonly tls: TlsPlan;
  readonly tailscaleMode: Config["gateway"]["tailscale"]["mode"];
  readonly handshakeTimeoutMs: number;
  /** Set when a token was made: where it is now. */
  readonly generatedToken: "saved" | "this run only" | undefined;
  /** Lines for the log and the terminal; no secrets. */
  readonly warnings: readonly string[];
}

/** TLS of a gateway; paths are absolute. */
export interface TlsPlan {
  readonly enabled: boolean;
  readonly autoGenerate: boolean;
  readonly certPath: string;
  readonly keyPath: string;
  readonly caPath: string | undefined;
}

/**
 * Decides how to run. Every refusal is an `OpenclawError` with exit code 78: `CONFIG_INVALID`,
 * `GATEWAY_START_BLOCKED`, `GATEWAY_AUTH_NOT_CONFIGURED`, `GATEWAY_BIND_WITHOUT_AUTH`, `GATEWAY_BIND_INVALID`,
 * `TAILSCALE_BIND_CONFLICT`, `TAILSCALE_FUNNEL_AUTH`, `GATEWAY_SECRET_REF_UNAVAILABLE`.
 */
export async function loadServerPlan(facts: ServerFacts): Promise<ServerPlan> {
  const { flags, env, paths } = facts;
  const { config } = requireValid(facts.loaded, { exitCode: CONFIG_REFUSAL_EXIT_CODE });
  if (config.gateway.mode === "remote" && flags.allowUnconfigured !== true) {
    throw refusal(
      "GATEWAY_START_BLOCKED",
      "Gateway start blocked: gateway.mode is remote, so this host uses a gateway elsewhere",
      "openclaw config set gateway.mode local, or: openclaw gateway run --allow-unconfigured",
    );
  }
  const settings = readEnv(env);
  const tailscaleMode = flags.tailscale ?? config.gateway.tailscale.mode;
  const bind = decideBind({
    mode: flags.bind ?? config.gateway.bind,
    customBindHost: config.gateway.customBindHost,
    tailscaleMode,
    ...facts.host ?? loadHostFacts(),
  });
  const { port, portSource } = decidePort(flags, settings, facts.loaded);
  const found = await loadServerAuth(facts);
  const made = found.makeToken && facts.makeTokens !== false ? await makeToken(facts) : undefined;
  const auth = made
    ? { ...found.auth, token: made.token, secretSource: "gateway.auth.token" }
    : found.auth;
  const { missing, tokenConfigured } = found;
  checkServerAuth({ auth, bind, port, tailscaleMode, missing, tokenConfigured });
  const tls = tlsPlan(config, flags, paths);
  return {
    port,
    portSource,
    bind,
    auth,
    tls,
    tailscaleMode,
    handshakeTimeoutMs: settings.handshakeTimeoutMs ?? config.gateway.handshakeTimeoutMs,
    generatedToken: made?.where,
    warnings: [
      ...warningsOf({ flags, bind, tls, made, loaded: facts.loaded }),
      ...await openFolderNotes([paths.configFile, ...(tls.enabled ? [tls.keyPath] : [])]),
    ],
  };
}

/** The plan of a start, for whoever only looks: a token that it would make stays a stand-in. @throws as {@linkcode loadServerPlan}. */
export async function previewServerPlan(facts: ServerFacts): Promise<ServerPlan> {
  requireValid(facts.loaded, { exitCode: CONFIG_REFUSAL_EXIT_CODE });
  const { makeToken } = await loadServerAuth(facts);
  const flags = makeToken ? { ...facts.flags, token: new Secret("stand-in") } : facts.flags;
  const plan = await loadServerPlan({ ...facts, flags, makeTokens: false });
  return { ...plan, auth: makeToken ? { ...plan.auth, secretSource: undefined } : plan.auth };
}

function decidePort(flags: ServerFlags, settings: EnvSettings, { config, parsed }: LoadedConfig) {
  if (flags.port !== undefined) return { port: flags.port, portSource: "flag" as const };
  if (settings.gatewayPort !== undefined) {
    return { port: settings.gatewayPort, portSource: "env" as const };
  }
  const gateway = parsed.gateway as { port?: unknown } | undefined;
  const portSource = gateway?.port === undefined ? "default" as const : "config" as const;
  return { port: config.gateway.port, portSource };
}

/** Where certificate and key are, and whether TLS is on. */
export function tlsPlan(config: Config, flags: ServerFlags, paths: StatePaths): TlsPlan {
  const { enabled, autoGenerate, certPath, keyPath, caPath } = config.gateway.tls;
  const at = (path: string) => expandHome(path, paths.home);
  return {
    enabled: flags.tls ?? enabled,
    autoGenerate,
    certPath: certPath === undefined ? paths.tlsCertFile : at(certPath),
    keyPath: keyPath === undefined ? paths.tlsKeyFile : at(keyPath),
    caPath: caPath === undefined ? undefined : at(caPath),
  };
}

/** The auth part alone, also for reloads: references are fetched again, a missing token is not made. */
export async function loadServerAuth(
  facts: Pick<ServerFacts, "flags" | "env" | "loaded">,
): Promise<{
  readonly auth: ServerAuth;
  /** Mode token with nothing configured: the caller makes one. */
  readonly makeToken: boolean;
  readonly missing: string | undefined;
  readonly tokenConfigured: boolean;
}> {
  const { flags, env } = facts;
  const { config } = facts.loaded;
  const settings = readEnv(env);
  const places = credentialPlaces({
    flags,
    env: { token: settings.gatewayToken, password: settings.gatewayPassword },
    auth: config.gateway.auth,
    remote: config.gateway.remote,
    variable: (name) => secretOf(env[name]),
  });
  const mode = serverAuthMode(flags.auth, config, places);
  const decision = decideCredentials({ surface: "server", authMode: mode, places });
  const secrets = await fetchCredentials(decision, { config, env }).catch(throwAsRefusal);
  const kind = mode === "token" ? "token" : "password";
  const missing = decision.ignored.find((item) =>
    item.kind === kind && item.source === "auth" && places.auth[kind].state === "unset"
  )?.reason;
  const auth = {
    mode,
    token: mode === "token" ? secrets.token : undefined,
    password: mode === "password" || mode === "trusted-proxy" ? secrets.password : undefined,
    secretSource: decision[kind]?.name,
    allowTailscale: allowsTailscale(
      config,
      mode,
      flags.tailscale ?? config.gateway.tailscale.mode,
    ),
    rateLimit: config.gateway.auth.rateLimit,
    trustedProxy: config.gateway.auth.trustedProxy,
    trustedProxies: config.gateway.trustedProxies,
    allowRealIpFallback: config.gateway.allowRealIpFallback,
  };
  // A placeholder without its variable is somebody's intent: writing a token over it would hide the mistake.
  const makeToken = mode === "token" && !auth.token && missing === undefined;
  const tokenConfigured = decision.token !== undefined || places.auth.token.state !== "unset";
  return { auth, makeToken, missing, tokenConfigured };
}

/** A token that was made. */
export interface MadeToken {
  readonly token: Secret;
  readonly where: "saved" | "this run only";
  readonly problem?: string;
}

/** 48 hex digits, saved to the configuration; kept for this run when the file cannot be written. */
export async function makeToken(
  { paths, env }: Pick<ServerFacts, "paths" | "env">,
): Promise<MadeToken> {
  const token = new Secret(toHex(crypto.getRandomValues(new Uint8Array(24))));
  const found: { token?: SecretInput | undefined } = {};
  const guard = ({ config }: LoadedConfig) => {
    found.token = config.gateway.auth.token;
    if (found.token) {
      throw new OpenclawError("TOKEN_EXISTS", "Another start made a token meanwhile");
    }
  };
  try {
    await setConfigValue({ paths, env }, "gateway.auth.token", token.reveal(), { guard });
    return { token, where: "saved" };
  } catch (error) {
    if (!(error instanceof OpenclawError)) throw error;
    if (found.token?.kind === "value") return { token: found.token.secret, where: "saved" };
    return { token, where: "this run only", problem: messageOf(error) };
  }
}

interface WarningFacts {
  readonly flags: ServerFlags;
  readonly bind: BindDecision;
  readonly tls: TlsPlan;
  readonly made: MadeToken | undefined;
  readonly loaded: LoadedConfig;
}

function warningsOf({ flags, bind, tls, made, loaded }: WarningFacts): string[] {
  const out = loaded.warnings.map(({ path, message }) =>
    path === "" ? message : `${path}: ${message}`
  );
  out.push(...unsafeKeyNotes(loaded.config));
  if (flags.token) out.push("--token is visible in process lists; use OPENCLAW_GATEWAY_TOKEN");
  if (flags.password) out.push("--password is visible in process lists; use --password-file");
  if (!bind.loopbackOnly && !tls.enabled) {
    const host = bind.addresses[0]?.host ?? "";
    out.push(`plaintext on ${host}: tokens and commands can be read on the network; use --tls`);
  }
  if (bind.mode === "tailnet" && bind.loopbackOnly) {
    out.push("bind tailnet: this machine has no tailnet address, so only it can connect");
  }
  if (made?.problem !== undefined) {
    out.push(`the new token could not be saved and is valid for this run only: ${made.problem}`);
  }
  return out;
}
