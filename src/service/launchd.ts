/**
 * Drives `launchctl` for agents of the logged-on user. The plist is made in `launchd_render.ts`.
 * Source: remote-access.md 4.3. Not run on a Mac yet: tested with a stand-in `launchctl` that records its calls.
 */
import { join } from "@std/path";
import { OpenclawError } from "../lib/errors.ts";
import { ensureDir, readOwned, writeAtomic } from "../platform/files.ts";
import { findTool, mustRunTool, runTool, type ServiceHost } from "./host.ts";
import { renderLaunchAgent } from "./launchd_render.ts";
import type { Availability, ServiceManager, ServiceStatus } from "./manager.ts";
import type { ServiceNames, ServicePlan } from "./plan.ts";

/** The manager for agents in `~/Library/LaunchAgents`. */
export function launchdManager(host: ServiceHost): ServiceManager {
  const domain = `gui/${host.uid ?? 0}`;
  const target = (names: ServiceNames) => `${domain}/${names.launchdLabel}`;
  const pathOf = (names: ServiceNames) =>
    join(host.home, "Library", "LaunchAgents", `${names.launchdLabel}.plist`);
  const bootout = (names: ServiceNames) => runTool(host, "launchctl", ["bootout", target(names)]);
  const bootstrap = (names: ServiceNames) =>
    mustRunTool(host, "launchctl", ["bootstrap", domain, pathOf(names)]);
  return {
    label: "LaunchAgent",
    loadedText: "loaded",
    notLoadedText: "not loaded",
    available: () => available(host),
    preview: (plan, names) => [{ path: pathOf(names), text: renderLaunchAgent(plan, names) }],
    async install(plan: ServicePlan, names: ServiceNames) {
      await ensureDir(join(pathOf(names), ".."), 0o755);
      await ensureDir(plan.logsDir);
      await writeAtomic(pathOf(names), renderLaunchAgent(plan, names));
      await checkWritten(pathOf(names), plan);
      await bootout(names);
      await bootstrap(names);
      return await removeLeftover(host, names, domain);
    },
    async uninstall(names) {
      await bootout(names);
      await Deno.remove(pathOf(names)).catch(ignoreMissing);
    },
    async start(names) {
      await bootstrap(names).catch(() => "");
      await mustRunTool(host, "launchctl", ["kickstart", target(names)]);
    },
    async stop(names) {
      await mustRunTool(host, "launchctl", ["bootout", target(names)]);
    },
    async restart(names) {
      await mustRunTool(host, "launchctl", ["kickstart", "-k", target(names)]);
    },
    status: (names) => status(host, pathOf(names), target(names)),
    // KeepAlive knows no exit codes. The agent's file stays: `start` and the next logon load it again.
    async giveUp(names) {
      await bootout(names);
    },
  };
}

async function available(host: ServiceHost): Promise<Availability> {
  if (await findTool(host, "launchctl")) return { ok: true };
  return { ok: false, reason: "launchctl is not installed", manager: "launchd" };
}

/** The tunnel agent used to be called `com.openclaw.ssh-tunnel`; two tunnels would fight for one port. */
async function removeLeftover(
  host: ServiceHost,
  names: ServiceNames,
  domain: string,
): Promise<string[]> {
  if (names.launchdLabel !== "ai.openclaw.ssh-tunnel") return [];
  const path = join(host.home, "Library", "LaunchAgents", "com.openclaw.ssh-tunnel.plist");
  if (!await Deno.lstat(path).catch(() => undefined)) return [];
  await runTool(host, "launchctl", ["bootout", `${domain}/com.openclaw.ssh-tunnel`]);
  await Deno.rename(path, `${path}.replaced`);
  return [
    `Unloaded the older agent com.openclaw.ssh-tunnel and renamed its file to ${path}.replaced`,
  ];
}

function ignoreMissing(error: unknown): void {
  if (!(error instanceof Deno.errors.NotFound)) throw error;
}

async function status(host: ServiceHost, path: string, target: string): Promise<ServiceStatus> {
  const file = await readOwned(path, { maxBytes: 256 * 1024 });
  if (!file) {
    return {
      installed: false,
      loaded: false,
      command: null,
      runtime: { status: "unknown", missingUnit: true },
    };
  }
  const text = new TextDecoder().decode(file.bytes);
  const printed = await runTool(host, "launchctl", ["print", target]);
  const loaded = printed.exitCode === 0;
  const pid = Number(/^\s*pid = (\d+)/m.exec(printed.stdout)?.[1]);
  return {
    installed: true,
    loaded,
    command: {
      programArguments: programOf(text),
      environment: environmentOf(text),
      sourcePath: path,
    },
    runtime: pid > 0 ? { status: "running", pid } : { status: loaded ? "stopped" : "unknown" },
  };
}

/** Reads the agent back: what launchd would start is what was meant, or nothing is left of it (N39). */
async function checkWritten(path: string, plan: ServicePlan): Promise<void> {
  const program = programOf(await Deno.readTextFile(path));
  if (JSON.stringify(program) === JSON.stringify(plan.program)) return;
  await Deno.remove(path);
  throw new OpenclawError(
    "UNIT_MISMATCH",
    `Removed ${path} again: read back, it does not say what was meant`,
  );
}

function programOf(plist: string): string[] {
  const list = /<key>ProgramArguments<\/key>\s*<array>([\s\S]*?)<\/array>/.exec(plist)?.[1] ?? "";
  return [...list.matchAll(/<string>([\s\S]*?)<\/string>/g)].map((m) => plain(m[1] ?? ""));
}

function environmentOf(plist: string): Record<string, string> {
  const dict = /<key>EnvironmentVariables<\/key>\s*<dict>([\s\S]*?)<\/dict>/.exec(plist)?.[1] ?? "";
  const pairs = dict.matchAll(/<key>([\s\S]*?)<\/key>\s*<string>([\s\S]*?)<\/string>/g);
  return Object.fromEntries([...pairs].map((m) => [plain(m[1] ?? ""), plain(m[2] ?? "")]));
}

function plain(xml: string): string {
  return xml.replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&quot;", '"').replaceAll(
    "&apos;",
    "'",
  )
    .replaceAll("&amp;", "&");
}
