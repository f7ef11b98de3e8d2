/**
 * `gateway run`: the gateway in the foreground until a stop signal. First signal: running commands may end; second:
 * everything ends now (F28, F29).
 */
import { readEnv } from "../../../config/env.ts";
import { type StatePaths, statePaths } from "../../../config/paths.ts";
import type { ServerFlags } from "../../../config/server/server_plan.ts";
import { createWhois } from "../../../config/server/tailscale_whois.ts";
import type { FrameLogStyle } from "../../../gateway/peers/frame_log.ts";
import type { RunningGateway } from "../../../gateway/server.ts";
import { messageOf, OpenclawError } from "../../../lib/errors.ts";
import { createLogger } from "../../../lib/log.ts";
import { type Secret, secretOf } from "../../../lib/secret.ts";
import { onStopSignals } from "../../../platform/signals.ts";
import { findTailscale, tailscaleFolders } from "../../../remote/tailscale.ts";
import { logUnexpected } from "../../../platform/unexpected.ts";
import type { Io } from "../../terminal/io.ts";
import { pageText } from "./page_text.ts";
import { startInItsPlace, startWhenPortIsFree } from "./start.ts";
import { publishGateway } from "./publish.ts";
import { offerImport } from "../import.ts";

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
  readonly force: boolean | undefined;
  readonly verbose: boolean | undefined;
  readonly wsLog: "auto" | "full" | "compact" | undefined;
  readonly compact: boolean | undefined;
  readonly json: boolean;
}

/** `gateway run`. Returns when the gateway has stopped; a restart by configuration goes on in this process. */
export async function runGateway(values: GatewayRunValues, io: Io): Promise<number> {
  const asJson = values.json || readEnv(io.env).serviceKind !== undefined;
  if (!asJson) await offerImport(statePaths(io.env), io);
  const flags = await flagsOf(values);
  const first = { io, asJson, force: values.force === true };
  const stopSurviving = logUnexpected(
    createLogger({ subsystem: "gateway", sink: io.out.logSink(asJson) }),
  );
  try {
    let end = await runOnce(values, flags, first);
    while (end === "restart") end = await runOnce(values, flags, { ...first, force: false });
    return 0;
  } finally {
    stopSurviving();
  }
}

async function runOnce(
  values: GatewayRunValues,
  flags: ServerFlags,
  { io, asJson, force }: { readonly io: Io; readonly asJson: boolean; readonly force: boolean },
): Promise<"stopped" | "restart"> {
  const paths = statePaths(io.env);
  const wish = Promise.withResolvers<"restart">();
  const frameLog = frameLogOf(values);
  const options = {
    paths,
    env: io.env,
    flags,
    logSinks: [io.out.logSink(asJson)],
    logLevel: values.verbose || frameLog ? "debug" as const : "info" as const,
    frameLog,
    // Packages put the program in places that are not on a service's PATH.
    whois: createWhois({
      env: io.env,
      program: () => findTailscale({ env: io.env, binDirs: tailscaleFolders(io.env) }),
    }),
    onRestartWanted: () => wish.resolve("restart"),
  };
  const gateway = force ? await startInItsPlace(options, io) : await startWhenPortIsFree(options);
  const signals = stopOnSignal(gateway);
  const published = await publishGateway(gateway, values, io);
  if (!asJson) greet(gateway, paths, io);
  const end = await Promise.race([signals.stopped, wish.promise]);
  if (end === "restart") await gateway.stop({ restart: true });
  signals.remove();
  await published.end(end === "restart" ? "change" : "exit");
  return end;
}

/** `auto` follows `--verbose`. */
function frameLogOf({ verbose, wsLog, compact }: GatewayRunValues): FrameLogStyle | undefined {
  if (compact) return "compact";
  if (wsLog === "full" || wsLog === "compact") return wsLog;
  return verbose ? "compact" : undefined;
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
      { exitCode: 78, hint: `chmod 600 ${path}   # when it is there and yours` },
    );
  }
}

/** `stopped` resolves when a stop signal came and everything is closed. */
function stopOnSignal(gateway: RunningGateway) {
  const { promise, resolve, reject } = Promise.withResolvers<"stopped">();
  const remove = onStopSignals(() => {
    gateway.stop().then(() => resolve("stopped"), reject);
  });
  return { stopped: promise, remove };
}

function placeOf({ url, port, fingerprint }: RunningGateway) {
  const host = new URL(url.replace(/^ws/, "http")).hostname;
  return { host, port, tls: fingerprint !== undefined };
}

/** What a person needs to know next. */
function greet(gateway: RunningGateway, paths: StatePaths, io: Io): void {
  const { generatedToken } = gateway.plan;
  for (const url of gateway.urls) io.out.aside(`listening on ${url}`);
  if (gateway.fingerprint !== undefined) {
    io.out.aside(`TLS fingerprint (SHA-256): ${gateway.fingerprint}`);
  }
  io.out.aside(`page: ${pageText(gateway.config.config.gateway.controlUi, placeOf(gateway))}`);
  if (generatedToken === "saved") {
    io.out.aside(`A new token was made and saved in ${paths.configFile}`);
    io.out.aside("Read it with: openclaw config get gateway.auth.token");
  }
  io.out.aside("ready (Ctrl-C stops)");
}
