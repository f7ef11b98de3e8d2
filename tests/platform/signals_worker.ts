/** Asks itself to stop twice and prints what it saw. A process of its own: a signal is for all tests of a process. */
import { onStopSignals } from "../../src/platform/signals.ts";

const seen: unknown[] = [];
const { promise, resolve } = Promise.withResolvers<void>();
const remove = onStopSignals((signal, count) => {
  seen.push([signal, count]);
  if (count === 2) resolve();
  else Deno.kill(Deno.pid, "SIGTERM");
});
Deno.kill(Deno.pid, "SIGTERM");
await promise;
remove();
console.log(JSON.stringify(seen));
// With no listener left the next one ends the process, as without any of this.
Deno.kill(Deno.pid, "SIGTERM");
await new Promise((wait) => setTimeout(wait, 60_000));
