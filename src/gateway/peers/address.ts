/**
 * Addresses of peers as text: canonical form and class. Parsing is `lib/ip.ts`, counting by address `net/address.ts`.
 */
import { inIpRange, ipKind, parseIp, parseIpRange, renderIp, unbracketed } from "../../lib/ip.ts";

/** Canonical text of an address; `undefined` when it is none. IPv4-mapped IPv6 becomes IPv4. */
export function canonicalIp(text: string): string | undefined {
  const bytes = parseIp(unbracketed(text));
  return bytes && renderIp(bytes);
}

/** Whether `text` is a loopback address. Names are not (N23). */
export function isLoopbackIp(text: string): boolean {
  const bytes = parseIp(unbracketed(text));
  return bytes !== undefined && ipKind(bytes) === "loopback";
}

/** Private, link-local or carrier-grade NAT (tailnets). */
export function isPrivateIp(text: string): boolean {
  const bytes = parseIp(unbracketed(text));
  return bytes !== undefined && ["private", "link-local", "cgnat"].includes(ipKind(bytes));
}

/** Whether `text` lies in `range` (an address or a CIDR). */
export function ipInRange(text: string, range: string): boolean {
  const bytes = parseIp(unbracketed(text));
  const parsed = parseIpRange(range);
  return bytes !== undefined && parsed !== undefined && inIpRange(bytes, parsed);
}
