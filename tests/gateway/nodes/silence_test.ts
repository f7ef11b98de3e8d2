/** F10, F11: who is dropped when nothing came since the last ping. */
import { assertEquals } from "@std/assert";
import { Connection } from "../../../src/gateway/peers/connection.ts";
import type { ServerSocket } from "../../../src/net/socket.ts";
import { fakePeer } from "../fake_peer.ts";

/** A live connection whose bytes the test counts. */
function open() {
  const seen = { receivedBytes: 100, pings: 0, terminated: 0 };
  const socket: ServerSocket = {
    remoteAddress: "192.0.2.1",
    bufferedBytes: 0,
    get receivedBytes() {
      return seen.receivedBytes;
    },
    open: true,
    attach() {},
    send() {},
    ping: () => void seen.pings++,
    close() {},
    terminate: () => void seen.terminated++,
    raiseLimit() {},
    markAuthenticated() {},
    hold() {},
    release() {},
  };
  const connection = new Connection(socket, { onFrame() {}, onEnded() {} });
  connection.goLive(fakePeer({ role: "node", deviceId: "node-1" }).principal, 0);
  return { seen, connection };
}

Deno.test("F10: a connection that nobody asked yet is not dropped", () => {
  const { seen, connection } = open();
  connection.dropIfSilent();
  assertEquals([connection.live, seen.terminated], [true, 0]);
});

Deno.test("F10: any byte after a ping is a sign of life, also a part of a frame", () => {
  const { seen, connection } = open();
  for (let round = 0; round < 3; round++) {
    connection.askForSign();
    seen.receivedBytes += 1;
    connection.dropIfSilent();
  }
  assertEquals([connection.live, seen.pings, seen.terminated], [true, 3, 0]);
});

Deno.test("F10, F11: a connection that sent nothing since the ping is dropped, once", () => {
  const { seen, connection } = open();
  connection.askForSign();
  connection.dropIfSilent();
  connection.dropIfSilent();
  connection.askForSign();
  assertEquals([connection.live, seen.pings, seen.terminated], [false, 1, 1]);
});
