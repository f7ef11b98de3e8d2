/** F39: proxies that tamper with the upgrade. A coded reason each time, and nothing of ours above HTTP was said. */
import { assert, assertEquals } from "@std/assert";
import { dial } from "../../src/net/dial/dial.ts";
import { OpenclawError } from "../../src/lib/errors.ts";
import { tcpServer } from "../e2e/doctor/servers.ts";

/** The right answer to a key. RFC 6455, 4.2.2. */
async function acceptOf(key: string): Promise<string> {
  const text = new TextEncoder().encode(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`);
  return btoa(String.fromCharCode(...new Uint8Array(await crypto.subtle.digest("SHA-1", text))));
}

const ANSWERS: readonly (readonly [name: string, head: (accept: string) => readonly string[]])[] = [
  ["another Sec-WebSocket-Accept", () => [
    ...["Connection: Upgrade", "Upgrade: websocket"],
    "Sec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=",
  ]],
  ["no Sec-WebSocket-Accept", () => ["Connection: Upgrade", "Upgrade: websocket"]],
  ["no Upgrade", (accept) => ["Connection: Upgrade", `Sec-WebSocket-Accept: ${accept}`]],
  ["another Upgrade", (accept) => [
    ...["Connection: Upgrade", "Upgrade: h2c"],
    `Sec-WebSocket-Accept: ${accept}`,
  ]],
  ["a subprotocol nobody asked for", (accept) => [
    ...["Connection: Upgrade", "Upgrade: websocket", `Sec-WebSocket-Accept: ${accept}`],
    "Sec-WebSocket-Protocol: evil",
  ]],
];

const CODES = ["NOT_A_GATEWAY", "HTTP_REFUSED", "CONNECTION_LOST", "CONNECTION_FAILED"];

for (const [name, head] of ANSWERS) {
  for (const longLived of [true, false]) {
    Deno.test(`F39: an upgrade with ${name}${longLived ? ", long-lived" : ""} says nothing of ours`, async () => {
      let said = "";
      await using server = tcpServer(async (conn) => {
        const buffer = new Uint8Array(8192);
        said += new TextDecoder().decode(buffer.subarray(0, await conn.read(buffer) ?? 0));
        const key = /sec-websocket-key: (\S+)/i.exec(said)?.[1] ?? "";
        const lines = ["HTTP/1.1 101 Switching Protocols", ...head(await acceptOf(key)), "", ""];
        await conn.write(new TextEncoder().encode(lines.join("\r\n")));
        for (;;) {
          const count = await conn.read(buffer);
          if (count === null) break;
          said += new TextDecoder().decode(buffer.subarray(0, count));
        }
        conn.close();
      });
      const url = `ws://127.0.0.1:${server.port}`;
      const options = { url, timeoutMs: 5_000, ...(longLived ? { longLived } : {}) };
      const outcome = await dial(options).catch((error) => error);
      if (outcome instanceof OpenclawError) assert(CODES.includes(outcome.code), outcome.message);
      else {
        // The runtime's own client does not look at the answer's key: then the challenge has to come first.
        assert(!longLived, "it was taken for an upgrade");
        outcome.terminate();
      }
      assertEquals(/token|password|"method"/i.test(said), false, said);
    });
  }
}
