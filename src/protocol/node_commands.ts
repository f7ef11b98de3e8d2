/**
 * What nodes of each platform may be asked for, as data. Pure; the verdict on one call is
 * `gateway/nodes/policy.ts`. Source: gateway-protocol.md 12.2, 9.1.
 */
import type { ProtocolVersion } from "./versions.ts";

/** Platform classes the policy knows. */
export type NodePlatform = "linux" | "macos" | "windows" | "ios" | "android" | "unknown";

const COMMON_V3 = [
  "system.run",
  "system.run.prepare",
  "system.which",
  "system.notify",
  "browser.proxy",
] as const;

const COMMON_V4 = [
  ...COMMON_V3,
  "browser.proxy.upload.v1",
  "system.execApprovals.get",
  "system.execApprovals.set",
  "fs.listDir",
  "terminal.upload",
  "mcp.tools.call.v1",
  "agent.cli.claude.run.v1",
  "screen.snapshot",
  "desktop.stream",
  "computer.act",
] as const;

const CANVAS = [
  "canvas.present",
  "canvas.hide",
  "canvas.navigate",
  "canvas.eval",
  "canvas.snapshot",
  "canvas.a2ui.push",
  "canvas.a2ui.pushJSONL",
  "canvas.a2ui.reset",
] as const;

const WINDOWS_APP = ["camera.list", "location.get", "device.info", "device.status"] as const;

const MACOS_APP = [
  ...WINDOWS_APP,
  "contacts.search",
  "calendar.events",
  "reminders.list",
  "photos.latest",
  "motion.activity",
  "motion.pedometer",
] as const;

const MOBILE = [...CANVAS, ...MACOS_APP, "system.notify"] as const;

/** Commands a v3 node calls through `exec.approvals.node.*`, which the v3 reference never filtered. */
const APPROVALS_FILE = ["system.execApprovals.get", "system.execApprovals.set"] as const;

const DEFAULTS: Record<ProtocolVersion, Record<NodePlatform, readonly string[]>> = {
  3: {
    linux: [...COMMON_V3, ...APPROVALS_FILE],
    macos: [...COMMON_V3, ...APPROVALS_FILE, ...CANVAS, ...MACOS_APP, "screen.snapshot"],
    windows: [...COMMON_V3, ...APPROVALS_FILE, ...CANVAS, ...WINDOWS_APP, "screen.snapshot"],
    ios: MOBILE,
    android: [...MOBILE, "notifications.list"],
    unknown: [...CANVAS, "camera.list", "location.get", "system.notify"],
  },
  4: {
    linux: COMMON_V4,
    macos: [...COMMON_V4, ...MACOS_APP, "camera.ptz.status"],
    windows: [...COMMON_V4, ...WINDOWS_APP],
    ios: MOBILE,
    android: [...MOBILE, "notifications.list"],
    unknown: ["camera.list", "location.get", "system.notify"],
  },
};

/** Commands a node of this platform may be asked for without any configuration. */
export function defaultNodeCommands(
  platform: NodePlatform,
  protocol: ProtocolVersion,
): readonly string[] {
  return DEFAULTS[protocol][platform];
}

/** Commands that need an explicit `gateway.nodes.commands.allow` entry. */
export const DANGEROUS_NODE_COMMANDS: ReadonlySet<string> = new Set([
  "camera.snap",
  "camera.clip",
  "camera.ptz.control",
  "screen.record",
  "contacts.add",
  "calendar.add",
  "reminders.add",
  "sms.send",
  "sms.search",
  "health.summary",
]);

/** Every command that some platform's list, or an opt-in, knows. */
export const KNOWN_NODE_COMMANDS: ReadonlySet<string> = new Set([
  ...Object.values(DEFAULTS).flatMap((lists) => Object.values(lists).flat()),
  ...DANGEROUS_NODE_COMMANDS,
]);

const EXEC_COMMANDS: ReadonlySet<string> = new Set([
  "system.run",
  "system.run.prepare",
  "system.which",
  "browser.proxy",
  "browser.proxy.upload.v1",
  "fs.listDir",
  "terminal.upload",
]);

/** Whether a surface with this command needs an admin to approve it (I06). */
export function isExecCommand(command: string): boolean {
  return EXEC_COMMANDS.has(command) || command.startsWith("system.execApprovals.");
}

/** Commands of `node.invoke` that need `operator.admin` instead of `operator.write`. Source: section 10. */
export function invokeNeedsAdmin(command: string): boolean {
  return command.startsWith("browser.proxy") || command === "fs.listDir" ||
    command === "terminal.upload";
}

/** Scopes an operator needs to approve a surface. Source: 9.1. */
export function requiredApproveScopes(commands: readonly string[]): string[] {
  if (commands.length === 0) return ["operator.pairing"];
  return ["operator.pairing", commands.some(isExecCommand) ? "operator.admin" : "operator.write"];
}

/** What a node says about its machine at connect. */
export interface PlatformFacts {
  readonly protocol: ProtocolVersion;
  readonly platform: string | undefined;
  readonly deviceFamily: string | undefined;
}

/** Platform and family as protocol 4 pairs them; a family that does not fit makes the node unknown. */
const FAMILY_OF: Readonly<Record<string, string>> = {
  linux: "linux",
  macos: "mac",
  windows: "windows",
  ios: "iphone",
  android: "android",
};

const PREFIXES: readonly (readonly [string, NodePlatform])[] = [
  ["ios", "ios"],
  ["android", "android"],
  ["mac", "macos"],
  ["darwin", "macos"],
  ["win", "windows"],
  ["linux", "linux"],
];

/** The platform class that decides a node's command list. */
export function nodePlatform(facts: PlatformFacts): NodePlatform {
  const platform = (facts.platform ?? "").trim().toLowerCase();
  const family = (facts.deviceFamily ?? "").trim().toLowerCase();
  if (facts.protocol === 3) return byPrefix(platform) ?? byFamilyWord(family) ?? "unknown";
  // A protocol 3 spelling without family is a legacy node host.
  if (family === "" && (platform === "darwin" || platform === "win32")) {
    return byPrefix(platform) ?? "unknown";
  }
  const wanted = Object.hasOwn(FAMILY_OF, platform) ? FAMILY_OF[platform] : undefined;
  if (wanted === undefined) return "unknown";
  if (platform === "ios") return /^(iphone|ipad|ios)/.test(family) ? "ios" : "unknown";
  return family === wanted ? platform as NodePlatform : "unknown";
}

function byPrefix(platform: string): NodePlatform | undefined {
  return PREFIXES.find(([prefix]) => platform.startsWith(prefix))?.[1];
}

function byFamilyWord(family: string): NodePlatform | undefined {
  if (/iphone|ipad|ios/.test(family)) return "ios";
  if (family.includes("android")) return "android";
  if (family.includes("mac")) return "macos";
  if (family.includes("windows")) return "windows";
  return family.includes("linux") ? "linux" : undefined;
}
