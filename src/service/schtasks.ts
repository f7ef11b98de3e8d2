/**
 * Drives `schtasks.exe` for tasks that start when the user logs on, without administrator rights or a visible window.
 * Where no task may be registered, a launcher in the user's Startup folder takes its place (`startup_folder.ts`).
 * The script is made in `schtasks_render.ts`, the task in `schtasks_xml.ts`. Source: remote-access.md 4.4. Not run on
 * Windows yet: tested with a stand-in `schtasks.exe` that records its calls.
 */
import { join } from "@std/path";
import { type Clock, systemClock, wait } from "../lib/clock.ts";
import { showableWithin } from "../lib/text.ts";
import { ensureDir, readOwned, writeAtomic } from "../platform/files.ts";
import { findTool, mustRunTool, runTool, type ServiceHost } from "./host.ts";
import type { Availability, ServiceManager, ServiceStatus } from "./manager.ts";
import type { ServiceNames, ServicePlan } from "./plan.ts";
import {
  programLine,
  readScriptEnvironment,
  readTaskState,
  renderLauncher,
  renderTaskScript,
} from "./schtasks_render.ts";
import { renderTaskXml, type TaskFacts, taskXmlBytes } from "./schtasks_xml.ts";
import { openDetached, StartupFolder } from "./startup_folder.ts";

const TOOL = "schtasks.exe";
/** How long a started task may take to show up, and how often it is looked for. Source: remote-access.md 4.4. */
const START_MS = 15_000;
const LOOK_EVERY_MS = 250;

/** What the manager needs besides the machine. */
export interface SchtasksOptions {
  /** Where the scripts lie. */
  readonly stateDir: string;
  readonly runningPid?: (() => Promise<number | undefined>) | undefined;
  readonly clock?: Clock;
}

/** The manager for scheduled tasks. */
export function schtasksManager(host: ServiceHost, options: SchtasksOptions): ServiceManager {
  const tasks = new Tasks(host, options);
  return {
    label: "Scheduled Task",
    loadedText: "registered",
    notLoadedText: "missing",
    available: () => available(host),
    preview: (plan, names) => [
      { path: tasks.definitionOf(names), text: tasks.definition(plan, names) },
      { path: tasks.scriptOf(names), text: renderTaskScript(plan) },
    ],
    install: (plan, names) => tasks.install(plan, names),
    uninstall: (names) => tasks.uninstall(names),
    start: async (names) => void await tasks.start(names),
    stop: (names) => tasks.stop(names),
    async restart(names) {
      await tasks.end(names);
      await tasks.start(names);
    },
    status: (names) => tasks.status(names),
  };
}

async function available(host: ServiceHost): Promise<Availability> {
  if (await findTool(host, TOOL)) return { ok: true };
  return { ok: false, reason: `${TOOL} is not installed`, manager: "schtasks" };
}

class Tasks {
  readonly #startup: StartupFolder;
  constructor(readonly host: ServiceHost, readonly options: SchtasksOptions) {
    this.#startup = new StartupFolder(host, options.runningPid);
  }

  scriptOf(names: ServiceNames): string {
    return join(this.options.stateDir, names.windowsScript);
  }

  definitionOf(names: ServiceNames): string {
    return this.scriptOf(names).replace(/(\.cmd)?$/i, ".task.xml");
  }

  definition(plan: ServicePlan, names: ServiceNames, user = this.#users()[0] ?? ""): string {
    return renderTaskXml({ ...this.#facts(plan, names), name: names.windowsTask, user });
  }

  #facts(plan: ServicePlan, names: ServiceNames): Omit<TaskFacts, "name" | "user"> {
    return {
      description: plan.description,
      script: this.scriptOf(names),
      systemRoot: this.#systemRoot(),
    };
  }

  #systemRoot(): string {
    return this.host.env["SYSTEMROOT"] ?? "C:\\Windows";
  }

