/** N12, N13: connections that never get further than HTTP, slowly. Limits are small here; the defaults are in options.ts. */
import { assert, assertEquals } from "@std/assert";
import { listen, type Listener, type ListenLimits } from "../../../../src/net/listen/ws_server.ts";
import { RawPeer, within } from "../../../net/raw.ts";
import { statuses } from "./raw_http.ts";

const LIMITS: Partial<ListenLimits> = {
  headerTimeoutMs: 300,
  requestTimeoutMs: 600,
  httpLifeMs: 600,
};

/** Answers `/early` before the body came; everything else after it was read. */
function server(): Promise<Listener> {
  return listen({
    host: "127.0.0.1",
    port: 0,
    limits: LIMITS,
    onRequest: async (request, response) => {
      if (request.url === "/early") {
        response.statusCode = 401;
        return void response.end("no");
      }
      try {
        for await (const _part of request) { /* read on */ }
        response.end("ok");
      } catch {
        response.destroy();
      }
    },
    onSocket: (socket) => socket.attach({ onText() {}, onClose() {} }),
  });
}

const HOST = "Host: x\r\n";
const LONG = `${HOST}Content-Length: 100000\r\n\r\n`;
const CHUNKS = `${HOST}Transfer-Encoding: chunked\r\n\r\n`;
const ASK = `GET /early HTTP/1.1\r\n${HOST}\r\n`;

/** What is sent at once, what drips, and the first status that must come. */
const DRIPS: Readonly<Record<string, readonly [start: string, drip: string, status: number]>> = {
  "a body, byte by byte": [`POST /r HTTP/1.1\r\n${LONG}`, "a", 400],
  "a body in chunks of one byte": [`POST /r HTTP/1.1\r\n${CHUNKS}`, "1\r\na\r\n", 400],
  "a chunk extension": [`POST /r HTTP/1.1\r\n${CHUNKS}1;`, "a", 400],
  "trailers": [`POST /r HTTP/1.1\r\n${CHUNKS}1\r\na\r\n0\r\n`, "X: a\r\n", 400],
  "headers, one by one": [`GET / HTTP/1.1\r\n${HOST}`, "A: b\r\n", 400],
  "blank lines": ["", "\r\n", 400],
  "a body behind the answer": [`POST /early HTTP/1.1\r\n${LONG}`, "a", 401],
  "a body of a GET behind the answer": [`GET /early HTTP/1.1\r\n${LONG}`, "a", 401],
  "small requests": [ASK, ASK, 401],
};

async function drip(port: number, start: string, more: string): Promise<string> {
  const peer = await RawPeer.open(port);
  const timer = setInterval(() => peer.write(more).catch(() => {}), 50);
  try {
    await peer.write(start);
    return await within(4_000, peer.rest(), `the end of ${JSON.stringify(start + more)}`);
  } finally {
    clearInterval(timer);
    peer.close();
  }
}

Deno.test("N13 variant: a body, chunks, trailers, headers or requests that drip end at their deadline, also behind the answer", async () => {
  const listener = await server();
  try {
    await Promise.all(
      Object.entries(DRIPS).map(async ([name, [start, more, status]]) =>
        assertEquals(statuses(await drip(listener.port, start, more))[0], status, name)
      ),
    );
  } finally {
    await listener.close();
  }
});

Deno.test("N13 variant: a body that comes in time behind an early answer costs nobody the connection", async () => {
  const listener = await server();
  const peer = await RawPeer.open(listener.port);
  try {
    await peer.write(`POST /early HTTP/1.1\r\n${HOST}Content-Length: 3\r\n\r\n`);
    assert((await within(2_000, peer.head(), "the early answer")).includes("401"));
    await peer.write(`abc${ASK.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n")}`);
    assertEquals(statuses(await within(2_000, peer.rest(), "the second answer")), [401]);
  } finally {
    peer.close();
    await listener.close();
  }
});
