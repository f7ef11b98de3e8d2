/**
 * `gateway status`: service, configuration, address and one look whether it answers. "Not running" and "reached but
 * refused" are told apart. Source: cli.md 6.
 */
import { join } from "@std/path";
import { loadConfig } from "../../../config/file/load.ts";
import { statePaths } from "../../../config/paths.ts";
import { previewServerPlan } from "../../../config/server/server_plan.ts";
import { isOpenclawError, messageOf } from "../../../lib/errors.ts";
import { ipKind, parseIp, unbracketed } from "../../../lib/ip.ts";
import { showable } from "../../../lib/text.ts";
import { findPortHolders } from "../../../platform/port_holder.ts";
import { capabilityOf, lookAtGateway, type Reach } from "../../connect/reach.ts";
import type { Io } from "../../terminal/io.ts";
import type { RpcValues } from "../../connect/rpc_flags.ts";
import { readRunningGateway, type RunningGateway } from "../../connect/running_gateway.ts";
import { pageText } from "./page_text.ts";
import { securityNotes } from "../security_notes.ts";
import { serviceLines, type ServiceReport, serviceStatus } from "../services/status.ts";

/** Values of the command. */
export interface GatewayStatusValues extends RpcValues {
  readonly probe: boolean | undefined;
  readonly requireRpc: boolean | undefined;
  readonly deep: boolean | undefined;
}

/** Outcome of the look. */
interface Rpc {
  readonly ok: boolean;
  readonly kind: "read" | "skipped";
  readonly reach: Reach | null;
  readonly capability: string;
  readonly url: string | null;
  readonly auth: {
    readonly role?: string;
    readonly scopes?: readonly string[];
    readonly capability: string;
  } | null;
  readonly latencyMs: number | null;
  readonly code?: string;
  readonly error?: string;
  readonly hint?: string;
}

/** `gateway status`. Returns the exit code. */
export async function gatewayStatus(values: GatewayStatusValues, io: Io): Promise<number> {
  const paths = statePaths(io.env);
  const [service, config, running, place, rpc] = await Promise.all([
    serviceStatus("gateway", io),
    loadConfig(paths, io.env),
    readRunningGateway(paths),
    placeOf(io),
    values.probe === false ? SKIPPED : look(values, io),
  ]);
  const notes = values.deep ? await securityNotes(io) : [];
  const logFile = join(paths.logsDir, "gateway.log");
  const port = portOf(running, place.port);
  const gateway = {
    ...place,
    ...(running ? boundTo(running.host) : {}),
    port: port.port,
    probeUrl: rpc.url,
    probeNote: running ? probeNote(running.host) : null,
  };
  const configs = await configsOf(service, config);
  const hints = hintsOf(rpc, running, place, port);
  const document = {
    logFile,
    service: { ...service, configAudit: configs.audit },
    config: configs.config,
    gateway,
    port: { ...port, hints },
    rpc,
    extraServices: [],
    notes,
  };
  io.out.show(document, () => {
    io.out.lines(serviceLines(service, "gateway", running !== undefined));
    io.out.lines([
      "",
      `File logs: ${logFile}`,
      `Config (cli): ${configText(configs.config.cli)}`,
      ...(configs.config.daemon ? [`Config (service): ${configText(configs.config.daemon)}`] : []),
      ...configs.audit.issues.map((issue) => `Config mismatch: ${issue}`),
      placeText(gateway, running),
      `Listening: ${listeningText(running, port)}`,
      ...(rpc.url ? [`Probe target: ${rpc.url}`] : []),
      ...(running && config.valid
        ? [`Dashboard: ${pageText(config.config.gateway.controlUi, running)}`]
        : []),
      ...(gateway.probeNote === null ? [] : [`Probe note: ${gateway.probeNote}`]),
      probeLine(rpc, values.requireRpc ?? false),
      ...(rpc.auth ? [`Capability: ${rpc.capability.replaceAll("_", "-")}`] : []),
      ...notes.map((note) => `Security: ${note}`),
    ]);
    for (const hint of hints) io.out.note(`hint: ${hint}`);
  });
  return values.requireRpc && !rpc.ok ? 1 : 0;
}

/** What is at the port: our gateway, somebody else, or nobody as far as this machine can tell. */
function portOf(running: RunningGateway | undefined, planned: number) {
  const port = running?.port ?? planned;
  if (running) {
    const { pid, host: address } = running;
    return { port, status: "busy" as const, listeners: [{ pid, command: "openclaw", address }] };
  }
  const holders = port > 0 ? findPortHolders(port) : [];
  return {
    port,
    status: holders.length > 0 ? "busy" as const : "unknown" as const,
    listeners: holders.map(({ pid, name }) => ({ pid, command: showable(name), address: null })),
  };
}

type Port = ReturnType<typeof portOf>;

function listeningText(running: RunningGateway | undefined, { port, listeners }: Port): string {
  if (running) return `yes (pid ${running.pid})`;
  const [other] = listeners;
  return other
    ? `no gateway of this state directory; port ${port} is held by ${other.command} (pid ${other.pid})`
    : "no gateway of this state directory";
}