  /** With the domain; some set-ups know the bare name only. */
  #users(): string[] {
    const { env, userName } = this.host;
    const domain = env["USERDOMAIN"];
    return [...(domain ? [`${domain}\\${userName}`] : []), userName];
  }

  #run(verb: string, names: ServiceNames, ...more: string[]) {
    return runTool(this.host, TOOL, [verb, "/TN", names.windowsTask, ...more]);
  }

  async install(plan: ServicePlan, names: ServiceNames): Promise<readonly string[]> {
    await ensureDir(this.options.stateDir);
    await writeAtomic(this.scriptOf(names), renderTaskScript(plan));
    const refused = await this.#register(plan, names);
    if (refused === undefined) {
      await this.#startup.remove(names);
      return await this.start(names);
    }
    await this.#startup.install(this.#facts(plan, names), names);
    return [
      `Windows did not register a scheduled task (${refused}); the service starts from the Startup folder instead`,
    ];
  }

  /** What schtasks said against it; `undefined` when the task is registered. */
  async #register(plan: ServicePlan, names: ServiceNames): Promise<string | undefined> {
    const file = this.definitionOf(names);
    let said = "";
    try {
      for (const user of this.#users()) {
        await writeAtomic(file, taskXmlBytes(this.definition(plan, names, user)));
        const args = ["/Create", "/F", "/TN", names.windowsTask, "/XML", file];
        const result = await runTool(this.host, TOOL, args);
        if (result.exitCode === 0) return undefined;
        said = result.timedOut
          ? "no answer within 15 s"
          : result.stderr.trim() || result.stdout.trim() || `exit code ${result.exitCode}`;
      }
    } finally {
      await Deno.remove(file).catch(() => {/* not even written */});
    }
    return showableWithin(said, 400);
  }

  /** Starts the task and looks whether it did; what was done otherwise is told. */
  async start(names: ServiceNames): Promise<string[]> {
    if (await this.#startup.installed(names)) {
      await this.#startup.start(names);
      return [];
    }
    await mustRunTool(this.host, TOOL, ["/Run", "/TN", names.windowsTask]);
    const clock = this.options.clock ?? systemClock;
    const endMs = clock.monotonic() + START_MS;
    while (await this.#state(names) === "never-run") {
      if (clock.monotonic() >= endMs) {
        await this.#startBeside(names);
        return ["Windows registered the task, but did not start it; it was started beside it"];
      }
      await wait(LOOK_EVERY_MS, undefined, clock);
    }
    return [];
  }

  async #startBeside(names: ServiceNames): Promise<void> {
    const launcher = this.#besideOf(names);
    const systemRoot = this.#systemRoot();
    const facts = { description: names.windowsTask, script: this.scriptOf(names), systemRoot };
    await writeAtomic(launcher, renderLauncher(facts));
    await openDetached(this.host, launcher);
  }

  #besideOf(names: ServiceNames): string {
    return this.scriptOf(names).replace(/(\.cmd)?$/i, ".start.cmd");
  }

  async stop(names: ServiceNames): Promise<void> {
    if (!await this.#startup.installed(names)) {
      await mustRunTool(this.host, TOOL, ["/End", "/TN", names.windowsTask]);
    }
    await this.#startup.stop();
  }

  /** As {@linkcode stop}, and fine when nothing runs. */
  async end(names: ServiceNames): Promise<void> {
    if (!await this.#startup.installed(names)) await this.#run("/End", names);
    await this.#startup.stop();
  }

  async uninstall(names: ServiceNames): Promise<void> {
    await this.end(names);
    await this.#startup.remove(names);
    await this.#run("/Delete", names, "/F");
    for (const file of [this.scriptOf(names), this.#besideOf(names)]) {
      await Deno.remove(file).catch((error) => {
        if (!(error instanceof Deno.errors.NotFound)) throw error;
      });
    }
  }

  async #state(names: ServiceNames) {
    const listing = await this.#run("/Query", names, "/V", "/FO", "LIST");
    return listing.exitCode === 0 ? readTaskState(listing.stdout) : undefined;
  }

  async status(names: ServiceNames): Promise<ServiceStatus> {
    const launcher = await this.#startup.installed(names);
    const state = launcher ? undefined : await this.#state(names);
    if (!launcher && state === undefined) {
      return {
        installed: false,
        loaded: false,
        command: null,
        runtime: { status: "unknown", missingUnit: true },
      };
    }
    const sourcePath = this.scriptOf(names);
    const file = await readOwned(sourcePath, { maxBytes: 256 * 1024 });
    const script = new TextDecoder().decode(file?.bytes);
    const line = programLine(script);
    const environment = readScriptEnvironment(script);
    return {
      installed: true,
      loaded: true,
      command: line ? { programArguments: [line], environment, sourcePath } : null,
      runtime: launcher
        ? await this.#startup.runtime()
        : { status: state === "never-run" ? "stopped" : state ?? "unknown" },
    };
  }
}
