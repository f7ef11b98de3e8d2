/**
 * Drives `systemctl`, for units of the user or of the machine. The unit's text is made in `systemd_render.ts`.
 * Source: remote-access.md 4.2.
 */
import { join } from "@std/path";
import { isOpenclawError, OpenclawError } from "../lib/errors.ts";
import { ensureDir, readOwned, writeAtomic } from "../platform/files.ts";
import { findTool, mustRunTool, runTool, type ServiceHost } from "./host.ts";
import type { Availability, ServiceManager, ServiceStatus } from "./manager.ts";
import type { ServiceNames, ServicePlan } from "./plan.ts";
import {
  readSystemdUnit,
  type ReadUnit,
  renderSystemdUnit,
  type SystemdScope,
} from "./systemd_render.ts";

const MAX_UNIT_BYTES = 256 * 1024;

/** The systemd manager for one scope. */
export function systemdManager(host: ServiceHost, scope: SystemdScope): ServiceManager {
  const system = new Systemd(host, scope);
  return {
    label: scope.kind === "user" ? "systemd" : "systemd (system)",
    loadedText: "enabled",
    notLoadedText: "disabled",
    available: () => system.available(),
    preview: (plan, names) => [{
      path: system.unitPath(names),
      text: renderSystemdUnit(plan, scope),
    }],
    install: (plan, names) => system.install(plan, names),
    uninstall: (names) => system.uninstall(names),
    start: (names) => system.act("start", names),
    stop: (names) => system.act("stop", names),
    restart: (names) => system.act("restart", names),
    status: (names) => system.status(names),
  };
}

class Systemd {
  constructor(readonly host: ServiceHost, readonly scope: SystemdScope) {}

  unitPath(names: ServiceNames): string {
    if (this.scope.kind === "system") return join("/etc/systemd/system", names.systemdUnit);
    const config = this.host.env["XDG_CONFIG_HOME"] || join(this.host.home, ".config");
    return join(config, "systemd", "user", names.systemdUnit);
  }

