/** The gateway's own entry in the presence list. Source: gateway-protocol.md 11.1. */
import type { Clock } from "../lib/clock.ts";
import { arch, deviceFamily, platformName } from "../platform/os.ts";
import type { PresenceEntry } from "../protocol/hello.ts";
import { WIRE_VERSION } from "../protocol/versions.ts";
import type { GatewayFacts } from "./services/services.ts";

/** First entry of every presence list. */
export function selfPresence(clock: Clock, facts: GatewayFacts): PresenceEntry {
  const ip = Deno.networkInterfaces()
    .find(({ family, address }) => family === "IPv4" && !address.startsWith("127."))?.address;
  return {
    host: facts.host,
    ...(ip === undefined ? {} : { ip }),
    version: WIRE_VERSION,
    platform: platformName(),
    deviceFamily: deviceFamily(),
    modelIdentifier: arch(),
    mode: "gateway",
    reason: "self",
    instanceId: facts.bootId,
    text: `Gateway: ${facts.host}${ip === undefined ? "" : ` (${ip})`} · app ${WIRE_VERSION} · ` +
      `mode gateway · reason self`,
    ts: clock.now(),
  };
}
