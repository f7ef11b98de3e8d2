/**
 * `gateway run`: the gateway in the foreground until a stop signal. First signal: running commands may end; second:
 * everything ends now (F28, F29).
 */
import { join } from "@std/path";
import { loadConfig } from "../../config/file/load.ts";
import { valueAt } from "../../config/text/config_path.ts";
import { readEnv } from "../../config/env.ts";
import { loadHostFacts } from "../../config/server/host_facts.ts";
import { type StatePaths, statePaths } from "../../config/paths.ts";
import type { ServerFlags } from "../../config/server/server_plan.ts";
import { createWhois } from "../../config/server/tailscale_whois.ts";
import { type RunningGateway, startGateway } from "../../gateway/server.ts";
import { createLogger } from "../../lib/log.ts";
import { messageOf, OpenclawError } from "../../lib/errors.ts";
import { type Secret, secretOf } from "../../lib/secret.ts";
import { hostName } from "../../platform/os.ts";
import { onStopSignals } from "../../platform/signals.ts";
import { tailscaleFolders } from "../../remote/tailscale.ts";
import { exposeGateway } from "../../remote/exposure.ts";
import type { Io } from "../io.ts";
import { offerImport } from "./import.ts";
import { publishRunningGateway, reachableAddresses } from "../running_gateway.ts";

/** Values of the command. */
export interface GatewayRunValues {
  readonly port: number | undefined;
  readonly bind: ServerFlags["bind"];
  readonly tls: boolean | undefined;
  readonly auth: ServerFlags["auth"];
  readonly token: string | undefined;
  readonly password: string | undefined;
  readonly passwordFile: string | undefined;
  readonly tailscale: ServerFlags["tailscale"];
  readonly tailscaleResetOnExit: boolean | undefined;
  readonly allowUnconfigured: boolean | undefined;
  readonly verbose: boolean | undefined;
  readonly json: boolean;
}

/** `gateway run`. Returns when the gateway has stopped. */
export async function runGateway(values: GatewayRunValues, io: Io): Promise<number> {
  const paths = statePaths(io.env);
  const asJson = values.json || readEnv(io.env).serviceKind !== undefined;
  const sink = io.out.logSink(asJson);
  if (!asJson) await offerImport(paths, io);
  const gateway = await startGateway({
    paths,
    env: io.env,
    flags: await flagsOf(values),
    logSinks: [sink],
    logLevel: values.verbose ? "debug" : "info",
    whois: createWhois({ env: io.env }),
  });
  const stopped = stopOnSignal(gateway);
  const withdraw = await publishRunningGateway(paths, {
    host: new URL(gateway.url.replace(/^ws/, "http")).hostname,
    port: gateway.port,
    tls: gateway.fingerprint !== undefined,
    fingerprint: gateway.fingerprint ?? null,
  });
  if (!asJson) greet(gateway, paths, io);
  const unexpose = await expose(gateway, values, io);
  await stopped;
  await Promise.all([unexpose(), withdraw()]);
  return 0;
}

async function flagsOf(values: GatewayRunValues): Promise<ServerFlags> {
  return {
    port: values.port,
    bind: values.bind,
    tls: values.tls,
    auth: values.auth,
    token: secretOf(values.token),
    password: values.passwordFile === undefined
      ? secretOf(values.password)
      : await readPassword(values.passwordFile),
    tailscale: values.tailscale,
    allowUnconfigured: values.allowUnconfigured,
  };
}

async function readPassword(path: string): Promise<Secret | undefined> {
  try {
    return secretOf(await Deno.readTextFile(path));
  } catch (error) {
    throw new OpenclawError(
      "FILE_FAILED",
      `Cannot read the password from "${path}": ${messageOf(error)}`,
      { exitCode: 78 },
    );
  }
}

/** Resolves when a stop signal came and everything is closed. */
function stopOnSignal(gateway: RunningGateway): Promise<void> {
  return new Promise((resolve, reject) => {
    const remove = onStopSignals(() => {
      gateway.stop().finally(remove).then(resolve, reject);
    });
  });
}

/** What a person needs to know next. */
function greet(gateway: RunningGateway, paths: StatePaths, io: Io): void {
  const { generatedToken } = gateway.plan;
  for (const url of gateway.urls) io.out.note(`listening on ${url}`);
  if (gateway.fingerprint !== undefined) {
    io.out.note(`TLS fingerprint (SHA-256): ${gateway.fingerprint}`);
  }
  if (generatedToken === "saved") {
    io.out.note(`A new token was made and saved in ${paths.configFile}`);
    io.out.note("Read it with: openclaw config get gateway.auth.token");
  }
  io.out.note("ready (Ctrl-C stops)");
}

async function expose(
  gateway: RunningGateway,
  values: GatewayRunValues,
  io: Io,
): Promise<() => Promise<void>> {
  const settings = readEnv(io.env);
  const paths = statePaths(io.env);
  const { config, parsed } = await loadConfig(paths, io.env);
  const { wideArea } = config.discovery;
  const { bind, tailscaleMode } = gateway.plan;
  // A bridge of containers carries no multicast; who shares the host's network says so by setting the mode.
  const noMulticast = loadHostFacts().inContainer &&
    valueAt(parsed, ["discovery", "mdns", "mode"]) === undefined;
  const quiet = settings.disableBonjour || noMulticast || bind.loopbackOnly;
  return await exposeGateway({
    port: gateway.port,
    addresses: bind.loopbackOnly ? [] : reachableAddresses(),
    tlsFingerprint: gateway.fingerprint,
    hostName: hostName(),
    hostLabel: settings.mdnsHostname,
    full: settings,
    wideArea: wideArea.enabled === false || wideArea.domain === undefined
      ? undefined
      : { domain: wideArea.domain, dir: join(paths.stateDir, "dns") },
    mdns: quiet ? "off" : config.discovery.mdns.mode,
    tailscale: tailscaleMode,
    resetOnExit: values.tailscaleResetOnExit ?? config.gateway.tailscale.resetOnExit,
    tailscaleHost: { env: io.env, binDirs: tailscaleFolders(io.env) },
    log: createLogger({ subsystem: "exposure", sink: io.out.logSink(values.json) }),
  });
}
