/**
 * The environment, read once and typed. `main` hands in a plain record (`ownEnvironment()`); nothing else in
 * the project reads variables. Only `OPENCLAW_*` and the variables of terminals and homes are looked at.
 */
import { join } from "@std/path";
import { type Secret, secretOf } from "../lib/secret.ts";
import { homeDir } from "../platform/os.ts";

/** A process environment as a plain record. */
export type Env = Readonly<Record<string, string | undefined>>;

/** What the environment says. Source: config-and-credentials.md 1. */
export interface EnvSettings {
  /** Home for every `~`: `OPENCLAW_HOME`, else the user's home. */
  readonly home: string;
  readonly stateDir: string | undefined;
  readonly profile: string | undefined;
  readonly configPath: string | undefined;
  /** `OPENCLAW_GATEWAY_PORT`; an invalid value is ignored. */
  readonly gatewayPort: number | undefined;
  readonly gatewayUrl: string | undefined;
  readonly gatewayToken: Secret | undefined;
  readonly gatewayPassword: Secret | undefined;
  /** `OPENCLAW_ALLOW_INSECURE_PRIVATE_WS=1`, the break-glass for plaintext. */
  readonly allowInsecurePrivateWs: boolean;
  readonly handshakeTimeoutMs: number | undefined;
  readonly disableBonjour: boolean;
  readonly sshPort: number | undefined;
  /** `OPENCLAW_SSH_CONFIG`: configuration file handed to ssh as `-F`. It can run commands, so only the environment names it. */
  readonly sshConfig: string | undefined;
  readonly tailnetDns: string | undefined;
  readonly cliPath: string | undefined;
  readonly mdnsHostname: string | undefined;
  readonly wideAreaDomain: string | undefined;
  /** Set by installed services. */
  readonly serviceKind: "gateway" | "node" | undefined;
  readonly debug: boolean;
}

/** Reads the variables. Blank counts as unset. */
export function readEnv(env: Env): EnvSettings {
  const text = (name: string) => env[name]?.trim() || undefined;
  const flag = (name: string) => /^(1|true|yes|on)$/i.test(text(name) ?? "");
  const kind = text("OPENCLAW_SERVICE_KIND");
  const home = expandHome(text("OPENCLAW_HOME") ?? "~", homeDir(env) ?? "/");
  return {
    home,
    stateDir: text("OPENCLAW_STATE_DIR"),
    profile: text("OPENCLAW_PROFILE"),
    configPath: text("OPENCLAW_CONFIG_PATH"),
    gatewayPort: parsePortText(text("OPENCLAW_GATEWAY_PORT")),
    gatewayUrl: text("OPENCLAW_GATEWAY_URL"),
    gatewayToken: secretOf(env.OPENCLAW_GATEWAY_TOKEN),
    gatewayPassword: secretOf(env.OPENCLAW_GATEWAY_PASSWORD),
    allowInsecurePrivateWs: text("OPENCLAW_ALLOW_INSECURE_PRIVATE_WS") === "1",
    handshakeTimeoutMs: positive(text("OPENCLAW_HANDSHAKE_TIMEOUT_MS")),
    disableBonjour: flag("OPENCLAW_DISABLE_BONJOUR"),
    sshPort: parsePortText(text("OPENCLAW_SSH_PORT")),
    sshConfig: text("OPENCLAW_SSH_CONFIG"),
    tailnetDns: text("OPENCLAW_TAILNET_DNS"),
    cliPath: text("OPENCLAW_CLI_PATH"),
    mdnsHostname: text("OPENCLAW_MDNS_HOSTNAME"),
    wideAreaDomain: text("OPENCLAW_WIDE_AREA_DOMAIN"),
    serviceKind: kind === "gateway" || kind === "node" ? kind : undefined,
    debug: flag("OPENCLAW_DEBUG"),
  };
}

/** `~` and `~/…` with the home in front; any other text unchanged. */
export function expandHome(path: string, home: string): string {
  if (path === "~") return home;
  return path.startsWith("~/") || path.startsWith("~\\") ? join(home, path.slice(2)) : path;
}

/** A port from `18789`, `host:18789` or `[v6]:18789`; `undefined` for anything else. Source: section 1. */
export function parsePortText(text: string | undefined): number | undefined {
  const digits = /^(?:(?:[^:[\]\s]+|\[[^\]\s]+\]):)?(\d{1,5})$/.exec(text ?? "")?.[1];
  const port = Number(digits);
  return digits !== undefined && port >= 1 && port <= 65535 ? port : undefined;
}

function positive(text: string | undefined): number | undefined {
  const value = Number(text);
  return text !== undefined && Number.isSafeInteger(value) && value > 0 ? value : undefined;
}
