/**
 * Everything a client command needs to connect: endpoint, pin and credentials, with the names of what won and what
 * was left out. Attacks stopped: reuse of stored secrets for a caller's URL (N24), a pin that silently does not
 * apply. Source: config-and-credentials.md 5-7.
 */
import { OpenclawError } from "../../lib/errors.ts";
import { type Secret, secretOf } from "../../lib/secret.ts";
import { fingerprintOfFile } from "../../identity/certificate_file.ts";
import { type Fingerprint, requireFingerprint } from "../../identity/fingerprint.ts";
import { decideAuthMode } from "./auth_mode.ts";
import { type Credentials, fetchCredentials } from "./credential_fetch.ts";
import {
  type CredentialDecision,
  type CredentialFacts,
  type CredentialKind,
  credentialPlaces,
  type CredentialSurface,
  decideCredentials,
} from "./credentials.ts";
import { type ChosenEndpoint, decideEndpoint } from "./endpoint.ts";
import { type Env, type EnvSettings, expandHome, readEnv } from "../env.ts";
import { type LoadedConfig, requireValid } from "../file/load.ts";
import type { StatePaths } from "../paths.ts";
import { isOwnAddress } from "../../platform/own_address.ts";

/** What the command line says about the gateway. */
export interface TargetFlags {
  readonly url?: string | undefined;
  readonly token?: Secret | undefined;
  readonly password?: Secret | undefined;
  readonly tlsFingerprint?: string | undefined;
}

/** Input of {@linkcode decideTarget}. */
export interface TargetFacts {
  readonly flags: TargetFlags;
  readonly env: Env;
  readonly loaded: LoadedConfig;
  readonly paths: StatePaths;
  /** Strict probe of one gateway: its own credentials only, unavailable references are warnings. */
  readonly probe?: "local" | "remote";
  /** As a probe of whichever gateway flags, environment and configuration mean. */
  readonly strict?: boolean | undefined;
}

/** Where a pin comes from. */
export type PinSource = "--tls-fingerprint" | "gateway.remote.tlsFingerprint" | "local certificate";

/** A gateway to connect to and what to show it. */
export interface Target extends ChosenEndpoint {
  readonly pin: Fingerprint | undefined;
  readonly pinSource: PinSource | undefined;
  readonly credentials: Credentials;
  readonly surface: CredentialSurface;
  /** Whether device tokens stored for this gateway may be used. `false` for URL overrides (N24). */
  readonly storedTokens: boolean;
  readonly configPath: string;
  /** `gateway.bind` as configured, for the `Bind:` line. */
  readonly bind: string;
}

/**
 * Decides what to connect to. Throws `CONFIG_INVALID` for a file that is not JSON5, `GATEWAY_URL_CREDENTIALS_MISSING`,
 * `GATEWAY_SECRET_REF_UNAVAILABLE`, `PIN_MALFORMED`, `TLS_PIN_WITHOUT_TLS`, `CERTIFICATE_UNREADABLE` and the codes of {@linkcode decideEndpoint}.
 * Nothing is dialled.
 */
export async function decideTarget(facts: TargetFacts): Promise<Target> {
  const { config, path } = requireValid(facts.loaded, { readable: true });
  const settings = readEnv(facts.env);
  const { url } = facts.flags;
  const endpoint = decideEndpoint({
    url,
    only: facts.probe,
    env: settings,
    config,
    isOwnAddress,
  });
  const surface = decideSurface(facts, endpoint, settings);
  const decision = decideCredentials(credentialFacts(facts, settings, surface));
  if ((surface === "url-flag" || surface === "url-env") && !decision.token && !decision.password) {
    throw missingCredentials(endpoint, path);
  }
  const { pin, pinSource } = await decidePin(facts, endpoint);
  const onUnavailable = isProbe(facts) ? "without" : "stop";
  return {
    ...endpoint,
    pin,
    pinSource,
    credentials: await fetchCredentials(decision, { config, env: facts.env }, onUnavailable),
    surface,
    storedTokens: endpoint.source === "local" || endpoint.source === "remote",
    configPath: path,
    bind: config.gateway.bind ?? "loopback",
  };
}

const isProbe = ({ probe, strict }: TargetFacts) => probe !== undefined || strict === true;

function decideSurface(
  facts: TargetFacts,
  endpoint: ChosenEndpoint,
  settings: EnvSettings,
): CredentialSurface {
  if (facts.flags.token || facts.flags.password) return "explicit";
  if (endpoint.source === "cli") return "url-flag";
  if (endpoint.source === "env") return "url-env";
  if (endpoint.source === "remote") return isProbe(facts) ? "probe-remote" : "remote";
  return settings.serviceKind === "gateway" ? "local-service" : "local";
}

