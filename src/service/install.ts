/**
 * From what a person asked for to an installed service: the plan, its environment and the 0600 file with its secrets.
 * Source: remote-access.md 4.1. Secrets never stand in a unit, an agent or a script.
 */
import { join, resolve } from "@std/path";
import { quoteServiceValue } from "../config/service_env.ts";
import { OpenclawError } from "../lib/errors.ts";
import { Secret } from "../lib/secret.ts";
import { ensureDir, writeAtomic } from "../platform/files.ts";
import type { ServiceHost } from "./host.ts";
import type { ServiceKind, ServicePlan } from "./plan.ts";

/** Facts of one install. */
export interface InstallFacts {
  readonly kind: ServiceKind;
  readonly profile: string | undefined;
  /** Version shown in the description and as `OPENCLAW_SERVICE_VERSION`. */
  readonly version: string;
  /** Absolute path of the executable and the arguments that come before ours (none for a compiled binary). */
  readonly executable: readonly string[];
  /** Arguments of the service itself, for instance `["node", "run", "--host", "gw.example"]`. */
  readonly args: readonly string[];
  readonly stateDir: string;
  readonly configFile: string;
  readonly serviceEnvDir: string;
  readonly logsDir: string;
  /** Secrets by variable name, for instance `OPENCLAW_GATEWAY_TOKEN`. */
  readonly secrets: Readonly<Record<string, Secret>>;
  /** Further variables, for instance `OPENCLAW_GATEWAY_PORT`. */
  readonly environment?: Readonly<Record<string, string>>;
}

const TITLES: Record<ServiceKind, string> = {
  gateway: "OpenClaw Gateway",
  node: "OpenClaw Node Host",
  tunnel: "OpenClaw SSH Tunnel",
};

/** Variables of the installing shell that the service needs as well. */
const CARRIED = [
  "TMPDIR",
  "HTTP_PROXY",
  "HTTPS_PROXY",
  "NO_PROXY",
  "ALL_PROXY",
  "http_proxy",
  "https_proxy",
  "no_proxy",
  "all_proxy",
  "NODE_EXTRA_CA_CERTS",
  "SSH_AUTH_SOCK",
  "OPENCLAW_SSH_CONFIG",
  "OPENCLAW_ALLOW_INSECURE_PRIVATE_WS",
  "OPENCLAW_LAUNCHD_LABEL",
  "OPENCLAW_SYSTEMD_UNIT",
  "OPENCLAW_WINDOWS_TASK_NAME",
  "OPENCLAW_TASK_SCRIPT",
  "OPENCLAW_LOG_PREFIX",
];

/** Those of them that name a file; the service starts in another folder. */
const CARRIED_FILES = ["NODE_EXTRA_CA_CERTS", "OPENCLAW_SSH_CONFIG"];

/** Whether an address names a user with a password. */
export function holdsPassword(address: string): boolean {
  return /^[a-z0-9+.-]*:?\/*[^/\s]*:[^/\s]*@/i.test(address);
}

/** Proxies of the installing shell whose address holds a password. */
export function proxySecrets(env: Readonly<Record<string, string>>): Record<string, Secret> {
  return Object.fromEntries(
    CARRIED.filter((name) => /_proxy$/i.test(name)).flatMap((name) => {
      const value = env[name];
      return value && holdsPassword(value) ? [[name, new Secret(value)]] : [];
    }),
  );
}

/** Path of the file that holds the secrets of a kind. */
export function secretsFileOf(facts: { serviceEnvDir: string; kind: ServiceKind }): string {
  return join(facts.serviceEnvDir, `${facts.kind}.env`);
}

/** The plan of an install; pure apart from looking at which folders of PATH exist. */
export async function planInstall(facts: InstallFacts, host: ServiceHost): Promise<ServicePlan> {
  const carried = Object.fromEntries(
    CARRIED.flatMap((name): [string, string][] => {
      const value = host.env[name];
      // A proxy's password is a secret like any other: it stands in the 0600 file or nowhere.
      if (!value || holdsPassword(value)) return [];
      return [[name, CARRIED_FILES.includes(name) ? resolve(value) : value]];
    }),
  );
  const profileNote = facts.profile ? `profile: ${facts.profile}, ` : "";
  return {
    kind: facts.kind,
    profile: facts.profile,
    description: `${TITLES[facts.kind]} (${profileNote}v${facts.version})`,
    program: [...facts.executable, ...facts.args],
    workingDirectory: undefined,
    environment: {
      HOME: host.home,
      PATH: await servicePath(host),
      ...carried,
      OPENCLAW_STATE_DIR: facts.stateDir,
      OPENCLAW_CONFIG_PATH: facts.configFile,
      ...(facts.profile ? { OPENCLAW_PROFILE: facts.profile } : {}),
      OPENCLAW_SERVICE_MARKER: "openclaw",
      OPENCLAW_SERVICE_KIND: facts.kind,
      OPENCLAW_SERVICE_VERSION: facts.version,
      ...facts.environment,
    },
    environmentFile: Object.keys(facts.secrets).length > 0 ? secretsFileOf(facts) : undefined,
    logsDir: facts.logsDir,
  };
}

/** A small PATH: the system's folders and those of the user that exist. */
async function servicePath(host: ServiceHost): Promise<string> {
  const own = [".local/bin", ".cargo/bin", ".deno/bin", "bin", "go/bin"].map((dir) =>
    join(host.home, dir)
  );
  const present: string[] = [];
  for (const dir of own) {
    if ((await Deno.stat(dir).catch(() => undefined))?.isDirectory) present.push(dir);
  }
  return [...present, "/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"]
    .join(":");
}

/** Writes (or removes, when there are none) the file with the secrets: `NAME="value"` lines, mode 0600. */
export async function writeSecrets(facts: InstallFacts): Promise<void> {
  const path = secretsFileOf(facts);
  const entries = Object.entries(facts.secrets);
  if (entries.length === 0) return await removeSecrets(facts);
  await ensureDir(facts.serviceEnvDir);
  await writeAtomic(
    path,
    entries.map(([name, value]) => `${name}=${environmentValue(name, value)}\n`).join(""),
  );
}

/** Removes the file with the secrets of a kind; fine when there is none. */
export async function removeSecrets(
  facts: { readonly serviceEnvDir: string; readonly kind: ServiceKind },
): Promise<void> {
  await Deno.remove(secretsFileOf(facts)).catch((error) => {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  });
}

function environmentValue(name: string, secret: Secret): string {
  const value = secret.reveal();
  // deno-lint-ignore no-control-regex
  if (/[\u0000-\u001f\u007f]/.test(value)) {
    throw new OpenclawError(
      "INVALID_SERVICE_VALUE",
      `Cannot store ${name} for a service: it holds a control character`,
    );
  }
  return quoteServiceValue(value);
}
