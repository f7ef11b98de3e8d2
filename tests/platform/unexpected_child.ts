/** A server that fails in every way a server can, one after the other, says what it was told, and still answers. */
import { createConnection, createServer, type Socket } from "node:net";
import { surviveUnexpected } from "../../src/platform/unexpected.ts";

const wanted = new Set(["a promise", "a microtask", "a timer", "a socket's data"]);
const told = Promise.withResolvers<void>();
surviveUnexpected((error) => {
  const { message } = error as Error;
  console.log(`told: ${message}`);
  wanted.delete(message);
  if (wanted.size === 0) told.resolve();
});

const server = createServer((socket: Socket) => {
  socket.on("data", (bytes: Uint8Array) => {
    if (bytes[0] === 0x21) throw new Error("a socket's data");
    socket.end("served");
  });
  socket.on("error", () => {/* the other end went first */});
});
await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
const { port } = server.address() as { port: number };

Promise.reject(new Error("a promise"));
queueMicrotask(() => {
  throw new Error("a microtask");
});
setTimeout(() => {
  throw new Error("a timer");
});
createConnection(port, "127.0.0.1").on("error", () => {}).write("!");
await told.promise;
using client = await Deno.connect({ hostname: "127.0.0.1", port });
await client.write(new TextEncoder().encode("?"));
console.log(await new Response(client.readable).text());
Deno.exit(0);
