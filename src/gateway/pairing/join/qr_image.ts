/**
 * A setup code as a QR code, in a PNG data URL: what a page shows for a phone to scan. Loaded only when one is asked
 * for. Source: gateway-protocol.md 15.1 (`qrDataUrl`).
 */
import { encode } from "uqr";
import { joinBytes, toBase64, utf8 } from "../../../lib/bytes.ts";

/** Pixels per module, and white modules around, as scanners want them. */
const SCALE = 4;
const BORDER = 4;
/** Most that fits with medium error correction; longer codes have no picture. */
const MAX_CHARS = 2_331;
/** Longest data URL that clients take. */
const MAX_URL_CHARS = 16_384;

/** The picture of a text; `undefined` when the text is too long for one. */
export async function qrDataUrl(text: string): Promise<string | undefined> {
  if (text.length > MAX_CHARS) return undefined;
  const { data, size } = encode(text, { ecc: "M", border: BORDER });
  const png = await pngOf(data, size);
  const url = `data:image/png;base64,${toBase64(png)}`;
  return url.length <= MAX_URL_CHARS ? url : undefined;
}

/** A PNG of one bit per pixel: 0 is black. */
async function pngOf(modules: readonly (readonly boolean[])[], size: number): Promise<Uint8Array> {
  const side = size * SCALE;
  const rowBytes = Math.ceil(side / 8);
  const rows = new Uint8Array(side * (1 + rowBytes));
  for (let y = 0; y < side; y++) {
    // Each row begins with its filter, 0 for none.
    const start = y * (1 + rowBytes) + 1;
    for (let x = 0; x < side; x++) {
      if (modules[Math.floor(y / SCALE)]?.[Math.floor(x / SCALE)]) continue;
      rows[start + (x >> 3)]! |= 0x80 >> (x & 7);
    }
  }
  const header = new Uint8Array(13);
  const view = new DataView(header.buffer);
  view.setUint32(0, side);
  view.setUint32(4, side);
  header[8] = 1;
  return joinBytes([
    Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a),
    chunk("IHDR", header),
    chunk("IDAT", await deflate(rows)),
    chunk("IEND", new Uint8Array(0)),
  ]);
}

async function deflate(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
  const stream = new Blob([bytes]).stream().pipeThrough(new CompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** Length, name, content, checksum of name and content. */
function chunk(name: string, content: Uint8Array): Uint8Array {
  const out = joinBytes([new Uint8Array(4), utf8(name), content, new Uint8Array(4)]);
  const view = new DataView(out.buffer);
  view.setUint32(0, content.length);
  view.setUint32(out.length - 4, crc32(out.subarray(4, out.length - 4)));
  return out;
}

function crc32(bytes: Uint8Array): number {
  let crc = 0xffff_ffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb8_8320 : 0);
  }
  return ~crc >>> 0;
}
