/**
 * The zone file of a gateway for a wide-area domain: whoever serves that domain includes or copies it. Pure.
 * Source: remote-access.md 5, RFC 1035 section 5.
 */
import { utf8 } from "../../lib/bytes.ts";
import { DNS_TYPE, type DnsName, type DnsRecord } from "./dns_message.ts";
import { type AnnounceFacts, announceRecords, domainText } from "./records.ts";

/** Every byte but letters, digits, `-` and `_` as a decimal escape: a name cannot end its line or start another (N39). */
function labelText(label: string): string {
  return Array.from(
    utf8(label).subarray(0, 63),
    (byte) =>
      /[A-Za-z0-9_-]/.test(String.fromCharCode(byte))
        ? String.fromCharCode(byte)
        : `\\${String(byte).padStart(3, "0")}`,
  ).join("");
}

const nameText = (name: DnsName) => `${name.map(labelText).join(".")}.`;

function stringText(text: string): string {
  const bytes = Array.from(
    utf8(text).subarray(0, 255),
    (byte) =>
      byte >= 0x20 && byte < 0x7f && byte !== 0x22 && byte !== 0x5c
        ? String.fromCharCode(byte)
        : `\\${String(byte).padStart(3, "0")}`,
  );
  return `"${bytes.join("")}"`;
}

function recordText(record: DnsRecord): string {
  const head = `${nameText(record.name)} ${record.ttlSeconds} IN`;
  switch (record.type) {
    case DNS_TYPE.PTR:
      return `${head} PTR ${nameText(record.target)}`;
    case DNS_TYPE.SRV:
      return `${head} SRV 0 0 ${record.port} ${nameText(record.target)}`;
    case DNS_TYPE.TXT:
      return `${head} TXT ${record.strings.map(stringText).join(" ")}`;
    case DNS_TYPE.A:
      return `${head} A ${record.address}`;
    case DNS_TYPE.AAAA:
      return `${head} AAAA ${record.address}`;
  }
}

const HEADER = "; Written by openclaw gateway run; rewritten at every start and stop.";

/** Whether a file is a zone of ours that names a gateway. */
export function namesGateway(text: string): boolean {
  return text.startsWith("; Written by openclaw") && / IN SRV 0 0 \d+ /.test(text);
}

/** A serial greater than that of the zone before: the seconds of the clock, unless it was written in this very second. */
export function serialAfter(before: string, nowSeconds: number): number {
  const old = Number(/ IN SOA \S+ \S+ (\d+)/.exec(before)?.[1] ?? 0);
  return Math.max(nowSeconds, old + 1);
}

/**
 * The file; of a domain without gateways when `facts` is `undefined`. `serial` has to grow with every change. TTLs are
 * short: a gateway moves.
 */
export function renderZone(
  domain: DnsName,
  facts: AnnounceFacts | undefined,
  serial: number,
): string {
  const origin = domainText(domain);
  const records = facts ? announceRecords(facts, { host: 60, other: 60, domain }) : [];
  const server = facts?.addresses[0] ?? "127.0.0.1";
  return [
    HEADER,
    `$ORIGIN ${origin}`,
    "$TTL 60",
    `@ IN SOA ns1.${origin} hostmaster.${origin} ${serial} 7200 3600 1209600 60`,
    `@ IN NS ns1.${origin}`,
    `ns1.${origin} IN ${server.includes(":") ? "AAAA" : "A"} ${server}`,
    ...records.map(recordText),
    "",
  ].join("\n");
}
