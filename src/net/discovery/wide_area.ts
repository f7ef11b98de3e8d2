/**
 * Gateways in a unicast DNS domain (wide-area DNS-SD): who asks finds them without multicast, for instance across a
 * tailnet. What is found is as unauthenticated as on a local network (N28). Source: remote-access.md 5, RFC 6763.
 */
import { DNS_TYPE, type DnsName, type DnsRecord, sameName } from "./dns_message.ts";
import { type DnsServer, queryDns, systemServers } from "./dns_query.ts";
import { type Beacon, beaconsOf, serviceIn } from "./records.ts";

/** Instances looked at; a zone with more is not a list for people. */
const MAX_INSTANCES = 64;

/** A domain name from the configuration; `undefined` for anything that is none, and for the one of multicast DNS. */
export function parseDomain(text: string): DnsName | undefined {
  const labels = text.trim().toLowerCase().replace(/\.$/, "").split(".");
  const fits = labels.every((label) => /^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?$/.test(label));
  return fits && text.length <= 200 && labels.at(-1) !== "local" ? labels : undefined;
}

/** Options of {@linkcode browseDomain}. */
export interface WideAreaOptions {
  /** Default 2,000. */
  readonly timeoutMs?: number;
  /** Default those of the system. */
  readonly servers?: readonly DnsServer[];
}

/** The gateways of a domain. Throws `DNS_FAILED` when no server answers. */
export async function browseDomain(
  domain: DnsName,
  options: WideAreaOptions = {},
): Promise<Beacon[]> {
  const servers = options.servers ?? await systemServers();
  const signal = AbortSignal.timeout(options.timeoutMs ?? 2_000);
  const ask = (name: DnsName, type: number) => queryDns({ name, type }, servers, signal);
  const service = serviceIn(domain);
  const { records } = await ask(service, DNS_TYPE.PTR);
  const instances = records.flatMap((r) =>
    r.type === DNS_TYPE.PTR && sameName(r.name, service) ? [r.target] : []
  ).slice(0, MAX_INSTANCES);
  const details = await Promise.all(instances.map((instance) => detailsOf(instance, ask)));
  return beaconsOf([...records, ...details.flat()], domain);
}

async function detailsOf(
  instance: DnsName,
  ask: (name: DnsName, type: number) => Promise<{ readonly records: readonly DnsRecord[] }>,
): Promise<DnsRecord[]> {
  // One gateway whose records do not come does not hide the others.
  const records = (name: DnsName, type: number) =>
    ask(name, type).then((answer) => [...answer.records], () => []);
  const [srv, txt] = await Promise.all([
    records(instance, DNS_TYPE.SRV),
    records(instance, DNS_TYPE.TXT),
  ]);
  const target = srv.find((r) => r.type === DNS_TYPE.SRV && sameName(r.name, instance));
  const addresses = target?.type === DNS_TYPE.SRV
    ? await Promise.all([records(target.target, DNS_TYPE.A), records(target.target, DNS_TYPE.AAAA)])
    : [];
  return [...srv, ...txt, ...addresses.flat()];
}
