/** The picture of a setup code: a PNG whose modules say what was encoded, in the gateway's answer when wanted. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { encode } from "uqr";
import { qrDataUrl } from "../../../src/gateway/pairing/join/qr_image.ts";
import { fromBase64 } from "../../../src/lib/bytes.ts";
import { openWorld, owner } from "../world.ts";

/** Modules of a picture, read back as any decoder of PNG would. */
async function modulesOf(url: string): Promise<boolean[][]> {
  const bytes = fromBase64(url.replace("data:image/png;base64,", ""))!;
  assertEquals([...bytes.subarray(0, 8)], [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  const view = new DataView(bytes.buffer);
  const chunks = new Map<string, Uint8Array<ArrayBuffer>>();
  for (let at = 8; at < bytes.length;) {
    const length = view.getUint32(at);
    const name = new TextDecoder().decode(bytes.subarray(at + 4, at + 8));
    chunks.set(name, bytes.slice(at + 8, at + 8 + length));
    at += 12 + length;
  }
  assertEquals([...chunks.keys()], ["IHDR", "IDAT", "IEND"]);
  const header = chunks.get("IHDR")!;
  assertEquals([...header.subarray(8)], [1, 0, 0, 0, 0], "one bit, grey");
  const side = new DataView(header.buffer).getUint32(0);
  const stream = new Blob([chunks.get("IDAT")!]).stream()
    .pipeThrough(new DecompressionStream("deflate"));
  const rows = new Uint8Array(await new Response(stream).arrayBuffer());
  const rowBytes = 1 + Math.ceil(side / 8);
  assertEquals(rows.length, side * rowBytes);
  const black = (x: number, y: number) =>
    (rows[y * rowBytes + 1 + (x >> 3)]! & (0x80 >> (x & 7))) === 0;
  return Array.from(
    { length: side / 4 },
    (_, y) => Array.from({ length: side / 4 }, (_, x) => black(4 * x + 1, 4 * y + 1)),
  );
}

Deno.test("qrDataUrl() draws exactly the modules of the text, with a white border", async () => {
  const text = "eyJ1cmwiOiJ3c3M6Ly9ndy5leGFtcGxlOjE4Nzg5In0";
  const url = await qrDataUrl(text);
  const modules = await modulesOf(url!);
  assertEquals(modules, encode(text, { ecc: "M", border: 4 }).data);
  assert(modules.slice(0, 4).flat().every((black) => !black), "four white rows first");
});

Deno.test("qrDataUrl() has no picture for a text that does not fit", async () => {
  assertEquals(await qrDataUrl("x".repeat(4_000)), undefined);
  const largest = await qrDataUrl("x".repeat(2_331));
  assert(largest === undefined || largest.length <= 16_384);
});

Deno.test("device.pair.setupCode brings the picture of its code unless it is told not to", async () => {
  await using world = await openWorld();
  const operator = await owner(world);
  const params = { publicUrl: "wss://gw.example:18789" };
  const made = await operator.call("device.pair.setupCode", params);
  assertMatch(made.qrDataUrl, /^data:image\/png;base64,/);
  assertEquals(
    await modulesOf(made.qrDataUrl),
    encode(made.setupCode, { ecc: "M", border: 4 }).data,
  );
  const plain = await operator.call("device.pair.setupCode", { ...params, includeQr: false });
  assertEquals(plain.qrDataUrl, undefined);
});
