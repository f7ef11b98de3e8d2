/** Listens, uses up its descriptors when told to, gives them back when told to, and says when it listens anew. */
import { systemClock } from "../../../../src/lib/clock.ts";
import { listen } from "../../../../src/net/listen/ws_server.ts";

/** The watch looks every 30 s; here every 300 ms. */
const quick = {
  ...systemClock,
  after: (delayMs: number, run: () => void) => systemClock.after(delayMs / 100, run),
};
const say = (text: string) => Deno.stdout.writeSync(new TextEncoder().encode(`${text}\n`));

const listener = await listen({
  host: "127.0.0.1",
  port: 0,
  clock: quick,
  onRequest: (_request, response) => response.end("hi"),
  onSocket: (socket) => socket.attach({ onText() {}, onClose() {} }),
  onRevived: () => say("revived"),
});
say(`port ${listener.port}`);

const files: Deno.FsFile[] = [];
for await (const word of Deno.stdin.readable.pipeThrough(new TextDecoderStream())) {
  if (word.startsWith("fill")) {
    try {
      for (;;) files.push(Deno.openSync("/dev/null"));
    } catch {
      say("full");
    }
  } else {
    // Who connected meanwhile was not accepted for want of descriptors, and that ended the runtime's accept loop.
    await new Promise((resolve) => setTimeout(resolve, 200));
    files.splice(0).forEach((file) => file.close());
  }
}
