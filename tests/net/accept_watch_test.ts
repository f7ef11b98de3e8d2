import { assert, assertEquals } from "@std/assert";
import { systemClock } from "../../src/lib/clock.ts";
import { AcceptWatch } from "../../src/net/listen/accept_watch.ts";
import { within } from "./raw.ts";

/** The real clock, a hundred times as fast. */
const quick = {
  ...systemClock,
  after: (delayMs: number, run: () => void) => systemClock.after(delayMs / 100, run),
};

Deno.test("F36: a listener that no longer accepts is revived, one that does is left alone", async () => {
  // The system completes connections for a listener that nobody accepts from, as after the end of an accept loop.
  const dead = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = dead.addr as Deno.NetAddr;
  const revived = Promise.withResolvers<void>();
  let alive: Deno.Listener | undefined;
  let times = 0;
  const watch = new AcceptWatch({
    clock: quick,
    address: { host: "127.0.0.1", port },
    revive: () => {
      times++;
      dead.close();
      alive = Deno.listen({ hostname: "127.0.0.1", port });
      void acceptAll(alive, () => watch.accepted());
      revived.resolve();
      return Promise.resolve();
    },
  });
  watch.suspect();
  await within(5_000, revived.promise, "a new listener");
  // Two more quiet periods: the new one is looked at and stays.
  const seen = Promise.withResolvers<void>();
  const accepted = watch.accepted.bind(watch);
  let looks = 0;
  watch.accepted = () => {
    accepted();
    if (++looks === 2) seen.resolve();
  };
  await within(5_000, seen.promise, "two looks");
  assertEquals(times, 1);
  watch.stop();
  alive?.close();
});

Deno.test("F36: a place that cannot be reached proves nothing", async () => {
  const gone = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = gone.addr as Deno.NetAddr;
  gone.close();
  let times = 0;
  let waits = 0;
  const looked = Promise.withResolvers<void>();
  const watch = new AcceptWatch({
    clock: {
      ...quick,
      after: (delayMs, run) => {
        if (++waits > 8) looked.resolve();
        return quick.after(delayMs, run);
      },
    },
    address: { host: "127.0.0.1", port },
    revive: () => Promise.resolve(void times++),
  });
  watch.suspect();
  await within(5_000, looked.promise, "several looks");
  watch.stop();
  assert(times === 0, `revived ${times} times`);
});

async function acceptAll(listener: Deno.Listener, onAccepted: () => void): Promise<void> {
  try {
    for await (const connection of listener) {
      onAccepted();
      connection.close();
    }
  } catch {
    // Closed at the end of the test.
  }
}
