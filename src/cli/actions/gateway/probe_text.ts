/** `gateway probe` in words: what each target answered. Trying them is `probe.ts`. Source: cli.md 6. */
import { isObject } from "../../../lib/objects.ts";
import { showable } from "../../../lib/text.ts";
import type { ProbeTarget } from "../../connect/probe_targets.ts";
import type { Reach } from "../../connect/reach.ts";
import type { Io } from "../../terminal/io.ts";

/** What one target answered. */
export interface Outcome {
  readonly id: string;
  readonly kind: ProbeTarget["kind"];
  readonly url: string;
  readonly active: boolean;
  readonly tunnel: { readonly kind: "ssh"; readonly target: string } | null;
  readonly connect: {
    readonly ok: boolean;
    readonly reach: Reach;
    readonly rpcOk: boolean;
    readonly scopeLimited: boolean;
    readonly latencyMs: number | null;
    readonly error: string | null;
    readonly close: { readonly code: string; readonly hint?: string } | null;
  };
  readonly auth: {
    readonly role: string | null;
    readonly scopes: readonly string[];
    readonly capability: string;
  } | null;
  readonly self: unknown;
  readonly config: unknown;
  readonly health: unknown;
  readonly summary: unknown;
  readonly presence: unknown;
}

/** Something a person should know about the targets. */
export interface Warning {
  readonly code: string;
  readonly message: string;
  readonly targetIds?: readonly string[];
}

/** All of it. */
interface Report {
  readonly ok: boolean;
  readonly capability: string;
  readonly timeoutMs: number;
  readonly warnings: readonly Warning[];
  readonly discovery: { readonly count: number };
  readonly targets: readonly Outcome[];
}

/** Prints it for a person. */
export function renderProbe(report: Report, io: Io): void {
  io.out.text("Gateway Status");
  io.out.text(
    `Reachable: ${report.ok ? "yes" : "no"} · Capability: ${
      capabilityText(report.capability)
    } · Probe budget: ${report.timeoutMs}ms`,
  );
  for (const warning of report.warnings) {
    io.out.text(`Warning: ${warning.message} (${warning.code})`);
  }
  io.out.text(`Discovery: ${report.discovery.count} gateway(s) announced`);
  io.out.text("Targets");
  for (const target of report.targets) {
    io.out.text(`${titleOf(target)} ${target.url}`);
    io.out.text(`  ${connectLine(target)}`);
    if (target.tunnel) io.out.text(`  ssh: ${target.tunnel.target}`);
    const gateway = gatewayLine(target.presence);
    if (gateway !== undefined) io.out.text(`  ${gateway}`);
    if (target.connect.close?.hint) io.out.text(`  hint: ${target.connect.close.hint}`);
  }
}

function titleOf(target: Outcome): string {
  if (target.kind === "localLoopback") return "Local loopback";
  if (target.kind === "sshTunnel") return "Remote over SSH";
  if (target.kind === "explicit") return "URL (explicit)";
  return `Remote (configured${target.active ? "" : ", inactive"})`;
}

const capabilityText = (capability: string) => capability.replaceAll("_", "-");

/** `Gateway: host (ip) · platform · app <version>`, from the gateway's own entry in its presence list. */
function gatewayLine(presence: unknown): string | undefined {
  const list = Array.isArray(presence) ? presence : [];
  const self = list.find((entry) => isObject(entry) && entry.reason === "self");
  if (!isObject(self)) return undefined;
  const text = (value: unknown) =>
    typeof value === "string" && value !== "" ? showable(value) : "?";
  const ip = self.ip === undefined ? "" : ` (${text(self.ip)})`;
  return `Gateway: ${text(self.host)}${ip} · ${text(self.platform)} · app ${text(self.version)}`;
}

function connectLine({ connect, auth }: Outcome): string {
  if (!connect.ok) {
    const isBlocked = connect.close?.code === "PAIRING_REQUIRED";
    const how = isBlocked ? "blocked" : connect.reach === "refused" ? "refused" : "failed";
    return `Connect: ${how} - ${connect.error}`;
  }
  const read = connect.rpcOk ? "ok" : connect.scopeLimited ? "limited" : "failed";
  return `Connect: ok (${connect.latencyMs}ms) · Capability: ${
    capabilityText(auth?.capability ?? "unknown")
  } · Read probe: ${read}`;
}
