/**
 * Everything that makes a running gateway findable: multicast announcement, a zone file, and Tailscale. Started after it listens,
 * taken back when it stops; a failure is logged and the gateway goes on. Source: remote-access.md 5, 6.
 */
import { messageOf } from "../lib/errors.ts";
import type { Logger } from "../lib/log.ts";
import { announceGateway } from "../net/discovery/mdns.ts";
import { type AnnounceFacts, hostLabelOf } from "../net/discovery/records.ts";
import {
  publishThroughTailscale,
  type TailscaleHost,
  type TailscaleMode,
  withdrawEarlier,
} from "./tailscale.ts";
import { publishZone, type WideArea } from "./zone_file.ts";

/** Facts of the running gateway and what its configuration wants. */
export interface ExposureFacts {
  readonly port: number;
  /** Addresses others can reach it at; empty on a loopback bind. */
  readonly addresses: readonly string[];
  readonly tlsFingerprint: string | undefined;
  readonly hostName: string;
  /** Host label of `OPENCLAW_MDNS_HOSTNAME`; default from the host name. */
  readonly hostLabel?: string | undefined;
  /** `discovery.mdns.mode`, `off` in containers and with `OPENCLAW_DISABLE_BONJOUR=1`. */
  readonly mdns: "off" | "minimal" | "full";
  /** Announced in mode `full` only. */
  readonly full: {
    readonly tailnetDns: string | undefined;
    readonly sshPort: number | undefined;
    readonly cliPath: string | undefined;
  };
  readonly wideArea: WideArea;
  readonly tailscale: "off" | TailscaleMode;
  /** Take the Tailscale rule back on exit. */
  readonly resetOnExit: boolean;
  readonly tailscaleHost: TailscaleHost;
  /** Where a Tailscale rule of ours is written down. */
  readonly tailscaleRecord: string;
  readonly log: Logger;
}

/** Why an exposure ends: the gateway does, or it goes on in another way. */
export type EndReason = "exit" | "change";

/** Starts what is wanted; the returned function ends it and never throws. */
export async function exposeGateway(
  facts: ExposureFacts,
): Promise<(reason: EndReason) => Promise<void>> {
  const ends = await Promise.all([announce(facts), publish(facts), writeZone(facts)]);
  return async (reason) => {
    await Promise.all(ends.map((end) => end?.(reason)));
  };
}

function announced(facts: ExposureFacts): AnnounceFacts {
  return {
    displayName: facts.hostName,
    hostLabel: hostLabelOf(facts.hostLabel ?? facts.hostName),
    port: facts.port,
    addresses: facts.addresses,
    tlsFingerprint: facts.tlsFingerprint,
    directReachable: true,
    ...(facts.mdns === "full" ? { full: facts.full } : {}),
  };
}

async function announce(facts: ExposureFacts): Promise<(() => Promise<void>) | undefined> {
  // A loopback gateway has nothing to announce: nobody else could reach it.
  if (facts.mdns === "off" || facts.addresses.length === 0) return undefined;
  try {
    const announcement = await announceGateway(announced(facts));
    facts.log.info("announced on the local network", { name: announcement.instanceName });
    return () =>
      announcement.stop().catch((error) =>
        facts.log.warn("announcement not taken back", { error })
      );
  } catch (error) {
    facts.log.warn("not announced on the local network", { reason: messageOf(error) });
    return undefined;
  }
}

async function publish(
  facts: ExposureFacts,
): Promise<((reason: EndReason) => Promise<void>) | undefined> {
  if (facts.tailscale === "off") return await closeEarlier(facts);
  try {
    const publication = await publishThroughTailscale(facts.tailscaleHost, {
      mode: facts.tailscale,
      port: facts.port,
      tls: facts.tlsFingerprint !== undefined,
      recordFile: facts.tailscaleRecord,
    });
    facts.log.info("published through tailscale", { mode: publication.mode, url: publication.url });
    return async (reason) => {
      // A rule may outlive the gateway, but not show a port or a way in that its configuration has given up.
      if (reason === "exit" && !facts.resetOnExit) return;
      const problem = await publication.withdraw();
      if (problem) facts.log.warn("tailscale rule not taken back", { reason: problem });
    };
  } catch (error) {
    facts.log.warn("not published through tailscale; still on loopback", {
      reason: messageOf(error),
    });
    return undefined;
  }
}

/** A rule that outlived its gateway must not show one that is no longer meant to be published. */
async function closeEarlier(facts: ExposureFacts): Promise<undefined> {
  try {
    if (await withdrawEarlier(facts.tailscaleHost, facts.tailscaleRecord)) {
      facts.log.info("tailscale rule of an earlier run taken back");
    }
  } catch (error) {
    facts.log.warn("tailscale rule of an earlier run not taken back", { reason: messageOf(error) });
  }
}

function writeZone(facts: ExposureFacts): Promise<() => Promise<void>> {
  return publishZone(facts.wideArea, announced(facts), facts.log);
}
