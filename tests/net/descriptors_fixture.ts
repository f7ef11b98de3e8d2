/** Listens under whatever descriptor limit it was started with, and prints the port. Run by `descriptors_test.ts`. */
import { listen } from "../../src/net/listen/ws_server.ts";

const listener = await listen({
  host: "127.0.0.1",
  port: 0,
  onRequest: (_request, response) => response.end("hi"),
  onSocket: (socket) => socket.attach({ onText: (text) => socket.send(text), onClose: () => {} }),
});
console.log(listener.port);
