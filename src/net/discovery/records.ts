/**
 * What a gateway announces and what a browser makes of the records it hears. Pure.
 * Everything here is a hint from an unauthenticated network: an address to try, never a reason to trust (N28).
 * Source: remote-access.md 5.
 */
import { parseFingerprint } from "../../identity/fingerprint.ts";
import { DNS_TYPE, type DnsName, type DnsRecord, sameName } from "./dns_message.ts";

/** The domain of multicast DNS. */
export const LOCAL_DOMAIN: DnsName = ["local"];

/** Name of the DNS-SD service in a domain. */
export function serviceIn(domain: DnsName): DnsName {
  return ["_openclaw-gw", "_tcp", ...domain];
}

/** A domain for people, with its final dot. */
export function domainText(domain: DnsName): string {
  return `${domain.join(".")}.`;
}

/** Facts of a gateway that announces itself. */
export interface AnnounceFacts {
  /** Instance name shown to people. */
  readonly displayName: string;
  /** Host label without `.local`. */
  readonly hostLabel: string;
  readonly port: number;
  readonly addresses: readonly string[];
  /** Fingerprint of the TLS certificate; `undefined` without TLS. */
  readonly tlsFingerprint: string | undefined;
  /** Whether the bind is reachable from other machines. */
  readonly directReachable: boolean;
  /** Only announced in mode `full`. */
  readonly full?: {
    readonly tailnetDns?: string | undefined;
    readonly sshPort?: number | undefined;
    readonly cliPath?: string | undefined;
  };
}

/** A host label that DNS accepts; anything else becomes `openclaw`. */
export function hostLabelOf(name: string): string {
  const label = name.split(".")[0]?.toLowerCase() ?? "";
  return /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/.test(label) ? label : "openclaw";
}

/** The records of one gateway. TTL 120 s for what changes with the host, 4500 s for the rest (RFC 6762 section 10). */
export function announceRecords(
  facts: AnnounceFacts,
  { host = 120, other = 4500, domain = LOCAL_DOMAIN }: {
    readonly host?: number;
    readonly other?: number;
    readonly domain?: DnsName;
  } = {},
): DnsRecord[] {
  const service = serviceIn(domain);
  const instance: DnsName = [facts.displayName, ...service];
  const target: DnsName = [facts.hostLabel, ...domain];
  const txt = [
    "role=gateway",
    "transport=gateway",
    `displayName=${facts.displayName}`,
    `lanHost=${facts.hostLabel}.local`,
    `gatewayPort=${facts.port}`,
    ...(facts.tlsFingerprint ? ["gatewayTls=1", `gatewayTlsSha256=${facts.tlsFingerprint}`] : []),
    ...(facts.directReachable ? ["gatewayDirectReachable=1"] : []),
    ...(facts.full?.tailnetDns ? [`tailnetDns=${facts.full.tailnetDns}`] : []),
    ...(facts.full?.sshPort ? [`sshPort=${facts.full.sshPort}`] : []),
    ...(facts.full?.cliPath ? [`cliPath=${facts.full.cliPath}`] : []),
  ];
  return [
    { name: service, type: DNS_TYPE.PTR, ttlSeconds: other, target: instance },
    { name: instance, type: DNS_TYPE.SRV, ttlSeconds: host, port: facts.port, target },
    { name: instance, type: DNS_TYPE.TXT, ttlSeconds: other, strings: txt },
    ...facts.addresses.map((address): DnsRecord => ({
      name: target,
      type: address.includes(":") ? DNS_TYPE.AAAA : DNS_TYPE.A,
      ttlSeconds: host,
      address,
    })),
  ];
}

