/** N13: peers of the TLS port that are no TLS 1.3 peers of HTTP/1.1. Each ends on its own; nobody else notices. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { Buffer } from "node:buffer";
import { connect as connectTls, type ConnectionOptions } from "node:tls";
import { RawPeer, within } from "../../../net/raw.ts";
import { withGateway } from "../../../support/gateway.ts";
import { bytesOf } from "./raw_http.ts";

const REQUEST = "GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

/** What a TLS client gets for one request: the answer's first line, or the code of the failure. */
function attempt(port: number, options: ConnectionOptions): Promise<string> {
  const ended = new Promise<string>((resolve) => {
    let text = "";
    const socket = connectTls(
      { port, host: "127.0.0.1", rejectUnauthorized: false, ...options },
      () => socket.write(REQUEST),
    );
    socket.on("data", (part: Buffer) => text += part.toString());
    socket.on("error", (error: { code?: string }) => text ||= error.code ?? "error");
    socket.on("close", () => resolve(text.split("\r\n")[0] ?? ""));
  });
  return within(4_000, ended, "the end of a TLS attempt");
}

const CLIENTS: readonly (readonly [string, ConnectionOptions, RegExp])[] = [
  ["no server name", { servername: "" }, /200 OK/],
  ["another server name", { servername: "evil.example" }, /200 OK/],
  ["a long server name", { servername: `${"a".repeat(63)}.${"b".repeat(63)}.example` }, /200 OK/],
  ["both protocols", { ALPNProtocols: ["h2", "http/1.1"] }, /200 OK/],
  ["HTTP/2 only", { ALPNProtocols: ["h2"] }, /NO_APPLICATION_PROTOCOL|^$|ECONNRESET/],
  ["a protocol nobody knows", { ALPNProtocols: ["x"] }, /NO_APPLICATION_PROTOCOL|^$|ECONNRESET/],
  ["TLS 1.2 only", { maxVersion: "TLSv1.2" }, /PROTOCOL_VERSION|^$|ECONNRESET/],
];

const record = (type: number, length: number, body: Uint8Array) =>
  Uint8Array.of(type, 3, 1, length >> 8, length & 255, ...body);

const BYTES: Readonly<Record<string, Uint8Array>> = {
  "plain HTTP": bytesOf(REQUEST),
  "a WebSocket upgrade without TLS": bytesOf("GET / HTTP/1.1\r\nUpgrade: websocket\r\n\r\n"),
  "the greeting of ssh": bytesOf("SSH-2.0-x\r\n"),
  "noise": Uint8Array.from({ length: 500 }, (_, n) => (n * 151) & 255),
  "a record of 64 KiB": record(0x16, 0xffff, new Uint8Array(60_000)),
  "2,000 warnings": new Uint8Array(Array(2_000).fill([0x15, 3, 3, 0, 2, 1, 0]).flat()),
  "an empty record": record(0x16, 0, new Uint8Array()),
  "data before any hello": record(0x17, 5, bytesOf("hello")),
};

Deno.test("N13 variant: other versions, protocols and names than ours end at once or are served, without a word of HTTP in between", () =>
  withGateway(async ({ gateway, owner }) => {
    for (const [name, options, says] of CLIENTS) {
      assertMatch(await attempt(gateway.port, options), says, name);
    }
    for (const [name, bytes] of Object.entries(BYTES)) {
      const peer = await RawPeer.open(gateway.port);
      await peer.write(bytes).catch(() => {});
      const answer = await within(6_000, peer.rest(), name);
      assert(!answer.includes("HTTP"), name);
      peer.close();
    }
    assert((await (await owner()).request("health")).ok);
    assertEquals(gateway.unauthenticated(), 0);
  }, { flags: { tls: true } }));
