/**
 * Addresses of peers as one spelling per peer. Attack stopped: N10, one peer with many spellings or a whole /64 to
 * walk through gets one budget.
 */
import { parseIp, renderIp } from "../lib/ip.ts";

/** Canonical text of a socket address: no zone, IPv4-mapped IPv6 as IPv4. Text that is no address stays as it is. */
export function plainAddress(address: string): string {
  const bytes = parseIp(address.split("%")[0] ?? "");
  return bytes ? renderIp(bytes) : address;
}

/** Key of an address in every limiter: an IPv4 address, or the /64 of an IPv6 address. */
export function limiterKey(address: string): string {
  const bytes = parseIp(address.split("%")[0] ?? "");
  if (!bytes) return address;
  return bytes.length === 4 ? renderIp(bytes) : `${renderIp(bytes.fill(0, 8))}/64`;
}
