/**
 * Drives `schtasks.exe` for tasks that start when the user logs on, without administrator rights or a visible window.
 * The script is made in `schtasks_render.ts`. Source: remote-access.md 4.4. Not run on Windows yet: tested with a
 * stand-in `schtasks.exe` that records its calls.
 */
import { join } from "@std/path";
import { OpenclawError } from "../lib/errors.ts";
import { ensureDir, readOwned, writeAtomic } from "../platform/files.ts";
import { findTool, mustRunTool, runTool, type ServiceHost } from "./host.ts";
import type { Availability, ServiceManager, ServiceStatus } from "./manager.ts";
import type { ServiceNames, ServicePlan } from "./plan.ts";
import { createTaskArgs, readTaskState, renderTaskScript } from "./schtasks_render.ts";

const TOOL = "schtasks.exe";

/** The manager for scheduled tasks; scripts lie in the state directory. */
export function schtasksManager(host: ServiceHost, stateDir: string): ServiceManager {
  const scriptOf = (names: ServiceNames) => join(stateDir, names.windowsScript);
  const task = (verb: string, names: ServiceNames) => [verb, "/TN", names.windowsTask];
  return {
    label: "Scheduled Task",
    loadedText: "registered",
    notLoadedText: "missing",
    available: () => available(host),
    preview: (plan, names) => ({ path: scriptOf(names), text: renderTaskScript(plan) }),
    async install(plan: ServicePlan, names: ServiceNames) {
      await ensureDir(stateDir);
      await writeAtomic(scriptOf(names), renderTaskScript(plan));
      await register(host, names, scriptOf(names));
      await mustRunTool(host, TOOL, task("/Run", names));
      return [];
    },
    async uninstall(names) {
      await runTool(host, TOOL, task("/End", names));
      await runTool(host, TOOL, [...task("/Delete", names), "/F"]);
      await Deno.remove(scriptOf(names)).catch((error) => {
        if (!(error instanceof Deno.errors.NotFound)) throw error;
      });
    },
    async start(names) {
      await mustRunTool(host, TOOL, task("/Run", names));
    },
    async stop(names) {
      await mustRunTool(host, TOOL, task("/End", names));
    },
    async restart(names) {
      await runTool(host, TOOL, task("/End", names));
      await mustRunTool(host, TOOL, task("/Run", names));
    },
    status: (names) => status(host, names, scriptOf(names)),
  };
}

async function available(host: ServiceHost): Promise<Availability> {
  if (await findTool(host, TOOL)) return { ok: true };
  return { ok: false, reason: `${TOOL} is not installed`, hints: [] };
}

/** Registers for the user by name; some domains refuse that, so a second try lets Windows choose the account. */
async function register(host: ServiceHost, names: ServiceNames, script: string): Promise<void> {
  const domain = host.env["USERDOMAIN"];
  const user = domain ? `${domain}\\${host.userName}` : undefined;
  if (user) {
    const named = await runTool(host, TOOL, createTaskArgs(names.windowsTask, script, user));
    if (named.exitCode === 0) return;
  }
  const result = await runTool(host, TOOL, createTaskArgs(names.windowsTask, script));
  if (result.exitCode === 0) return;
  throw new OpenclawError(
    "SERVICE_ACTION_FAILED",
    `Cannot register the scheduled task "${names.windowsTask}": ${
      result.stderr.trim() || `exit code ${result.exitCode}`
    }`,
    { hint: `Put a shortcut to "${script}" into the Startup folder: shell:startup` },
  );
}

async function status(
  host: ServiceHost,
  names: ServiceNames,
  script: string,
): Promise<ServiceStatus> {
  const listing = await runTool(host, TOOL, [
    "/Query",
    "/V",
    "/FO",
    "LIST",
    "/TN",
    names.windowsTask,
  ]);
  if (listing.exitCode !== 0) {
    return {
      installed: false,
      loaded: false,
      command: null,
      runtime: { status: "unknown", missingUnit: true },
    };
  }
  const file = await readOwned(script, { maxBytes: 256 * 1024 });
  const lines = file
    ? new TextDecoder().decode(file.bytes).split("\r\n").filter((l) => l !== "")
    : [];
  return {
    installed: true,
    loaded: true,
    command: file ? { programArguments: [lines.at(-1) ?? ""], sourcePath: script } : null,
    runtime: { status: readTaskState(listing.stdout) },
  };
}
