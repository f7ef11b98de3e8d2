/**
 * `gateway status`: service, configuration, address and one look whether it answers. "Not running" and "reached but
 * refused" are told apart. Source: cli.md 6.
 */
import { join } from "@std/path";
import { loadConfig } from "../../../config/file/load.ts";
import { statePaths } from "../../../config/paths.ts";
import { previewServerPlan } from "../../../config/server/server_plan.ts";
import { isOpenclawError, messageOf } from "../../../lib/errors.ts";
import { targetOf, withGateway } from "../../connect/connect.ts";
import type { Io } from "../../terminal/io.ts";
import type { RpcValues } from "../../connect/rpc_flags.ts";
import { readRunningGateway } from "../../connect/running_gateway.ts";
import { pageText } from "./page_text.ts";
import { securityNotes } from "../security_notes.ts";
import { serviceLines, serviceStatus } from "../services/status.ts";

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
  readonly url: string | null;
  readonly auth: { readonly role?: string; readonly scopes?: readonly string[] } | null;
  readonly latencyMs: number | null;
  readonly code?: string;
  readonly error?: string;
}

/** `gateway status`. Returns the exit code. */
export async function gatewayStatus(values: GatewayStatusValues, io: Io): Promise<number> {
  const paths = statePaths(io.env);
  const [service, config, running, place, rpc] = await Promise.all([
    serviceStatus("gateway", io),
    loadConfig(paths, io.env),
    readRunningGateway(paths),
    placeOf(io),
    values.probe === false ? skipped() : look(values, io),
  ]);
  const notes = values.deep ? await securityNotes(io) : [];
  const logFile = join(paths.logsDir, "gateway.log");
  const port = {
    port: running?.port ?? place.port,
    status: running ? "busy" : "unknown",
    listeners: running ? [{ pid: running.pid, address: running.host }] : [],
    hints: [],
  };
  const gateway = { ...place, port: port.port, probeUrl: rpc.url, probeNote: null };
  const cli = { path: config.path, exists: config.exists, valid: config.valid };
  const document = { logFile, service, config: { cli }, gateway, port, rpc, notes };
  io.out.show(document, () => {
    io.out.lines(serviceLines(service, "gateway", running !== undefined));
    io.out.lines([
      "",
      `File logs: ${logFile}`,
      `Config (cli): ${config.path}${config.exists ? "" : " (missing)"}${
        config.valid ? "" : " (invalid: openclaw config validate)"
      }`,
      running
        ? `Gateway: ${running.host}, port=${running.port} (as it runs)`
        : `Gateway: bind=${place.bindMode} (${place.bindHost}), port=${place.port} (${place.portSource})`,
      running
        ? `Listening: yes (pid ${running.pid})`
        : "Listening: no gateway of this state directory",
      ...(rpc.url ? [`Probe target: ${rpc.url}`] : []),
      ...(running && config.valid
        ? [`Dashboard: ${pageText(config.config.gateway.controlUi, running)}`]
        : []),
      probeLine(rpc, values.requireRpc ?? false),
      ...notes.map((note) => `Security: ${note}`),
    ]);
    if (!running && rpc.kind !== "skipped" && !rpc.ok) io.out.note("hint: openclaw gateway run");
  });
  return values.requireRpc && !rpc.ok ? 1 : 0;
}

function probeLine(rpc: Rpc, required: boolean): string {
  const name = required ? "Read probe" : "Connectivity probe";
  if (rpc.kind === "skipped") return `${name}: skipped`;
  return rpc.ok ? `${name}: ok (${rpc.latencyMs}ms)` : `${name}: failed - ${rpc.error}`;
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
    return { bindMode: "refused", bindHost: messageOf(error), port: 0, portSource: "config" };
  }
}

function skipped(): Promise<Rpc> {
  return Promise.resolve({ ok: false, kind: "skipped", url: null, auth: null, latencyMs: null });
}

async function look(values: RpcValues, io: Io): Promise<Rpc> {
  let url: string | null = null;
  try {
    url = (await targetOf(io, values)).url;
    const startMs = performance.now();
    return await withGateway(io, values, { scopes: ["operator.read"] }, async (gateway) => {
      await gateway.call("status");
      const latencyMs = Math.round(performance.now() - startMs);
      return { ok: true, kind: "read", url, auth: gateway.session.hello.auth, latencyMs };
    });
  } catch (error) {
    if (!isOpenclawError(error)) throw error;
    const { code } = error;
    return {
      ok: false,
      kind: "read",
      url,
      auth: null,
      latencyMs: null,
      code,
      error: messageOf(error),
    };
  }
}
