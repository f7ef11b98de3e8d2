/**
 * Looks for gateways in every way there is at once: multicast on the local network, and a unicast domain when one is
 * configured. A way that does not work is told and does not hide what the others found.
 */
import { systemClock } from "../../lib/clock.ts";
import { messageOf, OpenclawError } from "../../lib/errors.ts";
import { quoted } from "../../lib/text.ts";
import type { DnsName } from "./dns_message.ts";
import { browseGateways } from "./mdns.ts";
import { type Beacon, domainText, LOCAL_DOMAIN } from "./records.ts";
import { browseDomain, parseDomain } from "./wide_area.ts";

/** What was found. */
export interface Found {
  /** Domains that were asked, with their final dot. */
  readonly domains: readonly string[];
  readonly beacons: readonly Beacon[];
  /** Ways that did not work. */
  readonly problems: readonly string[];
}

/** Where and how long to look. */
export interface BrowseFacts {
  readonly timeoutMs: number;
  /** Unicast domain; `undefined` = the local network only. */
  readonly domain: string | undefined;
  /** Machines of the tailnet, which may serve the domain themselves. Asked for once and only with a domain. */
  readonly peers: () => Promise<readonly string[]>;
}

/** Peers asked at most; each costs a few datagrams. */
const MAX_PEERS = 32;

/** Listens and asks for `timeoutMs`. Throws `WIDE_AREA_DOMAIN_INVALID` for a domain that is none. */
export async function browseEverywhere(facts: BrowseFacts): Promise<Found> {
  const domain = facts.domain === undefined ? undefined : parseDomain(facts.domain);
  if (facts.domain !== undefined && !domain) {
    throw new OpenclawError(
      "WIDE_AREA_DOMAIN_INVALID",
      `Cannot look for gateways in ${quoted(facts.domain)}: that is not a unicast domain name`,
      { hint: "openclaw config set discovery.wideArea.domain example.com" },
    );
  }
  const ways = [LOCAL_DOMAIN, ...(domain ? [domain] : [])];
  const { timeoutMs } = facts;
  const results = await Promise.allSettled([
    browseGateways({ timeoutMs }),
    ...(domain ? [browseDomain(domain, { timeoutMs }), askPeers(domain, facts)] : []),
  ]);
  return {
    domains: ways.map(domainText),
    beacons: once(results.flatMap((r) => r.status === "fulfilled" ? r.value : [])),
    problems: results.flatMap((r) => r.status === "rejected" ? [messageOf(r.reason)] : []),
  };
}

/** Most machines of a tailnet serve no names: one that does not answer is nothing to tell. */
async function askPeers(domain: DnsName, facts: BrowseFacts): Promise<Beacon[]> {
  const endMs = systemClock.monotonic() + facts.timeoutMs;
  const peers = (await facts.peers()).slice(0, MAX_PEERS);
  const timeoutMs = Math.max(0, endMs - systemClock.monotonic());
  const answers = await Promise.allSettled(
    peers.map((address) => browseDomain(domain, { timeoutMs, servers: [{ address }] })),
  );
  return answers.flatMap((r) => r.status === "fulfilled" ? r.value : []);
}

/** The same gateway may be told by several servers. */
function once(beacons: readonly Beacon[]): Beacon[] {
  const key = ({ domain, instanceName, host, port }: Beacon) =>
    JSON.stringify([domain, instanceName, host, port]);
  return [...new Map(beacons.toReversed().map((b) => [key(b), b])).values()].toReversed();
}