  #args(args: readonly string[]): string[] {
    return this.scope.kind === "user" ? ["--user", ...args] : [...args];
  }

  async available(): Promise<Availability> {
    const what = `systemd ${this.scope.kind} services`;
    const missing = (found: string): Availability => ({
      ok: false,
      reason: `${what} are not available here: ${found}`,
      manager: "systemd",
    });
    if (!await findTool(this.host, "systemctl")) return missing("systemctl is not installed");
    const result = await runTool(this.host, "systemctl", this.#args(["show-environment"]));
    return result.exitCode === 0
      ? { ok: true }
      : missing(result.stderr.trim().split("\n")[0] ?? "");
  }

  async install(plan: ServicePlan, names: ServiceNames): Promise<readonly string[]> {
    const path = this.unitPath(names);
    const text = renderSystemdUnit(plan, this.scope);
    const old = await readUnitText(path);
    await ensureDir(join(path, ".."), 0o755);
    if (old !== undefined && old !== text) await writeAtomic(`${path}.bak`, old);
    await writeAtomic(path, text);
    await this.#checkWritten(path, plan);
    await mustRunTool(this.host, "systemctl", this.#args(["daemon-reload"]));
    await mustRunTool(this.host, "systemctl", this.#args(["enable", names.systemdUnit]));
    await mustRunTool(this.host, "systemctl", this.#args(["restart", names.systemdUnit]));
    return await this.#warnings();
  }

  /** N39: what systemd will read must be what was meant. */
  async #checkWritten(path: string, plan: ServicePlan): Promise<void> {
    const read = readSystemdUnit(await readUnitText(path) ?? "");
    const wanted: ReadUnit = {
      program: plan.program,
      environment: plan.environment,
      environmentFile: plan.environmentFile,
      workingDirectory: plan.workingDirectory,
    };
    if (JSON.stringify(sorted(read)) === JSON.stringify(sorted(wanted))) return;
    await Deno.remove(path);
    throw new OpenclawError(
      "UNIT_MISMATCH",
      `Removed ${path} again: read back, it does not say what was meant`,
    );
  }

  async #warnings(): Promise<string[]> {
    if (this.scope.kind === "system") return [];
    const user = this.host.userName;
    if (!await findTool(this.host, "loginctl")) return [];
    const result = await runTool(this.host, "loginctl", ["show-user", user, "-p", "Linger"]);
    if (!/^Linger=no/m.test(result.stdout)) return [];
    return [
      `The service stops when ${user} logs out; to keep it: sudo loginctl enable-linger ${user}`,
    ];
  }

  async uninstall(names: ServiceNames): Promise<void> {
    const path = this.unitPath(names);
    if (await readUnitText(path) === undefined) return;
    await mustRunTool(this.host, "systemctl", this.#args(["disable", "--now", names.systemdUnit]));
    await Deno.remove(path);
    await removeOwnBackup(`${path}.bak`);
    // A unit that failed is kept in systemd's list without its file until its failure is forgotten.
    await runTool(this.host, "systemctl", this.#args(["reset-failed", names.systemdUnit]));
    await mustRunTool(this.host, "systemctl", this.#args(["daemon-reload"]));
  }

  async act(verb: "start" | "stop" | "restart", names: ServiceNames): Promise<void> {
    // A unit that ran into its start limit (F30) starts again only after its failures are forgotten.
    if (verb !== "stop") {
      await runTool(this.host, "systemctl", this.#args(["reset-failed", names.systemdUnit]));
    }
    await mustRunTool(this.host, "systemctl", this.#args([verb, names.systemdUnit]));
  }

  async status(names: ServiceNames): Promise<ServiceStatus> {
    const path = this.unitPath(names);
    const found = await readUnit(path);
    if (found === undefined) {
      return {
        installed: false,
        loaded: false,
        command: null,
        runtime: { status: "unknown", missingUnit: true },
      };
    }
    // A unit that somebody else wrote, or a masked one: there is something, and it is not ours to read.
    if (typeof found === "string") {
      const runtime = { status: "unknown", detail: found } as const;
      return { installed: true, loaded: false, command: null, runtime };
    }
    const command = {
      programArguments: found.program,
      environment: found.environment,
      sourcePath: path,
      ...(found.workingDirectory ? { workingDirectory: found.workingDirectory } : {}),
    };
    if (!await findTool(this.host, "systemctl")) {
      return {
        installed: true,
        loaded: false,
        command,
        runtime: { status: "unknown", detail: "systemctl is not installed" },
      };
    }
    const enabled = await runTool(
      this.host,
      "systemctl",
      this.#args(["is-enabled", names.systemdUnit]),
    );
    const shown = await runTool(
      this.host,
      "systemctl",
      this.#args([
        "show",
        names.systemdUnit,
        "-p",
        "ActiveState,SubState,MainPID,ExecMainStatus,Result",
      ]),
    );
    return {
      installed: true,
      loaded: enabled.stdout.trim() === "enabled",
      command,
      runtime: runtimeOf(shown.stdout),
    };
  }
}

function sorted(unit: ReadUnit): unknown {
  return {
    ...unit,
    environment: Object.entries(unit.environment).sort(([a], [b]) => a < b ? -1 : 1),
  };
}

/** The unit, why it cannot be read, or `undefined` when there is none. */
async function readUnit(path: string): Promise<ReadUnit | string | undefined> {
  try {
    const text = await readUnitText(path);
    return text === undefined ? undefined : readSystemdUnit(text);
  } catch (error) {
    if (isOpenclawError(error)) return error.message;
    throw error;
  }
}

async function readUnitText(path: string): Promise<string | undefined> {
  // Units of the whole machine are root's; in an account's own folder root's word counts as well.
  const file = await readOwned(path, { maxBytes: MAX_UNIT_BYTES, allowRootOwner: true });
  return file === undefined ? undefined : new TextDecoder().decode(file.bytes);
}

/** Removes the unit a later install replaced; one that somebody else had written stays. */
async function removeOwnBackup(path: string): Promise<void> {
  const found = await readUnit(path);
  if (typeof found !== "object") return;
  if (found.environment["OPENCLAW_SERVICE_MARKER"] === "openclaw") await Deno.remove(path);
}

function runtimeOf(show: string): ServiceStatus["runtime"] {
  const value = (key: string) => new RegExp(`^${key}=(.*)$`, "m").exec(show)?.[1] ?? "";
  const pid = Number(value("MainPID"));
  if (value("ActiveState") === "active" && pid > 0) return { status: "running", pid };
  if (value("ActiveState") === "") return { status: "unknown" };
  const exit = value("ExecMainStatus");
  const refused = exit === "78"
    ? ": its configuration was refused or its port is held (see its log), so it is not started again"
    : "";
  return {
    status: "stopped",
    detail: `${value("ActiveState")} (${value("SubState")}), last exit ${exit}${refused}`,
  };
}
