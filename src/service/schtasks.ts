/**
 * Drives `schtasks.exe` for tasks that start when the user logs on, without administrator rights or a visible window.
 * The script is made in `schtasks_render.ts`, the task in `schtasks_xml.ts`. Source: remote-access.md 4.4. Not run on Windows yet: tested with a
 * stand-in `schtasks.exe` that records its calls.
 */
import { join } from "@std/path";
import { OpenclawError } from "../lib/errors.ts";
import { showableWithin } from "../lib/text.ts";
import { ensureDir, readOwned, writeAtomic } from "../platform/files.ts";
import { findTool, mustRunTool, runTool, type ServiceHost } from "./host.ts";
import type { Availability, ServiceManager, ServiceStatus } from "./manager.ts";
import type { ServiceNames, ServicePlan } from "./plan.ts";
import { programLine, readTaskState, renderTaskScript } from "./schtasks_render.ts";
import { renderTaskXml, taskXmlBytes } from "./schtasks_xml.ts";

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
      await register(host, { names, script: scriptOf(names), description: plan.description });
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

interface Registration {
  readonly names: ServiceNames;
  readonly script: string;
  readonly description: string;
}

/** Registers for the user with the domain; some set-ups know the bare name only. */
async function register(host: ServiceHost, wish: Registration): Promise<void> {
  const domain = host.env["USERDOMAIN"];
  const users = [...(domain ? [`${domain}\\${host.userName}`] : []), host.userName];
  const file = wish.script.replace(/(\.cmd)?$/i, ".task.xml");
  let said = "";
  try {
    for (const user of users) {
      const definition = renderTaskXml({
        ...wish,
        name: wish.names.windowsTask,
        user,
        systemRoot: host.env["SYSTEMROOT"] ?? "C:\\Windows",
      });
      await writeAtomic(file, taskXmlBytes(definition));
      const args = ["/Create", "/F", "/TN", wish.names.windowsTask, "/XML", file];
      const result = await runTool(host, TOOL, args);
      if (result.exitCode === 0) return;
      said = result.stderr.trim() || result.stdout.trim() || `exit code ${result.exitCode}`;
    }
  } finally {
    await Deno.remove(file).catch(() => {/* not even written */});
  }
  throw new OpenclawError(
    "SERVICE_ACTION_FAILED",
    `Cannot register the scheduled task "${wish.names.windowsTask}": ${showableWithin(said, 400)}`,
    { hint: `Put a shortcut to "${wish.script}" into the Startup folder: shell:startup` },
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
  const line = file && programLine(new TextDecoder().decode(file.bytes));
  return {
    installed: true,
    loaded: true,
    command: line ? { programArguments: [line], sourcePath: script } : null,
    runtime: { status: readTaskState(listing.stdout) },
  };
}
