/** N20, N44, N03: requests that two readers would cut differently get one refusal and the end of the connection. */
import { assert, assertEquals } from "@std/assert";
import { frameBytes } from "../../../net/raw.ts";
import { TOKEN, withGateway } from "../../../support/gateway.ts";
import { exchange, statuses } from "./raw_http.ts";

const BODY = `{"tool":"health"}`;
const SIZE = String(BODY.length);
const CHUNKED = `11\r\n${BODY}\r\n0\r\n\r\n`;
const HOST = "Host: 127.0.0.1\r\n";
const RIGHT = `${HOST}Authorization: Bearer ${TOKEN}\r\nContent-Type: application/json\r\n`;
/** What an attacker would like to be read as a request of its own. */
const SECOND = `GET /readyz HTTP/1.1\r\n${HOST}\r\n`;

const post = (headers: string, body = BODY) =>
  `POST /tools/invoke HTTP/1.1\r\n${RIGHT}${headers}\r\n${body}`;
const chunked = (body: string) => post("Transfer-Encoding: chunked\r\n", body);
const get = (headers: string) => `GET /readyz HTTP/1.1\r\n${HOST}${headers}\r\n`;

/** Each is followed by {@linkcode SECOND}: one 400, then nothing. */
const AMBIGUOUS: Readonly<Record<string, string>> = {
  "length and chunks": post(`Content-Length: ${SIZE}\r\nTransfer-Encoding: chunked\r\n`, CHUNKED),
  "chunks and length": post(`Transfer-Encoding: chunked\r\nContent-Length: 3\r\n`, CHUNKED),
  "the same length twice": post(`Content-Length: ${SIZE}\r\nContent-Length: ${SIZE}\r\n`),
  "two lengths": post(`Content-Length: ${SIZE}\r\nContent-Length: 3\r\n`),
  "a list of lengths": post(`Content-Length: ${SIZE}, ${SIZE}\r\n`),
  "a signed length": post(`Content-Length: +${SIZE}\r\n`),
  "a negative length": post("Content-Length: -1\r\n"),
  "a hexadecimal length": post("Content-Length: 0x11\r\n"),
  "a length beyond 2^64": post("Content-Length: 18446744073709551633\r\n"),
  "a coding nobody knows": post("Transfer-Encoding: xchunked\r\n", CHUNKED),
  "chunked, but not last": post("Transfer-Encoding: chunked, identity\r\n", CHUNKED),
  "two codings": post("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", CHUNKED),
  "a coding behind a vertical tab": post("Transfer-Encoding: \x0bchunked\r\n", CHUNKED),
  "a blank before the colon": post("Transfer-Encoding : chunked\r\n", CHUNKED),
  "a folded header": post(`X-A: b\r\n Content-Length: 3\r\nContent-Length: ${SIZE}\r\n`),
  "a folded coding": post("Transfer-Encoding:\r\n chunked\r\n", CHUNKED),
  "lines that end in LF": `GET /readyz HTTP/1.1\nHost: 127.0.0.1\n\n`,
  "one line that ends in LF": get("X: y\nZ: 1\r\n"),
  "a lone CR": get("X: y\rZ: 1\r\n"),
  "a NUL in a value": get("X: a\0b\r\n"),
  "a chunk extension that ends in LF": chunked(`11;a=\n${BODY}\r\n0\r\n\r\n`),
  "a chunk size with a tail": chunked(`11zz\r\n${BODY}\r\n0\r\n\r\n`),
  "a chunk size with 0x": chunked(`0x11\r\n${BODY}\r\n0\r\n\r\n`),
  "a chunk size beyond 2^64": chunked(`FFFFFFFFFFFFFFFFF\r\n${BODY}\r\n0\r\n\r\n`),
  "a negative chunk size": chunked(`-1\r\n${BODY}\r\n0\r\n\r\n`),
  "a chunk longer than it says": chunked(`11\r\n${BODY}XX0\r\n\r\n`),
  "two hosts": get("Host: evil.example\r\n"),
  "no host": "GET /readyz HTTP/1.1\r\n\r\n",
  "a version of the future": `GET /readyz HTTP/1.2\r\n${HOST}\r\n`,
  "the preface of HTTP/2": "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
  "a method in small letters": post(`Content-Length: ${SIZE}\r\n`).replace("POST", "post"),
  "a header of 1 MiB": get(`X: ${"a".repeat(1 << 20)}\r\n`),
  "a path of 1 MiB": `GET /${"a".repeat(1 << 20)} HTTP/1.1\r\n${HOST}\r\n`,
  "20,000 headers": get("A: b\r\n".repeat(20_000)),
};

Deno.test("N20 variant: an ambiguous request gets one 400 and the connection ends: nothing behind it is read as a request", () =>
  withGateway(async ({ gateway }) => {
    for (const [name, text] of Object.entries(AMBIGUOUS)) {
      const answer = await exchange(gateway.port, text + SECOND);
      assertEquals(statuses(answer), [400], name);
      assert(!answer.includes("uptimeMs") && !answer.includes('"result"'), name);
    }
  }));

