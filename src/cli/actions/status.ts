/**
 * `status`: what is here, what is reachable, which credentials are used. Works without a gateway and exits 0: a
 * failure to connect is part of the picture.
 */
import { statePaths } from "../../config/paths.ts";
import { loadConfig } from "../../config/file/load.ts";
import { explainCredentials } from "../../config/credentials/target.ts";
import { isOpenclawError, messageOf } from "../../lib/errors.ts";
import { secretOf } from "../../lib/secret.ts";
import { type NodeRuntime, readRuntime } from "../../node/files/runtime_file.ts";
import { arch, hostName, osRelease, platformName } from "../../platform/os.ts";
import { OWN_VERSION } from "../../protocol/versions.ts";
import { type CliTarget, targetOf, withGateway } from "../connect/connect.ts";
import type { Io } from "../terminal/io.ts";
import type { RpcValues } from "../connect/rpc_flags.ts";
import { summaryText } from "../views/nodes.ts";
import { listNodes } from "./nodes/calls.ts";
import { securityNotes } from "./security_notes.ts";
import { serviceStatus, serviceText } from "./services/status.ts";

/** Values of the command. */
export interface StatusValues extends RpcValues {
  readonly deep: boolean | undefined;
  readonly all: boolean | undefined;
}

interface GatewayFacts {
  readonly mode: string;
  readonly url: string | null;
  readonly urlSource: string | null;
  readonly misconfigured: boolean;
  readonly reachable: boolean;
  readonly connectLatencyMs: number | null;
  readonly self: unknown;
  readonly error: string | null;
  readonly authWarning: string | null;
}

/** `status`. */
export async function showStatus(values: StatusValues, io: Io): Promise<void> {
  const [{ gateway, nodes, health }, gatewayService, nodeService] = await Promise.all([
    lookAtGateway(values, io),
    serviceStatus("gateway", io),
    serviceStatus("node", io),
  ]);
  const credentials = await credentialLines(values, io);
  const security = values.deep || values.all ? await securityNotes(io) : [];
  const os = {
    platform: platformName(),
    arch: arch(),
    release: osRelease(),
    label: osLabel(),
  };
  const { configFile, stateDir, runtimeFile } = statePaths(io.env);
  const node = await readRuntime(runtimeFile);
  const document = {
    runtimeVersion: OWN_VERSION,
    os,
    gateway,
    gatewayService: { ...gatewayService, runtimeShort: gatewayService.runtime.status },
    nodeService: { ...nodeService, runtimeShort: nodeService.runtime.status },
    node: node ?? null,
    nodes: nodes ?? null,
    credentials,
    secretDiagnostics: [],
    ...(security.length > 0 ? { security } : {}),
    ...(values.deep || values.all ? { health: health ?? null } : {}),
    ...(values.all ? { configFile, stateDir } : {}),
  };
  io.out.show(document, () => {
    io.out.table([{ title: "Item", fixed: true }, { title: "Value" }], [
      ["OS", os.label],
      ["Version", OWN_VERSION],
      ["Gateway", gatewayText(gateway)],
      ["Gateway service", serviceText(gatewayService)],
      ["Node service", serviceText(nodeService)],
      ...(node ? [["Node here", nodeText(node)]] : []),
      ["Nodes", nodes ?? "unknown"],
      ...credentials.map((line) => ["Credentials", line]),
      ...security.map((note) => ["Security", note]),
      ...(values.all ? [["Config", configFile], ["State", stateDir]] : []),
    ]);
  });
}

const osLabel = () => `${platformName()} ${osRelease()} · ${arch()} · ${hostName()}`;

function gatewayText(gateway: GatewayFacts): string {
  const reach = gateway.reachable
    ? `reachable ${gateway.connectLatencyMs}ms`
    : `unreachable (${
      (gateway.error ?? "unknown").replace(/^Gateway not reachable at \S+: /, "")
    })`;
  return `${gateway.mode} · ${gateway.url ?? "no url"} (${gateway.urlSource ?? "-"}) · ${reach}`;
}

function nodeText({ gateway, state, requestId }: NodeRuntime): string {
  return `${state} · ${gateway}` + (requestId ? ` · request ${requestId}` : "");
}

interface Look {
  readonly gateway: GatewayFacts;
  readonly nodes?: string;
  readonly health?: unknown;
}

async function lookAtGateway(values: RpcValues, io: Io): Promise<Look> {
  let target: CliTarget | undefined;
  try {
    target = await targetOf(io, values);
    const startMs = performance.now();
    return await withGateway(io, values, { scopes: ["operator.read"] }, async (gateway) => {
      const connectLatencyMs = Math.round(performance.now() - startMs);
      const health = await gateway.call("health");
      const nodes = summaryText(await listNodes(gateway));
      return {
        gateway: gatewayFacts(target, { connectLatencyMs, server: gateway.session.hello.server }),
        nodes,
        health,
      };
    });
  } catch (error) {
    if (!isOpenclawError(error)) throw error;
    return { gateway: gatewayFacts(target, { error: messageOf(error) }) };
  }
}

function gatewayFacts(
  target: CliTarget | undefined,
  found: { connectLatencyMs?: number; server?: unknown; error?: string },
): GatewayFacts {
  return {
    mode: target?.mode ?? "unknown",
    url: target?.url ?? null,
    urlSource: target?.sourceText ?? null,
    misconfigured: target === undefined,
    reachable: found.error === undefined,
    connectLatencyMs: found.connectLatencyMs ?? null,
    self: found.server ?? null,
    error: found.error ?? null,
    authWarning: target?.credentials.unavailable[0]?.reason ?? null,
  };
}

/** Which credential wins for the active target and which are left out, never their values. */
async function credentialLines(values: RpcValues, io: Io): Promise<string[]> {
  const paths = statePaths(io.env);
  const flags = {
    url: values.url,
    token: secretOf(values.token),
    password: secretOf(values.password),
  };
  try {
    const loaded = await loadConfig(paths, io.env);
    const decision = explainCredentials({ flags, env: io.env, loaded, paths });
    const used = [decision.token, decision.password].flatMap((c) => c ? [`${c.name} is used`] : []);
    const ignored = decision.ignored.map((i) => `${i.name} is ignored: ${i.reason}`);
    return [...used.length > 0 ? used : ["none"], ...ignored];
  } catch (error) {
    if (!isOpenclawError(error)) throw error;
    return [`undecided: ${messageOf(error)}`];
  }
}
