/**
 * The service part of `node status`, `gateway status` and `status`.
 */
import { platformName } from "../../../platform/os.ts";
import type { ServiceKind } from "../../../service/plan.ts";
import type { ServiceStatus } from "../../../service/manager.ts";
import type { Io } from "../../terminal/io.ts";
import { serviceScene } from "./scene.ts";
import { runtimeLine } from "./services.ts";

/** A service as status commands show it. Source: cli.md 2. */
export interface ServiceReport extends Omit<ServiceStatus, "installed"> {
  readonly label: string;
  readonly installed: boolean;
  readonly loadedText: string;
  readonly notLoadedText: string;
}

/**
 * Asks the system's service manager; without one, everything is simply not there. A service of the whole machine counts
 * when the account has none.
 */
export async function serviceStatus(kind: ServiceKind, io: Io): Promise<ServiceReport> {
  const own = await reportOf(kind, io, false);
  if (own.installed || platformName() !== "linux") return own;
  const whole = await reportOf(kind, io, true);
  return whole.installed ? whole : own;
}

async function reportOf(kind: ServiceKind, io: Io, system: boolean): Promise<ServiceReport> {
  const { manager, names } = await serviceScene(kind, io, system);
  const { label, loadedText, notLoadedText } = manager;
  return { label, loadedText, notLoadedText, ...await manager.status(names) };
}

/** A service in one cell of a table. */
export function serviceText({ label, installed, runtime }: ServiceReport): string {
  return `${label} · ${installed ? runtime.status : "not installed"}`;
}

/** The lines of a service for a person; `isRunning`: in the foreground, when no service is installed. */
export function serviceLines(
  report: ServiceReport,
  kind: ServiceKind,
  isRunning: boolean,
): string[] {
  const state = report.loaded ? report.loadedText : report.notLoadedText;
  const head = `Service: ${report.label} (${state})`;
  if (!report.installed && isRunning) return [head];
  if (!report.installed) {
    return [
      head,
      "",
      `Start with: openclaw ${kind} install   (as a service)`,
      `Start with: openclaw ${kind} run       (in the foreground)`,
    ];
  }
  return [
    head,
    ...(report.command
      ? [
        `Command: ${report.command.programArguments.join(" ")}`,
        `Service file: ${report.command.sourcePath}`,
      ]
      : []),
    runtimeLine(report.runtime),
  ];
}
