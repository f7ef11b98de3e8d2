import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { makeCertificate } from "../../src/identity/certificate.ts";
import { OpenclawError } from "../../src/lib/errors.ts";
import { limiterKey, plainAddress } from "../../src/net/address.ts";
import type { CloseInfo, PeerInfo, ServerSocket } from "../../src/net/socket.ts";
import { dial } from "../../src/net/dial/dial.ts";
import { listen, type Listener, type ListenOptions } from "../../src/net/listen/ws_server.ts";
import { frameBytes, RawPeer, textFrame, within } from "./raw.ts";

const DAY_MS = 86_400_000;
const newCertificate = () =>
  makeCertificate({
    commonName: "openclaw-gateway",
    sans: ["localhost", "127.0.0.1"],
    notBeforeMs: Date.now() - DAY_MS,
    notAfterMs: Date.now() + DAY_MS,
  });

interface Accepted {
  readonly socket: ServerSocket;
  readonly info: PeerInfo;
  readonly texts: string[];
  readonly closed: Promise<CloseInfo>;
}

/** A listener that echoes and collects what it accepted. */
class Echo {
  readonly accepted: Accepted[] = [];
  #waiting: ((accepted: Accepted) => void)[] = [];
  listener!: Listener;

  static async start(options: Partial<ListenOptions> = {}): Promise<Echo> {
    const echo = new Echo();
    echo.listener = await listen({
      host: "127.0.0.1",
      port: 0,
      onRequest: (_request, response) => response.end("hi"),
      onSocket: (socket, info) => echo.#accept(socket, info),
      ...options,
    });
    return echo;
  }

