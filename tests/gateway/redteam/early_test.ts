/** N11, N14, I19: what a stranger sends before, with and instead of a good connect. */
import { assert, assertEquals } from "@std/assert";
import { frameBytes, type FrameParts, RawPeer, textFrame, within } from "../../net/raw.ts";
import { type TestGateway, TOKEN, withGateway } from "../../support/gateway.ts";
import { connectParams } from "../../support/wire.ts";

const utf8 = (text: string) => new TextEncoder().encode(text);
const request = (method: string, params: unknown, id = "c") =>
  JSON.stringify({ type: "req", id, method, params });
const connect = (change = {}) =>
  request("connect", connectParams({ auth: { token: TOKEN }, ...change }));

function joined(parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(parts.flatMap((part) => [...part]));
}

/** Text frames that come back until one satisfies `wanted`; `undefined` at the end of the connection. */
async function until(peer: RawPeer, wanted: (text: string) => boolean) {
  for (let frame = await peer.frame(); frame; frame = await peer.frame()) {
    const text = new TextDecoder().decode(frame.payload);
    if (frame.opcode === 1 && wanted(text)) return JSON.parse(text);
  }
  return undefined;
}

/** Close code and reason after `bytes` in one piece. */
async function endOf({ gateway }: Pick<TestGateway, "gateway">, bytes: Uint8Array) {
  const peer = await RawPeer.upgraded(gateway.port);
  try {
    await peer.write(bytes).catch(() => {});
    return await within(3_000, peer.closeCode(), "the close");
  } finally {
    peer.close();
  }
}

Deno.test("N11 variant: frames ahead of hello are bounded in bytes, not only in number; four of 60 KB are too many", () =>
  withGateway(async (world) => {
    const big = textFrame(request("health", { x: "x".repeat(60_000) }));
    const small = textFrame(request("health", {}, "later"));
    assertEquals(await endOf(world, joined([textFrame(connect()), big, big, big, big])), 1008);
    const wide = textFrame(request("health", { x: "\u{1f6f0}".repeat(15_000) }));
    assertEquals(await endOf(world, joined([textFrame(connect()), ...Array(5).fill(wide)])), 1008);
    const peer = await RawPeer.upgraded(world.gateway.port);
    await peer.write(joined([textFrame(connect()), big, small]));
    assert((await within(3_000, until(peer, (text) => text.includes('"later"')), "health")).ok);
    peer.close();
  }));

Deno.test("I19 variant: a second connect in the queue is no connect, and changes no right of the first", () =>
  withGateway(async ({ gateway }) => {
    const peer = await RawPeer.upgraded(gateway.port);
    const weak = connect({ scopes: ["operator.read"] });
    const strong = connect({ scopes: ["operator.admin"] }).replace('"c"', '"again"');
    const act = request("device.pair.list", {}, "act");
    await peer.write(joined([weak, strong, act].map(textFrame)));
    const again = await within(3_000, until(peer, (text) => text.includes('"again"')), "again");
    assertEquals(again.ok, false);
    const acted = await within(3_000, until(peer, (text) => text.includes('"act"')), "act");
    assertEquals([acted.ok, acted.error.code], [false, "FORBIDDEN"]);
    peer.close();
  }));

const LIES: readonly (readonly [name: string, change: Record<string, unknown>, says: RegExp])[] = [
  ["role with a blank", { role: "operator " }, /invalid role/],
  ["role in capitals", { role: "OPERATOR" }, /invalid role/],
  ["role admin", { role: "admin" }, /invalid role/],
  ["role with a NUL", { role: "node\u0000" }, /invalid role/],
  ["role __proto__", { role: "__proto__" }, /invalid role/],
  ["role constructor", { role: "constructor" }, /invalid role/],
  ["two roles", { role: ["operator", "node"] }, /invalid connect params/],
  ["roles beside role", { roles: ["node"] }, /unexpected property 'roles'/],
  ["scopes as a text", { scopes: "operator.admin" }, /invalid connect params/],
  ["scopes as objects", { scopes: [{ scope: "operator.admin" }] }, /invalid connect params/],
  ["scopes in a list", { scopes: [["operator.admin"]] }, /invalid connect params/],
  ["a node without a device", { role: "node", scopes: [] }, /device identity required/],
  [
    "the client id of a node with another role",
    { client: { id: "node-host", mode: "worker", version: "1", platform: "linux" } },
    /invalid-handshake|unexpected|invalid/,
  ],
];

