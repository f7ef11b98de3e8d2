/**
 * Everything others see of a running gateway: its record on disk, its announcement, Tailscale. Kept as the gateway is
 * now: a new address, certificate or configuration is published without a restart.
 */
import { join } from "@std/path";
import { readEnv } from "../../../config/env.ts";
import { statePaths } from "../../../config/paths.ts";
import { loadHostFacts } from "../../../config/server/host_facts.ts";
import { valueAt } from "../../../config/text/config_path.ts";
import type { RunningGateway } from "../../../gateway/server.ts";
import { messageOf } from "../../../lib/errors.ts";
import { createLogger } from "../../../lib/log.ts";
import { hostName } from "../../../platform/os.ts";
import { type EndReason, exposeGateway } from "../../../remote/exposure.ts";
import { tailscaleFolders } from "../../../remote/tailscale.ts";
import type { Io } from "../../terminal/io.ts";
import {
  publishRunningGateway,
  reachableAddresses,
  withdrawRunningGateway,
} from "../../connect/running_gateway.ts";

/** What the command line says about it. */
export interface PublishValues {
  readonly tailscaleResetOnExit: boolean | undefined;
  readonly json: boolean;
}

/** What others see of the gateway, kept as it is now: the record on disk, the announcement, Tailscale. */
export async function publishGateway(
  gateway: RunningGateway,
  values: PublishValues,
  io: Io,
): Promise<{ end(reason: EndReason): Promise<void> }> {
  const paths = statePaths(io.env);
  // Replaced in place: there is no moment at which a command does not find the gateway.
  const record = () =>
    publishRunningGateway(paths, {
      host: new URL(gateway.url.replace(/^ws/, "http")).hostname,
      port: gateway.port,
      tls: gateway.fingerprint !== undefined,
      fingerprint: gateway.fingerprint ?? null,
    });
  let shown = exposedFacts(gateway);
  // F04, F05: a disk that takes nothing is no reason to end a gateway that serves.
  const outdated = (error: unknown) =>
    io.out.aside(
      `warning: What others are told of this gateway is not up to date: ${messageOf(error)}`,
    );
  await record().catch(outdated);
  let unexpose = await expose(gateway, values, io);
  let turn = Promise.resolve();
  const unfollow = gateway.onChange(() => {
    turn = turn.then(async () => {
      const now = exposedFacts(gateway);
      if (now === shown) return;
      shown = now;
      await record();
      await unexpose("change");
      unexpose = await expose(gateway, values, io);
      io.out.aside(`listening on ${gateway.urls.join(" ")}`);
    }).catch(outdated);
  });
  return {
    async end(reason) {
      unfollow();
      await turn;
      await Promise.all([unexpose(reason), withdrawRunningGateway(paths)]);
    },
  };
}

/** Everything that is shown to others, as one text. */
function exposedFacts({ urls, fingerprint, plan, config }: RunningGateway): string {
  const { discovery, gateway } = config.config;
  return JSON.stringify([urls, fingerprint, plan.tailscaleMode, gateway.tailscale, discovery]);
}

async function expose(
  gateway: RunningGateway,
  values: PublishValues,
  io: Io,
): Promise<(reason: EndReason) => Promise<void>> {
  const settings = readEnv(io.env);
  const paths = statePaths(io.env);
  const { plan: { bind, tailscaleMode }, config: { config, parsed } } = gateway;
  const { wideArea } = config.discovery;
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
    wideArea: {
      dir: join(paths.stateDir, "dns"),
      domain: wideArea.enabled === false ? undefined : wideArea.domain,
    },
    mdns: quiet ? "off" : config.discovery.mdns.mode,
    tailscale: tailscaleMode,
    resetOnExit: values.tailscaleResetOnExit ?? config.gateway.tailscale.resetOnExit,
    tailscaleRecord: join(paths.gatewayDir, "tailscale.json"),
    tailscaleHost: { env: io.env, binDirs: tailscaleFolders(io.env) },
    log: createLogger({ subsystem: "exposure", sink: io.out.logSink(values.json) }),
  });
}