  #accept(socket: ServerSocket, info: PeerInfo): void {
    const texts: string[] = [];
    let close!: (info: CloseInfo) => void;
    const accepted = { socket, info, texts, closed: new Promise<CloseInfo>((r) => close = r) };
    socket.attach({
      onText: (text) => {
        texts.push(text);
        socket.send(`echo ${text}`);
      },
      onClose: (info) => close(info),
    });
    this.accepted.push(accepted);
    this.#waiting.shift()?.(accepted);
  }

  next(): Promise<Accepted> {
    return within(3_000, new Promise((resolve) => this.#waiting.push(resolve)), "a connection");
  }

  get port(): number {
    return this.listener.port;
  }

  close(): Promise<void> {
    return this.listener.close();
  }
}

async function withEcho(options: Partial<ListenOptions>, run: (echo: Echo) => Promise<void>) {
  const echo = await Echo.start(options);
  try {
    await run(echo);
  } finally {
    await echo.close();
  }
}

Deno.test("listen() serves HTTP and WebSocket on one port and tells the peer's facts", () =>
  withEcho({}, async (echo) => {
    const response = await fetch(`http://127.0.0.1:${echo.port}/health`);
    assertEquals(await response.text(), "hi");
    const next = echo.next();
    const peer = await RawPeer.upgraded(echo.port, { "User-Agent": "test" });
    const { info, socket } = await next;
    assertEquals([info.remoteAddress, info.encrypted, info.url, info.headers["user-agent"]], [
      "127.0.0.1",
      false,
      "/",
      "test",
    ]);
    await peer.write(textFrame("x"));
    const frame = await within(2_000, peer.frame());
    assertEquals(new TextDecoder().decode(frame?.payload), "echo x");
    socket.send(new TextEncoder().encode("serialized once ✓"));
    const second = await within(2_000, peer.frame());
    assertEquals([second?.opcode, new TextDecoder().decode(second?.payload)], [
      1,
      "serialized once ✓",
    ]);
    peer.close();
  }));

Deno.test("onUpgrade() refuses with its own status, headers and body", () =>
  withEcho({
    onUpgrade: () => ({ status: 403, headers: { "x-why": "origin" }, body: "no" }),
  }, async (echo) => {
    const peer = await RawPeer.open(echo.port);
    await peer.requestUpgrade();
    const answer = await within(2_000, peer.rest());
    assert(answer.startsWith("HTTP/1.1 403 Forbidden\r\n"), answer);
    assert(answer.includes("x-why: origin") && answer.endsWith("no"), answer);
    assertEquals(echo.accepted.length, 0);
    assertEquals(echo.listener.unauthenticated, 0);
    peer.close();
  }));

Deno.test("N10: IPv4, its mapped form and a whole /64 are one key", () => {
  assertEquals(limiterKey("::ffff:1.2.3.4"), limiterKey("1.2.3.4"));
  assertEquals(plainAddress("::ffff:1.2.3.4"), "1.2.3.4");
  assertEquals(plainAddress("fe80::1%eth0"), "fe80::1");
  const key = limiterKey("2001:db8:1:2::1");
  assertEquals(key, "2001:db8:1:2::/64");
  for (const other of ["2001:db8:1:2:ffff::9", "2001:0db8:0001:0002:0:0:0:7"]) {
    assertEquals(limiterKey(other), key);
  }
  assert(limiterKey("2001:db8:1:3::1") !== key);
});

const TOO_BIG = [
  ["64 KiB + 1", { opcode: 1, claimed: 65_537n }],
  ["length field 2^63", { opcode: 1, claimed: 1n << 63n }],
  ["length field 2^53", { opcode: 1, claimed: 1n << 53n }],
] as const;
for (const [name, parts] of TOO_BIG) {
  Deno.test(`N11: a first frame of ${name} closes with 1009 on the header alone`, () =>
    withEcho({}, async (echo) => {
      const peer = await RawPeer.upgraded(echo.port);
      await peer.write(frameBytes(parts)); // header only: nothing of the payload is ever sent
      assertEquals(await within(2_000, peer.closeCode()), 1009);
      assertEquals(echo.accepted[0]?.texts, []);
      peer.close();
    }));
}

Deno.test("N11: 64 KiB exactly is still accepted, and raiseLimit() lets more in", () =>
  withEcho({}, async (echo) => {
    const peer = await RawPeer.upgraded(echo.port);
    await peer.write(textFrame("a".repeat(65_536)));
    assertEquals((await within(2_000, peer.frame()))?.payload.length, 65_541);
    echo.accepted[0]?.socket.raiseLimit(200_000);
    await peer.write(textFrame("b".repeat(200_000)));
    assertEquals((await within(2_000, peer.frame()))?.payload.length, 200_005);
    await peer.write(frameBytes({ opcode: 1, claimed: 200_001n }));
    assertEquals(await within(2_000, peer.closeCode()), 1009);
    peer.close();
  }));

Deno.test("N12: 32 unauthenticated sockets per address, then 503 with Retry-After; a known one frees its slot", () =>
  withEcho({}, async (echo) => {
    const peers: RawPeer[] = [];
    for (let i = 0; i < 32; i++) peers.push(await RawPeer.upgraded(echo.port));
    assertEquals(echo.listener.unauthenticated, 32);
    const extra = await RawPeer.open(echo.port);
    await extra.requestUpgrade();
    const answer = await within(2_000, extra.rest());
    assert(answer.startsWith("HTTP/1.1 503 "), answer);
    assert(
      /retry-after: 1\r\n/i.test(answer) && answer.endsWith("Too many unauthenticated sockets"),
      answer,
    );
    echo.accepted[0]?.socket.markAuthenticated();
    echo.accepted[0]?.socket.markAuthenticated(); // twice frees one slot
    assertEquals(echo.listener.unauthenticated, 31);
    peers.push(await RawPeer.upgraded(echo.port));
    peers[1]?.close();
    await within(2_000, echo.accepted[1]?.closed ?? Promise.reject());
    assertEquals(echo.listener.unauthenticated, 31);
    for (const peer of [extra, ...peers]) peer.close();
  }));

Deno.test("N12: the total is limited whatever the address, and a proxy's clients pay for themselves", () => {
  let client = 0;
  return withEcho({
    limits: { total: 3, perAddress: 2 },
    countedAddress: () => `10.0.0.${++client}`,
  }, async (echo) => {
    const peers: RawPeer[] = [];
    for (let i = 0; i < 3; i++) peers.push(await RawPeer.upgraded(echo.port));
    const extra = await RawPeer.open(echo.port);
    await extra.requestUpgrade();
    assert((await within(2_000, extra.head())).startsWith("HTTP/1.1 503"));
    for (const peer of [extra, ...peers]) peer.close();
  });
});

Deno.test("N12: sockets that never say anything are limited too, before HTTP", () =>
  withEcho({ limits: { rawPerAddress: 4 } }, async (echo) => {
    const peers: RawPeer[] = [];
    for (let i = 0; i < 4; i++) peers.push(await RawPeer.open(echo.port));
    const extra = await RawPeer.open(echo.port);
    assertEquals(await within(2_000, extra.rest()), "");
    for (const peer of [extra, ...peers]) peer.close();
  }));

async function drip(peer: RawPeer, bytes: Uint8Array, everyMs: number): Promise<void> {
  for (const byte of bytes) {
    await peer.write(Uint8Array.of(byte));
    await new Promise((resolve) => setTimeout(resolve, everyMs));
  }
}

Deno.test("N13: a TLS hello byte by byte ends at its own deadline", async () => {
  const tls = await newCertificate();
  await withEcho({ tls, limits: { tlsTimeoutMs: 400 } }, async (echo) => {
    const peer = await RawPeer.open(echo.port);
    const dripping = drip(peer, Uint8Array.of(0x16, 3, 1, 2, 0, 1, 0, 1), 100).catch(() => {});
    await within(3_000, peer.rest(), "the end of the connection");
    assert(peer.ended);
    await dripping;
    peer.close();
  });
});

Deno.test("N13: an HTTP header byte by byte ends at its own deadline", () =>
  withEcho({ limits: { headerTimeoutMs: 400 } }, async (echo) => {
    const peer = await RawPeer.open(echo.port);
    const dripping = drip(peer, new TextEncoder().encode("GET / HTTP/1"), 80).catch(() => {});
    await within(3_000, peer.rest(), "the end of the connection");
    assert(peer.ended);
    await dripping;
    peer.close();
  }));

Deno.test("N13: the header deadline also runs behind TLS", async () => {
  const tls = await newCertificate();
  await withEcho({ tls, limits: { headerTimeoutMs: 400 } }, async (echo) => {
    const { connect } = await import("node:tls");
    const socket = connect({ host: "127.0.0.1", port: echo.port, rejectUnauthorized: false });
    socket.on("error", () => {});
    const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
    socket.once("secureConnect", () => socket.write("GET / HT"));
    await within(3_000, closed, "the end of the connection");
  });
});

Deno.test("N12: 1,000 upgrades that never send connect leave the limits standing and known peers unaffected", () =>
  withEcho({ limits: { handshakeTimeoutMs: 60_000 } }, async (echo) => {
    const known = await RawPeer.upgraded(echo.port);
    echo.accepted[0]?.socket.markAuthenticated();
    const heads: string[] = [], open: RawPeer[] = [];
    for (let i = 0; i < 1_000; i++) {
      const peer = await RawPeer.open(echo.port);
      await peer.requestUpgrade();
      const head = await within(3_000, peer.head());
      heads.push(head.slice(9, 12));
      if (head.startsWith("HTTP/1.1 101")) open.push(peer);
      else peer.close();
    }
    assertEquals(
      [heads.filter((h) => h === "101").length, heads.filter((h) => h === "503").length],
      [32, 968],
    );
    assertEquals(echo.listener.unauthenticated, 32);
    await known.write(textFrame("still served"));
    assertEquals((await within(2_000, known.frame()))?.opcode, 1);
    for (const peer of [known, ...open]) peer.close();
  }));

Deno.test("N13: a first frame byte by byte ends at the handshake deadline with 1000", () =>
  withEcho({ limits: { handshakeTimeoutMs: 400 } }, async (echo) => {
    const peer = await RawPeer.upgraded(echo.port);
    const dripping = drip(peer, textFrame("never complete").slice(0, 10), 80).catch(() => {});
    assertEquals(await within(3_000, peer.closeCode()), 1000);
    await dripping;
    peer.close();
    await within(4_000, echo.accepted[0]?.closed ?? Promise.reject());
    assertEquals(echo.listener.unauthenticated, 0);
  }));

Deno.test("N13: an authenticated socket outlives the handshake deadline", () =>
  withEcho({ limits: { handshakeTimeoutMs: 200 } }, async (echo) => {
    const known = await RawPeer.upgraded(echo.port);
    echo.accepted[0]?.socket.markAuthenticated();
    const unknown = await RawPeer.upgraded(echo.port);
    assertEquals(await within(3_000, unknown.closeCode()), 1000);
    await known.write(textFrame("still here"));
    assertEquals((await within(2_000, known.frame()))?.opcode, 1);
    known.close();
    unknown.close();
  }));

Deno.test("setHandshakeTimeout(): sockets from now on have the new deadline, those that wait keep theirs", () =>
  withEcho({ limits: { handshakeTimeoutMs: 60_000 } }, async (echo) => {
    const patient = await RawPeer.upgraded(echo.port);
    echo.listener.setHandshakeTimeout(200);
    const hurried = await RawPeer.upgraded(echo.port);
    assertEquals(await within(5_000, hurried.closeCode()), 1000);
    await patient.write(textFrame("still here"));
    assertEquals((await within(2_000, patient.frame()))?.opcode, 1);
    for (const peer of [patient, hurried]) peer.close();
  }));

const ABUSE: readonly [string, number, Uint8Array[]][] = [
  ["an unmasked frame", 1002, [
    frameBytes({ opcode: 1, masked: false, payload: Uint8Array.of(97) }),
  ]],
  ["RSV1 without an extension", 1002, [frameBytes({ opcode: 1, rsv: 4 })]],
  ["RSV2", 1002, [frameBytes({ opcode: 1, rsv: 2 })]],
  ["bad UTF-8", 1007, [frameBytes({ opcode: 1, payload: Uint8Array.of(0xff, 0xfe) })]],
  ["a cut UTF-8 character", 1007, [frameBytes({ opcode: 1, payload: Uint8Array.of(0xe2, 0x82) })]],
  ["a ping of 126 bytes", 1002, [frameBytes({ opcode: 9, payload: new Uint8Array(126) })]],
  ["a fragmented ping", 1002, [frameBytes({ opcode: 9, fin: false })]],
  ["an unknown opcode", 1002, [frameBytes({ opcode: 3 })]],
  ["a continuation without a beginning", 1002, [frameBytes({ opcode: 0 })]],
  ["a new message inside a message", 1002, [
    frameBytes({ opcode: 1, fin: false, payload: Uint8Array.of(97) }),
    frameBytes({ opcode: 1, payload: Uint8Array.of(97) }),
  ]],
  ["close code 1006 on the wire", 1002, [
    frameBytes({ opcode: 8, payload: Uint8Array.of(3, 238) }),
  ]],
  ["a close in mid-message", 1000, [
    frameBytes({ opcode: 1, fin: false, payload: Uint8Array.of(97) }),
    frameBytes({ opcode: 8, payload: Uint8Array.of(3, 232) }),
  ]],
  ["a binary frame", 1003, [frameBytes({ opcode: 2, payload: Uint8Array.of(1) })]],
];
for (const [name, code, frames] of ABUSE) {
  Deno.test(`N14: ${name} is answered with ${code}`, () =>
    withEcho({}, async (echo) => {
      const peer = await RawPeer.upgraded(echo.port);
      for (const frame of frames) await peer.write(frame);
      assertEquals(await within(2_000, peer.closeCode()), code);
      assertEquals(echo.accepted[0]?.texts, []);
      peer.close();
      await within(4_000, echo.accepted[0]?.closed ?? Promise.reject());
    }));
}

Deno.test("N14: 20,000 empty continuations end the connection and hold no memory", () =>
  withEcho({}, async (echo) => {
    const peer = await RawPeer.upgraded(echo.port);
    const before = Deno.memoryUsage();
    await peer.write(frameBytes({ opcode: 1, fin: false, payload: Uint8Array.of(97) }));
    const empty = frameBytes({ opcode: 0, fin: false });
    const many = new Uint8Array(empty.length * 20_000);
    for (let i = 0; i < 20_000; i++) many.set(empty, i * empty.length);
    await peer.write(many).catch(() => {/* cut in the middle */});
    assertEquals(await within(3_000, peer.closeCode()), 1008);
    const after = Deno.memoryUsage();
    assert(
      after.external - before.external < 1024 * 1024,
      `${after.external - before.external} bytes held`,
    );
    peer.close();
  }));

Deno.test("N43: a peer that does not read shows in bufferedBytes and is cut by terminate()", () =>
  withEcho({}, async (echo) => {
    const slow = await RawPeer.upgraded(echo.port);
    const other = await RawPeer.upgraded(echo.port);
    const socket = echo.accepted[0]?.socket;
    assert(socket);
    const chunk = "x".repeat(1024 * 1024);
    let sent = 0;
    while (socket.bufferedBytes < 8 * 1024 * 1024 && sent < 64) {
      socket.send(chunk);
      sent++;
      await new Promise((resolve) => setTimeout(resolve, 0));
    }
    assert(socket.bufferedBytes >= 8 * 1024 * 1024, `${socket.bufferedBytes} after ${sent} MiB`);
    socket.terminate();
    assertEquals((await within(2_000, echo.accepted[0]?.closed ?? Promise.reject())).code, 1006);
    await other.write(textFrame("unaffected"));
    assertEquals((await within(2_000, other.frame()))?.opcode, 1);
    slow.close();
    other.close();
  }));

Deno.test("N43: a peer that pings without reading the answers is cut, and an honest ping is answered", () =>
  withEcho({}, async (echo) => {
    const flood = await RawPeer.upgraded(echo.port);
    const socket = echo.accepted[0]?.socket;
    assert(socket);
    const pings = new Uint8Array(512 * 131);
    const ping = frameBytes({ opcode: 9, payload: new Uint8Array(125).fill(65) });
    for (let n = 0; n < 512; n++) pings.set(ping, n * ping.length);
    let most = 0;
    const flooding = (async () => {
      for (let n = 0; n < 600; n++) { // 40 MB of pings
        await flood.write(pings);
        most = Math.max(most, socket.bufferedBytes);
      }
    })().catch(() => {}); // it is cut while it writes
    assertEquals((await within(10_000, echo.accepted[0]!.closed)).code, 1006);
    await flooding;
    assert(most < 1024 * 1024, `${most} bytes of answers waited for a peer that does not read`);
    const other = await RawPeer.upgraded(echo.port);
    await other.write(frameBytes({ opcode: 9, payload: new TextEncoder().encode("you?") }));
    const answer = await within(2_000, other.frame());
    assertEquals([answer?.opcode, new TextDecoder().decode(answer?.payload)], [10, "you?"]);
    flood.close();
    other.close();
  }));

Deno.test("onDrain() tells when a slow reader has caught up, and pause() stops reading", async () => {
  let drained!: () => void;
  const drain = new Promise<void>((resolve) => drained = resolve);
  const texts: string[] = [];
  let server: ServerSocket | undefined;
  const listener = await listen({
    host: "127.0.0.1",
    port: 0,
    onRequest: (_q, r) => r.end(),
    onSocket: (socket) => {
      server = socket;
      socket.attach({
        onText: (text) => texts.push(text),
        onClose: () => {},
        onDrain: () => drained(),
      });
    },
  });
  const peer = await RawPeer.upgraded(listener.port);
  server?.pause?.();
  await peer.write(textFrame("held"));
  server?.send("y".repeat(8 * 1024 * 1024));
  assertEquals((await within(5_000, peer.frame()))?.payload.length, 8 * 1024 * 1024);
  await within(3_000, drain, "drain");
  assertEquals(texts, []);
  server?.resume?.();
  server?.ping?.();
  assertEquals((await within(2_000, peer.frame()))?.opcode, 9);
  assertEquals(texts, ["held"]);
  peer.close();
  await listener.close();
});

Deno.test("F22: setTls() shows the new certificate to new connections and keeps the old ones", async () => {
  const [first, second] = [await newCertificate(), await newCertificate()];
  await withEcho({ tls: first }, async (echo) => {
    const url = `wss://127.0.0.1:${echo.port}`;
    const old = await dial({ url, pin: first.fingerprint });
    const texts: string[] = [];
    let got!: () => void;
    const answer = new Promise<void>((resolve) => got = resolve);
    let ended!: () => void;
    const over = new Promise<void>((resolve) => ended = resolve);
    old.attach({ onText: (text) => (texts.push(text), got()), onClose: () => ended() });
    echo.listener.setTls(second);
    const error = await assertRejects(() => dial({ url, pin: first.fingerprint }), OpenclawError);
    assertEquals(error.code, "TLS_PIN_MISMATCH");
    assertEquals(error.details?.actual, second.fingerprint as string);
    const next = await dial({ url, pin: first.fingerprint, pins: [second.fingerprint] });
    old.send("still");
    await within(2_000, answer, "the echo");
    assertEquals(texts, ["echo still"]);
    const bad = assertThrows(
      () => echo.listener.setTls({ certPem: "x", keyPem: "y" }),
      OpenclawError,
    );
    assertEquals(bad.code, "TLS_UNUSABLE");
    let nextEnded!: () => void;
    const nextOver = new Promise<void>((resolve) => nextEnded = resolve);
    next.attach({ onText: () => {}, onClose: () => nextEnded() });
    old.close();
    next.close();
    await within(4_000, Promise.all([over, nextOver]));
  });
});

Deno.test("TLS below 1.3 is refused", async () => {
  const tls = await newCertificate();
  await withEcho({ tls }, async (echo) => {
    const { connect } = await import("node:tls");
    const outcome = await within(
      3_000,
      new Promise<string>((resolve) => {
        const socket = connect({
          host: "127.0.0.1",
          port: echo.port,
          rejectUnauthorized: false,
          maxVersion: "TLSv1.2",
        });
        socket.once("secureConnect", () => (socket.destroy(), resolve("connected")));
        socket.once("error", () => (socket.destroy(), resolve("refused")));
      }),
    );
    assertEquals(outcome, "refused");
  });
});

Deno.test("a used port, a foreign address and a bad certificate are coded errors", async () => {
  await withEcho({}, async (echo) => {
    const base = { host: "127.0.0.1", onRequest: () => {}, onSocket: () => {} };
    const used = await assertRejects(() => listen({ ...base, port: echo.port }), OpenclawError);
    assertEquals(used.code, "PORT_IN_USE");
    assertEquals(used.details?.port, echo.port);
    const foreign = await assertRejects(
      () => listen({ ...base, host: "192.0.2.1", port: 0 }),
      OpenclawError,
    );
    assertEquals(foreign.code, "LISTEN_FAILED");
    const tls = { certPem: "nonsense", keyPem: "nonsense" };
    const bad = await assertRejects(() => listen({ ...base, port: 0, tls }), OpenclawError);
    assertEquals(bad.code, "TLS_UNUSABLE");
  });
});

Deno.test("stopAccepting() refuses newcomers and keeps who is there", () =>
  withEcho({}, async (echo) => {
    const peer = await RawPeer.upgraded(echo.port);
    const { port } = echo;
    echo.listener.stopAccepting();
    await assertRejects(
      () => Deno.connect({ hostname: "127.0.0.1", port }),
      Deno.errors.ConnectionRefused,
    );
    await peer.write(textFrame("x"));
    assertEquals((await within(2_000, peer.frame()))?.opcode, 1);
    peer.close();
  }));

Deno.test("a frame sent together with the upgrade request is not lost", () =>
  withEcho({}, async (echo) => {
    const peer = await RawPeer.open(echo.port);
    const request = "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
      "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    const head = new TextEncoder().encode(request), frame = textFrame("early");
    const both = new Uint8Array(head.length + frame.length);
    both.set(head);
    both.set(frame, head.length);
    await peer.write(both);
    await peer.head();
    assertEquals(
      new TextDecoder().decode((await within(2_000, peer.frame()))?.payload),
      "echo early",
    );
    peer.close();
  }));
