/** N11, N14: hostile WebSocket frames against a running gateway, before and after hello. Nothing of it stops the gateway. */
import { assert, assertEquals } from "@std/assert";
import { frameBytes, type FrameParts, RawPeer, textFrame, within } from "../../net/raw.ts";
import { type TestGateway, TOKEN, withGateway } from "../../support/gateway.ts";
import { connectParams } from "../../support/wire.ts";

const utf8 = (text: string) => new TextEncoder().encode(text);
const connectText = () =>
  JSON.stringify({
    type: "req",
    id: "c",
    method: "connect",
    params: connectParams({ auth: { token: TOKEN } }),
  });

/** Bytes to send and the close code that must follow; `undefined` = the connection just ends. */
type Case = readonly [name: string, frames: readonly FrameParts[], code: number | undefined];

const text = (payload: string, more: Partial<FrameParts> = {}): FrameParts => ({
  opcode: 1,
  payload: utf8(payload),
  ...more,
});

const CASES: readonly Case[] = [
  ["a continuation that continues nothing", [{ opcode: 0, payload: utf8("x") }], 1002],
  ["a text inside an open text", [text("a", { fin: false }), text("b")], 1002],
  ["a binary inside an open text", [text("a", { fin: false }), { opcode: 2 }], 1002],
  ["a compressed frame nobody agreed on", [text("x", { rsv: 4 })], 1002],
  ["RSV2", [text("x", { rsv: 2 })], 1002],
  ["RSV3", [text("x", { rsv: 1 })], 1002],
  ["a compressed control frame", [{ opcode: 9, rsv: 4 }], 1002],
  ["an unmasked text", [text("{}", { masked: false })], 1002],
  ["an unmasked ping", [{ opcode: 9, masked: false }], 1002],
  ["opcode 3", [{ opcode: 3 }], 1002],
  ["opcode 7", [{ opcode: 7 }], 1002],
  ["opcode 11", [{ opcode: 11 }], 1002],
  ["opcode 15", [{ opcode: 15 }], 1002],
  ["a ping of 126 bytes", [{ opcode: 9, payload: new Uint8Array(126) }], 1002],
  ["a ping in pieces", [{ opcode: 9, fin: false, payload: utf8("x") }], 1002],
  ["a close in pieces", [{ opcode: 8, fin: false }], 1002],
  ["a close with one byte", [{ opcode: 8, payload: Uint8Array.of(3) }], 1002],
  ["a close with the reserved code 1005", [{ opcode: 8, payload: Uint8Array.of(3, 237) }], 1002],
  ["a close with code 999", [{ opcode: 8, payload: Uint8Array.of(3, 231) }], 1002],
  ["a close with a reason that is no UTF-8", [{
    opcode: 8,
    payload: Uint8Array.of(3, 232, 0xff, 0xfe),
  }], 1007],
  ["a text that is no UTF-8", [{ opcode: 1, payload: Uint8Array.of(0xc3, 0x28) }], 1007],
  ["a surrogate in UTF-8", [{ opcode: 1, payload: Uint8Array.of(0xed, 0xa0, 0x80) }], 1007],
  ["an overlong NUL", [{ opcode: 1, payload: Uint8Array.of(0xc0, 0x80) }], 1007],
  ["a character cut by the end of the message", [{
    opcode: 1,
    payload: Uint8Array.of(0xe2, 0x82),
  }], 1007],
  ["a binary message", [{ opcode: 2, payload: utf8(connectText()) }], 1003],
  ["an empty text", [text("")], 1000],
  ["64 KiB and one byte", [text("x".repeat(65_537))], 1009],
  ["64 KiB and one byte in two pieces", [
    text("x".repeat(40_000), { fin: false }),
    { opcode: 0, payload: utf8("x".repeat(25_537)) },
  ], 1009],
  ["a length of 2^31", [text("", { claimed: 1n << 31n })], 1009],
  ["a length of 2^53", [text("", { claimed: 1n << 53n })], 1009],
  ["a length of 2^63", [text("", { claimed: 1n << 63n })], 1009],
  ["a length of 2^64 - 1", [text("", { claimed: (1n << 64n) - 1n })], 1009],
  [
    "20,000 empty continuations",
    [
      text("{", { fin: false }),
      ...Array.from({ length: 20_000 }, () => ({ opcode: 0, fin: false })),
    ],
    1008,
  ],
];