/** The facts of one surface, from configuration and environment. */
function credentialFacts(
  facts: Pick<TargetFacts, "flags" | "env" | "loaded">,
  settings: EnvSettings,
  surface: CredentialSurface,
): CredentialFacts {
  const { auth, remote } = facts.loaded.config.gateway;
  const env = { token: settings.gatewayToken, password: settings.gatewayPassword };
  const variable = (name: string) => secretOf(facts.env[name]);
  const places = credentialPlaces({ flags: facts.flags, env, auth, remote, variable });
  const hasPassword = places.env.password.state !== "unset" ||
    places.auth.password.state !== "unset";
  return { surface, authMode: decideAuthMode({ configured: auth.mode, hasPassword }), places };
}

/** Credentials of a node host; it has no credential flags and ignores `OPENCLAW_GATEWAY_URL`. Source: section 5.4. */
export async function nodeCredentials(
  facts: Pick<TargetFacts, "env" | "loaded"> & {
    /** The endpoint is the saved one and a device token for it is stored. */
    readonly savedDeviceToken: boolean;
  },
): Promise<Credentials> {
  const { config } = requireValid(facts.loaded, { readable: true });
  const settings = readEnv(facts.env);
  const inEnv = settings.gatewayToken ?? settings.gatewayPassword;
  const mode = config.gateway.mode === "remote" ? "node-remote" : "node-local";
  const surface = facts.savedDeviceToken && !inEnv ? "node-saved" : mode;
  const decision = decideCredentials(credentialFacts({ ...facts, flags: {} }, settings, surface));
  return await fetchCredentials(decision, { config, env: facts.env });
}

function missingCredentials(endpoint: ChosenEndpoint, configPath: string): OpenclawError {
  const name = endpoint.source === "cli" ? "--url" : "OPENCLAW_GATEWAY_URL";
  return new OpenclawError(
    "GATEWAY_URL_CREDENTIALS_MISSING",
    `gateway url override requires explicit credentials: missing credentials for ${name} ` +
      `(stored ones are never sent to another address; config: ${configPath})`,
    {
      hint: endpoint.source === "cli"
        ? "add --token <token> or --password <password>"
        : "set OPENCLAW_GATEWAY_TOKEN or OPENCLAW_GATEWAY_PASSWORD, or add --token <token>",
      details: { url: endpoint.url, source: endpoint.source, configPath },
    },
  );
}

async function decidePin(
  facts: TargetFacts,
  endpoint: ChosenEndpoint,
): Promise<{ pin: Fingerprint | undefined; pinSource: PinSource | undefined }> {
  const flag = facts.flags.tlsFingerprint;
  const configured = facts.loaded.config.gateway.remote.tlsFingerprint?.trim() || undefined;
  const encrypted = endpoint.url.startsWith("wss:");
  const given = flag !== undefined
    ? { text: flag, source: "--tls-fingerprint" as const }
    : endpoint.configuredRemote && configured !== undefined
    ? { text: configured, source: "gateway.remote.tlsFingerprint" as const }
    : undefined;
  if (given) {
    const pin = requireFingerprint(given.text, given.source);
    if (encrypted) return { pin, pinSource: given.source };
    throw new OpenclawError(
      "TLS_PIN_WITHOUT_TLS",
      `Cannot check the fingerprint of ${given.source}: ${endpoint.url} does not use TLS`,
      { hint: `use ${endpoint.url.replace(/^ws:/, "wss:")}` },
    );
  }
  const local = encrypted && endpoint.source === "local" ? await localPin(facts) : undefined;
  return { pin: local, pinSource: local && "local certificate" };
}

/** The certificate file of the gateway on this machine; `undefined` when there is none. */
async function localPin({ loaded, paths }: TargetFacts): Promise<Fingerprint | undefined> {
  const { certPath } = loaded.config.gateway.tls;
  return await fingerprintOfFile(
    certPath === undefined ? paths.tlsCertFile : expandHome(certPath, paths.home),
  );
}

/**
 * After a refused credential on the local gateway: names both sources when environment and configuration differ
 * (the server reads the configuration first, the client the environment). `undefined` when they agree.
 */
export async function credentialConflict(
  facts: Pick<TargetFacts, "env" | "loaded">,
  kind: CredentialKind,
): Promise<string | undefined> {
  const { places } = credentialFacts({ ...facts, flags: {} }, readEnv(facts.env), "local");
  const [env, auth] = [places.env[kind], places.auth[kind]];
  if (env.state !== "value" || auth.state !== "value") return undefined;
  if (await env.secret.equals(auth.secret)) return undefined;
  return `OPENCLAW_GATEWAY_${kind.toUpperCase()} and gateway.auth.${kind} differ; the gateway uses ` +
    `gateway.auth.${kind}, this command used the variable; repair it: unset OPENCLAW_GATEWAY_${kind.toUpperCase()}`;
}

/** The decision alone, for `status`: what would win and what is ignored, without fetching anything. */
export function explainCredentials(facts: TargetFacts): CredentialDecision {
  const settings = readEnv(facts.env);
  const { config } = facts.loaded;
  const endpoint = decideEndpoint({
    url: facts.flags.url,
    only: facts.probe,
    env: settings,
    config,
  });
  return decideCredentials(
    credentialFacts(facts, settings, decideSurface(facts, endpoint, settings)),
  );
}
