/** A raw peer for socket tests: writes bytes, reads what comes back, knows WebSocket framing by hand. */
import { assert } from "@std/assert";

/** Resolves with `work`, or fails after `ms`. */
export async function within<T>(
  ms: number,
  work: Promise<T>,
  what = "the awaited event",
): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} did not come within ${ms} ms`)), ms);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** A TCP or TLS connection with a reader for HTTP heads and frames. */
export class RawPeer {
  readonly #conn: Deno.Conn;
  #buffer = new Uint8Array(0);
  ended = false;

  constructor(conn: Deno.Conn) {
    this.#conn = conn;
  }

  static async open(port: number): Promise<RawPeer> {
    return new RawPeer(await Deno.connect({ hostname: "127.0.0.1", port }));
  }

  /** Opens a WebSocket by hand and returns after the 101. */
  static async upgraded(port: number, headers: Record<string, string> = {}): Promise<RawPeer> {
    const peer = await RawPeer.open(port);
    await peer.requestUpgrade(headers);
    const head = await peer.head();
    assert(head.startsWith("HTTP/1.1 101"), head);
    return peer;
  }

  async requestUpgrade(headers: Record<string, string> = {}): Promise<void> {
    const all = {
      Host: "x",
      Upgrade: "websocket",
      Connection: "Upgrade",
      "Sec-WebSocket-Version": "13",
      "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
      ...headers,
    };
    const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`).join("");
    await this.write(`GET / HTTP/1.1\r\n${lines}\r\n`);
  }

  async write(data: string | Uint8Array): Promise<void> {
    const bytes = typeof data === "string" ? new TextEncoder().encode(data) : data;
    for (let at = 0; at < bytes.length;) at += await this.#conn.write(bytes.subarray(at));
  }

  async #more(): Promise<boolean> {
    const chunk = new Uint8Array(64 * 1024);
    const count = await this.#conn.read(chunk).catch(() => null);
    if (count === null) {
      this.ended = true;
      return false;
    }
    const joined = new Uint8Array(this.#buffer.length + count);
    joined.set(this.#buffer);
    joined.set(chunk.subarray(0, count), this.#buffer.length);
    this.#buffer = joined;
    return true;
  }

  #take(count: number): Uint8Array {
    const out = this.#buffer.slice(0, count);
    this.#buffer = this.#buffer.slice(count);
    return out;
  }

  /** HTTP head up to the empty line. */
  async head(): Promise<string> {
    for (;;) {
      const text = new TextDecoder().decode(this.#buffer);
      const end = text.indexOf("\r\n\r\n");
      if (end >= 0) return new TextDecoder().decode(this.#take(end + 4));
      if (!await this.#more()) return text;
    }
  }

  /** Everything until the peer closes. */
  async rest(): Promise<string> {
    while (await this.#more()) { /* read on */ }
    return new TextDecoder().decode(this.#take(this.#buffer.length));
  }

  /** Next frame, or `undefined` at the end of the connection. */
  async frame(): Promise<{ opcode: number; payload: Uint8Array } | undefined> {
    while (this.#buffer.length < 2) if (!await this.#more()) return undefined;
    const short = (this.#buffer[1] ?? 0) & 127;
    const header = short === 126 ? 4 : short === 127 ? 10 : 2;
    while (this.#buffer.length < header) if (!await this.#more()) return undefined;
    const view = new DataView(this.#buffer.buffer, this.#buffer.byteOffset);
    const length = short === 126
      ? view.getUint16(2)
      : short === 127
      ? Number(view.getBigUint64(2))
      : short;
    while (this.#buffer.length < header + length) if (!await this.#more()) return undefined;
    const whole = this.#take(header + length);
    return { opcode: (whole[0] ?? 0) & 15, payload: whole.slice(header) };
  }

  /** Code of the close frame, skipping other frames; `undefined` when the connection just ended. */
  async closeCode(): Promise<number | undefined> {
    for (let frame = await this.frame(); frame; frame = await this.frame()) {
      if (frame.opcode === 8) {
        return frame.payload.length < 2
          ? 1005
          : ((frame.payload[0] ?? 0) << 8) | (frame.payload[1] ?? 0);
      }
    }
    return undefined;
  }

  close(): void {
    try {
      this.#conn.close();
    } catch { /* already closed by the read side */ }
  }
}

/** Parts of a hand-made frame. */
export interface FrameParts {
  readonly opcode: number;
  readonly payload?: Uint8Array;
  /** Default `true`. */
  readonly fin?: boolean;
  /** Default `true`. */
  readonly masked?: boolean;
  /** Bits RSV1-RSV3, default 0. */
  readonly rsv?: number;
  /** Length written into the header, when it lies. */
  readonly claimed?: bigint;
}

/** Bytes of a frame, right or wrong. */
export function frameBytes(parts: FrameParts): Uint8Array {
  const payload = parts.payload ?? new Uint8Array();
  const length = parts.claimed ?? BigInt(payload.length);
  const head = [((parts.fin ?? true) ? 0x80 : 0) | ((parts.rsv ?? 0) << 4) | parts.opcode];
  const mask = (parts.masked ?? true) ? 0x80 : 0;
  if (length < 126n) head.push(mask | Number(length));
  else if (length < 65_536n) head.push(mask | 126, Number(length >> 8n), Number(length & 255n));
  else {
    head.push(mask | 127);
    for (let shift = 56n; shift >= 0n; shift -= 8n) head.push(Number((length >> shift) & 255n));
  }
  const key = mask ? [1, 2, 3, 4] : [];
  const out = new Uint8Array(head.length + key.length + payload.length);
  out.set(head);
  out.set(key, head.length);
  payload.forEach((byte, i) =>
    out[head.length + key.length + i] = mask ? byte ^ (key[i % 4] ?? 0) : byte
  );
  return out;
}

/** A text frame. */
export const textFrame = (text: string): Uint8Array =>
  frameBytes({ opcode: 1, payload: new TextEncoder().encode(text) });
