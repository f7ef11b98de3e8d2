/**
 * `status`: what is here, what is reachable, which credentials are used. Works without a gateway and exits 0: a
 * failure to connect is part of the picture. What is shown of it is `status_rows.ts`. Source: cli.md 8.
 */
import { join } from "@std/path";
import { loadConfig, type LoadedConfig } from "../../config/file/load.ts";
import { type StatePaths, statePaths } from "../../config/paths.ts";
import { explainCredentials } from "../../config/credentials/target.ts";
import { isOpenclawError, messageOf } from "../../lib/errors.ts";
import { secretOf } from "../../lib/secret.ts";
import { readRuntime } from "../../node/files/runtime_file.ts";
import { arch, hostName, osRelease, platformName } from "../../platform/os.ts";
import { OWN_VERSION } from "../../protocol/versions.ts";
import { type Look, lookAtGateway } from "../connect/reach.ts";
import { readRunningGateway } from "../connect/running_gateway.ts";
import type { Io } from "../terminal/io.ts";
import type { RpcValues } from "../connect/rpc_flags.ts";
import { summaryText } from "../views/nodes.ts";
import { type GatewayFacts, statusRows } from "./status_rows.ts";
import { pageText } from "./gateway/page_text.ts";
import { listNodes } from "./nodes/calls.ts";
import { securityNotes } from "./security_notes.ts";
import { serviceStatus } from "./services/status.ts";
import { lastLogLines } from "./log_tail.ts";

/** Values of the command. */
export interface StatusValues extends RpcValues {
  readonly deep: boolean | undefined;
  readonly all: boolean | undefined;
}

/** `status`. */
export async function showStatus(values: StatusValues, io: Io): Promise<void> {
  const paths = statePaths(io.env);
  const [look, gatewayService, nodeService, loaded, node] = await Promise.all([
    lookAtGateway(values, io, async (gateway) => ({
      health: await gateway.call("health"),
      nodes: summaryText(await listNodes(gateway)),
    })),
    serviceStatus("gateway", io),
    serviceStatus("node", io),
    loadConfig(paths, io.env),
    readRuntime(paths.runtimeFile),
  ]);
  const isDeep = values.deep || values.all;
  const { tailscale } = loaded.config.gateway;
  const document = {
    runtimeVersion: OWN_VERSION,
    os: { platform: platformName(), arch: arch(), release: osRelease(), label: osLabel() },
    dashboard: await dashboardOf(loaded, paths),
    tailscale: { mode: tailscale.mode },
    gateway: gatewayFacts(look),
    gatewayService: { ...gatewayService, runtimeShort: gatewayService.runtime.status },
    nodeService: { ...nodeService, runtimeShort: nodeService.runtime.status },
    node: node ?? null,
    nodes: look.answer?.nodes ?? null,
    credentials: credentialLines(values, io, { loaded, paths, look }),
    secretDiagnostics: look.target?.credentials.unavailable.map((u) => `${u.path}: ${u.reason}`) ??
      [],
    ...(isDeep ? { health: look.answer?.health ?? null, security: await securityNotes(io) } : {}),
    ...(values.all
      ? {
        configFile: paths.configFile,
        stateDir: paths.stateDir,
        log: await lastLogLines(join(paths.logsDir, "gateway.log"), { loaded, env: io.env }),
      }
      : {}),
  };
  io.out.show(document, () => {
    io.out.table([{ title: "Item", fixed: true }, { title: "Value" }], statusRows(document));
    if (document.log && document.log.lines.length > 0) {
      io.out.text(`Last lines of ${document.log.file}:`);
      io.out.lines(document.log.lines);
    }
    const hint = look.reach === "reachable" ? undefined : look.error?.hint;
    if (hint !== undefined) io.out.note(`hint: ${hint}`);
  });
}

const osLabel = () => `${platformName()} ${osRelease()} · ${arch()} · ${hostName()}`;

/** The page of this machine's gateway; `null` when the gateway is elsewhere or not running. */
async function dashboardOf({ config }: LoadedConfig, paths: StatePaths): Promise<string | null> {
  const running = await readRunningGateway(paths);
  return running ? pageText(config.gateway.controlUi, running) : null;
}

function gatewayFacts({ reach, target, latencyMs, hello, error }: Look<unknown>): GatewayFacts {
  return {
    mode: target?.mode ?? "unknown",
    url: target?.url ?? null,
    urlSource: target?.sourceText ?? null,
    host: target ? new URL(target.url).hostname : null,
    misconfigured: target === undefined,
    reach,
    reachable: reach === "reachable",
    connectLatencyMs: latencyMs,
    authMethod: hello?.auth.method ?? null,
    self: hello?.server ?? null,
    code: error?.code ?? null,
    error: error ? messageOf(error) : null,
    authWarning: target?.credentials.unavailable[0]?.reason ?? null,
  };
}

interface CredentialPicture {
  readonly loaded: LoadedConfig;
  readonly paths: StatePaths;
  readonly look: Look<unknown>;
}

/** Which credential won for the active target and which were left out and why, never their values. */
function credentialLines(values: RpcValues, io: Io, picture: CredentialPicture): string[] {
  const { loaded, paths, look } = picture;
  const { url } = values;
  const flags = { url, token: secretOf(values.token), password: secretOf(values.password) };
  const facts = { flags, env: io.env, loaded, paths };
  try {
    const probed = explainCredentials({ ...facts, strict: true });
    const used = [probed.token, probed.password].flatMap((choice) => choice?.name ?? []);
    const ignored = probed.ignored.map(({ name, reason }) => `${name} is ignored: ${reason}`);
    const others = explainCredentials(facts);
    const elsewhere = [others.token, others.password].flatMap((choice) =>
      choice && !used.includes(choice.name) ? [`${choice.name} is used by other commands`] : []
    );
    return [...usedLines(used, look), ...ignored, ...elsewhere];
  } catch (error) {
    if (!isOpenclawError(error)) throw error;
    return [`undecided: ${messageOf(error)}`];
  }
}

/** What was shown, and what let this machine in. */
function usedLines(used: readonly string[], { hello, target }: Look<unknown>): string[] {
  const missing = new Set(target?.credentials.unavailable.map(({ path }) => path));
  const shown = used.map((name) =>
    missing.has(name) ? `${name} has no value now` : `${name} is used`
  );
  if (hello?.auth.method !== "device-token") return shown.length > 0 ? shown : ["none"];
  const way = "this machine's device token let it in";
  return [used.length > 0 ? `${used.join(" and ")} was refused; ${way}` : way];
}
