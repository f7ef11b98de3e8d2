/**
 * IP addresses as text and bytes: strict parsing, what kind of address it is, ranges. Only the forms of RFC 4291 and
 * dotted decimal count: `0x7f.1`, `2130706433` or `127.1` are names, not addresses (N23).
 */

/** What an address may be used for. `public` is everything not listed before it. */
export type IpKind =
  | "loopback"
  | "unspecified"
  | "multicast"
  | "private"
  | "link-local"
  | "cgnat"
  | "public";

const DECIMAL_BYTE = /^(?:0|[1-9]\d{0,2})$/;
const HEX_GROUP = /^[0-9a-fA-F]{1,4}$/;

/** The 4 or 16 bytes of an address; brackets and zones are not part of one. IPv4-mapped IPv6 becomes IPv4. */
export function parseIp(text: string): Uint8Array | undefined {
  const bytes = text.includes(":") ? parseIpv6(text) : parseIpv4(text);
  if (bytes?.length !== 16) return bytes;
  const mapped = bytes.subarray(0, 10).every((b) => b === 0) && bytes[10] === 255 &&
    bytes[11] === 255;
  return mapped ? bytes.slice(12) : bytes;
}

function parseIpv4(text: string): Uint8Array | undefined {
  const parts = text.split(".");
  if (
    parts.length !== 4 || !parts.every((part) => DECIMAL_BYTE.test(part) && Number(part) <= 255)
  ) {
    return undefined;
  }
  return Uint8Array.from(parts, Number);
}

function parseIpv6(text: string): Uint8Array | undefined {
  if (text.length > 45) return undefined;
  const halves = text.split("::");
  if (halves.length > 2) return undefined;
  const head = groupsOf(halves[0] ?? "", halves.length === 1);
  const tail = halves.length === 2 ? groupsOf(halves[1] ?? "", true) : [];
  if (!head || !tail) return undefined;
  const missing = 8 - head.length - tail.length;
  if (halves.length === 2 ? missing < 1 : missing !== 0) return undefined;
  const groups = [...head, ...new Array<number>(missing).fill(0), ...tail];
  return Uint8Array.from(groups.flatMap((group) => [group >> 8, group & 255]));
}

function groupsOf(text: string, mayEndInIpv4: boolean): number[] | undefined {
  if (text === "") return [];
  const parts = text.split(":");
  const out: number[] = [];
  for (const [i, part] of parts.entries()) {
    if (HEX_GROUP.test(part)) out.push(parseInt(part, 16));
    else {
      const v4 = mayEndInIpv4 && i === parts.length - 1 ? parseIpv4(part) : undefined;
      if (!v4) return undefined;
      out.push(((v4[0] ?? 0) << 8) | (v4[1] ?? 0), ((v4[2] ?? 0) << 8) | (v4[3] ?? 0));
    }
  }
  return out;
}

/** Canonical text: dotted decimal, or RFC 5952 IPv6 (longest run of zeros as `::`). */
export function renderIp(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join(".");
  const groups = Array.from(
    { length: 8 },
    (_, i) => ((bytes[2 * i] ?? 0) << 8) | (bytes[2 * i + 1] ?? 0),
  );
  let best = { start: 0, length: 1 };
  for (let i = 0; i < 8; i++) {
    let end = i;
    while (end < 8 && groups[end] === 0) end++;
    if (end - i > best.length) best = { start: i, length: end - i };
    i = Math.max(i, end - 1);
  }
  const hex = (part: number[]) => part.map((group) => group.toString(16)).join(":");
  if (best.length === 1) return hex(groups);
  return `${hex(groups.slice(0, best.start))}::${hex(groups.slice(best.start + best.length))}`;
}

/** What kind of address `bytes` (from {@linkcode parseIp}) is. */
export function ipKind(bytes: Uint8Array): IpKind {
  const [a = 0, b = 0] = bytes;
  if (bytes.length === 4) {
    if (a === 127) return "loopback";
    if (a === 0) return "unspecified";
    if (a >= 224) return "multicast";
    if (a === 10 || (a === 172 && b >= 16 && b < 32) || (a === 192 && b === 168)) return "private";
    if (a === 169 && b === 254) return "link-local";
    return a === 100 && b >= 64 && b < 128 ? "cgnat" : "public";
  }
  if (bytes.subarray(0, 15).every((byte) => byte === 0)) {
    if (bytes[15] === 1) return "loopback";
    if (bytes[15] === 0) return "unspecified";
  }
  if (a === 0xff) return "multicast";
  if ((a & 0xfe) === 0xfc) return "private";
  return a === 0xfe && (b & 0xc0) === 0x80 ? "link-local" : "public";
}

/** A range of addresses. */
export interface IpRange {
  readonly bytes: Uint8Array;
  readonly prefixBits: number;
}

/** A single address or `address/bits`; `undefined` when it is neither. */
export function parseIpRange(text: string): IpRange | undefined {
  const [address = "", bits, rest] = text.trim().split("/");
  const bytes = parseIp(address);
  if (!bytes || rest !== undefined) return undefined;
  const full = bytes.length * 8;
  if (bits === undefined) return { bytes, prefixBits: full };
  // `::ffff:10.0.0.0/104` was written for 16 bytes; its address is 4 bytes here.
  const written = /^\d{1,3}$/.test(bits) ? Number(bits) : NaN;
  const prefixBits = address.includes(":") && bytes.length === 4 ? written - 96 : written;
  return prefixBits >= 0 && prefixBits <= full ? { bytes, prefixBits } : undefined;
}

/** Whether `bytes` (from {@linkcode parseIp}) lies in `range`. */
export function inIpRange(bytes: Uint8Array, range: IpRange): boolean {
  if (bytes.length !== range.bytes.length) return false;
  for (let bit = 0; bit < range.prefixBits; bit += 8) {
    const mask = range.prefixBits - bit >= 8
      ? 0xff
      : (0xff << (8 - (range.prefixBits - bit))) & 0xff;
    const i = bit / 8;
    if (((bytes[i] ?? 0) & mask) !== ((range.bytes[i] ?? 0) & mask)) return false;
  }
  return true;
}

/** Strips `[…]` around an IPv6 literal as URLs write it. */
export function unbracketed(host: string): string {
  return host.startsWith("[") && host.endsWith("]") ? host.slice(1, -1) : host;
}
