/**
 * DNS messages as mDNS and DNS-SD use them: encode without compression, decode with it. Pure.
 * A record comes from anybody on the network: every length is checked and a pointer loop ends (N28).
 * Source: RFC 1035 section 4, RFC 6762, RFC 6763.
 */
import { utf8 } from "../../lib/bytes.ts";

/** Record types in use. */
export const DNS_TYPE = { A: 1, PTR: 12, TXT: 16, AAAA: 28, SRV: 33, ANY: 255 } as const;

const CLASS_IN = 1;
/** Top bit of the class: "cache flush" in an answer, "unicast answer wanted" in a question. */
const TOP_BIT = 0x8000;

/** Source: RFC 1035 section 2.3.4. */
const MAX_NAME_BYTES = 255;

/** A domain name as labels; a label may hold dots and blanks (DNS-SD instance names do). */
export type DnsName = readonly string[];

/** A question. */
export interface DnsQuestion {
  readonly name: DnsName;
  readonly type: number;
}

/** A record. `data` depends on `type`; other types keep raw bytes. */
export type DnsRecord =
  & { readonly name: DnsName; readonly ttlSeconds: number }
  & (
    | { readonly type: typeof DNS_TYPE.A | typeof DNS_TYPE.AAAA; readonly address: string }
    | { readonly type: typeof DNS_TYPE.PTR; readonly target: DnsName }
    | { readonly type: typeof DNS_TYPE.TXT; readonly strings: readonly string[] }
    | { readonly type: typeof DNS_TYPE.SRV; readonly port: number; readonly target: DnsName }
  );

/** A message; `records` joins the answer, authority and additional sections. */
export interface DnsMessage {
  readonly id: number;
  readonly response: boolean;
  /** Asks a unicast server to find out elsewhere. Default `false`. */
  readonly recursion?: boolean;
  /** The answer did not fit; it has to be asked for over TCP. */
  readonly truncated?: boolean;
  readonly questions: readonly DnsQuestion[];
  readonly records: readonly DnsRecord[];
}

class Writer {
  readonly bytes: number[] = [];
  u16(value: number): void {
    this.bytes.push((value >> 8) & 255, value & 255);
  }
  name(name: DnsName): void {
    for (const label of name) {
      const bytes = utf8(label).subarray(0, 63);
      this.bytes.push(bytes.length, ...bytes);
    }
    this.bytes.push(0);
  }
}

/** Bytes of a message. Labels are cut to 63 bytes, TXT strings to 255. */
export function encodeDns(message: DnsMessage): Uint8Array<ArrayBuffer> {
  const w = new Writer();
  w.u16(message.id);
  w.u16(message.response ? 0x8400 : message.recursion ? 0x0100 : 0);
  w.u16(message.questions.length);
  w.u16(message.response ? message.records.length : 0);
  w.u16(0);
  w.u16(message.response ? 0 : message.records.length);
  for (const question of message.questions) {
    w.name(question.name);
    w.u16(question.type);
    w.u16(CLASS_IN);
  }
  for (const record of message.records) writeRecord(w, record);
  return new Uint8Array(w.bytes);
}

function writeRecord(w: Writer, record: DnsRecord): void {
  w.name(record.name);
  w.u16(record.type);
  // PTR records are shared between hosts: flushing caches would hide the others.
  w.u16(record.type === DNS_TYPE.PTR ? CLASS_IN : CLASS_IN | TOP_BIT);
  w.u16(record.ttlSeconds >> 16);
  w.u16(record.ttlSeconds & 0xffff);
  const data = new Writer();
  if (record.type === DNS_TYPE.PTR) data.name(record.target);
  else if (record.type === DNS_TYPE.SRV) {
    data.u16(0);
    data.u16(0);
    data.u16(record.port);
    data.name(record.target);
  } else if (record.type === DNS_TYPE.TXT) {
    for (const text of record.strings) {
      const bytes = utf8(text).subarray(0, 255);
      data.bytes.push(bytes.length, ...bytes);
    }
    if (record.strings.length === 0) data.bytes.push(0);
  } else data.bytes.push(...addressBytes(record.address));
  w.u16(data.bytes.length);
  w.bytes.push(...data.bytes);
}

function addressBytes(address: string): number[] {
  if (!address.includes(":")) return address.split(".").map(Number);
  const [head = "", tail] = address.split("::");
  const groups = (text: string) => text === "" ? [] : text.split(":").map((g) => parseInt(g, 16));
  const left = groups(head);
  const right = tail === undefined ? [] : groups(tail);
  const middle = new Array(Math.max(0, 8 - left.length - right.length)).fill(0);
  return [...left, ...middle, ...right].flatMap((g) => [(g >> 8) & 255, g & 255]);
}

