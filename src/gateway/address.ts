/**
 * Addresses of peers as text: canonical form, class, and the bucket an address counts into. Parsing is `lib/ip.ts`.
 */
import { inIpRange, ipKind, parseIp, parseIpRange, renderIp, unbracketed } from "../lib/ip.ts";

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

/** The bucket an address counts into: itself for IPv4 (mapped or not), its /64 for IPv6 (N10). */
export function addressBucket(text: string): string {
  const bytes = parseIp(unbracketed(text));
  if (!bytes) return `?${text.slice(0, 64)}`;
  if (bytes.length === 4 || ipKind(bytes) === "loopback") return renderIp(bytes);
  const network = bytes.slice();
  network.fill(0, 8);
  return `${renderIp(network)}/64`;
}
