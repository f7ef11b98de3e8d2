/**
 * Lists what multicast DNS finds. Nothing found is dialled, stored or trusted (N28).
 */
import { browseGateways } from "../../net/discovery/mdns.ts";
import type { Io } from "../io.ts";

/** `gateway discover`. */
export async function discoverGateways(timeoutMs: number, io: Io): Promise<void> {
  if (!io.out.json) io.out.note(`Listening for ${timeoutMs} ms …`);
  const beacons = await browseGateways({ timeoutMs });
  io.out.show({ timeoutMs, domains: ["local."], count: beacons.length, beacons }, () => {
    io.out.text("Gateway Discovery");
    io.out.text(`Found ${beacons.length} gateway(s) · domains: local.`);
    for (const beacon of beacons) {
      io.out.text(`- ${beacon.displayName ?? beacon.instanceName}: ${beacon.wsUrl}`);
      if (beacon.gatewayTlsFingerprintSha256) {
        io.out.text(`  claims fingerprint ${beacon.gatewayTlsFingerprintSha256}`);
      }
    }
  });
}
