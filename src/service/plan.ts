/**
 * What an installed service is, independent of the system that runs it. Owns names, labels and the checks on values;
 * each system's file renders a plan and drives its manager. Source: remote-access.md 4.1.
 */
import { OpenclawError } from "../lib/errors.ts";
import { quoted } from "../lib/text.ts";

/** Which of our programs is installed. */
export type ServiceKind = "gateway" | "node" | "tunnel";

/** One service as it should be installed. */
export interface ServicePlan {
  readonly kind: ServiceKind;
  /** Profile whose state it uses; `undefined` for the default one. */
  readonly profile: string | undefined;
  readonly description: string;
  /** Executable and arguments; no shell reads them. */
  readonly program: readonly string[];
  readonly workingDirectory: string | undefined;
  /** Environment without secrets. */
  readonly environment: Readonly<Record<string, string>>;
  /** File (mode 0600) with `NAME=value` lines that hold the secrets; `undefined` when there is none. */
  readonly environmentFile: string | undefined;
  /** Folder for stdout and stderr files where the system has no journal. */
  readonly logsDir: string;
}

/** Names of one service in every system. */
export interface ServiceNames {
  readonly systemdUnit: string;
  readonly launchdLabel: string;
  readonly windowsTask: string;
  readonly windowsScript: string;
  /** Prefix of the log files, for instance `node` for `node.log` and `node.err.log`. */
  readonly logPrefix: string;
}

const TITLES: Record<ServiceKind, string> = {
  gateway: "OpenClaw Gateway",
  node: "OpenClaw Node",
  tunnel: "OpenClaw SSH Tunnel",
};

const LAUNCHD: Record<ServiceKind, string> = {
  gateway: "ai.openclaw.gateway",
  node: "ai.openclaw.node",
  tunnel: "ai.openclaw.ssh-tunnel",
};

const NAME_SHAPE = /^[A-Za-z0-9][A-Za-z0-9._@-]{0,200}$/;

/**
 * Names for a kind and profile, with the environment overrides `OPENCLAW_LAUNCHD_LABEL`, `OPENCLAW_SYSTEMD_UNIT`,
 * `OPENCLAW_WINDOWS_TASK_NAME`, `OPENCLAW_TASK_SCRIPT`, `OPENCLAW_LOG_PREFIX`.
 * Throws `INVALID_SERVICE_NAME` for an override that could be read as something else than a name (N39).
 */
export function serviceNames(
  kind: ServiceKind,
  profile: string | undefined,
  env: Readonly<Record<string, string | undefined>> = {},
): ServiceNames {
  const suffix = profile ? `-${profile}` : "";
  // The gateway label of a profile is `ai.openclaw.<profile>`; the others get the profile appended.
  const launchd = !profile
    ? LAUNCHD[kind]
    : kind === "gateway"
    ? `ai.openclaw.${profile}`
    : `${LAUNCHD[kind]}.${profile}`;
  const unit = env["OPENCLAW_SYSTEMD_UNIT"] ?? `openclaw-${kind}${suffix}`;
  return {
    systemdUnit: named(
      "OPENCLAW_SYSTEMD_UNIT",
      unit.endsWith(".service") ? unit : `${unit}.service`,
    ),
    launchdLabel: named("OPENCLAW_LAUNCHD_LABEL", env["OPENCLAW_LAUNCHD_LABEL"] ?? launchd),
    windowsTask: taskName(
      env["OPENCLAW_WINDOWS_TASK_NAME"] ?? TITLES[kind] + (profile ? ` (${profile})` : ""),
    ),
    windowsScript: named("OPENCLAW_TASK_SCRIPT", env["OPENCLAW_TASK_SCRIPT"] ?? `${kind}.cmd`),
    logPrefix: named("OPENCLAW_LOG_PREFIX", env["OPENCLAW_LOG_PREFIX"] ?? kind),
  };
}

function named(variable: string, value: string): string {
  if (NAME_SHAPE.test(value)) return value;
  throw new OpenclawError(
    "INVALID_SERVICE_NAME",
    `Cannot name a service ${
      quoted(value)
    }: only letters, digits, ".", "_", "@" and "-" are allowed`,
    { hint: `unset ${variable}` },
  );
}

function taskName(value: string): string {
  if (/^[A-Za-z0-9][A-Za-z0-9 ()._-]{0,200}$/.test(value)) return value;
  throw new OpenclawError(
    "INVALID_SERVICE_NAME",
    `Cannot name a scheduled task ${
      quoted(value)
    }: only letters, digits, blanks and "()._-" are allowed`,
    { hint: "unset OPENCLAW_WINDOWS_TASK_NAME" },
  );
}

/** Human title of a kind, for messages: `Node service`. */
export function serviceTitle(kind: ServiceKind): string {
  return { gateway: "Gateway service", node: "Node service", tunnel: "Tunnel service" }[kind];
}

/**
 * Refuses values that could end a line of a unit file and start another setting (N39).
 * Throws `INVALID_SERVICE_VALUE` naming the field.
 */
export function checkPlan(plan: ServicePlan): void {
  const fields: [string, string][] = [
    ["description", plan.description],
    ...plan.program.map((arg, i): [string, string] => [`argument ${i}`, arg]),
    ...Object.entries(plan.environment).map(([k, v]): [string, string] => [`variable ${k}`, v]),
    ...Object.keys(plan.environment).map((k): [string, string] => [`variable name`, k]),
    ["working directory", plan.workingDirectory ?? ""],
    ["environment file", plan.environmentFile ?? ""],
  ];
  for (const [field, value] of fields) {
    // deno-lint-ignore no-control-regex
    if (/[\u0000-\u001f\u007f\u0085\u2028\u2029]/.test(value)) {
      throw new OpenclawError(
        "INVALID_SERVICE_VALUE",
        `Cannot install a service: its ${field} is ${
          quoted(value)
        }, which holds a control character`,
      );
    }
  }
  for (const name of Object.keys(plan.environment)) {
    if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) {
      throw new OpenclawError(
        "INVALID_SERVICE_VALUE",
        `Cannot install a service: ${quoted(name)} is not a variable name`,
      );
    }
  }
  // A first word such as "-x" or "@x" would be a prefix with a meaning of its own in a systemd unit.
  if (!/^(\/|[A-Za-z]:[\\/])/.test(plan.program[0] ?? "")) {
    throw new RangeError("a service needs a program with an absolute path");
  }
}
