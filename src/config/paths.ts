/**
 * Where everything lives on disk: one record of absolute paths, made from the environment and the profile.
 * Owns names and places only; who may read a file is `platform/files.ts`.
 */
import { join, resolve } from "@std/path";
import { OpenclawError } from "../lib/errors.ts";
import { quoted } from "../lib/text.ts";
import { type Env, expandHome, readEnv } from "./env.ts";

/** Every file and folder of one profile. Files 0600, folders 0700. Source: config-and-credentials.md 1. */
export interface StatePaths {
  readonly home: string;
  /** `undefined` for the default profile. */
  readonly profile: string | undefined;
  readonly stateDir: string;
  readonly configFile: string;
  /** The configuration before the last change. */
  readonly configBackupFile: string;
  readonly nodeFile: string;
  readonly approvalsFile: string;
  /** Grants with a clock, ours only (decision 19). */
  readonly grantsFile: string;
  /** What a running node says about itself (decision 32). */
  readonly runtimeFile: string;
  readonly identityDir: string;
  /** The node's key, seed format. */
  readonly deviceKeyFile: string;
  /** The command line's own key (decision 8). */
  readonly operatorKeyFile: string;
  /** Device tokens as the reference keeps them; read for import. */
  readonly deviceAuthFile: string;
  readonly gatewayDir: string;
  readonly gatewayDbFile: string;
  readonly gatewayLockFile: string;
  readonly tlsDir: string;
  readonly tlsCertFile: string;
  readonly tlsKeyFile: string;
  readonly logsDir: string;
  /** Environment files of installed services. */
  readonly serviceEnvDir: string;
  /** Sockets and records of managed tunnels. */
  readonly tunnelsDir: string;
  /** Stores of the reference, read for import only (decision 25). */
  readonly referenceDbFile: string;
  readonly referenceDevicesDir: string;
  readonly referenceNodesDir: string;
}

/** What a command line may say about places. */
export interface PathFlags {
  /** `--profile`; wins over `OPENCLAW_PROFILE`. */
  readonly profile?: string | undefined;
}

/**
 * The paths of one profile. Order: `OPENCLAW_CONFIG_PATH` for the file, `OPENCLAW_STATE_DIR` for the folder, else
 * `~/.openclaw` or `~/.openclaw-<profile>`. Throws `PROFILE_INVALID` (exit code 2).
 */
export function statePaths(env: Env, flags: PathFlags = {}): StatePaths {
  const settings = readEnv(env);
  const home = settings.home;
  const profile = checkProfile(flags.profile ?? settings.profile);
  const folder = profile === undefined ? ".openclaw" : `.openclaw-${profile}`;
  const stateDir = resolve(expandHome(settings.stateDir ?? join(home, folder), home));
  const configFile = settings.configPath === undefined
    ? join(stateDir, "openclaw.json")
    : resolve(expandHome(settings.configPath, home));
  return { home, profile, configFile, configBackupFile: `${configFile}.bak`, ...within(stateDir) };
}

function within(stateDir: string) {
  const gatewayDir = join(stateDir, "gateway");
  const identityDir = join(stateDir, "identity");
  const tlsDir = join(gatewayDir, "tls");
  return {
    stateDir,
    nodeFile: join(stateDir, "node.json"),
    approvalsFile: join(stateDir, "exec-approvals.json"),
    grantsFile: join(stateDir, "exec-grants.json"),
    runtimeFile: join(stateDir, "node-runtime.json"),
    identityDir,
    deviceKeyFile: join(identityDir, "device.json"),
    operatorKeyFile: join(identityDir, "operator.json"),
    deviceAuthFile: join(identityDir, "device-auth.json"),
    gatewayDir,
    gatewayDbFile: join(gatewayDir, "gateway.sqlite"),
    gatewayLockFile: join(gatewayDir, "lock"),
    tlsDir,
    tlsCertFile: join(tlsDir, "gateway-cert.pem"),
    tlsKeyFile: join(tlsDir, "gateway-key.pem"),
    logsDir: join(stateDir, "logs"),
    serviceEnvDir: join(stateDir, "service-env"),
    tunnelsDir: join(stateDir, "tunnels"),
    referenceDbFile: join(stateDir, "state", "openclaw.sqlite"),
    referenceDevicesDir: join(stateDir, "devices"),
    referenceNodesDir: join(stateDir, "nodes"),
  };
}

/** A profile name in lower case; `undefined` for none, blank and `default`. Throws `PROFILE_INVALID`. */
export function checkProfile(name: string | undefined): string | undefined {
  const profile = name?.trim().toLowerCase();
  if (!profile || profile === "default") return undefined;
  // The name becomes part of a path and of a service name.
  if (/^[a-z0-9][a-z0-9_-]{0,63}$/.test(profile)) return profile;
  throw new OpenclawError(
    "PROFILE_INVALID",
    `Cannot use profile ${quoted(name ?? "")}: letters, digits, "_" and "-" only, at most 64`,
    { hint: "openclaw --profile work status", exitCode: 2 },
  );
}