const LAST = `GET /health HTTP/1.1\r\n${HOST}Connection: close\r\n\r\n`;

/** Answered, each with its own status, and then the honest request behind it. */
const REFUSED: Readonly<Record<string, readonly [text: string, status: number]>> = {
  "credentials in a trailer": [
    `POST /tools/invoke HTTP/1.1\r\n${HOST}Content-Type: application/json\r\n` +
    `Transfer-Encoding: chunked\r\nTrailer: Authorization\r\n\r\n` +
    `11\r\n${BODY}\r\n0\r\nAuthorization: Bearer ${TOKEN}\r\n\r\n`,
    401,
  ],
  "a wrong bearer before the right one": [
    post(`Content-Length: ${SIZE}\r\n`).replace(HOST, `${HOST}Authorization: Bearer x\r\n`),
    401,
  ],
  "an absolute target": [
    post(`Content-Length: ${SIZE}\r\n`).replace("/tools", "http://evil.example/tools"),
    404,
  ],
  "GET that says it is POST": [
    post(`X-HTTP-Method-Override: POST\r\nContent-Length: ${SIZE}\r\n`).replace("POST /", "GET /"),
    405,
  ],
  "an opaque origin": [post(`Origin: null\r\nContent-Length: ${SIZE}\r\n`), 403],
  "an empty origin": [post(`Origin: \r\nContent-Length: ${SIZE}\r\n`), 403],
  "two origins": [
    post(`Origin: http://127.0.0.1\r\nOrigin: https://evil.example\r\nContent-Length: ${SIZE}\r\n`),
    403,
  ],
  "a type that only begins like JSON": [
    post(`Content-Length: ${SIZE}\r\n`).replace("application/json", "application/jsonish"),
    400,
  ],
  "a compressed body": [post(`Content-Encoding: gzip\r\nContent-Length: ${SIZE}\r\n`), 400],
  "a request inside a body": [get(`Content-Length: ${SECOND.length}\r\n`) + SECOND, 200],
  "OPTIONS *": [`OPTIONS * HTTP/1.1\r\n${HOST}\r\n`, 404],
  "TRACE": [`TRACE /health HTTP/1.1\r\n${HOST}\r\n`, 405],
};

Deno.test("N20, N44 variant: detours to the tool endpoint end in one refusal, in step with the next request", () =>
  withGateway(async ({ gateway }) => {
    for (const [name, [text, status]] of Object.entries(REFUSED)) {
      assertEquals(statuses(await exchange(gateway.port, text + LAST)), [status, 200], name);
    }
  }));

const KEY = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
const VERSION = "Sec-WebSocket-Version: 13\r\n";
const upgrade = (headers: string, first = "GET / HTTP/1.1") =>
  `${first}\r\n${HOST}Connection: Upgrade\r\nUpgrade: websocket\r\n${headers}\r\n`;

/** A goodbye: whoever reads it as a frame ends the connection. */
const CLOSE = String.fromCharCode(...frameBytes({ opcode: 8 }));

/** Statuses of everything that came. */
const UPGRADES: Readonly<Record<string, readonly [text: string, status: number]>> = {
  "without a key": [upgrade(VERSION), 400],
  "with a short key": [upgrade(`Sec-WebSocket-Key: abc\r\n${VERSION}`), 400],
  "with two keys": [upgrade(KEY + KEY + VERSION), 400],
  "without a version": [upgrade(KEY), 400],
  "with version 99": [upgrade(`${KEY}Sec-WebSocket-Version: 99\r\n`), 400],
  "by POST": [upgrade(KEY + VERSION, "POST / HTTP/1.1"), 405],
  "to HTTP/2": [upgrade(KEY + VERSION).replace("websocket", "h2c"), 400],
  "with two hosts": [upgrade(`Host: evil.example\r\n${KEY}${VERSION}`), 400],
  "with a protocol twice": [upgrade(`${KEY}${VERSION}Sec-WebSocket-Protocol: a, a\r\n`), 400],
  "with a hop from nobody": [upgrade(`${KEY}${VERSION}X-Forwarded-For: 127.0.0.1\r\n`), 403],
  "with a path that is none": [upgrade(KEY + VERSION, "GET tools HTTP/1.1"), 400],
  "with a body": [upgrade(`${KEY}${VERSION}Content-Length: 5\r\n`) + "hello" + CLOSE, 101],
  "with chunks": [
    upgrade(`${KEY}${VERSION}Transfer-Encoding: chunked\r\n`) + "5\r\nhello\r\n0\r\n\r\n" + CLOSE,
    101,
  ],
  "and a request behind it": [upgrade(KEY + VERSION) + SECOND + CLOSE, 101],
};

Deno.test("N12, N20 variant: a malformed upgrade is refused, what stands behind a good one is frames and nothing else", () =>
  withGateway(async ({ gateway, owner }) => {
    for (const [name, [text, status]] of Object.entries(UPGRADES)) {
      const answer = await exchange(gateway.port, text);
      assertEquals(statuses(answer), [status], name);
      assert(!answer.includes("uptimeMs"), name);
    }
    assert((await (await owner()).request("health")).ok);
  }));