Deno.test("I01, N19 variant: roles and scopes in any other shape than their own are refused", () =>
  withGateway(async ({ open }) => {
    for (const [name, change, says] of LIES) {
      const wire = await open();
      await wire.challenge();
      const params = connectParams({ auth: { token: TOKEN }, ...change });
      const answer = await wire.request("connect", params);
      assertEquals(answer.ok, false, name);
      assert(says.test(answer.error?.message ?? ""), `${name}: ${answer.error?.message}`);
      assertEquals((await wire.ended()).code, 1008, name);
    }
  }));

Deno.test("I01, N17 variant: unknown, repeated and prototype scopes mean nothing, and a blank or capital makes another scope", () =>
  withGateway(async ({ open }) => {
    const scopes = [
      "constructor",
      "toString",
      "hasOwnProperty",
      "*",
      "operator.*",
      "operator",
      "operator.admin ",
      "OPERATOR.ADMIN",
      "operator.admin\u0000",
      "operator.admin,operator.write",
      "оperator.admin",
      "operator.talk",
      "operator.talk",
    ];
    const wire = await open();
    await wire.challenge();
    const hello = await wire.request(
      "connect",
      connectParams({ auth: { token: TOKEN }, scopes }),
    );
    assert(hello.ok);
    for (const method of ["device.pair.list", "config.get", "node.list", "exec.approvals.get"]) {
      const { ok, error } = await wire.request(method, {});
      assertEquals([ok, error?.code], [false, "FORBIDDEN"], method);
    }
  }));

/** `undefined`: the connection ends, with or without a word. */
type Split = readonly [name: string, frames: readonly FrameParts[], code: number | undefined];

const SPLIT: readonly Split[] = [
  ["a character split over two frames, second half wrong", [
    { opcode: 1, fin: false, payload: Uint8Array.of(0xe2, 0x82) },
    { opcode: 0, payload: Uint8Array.of(0x28) },
  ], 1007],
  ["a character split over two frames that is never finished", [
    { opcode: 1, fin: false, payload: Uint8Array.of(0xf0, 0x9f) },
    { opcode: 0, fin: false, payload: Uint8Array.of(0x9b) },
    { opcode: 0 },
  ], 1007],
  ["a control frame too long between two pieces", [
    { opcode: 1, fin: false, payload: utf8("{") },
    { opcode: 9, payload: new Uint8Array(126) },
  ], 1002],
  ["1,100 pieces of one byte", [
    { opcode: 1, fin: false, payload: utf8("{") },
    ...Array.from({ length: 1_100 }, () => ({ opcode: 0, fin: false, payload: utf8(" ") })),
  ], 1008],
  ["empty pieces without end, every twentieth behind a ping", [
    { opcode: 1, fin: false, payload: utf8("{") },
    ...Array.from(
      { length: 2_200 },
      (_, n) => n % 2 === 0 ? { opcode: 9, payload: utf8("p") } : { opcode: 0, fin: false },
    ),
  ], undefined],
  ["70 KB in pieces of 1 KB", [
    { opcode: 1, fin: false, payload: utf8("{") },
    ...Array.from({ length: 70 }, () => ({ opcode: 0, fin: false, payload: new Uint8Array(1024) })),
  ], 1009],
  ["close codes nobody may send", [{ opcode: 8, payload: Uint8Array.of(0x03, 0xee) }], 1002],
  ["a close code of 5000", [{ opcode: 8, payload: Uint8Array.of(0x13, 0x88) }], 1002],
  ["a close code of 0", [{ opcode: 8, payload: Uint8Array.of(0, 0) }], 1002],
];

Deno.test("N14 variant: pieces, halves of characters and codes that are wrong only together end with their RFC code", () =>
  withGateway(async (world) => {
    for (const [name, frames, code] of SPLIT) {
      const ended = await endOf(world, joined(frames.map(frameBytes)));
      assertEquals(ended, code ?? ended, name);
    }
    const peer = await RawPeer.upgraded(world.gateway.port);
    // One connect in pieces of one byte, as far as they are allowed, and a whole flood of pongs nobody asked for.
    const text = utf8(connect());
    const pieces = [...text].map((byte, n) =>
      frameBytes({
        opcode: n === 0 ? 1 : 0,
        fin: n === text.length - 1,
        payload: Uint8Array.of(byte),
      })
    );
    const pongs = Array.from({ length: 1_000 }, () => frameBytes({ opcode: 10 }));
    assert(pieces.length < 1_024);
    await peer.write(joined([...pongs, ...pieces]));
    assert(await within(3_000, until(peer, (frame) => frame.includes("hello-ok")), "hello"));
    peer.close();
  }));
