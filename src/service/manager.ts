/**
 * What every service manager can do, and which one this machine has. One file per system implements it.
 */
import type { ServiceHost } from "./host.ts";
import type { ServiceNames, ServicePlan } from "./plan.ts";

/** Whether the manager can be used here. */
export type Availability = { readonly ok: true } | {
  readonly ok: false;
  /** One sentence for a person. */
  readonly reason: string;
  /** What is missing: `systemd`, `launchd`, `schtasks`. */
  readonly manager: string;
};

/** A file an install would write. */
export interface PreviewFile {
  readonly path: string;
  readonly text: string;
}

/** State of one service. Source: cli.md 2 (`node status --json`). */
export interface ServiceStatus {
  /** Whether its unit, agent or task exists. */
  readonly installed: boolean;
  /** Whether the manager will start it by itself. */
  readonly loaded: boolean;
  readonly command: {
    readonly programArguments: readonly string[];
    readonly workingDirectory?: string;
    readonly environment?: Readonly<Record<string, string>>;
    readonly sourcePath: string;
  } | null;
  readonly runtime: {
    readonly status: "running" | "stopped" | "unknown";
    readonly pid?: number;
    readonly detail?: string;
    readonly missingUnit?: boolean;
  };
}

/** One kind of service manager. Every action throws `SERVICE_ACTION_FAILED` with what the tool said. */
export interface ServiceManager {
  /** Name in status lines: `systemd`, `LaunchAgent`, `Scheduled Task`. */
  readonly label: string;
  readonly loadedText: string;
  readonly notLoadedText: string;
  available(): Promise<Availability>;
  /** What {@linkcode install} would write, and where; the definition for the manager comes first. */
  preview(plan: ServicePlan, names: ServiceNames): readonly [PreviewFile, ...PreviewFile[]];
  /** Writes the definition, enables and (re)starts it. Idempotent. Returns warnings for the person. */
  install(plan: ServicePlan, names: ServiceNames): Promise<readonly string[]>;
  /** Stops and removes it; fine when nothing is installed. */
  uninstall(names: ServiceNames): Promise<void>;
  start(names: ServiceNames): Promise<void>;
  stop(names: ServiceNames): Promise<void>;
  restart(names: ServiceNames): Promise<void>;
  status(names: ServiceNames): Promise<ServiceStatus>;
  /** Present where the manager starts again whatever ends: called by a refused service itself, so that it stays down (F30). */
  giveUp?(names: ServiceNames): Promise<void>;
}

/** Choices of {@linkcode serviceManager}. */
export interface ManagerOptions {
  readonly platform: "linux" | "macos" | "windows";
  /** Install for the whole machine instead of the user; systemd only, needs root. Default `false`. */
  readonly system?: boolean;
  /** State directory, where Windows keeps its task script. */
  readonly stateDir: string;
  /** Process of the service as its own record tells, where the manager does not (Windows). Default: nobody knows. */
  readonly runningPid?: () => Promise<number | undefined>;
}

/** The manager of this system. */
export async function serviceManager(
  host: ServiceHost,
  options: ManagerOptions,
): Promise<ServiceManager> {
  switch (options.platform) {
    case "macos":
      return (await import("./launchd.ts")).launchdManager(host);
    case "windows":
      return (await import("./schtasks.ts")).schtasksManager(host, options);
    default:
      return (await import("./systemd.ts")).systemdManager(
        host,
        options.system ? { kind: "system", user: host.userName } : { kind: "user" },
      );
  }
}
