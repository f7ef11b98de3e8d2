/** F09: hand edits while a gateway runs. Events are awaited with a deadline, never slept for. */
import { assertEquals } from "@std/assert";
import { ConfigHolder } from "../../../src/gateway/services/config_holder.ts";
import { type ConfigWatch, watchConfig } from "../../../src/config/file/watch.ts";
import { withDeadline } from "../../../src/lib/deadline.ts";
import { FakeClock } from "../../support/fake_clock.ts";
import { type TempState, tempState } from "../temp_state.ts";

/** A holder that reloads whenever the watch says so, and a way to await the next reload. */
async function watched(state: TempState) {
  const holder = new ConfigHolder(await state.load(), () => state.load());
  let waiting = Promise.withResolvers<void>();
  let reloads = 0;
  const watch: ConfigWatch = watchConfig({
    path: state.paths.configFile,
    debounceMs: 20,
    onChange: async () => {
      await holder.reload();
      reloads++;
      const done = waiting;
      waiting = Promise.withResolvers();
      done.resolve();
    },
  });
  /** Runs `change` and waits until a reload made `ready` true. */
  const until = async (ready: () => boolean, change: () => Promise<void>) => {
    await change();
    while (!ready()) {
      await withDeadline(waiting.promise, { timeoutMs: 60_000, what: "a reload" });
    }
  };
  return { holder, watch, until, reloads: () => reloads };
}

const port = (n: number) => `{gateway: {port: ${n}}}`;

Deno.test("F09: an in-place save, a rename-save and a link change are all picked up", async () => {
  await using state = await tempState({}, port(1));
  const { holder, watch, until } = await watched(state);
  const now = () => holder.current.config.gateway.port;
  await until(() => now() === 2, () => state.write(port(2)));
  await until(() => now() === 3, async () => {
    const temp = `${state.paths.configFile}.swp`;
    await Deno.writeTextFile(temp, port(3), { mode: 0o600 });
    await Deno.rename(temp, state.paths.configFile);
  });
  await until(() => now() === 4, async () => {
    await Deno.remove(state.paths.configFile);
    await state.write(port(4));
  });
  watch.close();
});

Deno.test("F09: an edit that is invalid or half written leaves the running configuration whole", async () => {
  await using state = await tempState({}, port(1));
  const { holder, watch, until, reloads } = await watched(state);
  const rejected = async (text: string) => {
    const before = reloads();
    await until(() => reloads() > before, () => state.write(text));
    assertEquals(holder.current.config.gateway.port, 1, text);
  };
  await rejected("{gateway: {port: 2");
  await rejected("{gateway: {port: 'x', bind: 'lan'}}");
  await rejected("");
  await until(() => holder.current.config.gateway.port === 5, () => state.write(port(5)));
  watch.close();
});

Deno.test("watchConfig() reports a burst of saves once, after the last one", async () => {
  await using state = await tempState({}, port(1));
  const clock = new FakeClock();
  let told = 0;
  const watch = watchConfig({
    path: state.paths.configFile,
    debounceMs: 300,
    clock,
    onChange: () => told++,
  });
  for (let n = 2; n <= 30; n++) {
    await state.write(`// ${"x".repeat(n)}\n{}`);
    clock.advance(250);
  }
  assertEquals(told, 0, "never while it changes");
  clock.advance(2_000);
  assertEquals(told, 1);
  watch.close();
  assertEquals(clock.pending, 0);
});

Deno.test("N40: a FIFO beside or in place of the file neither blocks the watch nor its end", {
  ignore: Deno.build.os === "windows",
}, async () => {
  await using state = await tempState({}, port(1));
  const { holder, watch, until } = await watched(state);
  const fifo = (path: string) => new Deno.Command("mkfifo", { args: ["-m", "600", path] }).output();
  await fifo(`${state.paths.configFile}.other`);
  await until(() => holder.current.config.gateway.port === 2, () => state.write(port(2)));
  await Deno.remove(state.paths.configFile);
  await fifo(state.paths.configFile);
  await Deno.remove(state.paths.configFile);
  await until(() => holder.current.config.gateway.port === 3, () => state.write(port(3)));
  await fifo(`${state.paths.configFile}.last`);
  watch.close();
});
