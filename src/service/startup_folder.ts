/**
 * A service that starts from the user's Startup folder, for accounts that may not register a scheduled task. Nobody
 * watches it there: it starts at the logon and is not started again after a crash. Source: remote-access.md 4.4. Not run
 * on Windows yet: tested with stand-ins that record their calls.
 */
import { join } from "@std/path";
import { OpenclawError } from "../lib/errors.ts";
import { showableWithin } from "../lib/text.ts";
import { ensureDir, writeAtomic } from "../platform/files.ts";
import { runTool, type ServiceHost } from "./host.ts";
import type { ServiceStatus } from "./manager.ts";
import type { ServiceNames } from "./plan.ts";
import { type LauncherFacts, renderLauncher } from "./schtasks_render.ts";

/** The launchers of one user. */
export class StartupFolder {
  readonly #host: ServiceHost;
  readonly #runningPid: () => Promise<number | undefined>;

  /** `runningPid`: the process of the service, as its own record tells. */
  constructor(
    host: ServiceHost,
    runningPid: () => Promise<number | undefined> = () => Promise.resolve(undefined),
  ) {
    this.#host = host;
    this.#runningPid = runningPid;
  }

  fileOf(names: ServiceNames): string {
    const roaming = this.#host.env["APPDATA"] ?? join(this.#host.home, "AppData", "Roaming");
    const folder = ["Microsoft", "Windows", "Start Menu", "Programs", "Startup"];
    return join(roaming, ...folder, `${names.windowsTask}.cmd`);
  }

  async installed(names: ServiceNames): Promise<boolean> {
    return await Deno.lstat(this.fileOf(names)).then((info) => info.isFile, () => false);
  }

  /** Writes the launcher and starts the service, in place of one that runs. */
  async install(facts: LauncherFacts, names: ServiceNames): Promise<void> {
    const file = this.fileOf(names);
    const text = renderLauncher(facts);
    await ensureDir(join(file, ".."), 0o755);
    await writeAtomic(file, text);
    await this.stop();
    await this.start(names);
  }

  async remove(names: ServiceNames): Promise<void> {
    await Deno.remove(this.fileOf(names)).catch((error) => {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    });
  }

  async start(names: ServiceNames): Promise<void> {
    if (await this.#runningPid() === undefined) await openDetached(this.#host, this.fileOf(names));
  }

  /** Ends the service with everything it started; fine when it does not run. */
  async stop(): Promise<void> {
    const pid = await this.#runningPid();
    if (pid === undefined) return;
    const result = await runTool(this.#host, "taskkill.exe", ["/PID", String(pid), "/T", "/F"]);
    if (result.exitCode === 0 || await this.#runningPid() !== pid) return;
    throw new OpenclawError(
      "SERVICE_ACTION_FAILED",
      `Cannot end process ${pid}: ${showableWithin(result.stderr.trim(), 200)}`,
    );
  }

  async runtime(): Promise<ServiceStatus["runtime"]> {
    const pid = await this.#runningPid();
    return pid === undefined
      ? { status: "stopped", detail: "starts with the next logon, from the Startup folder" }
      : { status: "running", pid };
  }
}

/** The desktop opens the file, so that what it starts is no descendant of ours and does not end with us. */
export async function openDetached(host: ServiceHost, file: string): Promise<void> {
  const result = await runTool(host, "explorer.exe", [file]);
  // It returns 1 for success.
  if (!result.timedOut && (result.exitCode === 0 || result.exitCode === 1)) return;
  throw new OpenclawError(
    "SERVICE_ACTION_FAILED",
    `Cannot open "${file}": explorer.exe ended with ${result.exitCode ?? "no answer"}`,
    { hint: "log off and on again: the service starts with the logon" },
  );
}
