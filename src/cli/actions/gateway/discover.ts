/**
 * Lists what multicast DNS and the wide-area domain find. Nothing found is dialled, stored or trusted (N28).
 */
import { showableWithin } from "../../../lib/text.ts";
import type { Io } from "../../terminal/io.ts";
import { findGateways } from "../../connect/find_gateways.ts";

/** `gateway discover`. */
export async function discoverGateways(timeoutMs: number, io: Io): Promise<void> {
  if (!io.out.json) io.out.note(`Listening for ${timeoutMs} ms …`);
  const { domains, beacons, problems } = await findGateways(io, timeoutMs);
  for (const problem of problems) io.out.warn(problem);
  io.out.show({ timeoutMs, domains, count: beacons.length, beacons }, () => {
    io.out.text("Gateway Discovery");
    io.out.text(`Found ${beacons.length} gateway(s) · domains: ${domains.join(", ")}`);
    for (const beacon of beacons) {
      const name = showableWithin(beacon.displayName ?? beacon.instanceName, 60);
      io.out.text(`- ${name}: ${showableWithin(beacon.wsUrl, 120)}`);
      if (beacon.gatewayTlsFingerprintSha256) {
        const claim = showableWithin(beacon.gatewayTlsFingerprintSha256, 64);
        io.out.text(`  claims fingerprint ${claim}`);
      }
    }
  });
}
