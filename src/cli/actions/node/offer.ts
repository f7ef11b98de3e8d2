/**
 * A node that was told nothing: which gateways announce themselves here, as commands to look at. Nothing found is
 * dialled, stored or pinned; the person compares the fingerprint (N28).
 */
import type { Beacon } from "../../../net/discovery/records.ts";
import { parseIp } from "../../../lib/ip.ts";
import { showableWithin } from "../../../lib/text.ts";
import { findGateways } from "../../connect/find_gateways.ts";
import type { Io } from "../../terminal/io.ts";

const LISTEN_MS = 1_500;
const MAX_SHOWN = 8;

/** Listens once and shows what it heard on stderr. A machine without multicast shows nothing. */
export async function offerGateways(io: Io): Promise<void> {
  const found = await findGateways(io, LISTEN_MS).catch(() => undefined);
  for (const line of offerLines(found?.beacons ?? [])) io.out.note(line);
}

/** The lines for people. A host that is no address cannot have come from an A record and is left out. */
export function offerLines(beacons: readonly Beacon[]): string[] {
  const usable = beacons.filter((beacon) => parseIp(beacon.host) !== undefined).slice(0, MAX_SHOWN);
  if (usable.length === 0) return [];
  return [
    "Gateways that announce themselves here (anybody on this network can claim that):",
    ...usable.map(({ instanceName, host, port, gatewayTls }) => {
      const pin = gatewayTls
        ? " --tls-fingerprint <what it prints for: openclaw gateway fingerprint>"
        : "";
      return `  ${
        showableWithin(instanceName, 60)
      }: openclaw node run --host ${host} --port ${port}${pin}`;
    }),
  ];
}