interface PlaceFacts {
  readonly bindMode: string;
  readonly bindHost: string;
  readonly port: number;
  readonly portSource: string;
}

function placeText(place: PlaceFacts, running: RunningGateway | undefined): string {
  const { bindMode, bindHost, port, portSource } = place;
  if (running) return `Gateway: bind=${bindMode} (${bindHost}), port=${port} (as it runs)`;
  if (bindMode === "remote") return "Gateway: none on this machine (gateway.mode is remote)";
  if (bindMode === "refused") return `Gateway: would not start: ${bindHost}`;
  return `Gateway: bind=${bindMode} (${bindHost}), port=${port} (${portSource})`;
}

/** The next step for what was found; a refusal brings its own. */
function hintsOf(rpc: Rpc, running: RunningGateway | undefined, place: PlaceFacts, port: Port) {
  if (rpc.ok || rpc.kind === "skipped") return [];
  if (!running && place.bindMode === "refused") return ["openclaw doctor"];
  if (!running && port.listeners.length > 0 && place.bindMode !== "remote") {
    return [`the port belongs to another program: openclaw config set gateway.port <port>`];
  }
  return rpc.hint === undefined ? [] : [rpc.hint];
}

/** The bind mode that a running gateway's address amounts to, whatever flags it was started with. */
function boundTo(host: string) {
  const bytes = parseIp(unbracketed(host));
  const kind = bytes && ipKind(bytes);
  const bindMode = kind === "loopback"
    ? "loopback"
    : kind === "unspecified"
    ? "lan"
    : kind === "cgnat"
    ? "tailnet"
    : "custom";
  return { bindMode, bindHost: host };
}

/** What a probe over this machine's own address does not show. */
function probeNote(host: string): string | null {
  return boundTo(host).bindMode === "loopback"
    ? null
    : "asked over this machine's own address; from elsewhere a firewall may decide";
}

interface ConfigFacts {
  readonly path: string;
  readonly exists: boolean;
  readonly valid: boolean;
}

const configText = ({ path, exists, valid }: ConfigFacts) =>
  path + (exists ? "" : " (missing)") + (valid ? "" : " (invalid: openclaw config validate)");

/** The configuration of this command and, when a service is installed, the one the service reads. */
async function configsOf(service: ServiceReport, { path, exists, valid }: ConfigFacts) {
  const cli = { path, exists, valid };
  const { environment } = service.command ?? {};
  if (!environment) return { config: { cli }, audit: { ok: true, issues: [] as string[] } };
  const there = await loadConfig(statePaths(environment), environment);
  const daemon = { path: there.path, exists: there.exists, valid: there.valid };
  const mismatch = daemon.path !== cli.path;
  const issues = mismatch ? [`the service reads ${daemon.path}, this command ${cli.path}`] : [];
  return { config: { cli, daemon, mismatch }, audit: { ok: !mismatch, issues } };
}

function probeLine(rpc: Rpc, required: boolean): string {
  const name = required ? "Read probe" : "Connectivity probe";
  if (rpc.kind === "skipped") return `${name}: skipped`;
  if (rpc.ok) return `${name}: ok (${rpc.latencyMs}ms)`;
  const how = rpc.reach === "refused" ? "reached, but refused" : "failed";
  return `${name}: ${how} - ${rpc.error}`;
}

/** Bind and port as a gateway started now would choose them; the refusal when it would not start. */
async function placeOf(io: Io) {
  const paths = statePaths(io.env);
  try {
    const loaded = await loadConfig(paths, io.env);
    const plan = await previewServerPlan({ flags: {}, env: io.env, paths, loaded });
    const bindHost = plan.bind.addresses[0]?.host ?? "";
    return { bindMode: plan.bind.mode, bindHost, port: plan.port, portSource: plan.portSource };
  } catch (error) {
    if (!isOpenclawError(error)) throw error;
    const bindMode = error.code === "GATEWAY_START_BLOCKED" ? "remote" : "refused";
    return { bindMode, bindHost: messageOf(error), port: 0, portSource: "config" };
  }
}

const SKIPPED: Rpc = {
  ok: false,
  kind: "skipped",
  reach: null,
  capability: "unknown",
  url: null,
  auth: null,
  latencyMs: null,
};

async function look(values: RpcValues, io: Io): Promise<Rpc> {
  const found = await lookAtGateway(values, io, (gateway) => gateway.call("status"));
  const { reach, target, hello, error } = found;
  const capability = hello ? capabilityOf(hello.auth.scopes) : "unknown";
  return {
    ok: error === undefined,
    kind: "read",
    reach,
    capability,
    url: target?.url ?? null,
    auth: hello ? { ...hello.auth, capability } : null,
    latencyMs: found.latencyMs,
    ...(error ? { code: error.code, error: messageOf(error) } : {}),
    ...(error?.hint === undefined ? {} : { hint: error.hint }),
  };
}