async function closeAfter(peer: RawPeer, frames: readonly FrameParts[]) {
  const parts = frames.map(frameBytes);
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  await peer.write(bytes).catch(() => {}); // it may be closed while it is still being written to
  return await within(3_000, peer.closeCode(), "the close");
}

/** A hand-made connection that got hello as owner. */
async function liveRaw({ gateway }: TestGateway): Promise<RawPeer> {
  const peer = await RawPeer.upgraded(gateway.port);
  await peer.write(textFrame(connectText()));
  for (let frame = await peer.frame(); frame; frame = await peer.frame()) {
    if (new TextDecoder().decode(frame.payload).includes(`"id":"c","ok":true`)) return peer;
  }
  throw new Error("no hello");
}

Deno.test("N11, N14: malformed frames of a stranger are closed with their RFC code, and nobody else notices", () =>
  withGateway(async (world) => {
    const witness = await world.owner();
    for (const [name, frames, code] of CASES) {
      const peer = await RawPeer.upgraded(world.gateway.port);
      assertEquals(await closeAfter(peer, frames), code, name);
      peer.close();
    }
    assert((await witness.request("health")).ok);
    assertEquals(world.gateway.unauthenticated(), 0, "every slot was given back");
  }));

/** After hello larger frames are allowed, and text that is no request is answered or ignored (2.5). */
const FITS_LATER = /64 KiB|an empty text/;

Deno.test("N14: the same frames after hello end that connection only", () =>
  withGateway(async (world) => {
    const witness = await world.owner();
    for (const [name, frames, code] of CASES) {
      if (FITS_LATER.test(name)) continue;
      const peer = await liveRaw(world);
      const expected = name === "a length of 2^31" ? 1009 : code;
      assertEquals(await closeAfter(peer, frames), expected, name);
      peer.close();
    }
    assert((await witness.request("health")).ok);
  }));

Deno.test("N14: a connect in pieces with pings between them is a connect", () =>
  withGateway(async ({ gateway }) => {
    const peer = await RawPeer.upgraded(gateway.port);
    const bytes = utf8(connectText());
    for (let at = 0; at < bytes.length; at += 100) {
      const fin = at + 100 >= bytes.length;
      const payload = bytes.subarray(at, at + 100);
      await peer.write(frameBytes({ opcode: at === 0 ? 1 : 0, fin, payload }));
      await peer.write(frameBytes({ opcode: 9, payload: utf8("still here") }));
    }
    for (;;) {
      const frame = await within(3_000, peer.frame());
      assert(frame, "the connection stays");
      if (frame.opcode === 1 && new TextDecoder().decode(frame.payload).includes("hello-ok")) break;
    }
    peer.close();
  }));

Deno.test("N14: compression is not agreed on, whatever is offered", () =>
  withGateway(async ({ gateway }) => {
    for (
      const offer of [
        "permessage-deflate",
        "permessage-deflate; client_max_window_bits; server_max_window_bits=8",
        "x-webkit-deflate-frame, permessage-deflate",
        "permessage-deflate; client_max_window_bits=99",
      ]
    ) {
      const peer = await RawPeer.open(gateway.port);
      await peer.requestUpgrade({ "Sec-WebSocket-Extensions": offer });
      const head = await within(3_000, peer.head());
      assert(head.startsWith("HTTP/1.1 101"), head);
      assert(!/sec-websocket-extensions/i.test(head), head);
      peer.close();
    }
  }));

Deno.test("N12: upgrades that are reset in the middle give back everything they took", () =>
  withGateway(async (world) => {
    for (let n = 0; n < 100; n++) {
      const peer = n % 2 === 0
        ? await RawPeer.open(world.gateway.port)
        : await RawPeer.upgraded(world.gateway.port);
      const half = n % 2 === 0
        ? utf8("GET / HTTP/1.1\r\nHost: x\r\nUpgr")
        : frameBytes(text("{".repeat(200))).subarray(0, 50);
      await peer.write(half);
      peer.close();
    }
    // A newcomer from the same address still gets in: the last of them has left by then.
    const owner = await world.owner();
    assert((await owner.request("health")).ok);
  }));
