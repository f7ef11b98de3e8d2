/**
 * Looks for gateways in every way there is at once: multicast on the local network, and a unicast domain when one is
 * configured. A way that does not work is told and does not hide what the others found.
 */
import { messageOf, OpenclawError } from "../../lib/errors.ts";
import { quoted } from "../../lib/text.ts";
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

/** Listens and asks for `timeoutMs`. Throws `WIDE_AREA_DOMAIN_INVALID` for a domain that is none. */
export async function browseEverywhere(
  facts: { readonly timeoutMs: number; readonly domain: string | undefined },
): Promise<Found> {
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
    ...(domain ? [browseDomain(domain, { timeoutMs })] : []),
  ]);
  return {
    domains: ways.map(domainText),
    beacons: results.flatMap((r) => r.status === "fulfilled" ? r.value : []),
    problems: results.flatMap((r) => r.status === "rejected" ? [messageOf(r.reason)] : []),
  };
}