class Reader {
  at = 0;
  constructor(readonly bytes: Uint8Array) {}
  u8(): number {
    const value = this.bytes[this.at++];
    if (value === undefined) throw new RangeError("DNS message is cut");
    return value;
  }
  u16(): number {
    return (this.u8() << 8) | this.u8();
  }
  take(length: number): Uint8Array {
    if (this.at + length > this.bytes.length) throw new RangeError("DNS message is cut");
    return this.bytes.subarray(this.at, this.at += length);
  }
  /** Pointers are followed, but a name holds 255 bytes at most: few bytes on the wire cannot grow into many here. */
  name(): DnsName {
    const labels: string[] = [];
    let resumeAt: number | undefined;
    let total = 0;
    for (let steps = 0; steps < 128; steps++) {
      const length = this.u8();
      if (length === 0) {
        if (resumeAt !== undefined) this.at = resumeAt;
        return labels;
      }
      if ((length & 0xc0) === 0xc0) {
        const target = ((length & 0x3f) << 8) | this.u8();
        resumeAt ??= this.at;
        this.at = target;
      } else if (length < 64 && (total += length + 1) < MAX_NAME_BYTES) {
        labels.push(new TextDecoder().decode(this.take(length)));
      } else throw new RangeError("DNS name is too long or has a label of an unknown form");
    }
    throw new RangeError("DNS name does not end");
  }
}

/** Reads a message; `undefined` for anything malformed. Records of other types are skipped. */
export function decodeDns(bytes: Uint8Array): DnsMessage | undefined {
  try {
    const r = new Reader(bytes);
    const id = r.u16();
    const flags = r.u16();
    const questionCount = r.u16();
    const recordCount = r.u16() + r.u16() + r.u16();
    if (questionCount > 64 || recordCount > 256) return undefined;
    const questions = Array.from({ length: questionCount }, () => {
      const question = { name: r.name(), type: r.u16() };
      r.u16();
      return question;
    });
    const records: DnsRecord[] = [];
    for (let i = 0; i < recordCount; i++) {
      const record = readRecord(r);
      if (record) records.push(record);
    }
    return {
      id,
      response: (flags & 0x8000) !== 0,
      truncated: (flags & 0x0200) !== 0,
      questions,
      records,
    };
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

function readRecord(r: Reader): DnsRecord | undefined {
  const name = r.name();
  const type = r.u16();
  r.u16();
  const ttlSeconds = r.u16() * 65536 + r.u16();
  const length = r.u16();
  const end = r.at + length;
  const base = { name, ttlSeconds };
  let record: DnsRecord | undefined;
  if (type === DNS_TYPE.A && length === 4) record = { ...base, type, address: r.take(4).join(".") };
  else if (type === DNS_TYPE.AAAA && length === 16) {
    record = { ...base, type, address: ipv6Text(r.take(16)) };
  } else if (type === DNS_TYPE.PTR) record = { ...base, type, target: r.name() };
  else if (type === DNS_TYPE.SRV) {
    r.take(4);
    record = { ...base, type, port: r.u16(), target: r.name() };
  } else if (type === DNS_TYPE.TXT) {
    const strings: string[] = [];
    while (r.at < end) {
      const text = new TextDecoder().decode(r.take(r.u8()));
      if (text !== "") strings.push(text);
    }
    record = { ...base, type, strings };
  }
  if (end > r.bytes.length || record && r.at > end) throw new RangeError("DNS message is cut");
  r.at = end;
  return record;
}

function ipv6Text(bytes: Uint8Array): string {
  const groups = Array.from(
    { length: 8 },
    (_, i) => (((bytes[2 * i] ?? 0) << 8) | (bytes[2 * i + 1] ?? 0)).toString(16),
  );
  const zeros =
    [...groups.join(":").matchAll(/(?:^|:)(?:0(?::|$)){2,}/g)].sort((a, b) =>
      b[0].length - a[0].length
    )[0];
  return zeros ? groups.join(":").replace(zeros[0], "::") : groups.join(":");
}

/** Whether two names are the same; DNS compares ASCII letters without case. */
export function sameName(a: DnsName, b: DnsName): boolean {
  return a.length === b.length &&
    a.every((label, i) => label.toLowerCase() === b[i]?.toLowerCase());
}