/** A gateway somebody announced. `undefined` members were not announced. */
export interface Beacon {
  readonly domain: string;
  readonly instanceName: string;
  readonly displayName: string | undefined;
  /** Address from the A/AAAA record of the SRV target, else the target's name. */
  readonly host: string;
  /** Port of the SRV record. */
  readonly port: number;
  readonly lanHost: string | undefined;
  readonly tailnetDns: string | undefined;
  readonly gatewayPort: number | undefined;
  readonly sshPort: number | undefined;
  readonly cliPath: string | undefined;
  readonly gatewayTls: boolean;
  /** Claimed fingerprint: shown for comparison, never used as a pin by itself. */
  readonly gatewayTlsFingerprintSha256: string | undefined;
  readonly txt: Readonly<Record<string, string>>;
  readonly wsUrl: string;
}

function txtMap(strings: readonly string[]): Record<string, string> {
  const map: Record<string, string> = Object.create(null);
  for (const text of strings) {
    const at = text.indexOf("=");
    if (at > 0) map[text.slice(0, at)] ??= text.slice(at + 1);
  }
  return map;
}

function portNumber(text: string | undefined): number | undefined {
  const port = Number(text);
  return Number.isInteger(port) && port > 0 && port < 65536 ? port : undefined;
}

/** Instances looked at: a flood of names is not a list for people, and each costs a look through all records (N28). */
export const MAX_INSTANCES = 256;

/** Puts together every complete gateway in a heap of heard records; routing comes from SRV and A/AAAA only. */
export function beaconsOf(
  records: readonly DnsRecord[],
  domain: DnsName = LOCAL_DOMAIN,
): Beacon[] {
  const service = serviceIn(domain);
  const instances = records.flatMap((r) =>
    r.type === DNS_TYPE.PTR && sameName(r.name, service) && r.ttlSeconds > 0 ? [r.target] : []
  ).slice(0, MAX_INSTANCES);
  const seen = new Set<string>();
  return instances.flatMap((instance) => {
    const label = instance[0] ?? "";
    if (seen.has(label.toLowerCase())) return [];
    seen.add(label.toLowerCase());
    const srv = records.find((r) => r.type === DNS_TYPE.SRV && sameName(r.name, instance));
    if (srv?.type !== DNS_TYPE.SRV) return [];
    const txtRecord = records.find((r) => r.type === DNS_TYPE.TXT && sameName(r.name, instance));
    const txt = txtMap(txtRecord?.type === DNS_TYPE.TXT ? txtRecord.strings : []);
    const addresses = records.flatMap((r) =>
      (r.type === DNS_TYPE.A || r.type === DNS_TYPE.AAAA) && sameName(r.name, srv.target)
        ? [r.address]
        : []
    );
    const host = addresses.find((a) => !a.includes(":")) ?? addresses[0] ?? srv.target.join(".");
    // Nobody can dial a text that is no host name; shown in a URL it would only wait to be pasted (N28).
    if (addresses.length === 0 && !HOST_NAME.test(host)) return [];
    return [{ ...beaconOf(label, { host, port: srv.port }, txt), domain: domainText(domain) }];
  });
}

const HOST_NAME = /^[A-Za-z0-9_]([A-Za-z0-9._-]{0,252}[A-Za-z0-9])?$/;

function beaconOf(
  label: string,
  { host, port }: { readonly host: string; readonly port: number },
  txt: Readonly<Record<string, string>>,
): Omit<Beacon, "domain"> {
  const tls = txt["gatewayTls"] === "1";
  return {
    instanceName: label,
    displayName: txt["displayName"],
    host,
    port,
    lanHost: txt["lanHost"],
    tailnetDns: txt["tailnetDns"],
    gatewayPort: portNumber(txt["gatewayPort"]),
    sshPort: portNumber(txt["sshPort"]),
    cliPath: txt["cliPath"],
    gatewayTls: tls,
    gatewayTlsFingerprintSha256: parseFingerprint(txt["gatewayTlsSha256"] ?? ""),
    txt,
    wsUrl: `${tls ? "wss" : "ws"}://${host.includes(":") ? `[${host}]` : host}:${port}`,
  };
}
