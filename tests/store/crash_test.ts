/** The store against a killed process, a full disk and a folder that goes away. Rounds: OPENCLAW_TEST_CRASH_ROUNDS, default 40. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { OpenclawError } from "../../src/lib/errors.ts";
import { GatewayStore } from "../../src/store/gateway_store.ts";

const ROUNDS = Number(Deno.env.get("OPENCLAW_TEST_CRASH_ROUNDS") ?? "40");
const WRITER = new URL("./crash_writer.ts", import.meta.url).pathname;
const DENO = Deno.execPath();
const onLinux = Deno.build.os === "linux";

async function tempFolder(run: (dir: string) => Promise<void>): Promise<void> {
  const dir = await Deno.makeTempDir({ prefix: "openclaw-store-test-" });
  try {
    await run(dir);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

/** Lines of a child's stdout. */
async function* linesOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  let rest = "";
  for await (const text of stream.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    yield* lines;
  }
}

Deno.test("F01: kill -9 at any write loses nothing that was acknowledged and tears nothing", async () => {
  await tempFolder(async (dir) => {
    const path = `${dir}/gateway.sqlite`;
    for (let round = 0; round < ROUNDS; round++) {
      const child = new Deno.Command(DENO, {
        args: ["run", "-A", "--no-check", WRITER, path],
        stdout: "piped",
        stderr: "null",
      }).spawn();
      let acked = 0;
      const enough = 1 + Math.floor(Math.random() * 40);
      let killed = false;
      for await (const line of linesOf(child.stdout)) {
        if (line.startsWith("acked ")) acked = Number(line.slice(6));
        if (killed || !line.startsWith("acked ") || acked % 50 < enough % 50) continue;
        killed = true;
        child.kill("SIGKILL");
      }
      await child.status;
      const startedMs = performance.now();
      const store = await GatewayStore.open({ path });
      assert(performance.now() - startedMs < 1_000, "start after a crash takes at most 1 s");
      const [a, b] = [Number(store.meta.get("a")), Number(store.meta.get("b"))];
      assertEquals(a, b, "a transaction is whole");
      assert(a >= acked, `acknowledged ${acked}, found ${a}`);
      await store.close();
    }
  });
});

Deno.test({
  name:
    "F04: a full disk fails the change with a clear code, undoes it in memory, and heals by itself",
  ignore: !onLinux,
  async fn() {
    await tempFolder(async (dir) => {
      const path = `${dir}/gateway.sqlite`;
      await (await GatewayStore.open({ path })).close();
      // A file size limit stands for the full disk: the kernel refuses the write in the same place.
      const script = `trap '' XFSZ; ulimit -S -f 512; exec "$0" run -A --no-check "$1" "$2"`;
      const child = new Deno.Command("sh", {
        args: ["-c", script, DENO, WRITER, path],
        stdout: "piped",
        stderr: "null",
      }).spawn();
      let acked = 0, failed = 0, healed = false;
      const deadline = setTimeout(() => child.kill("SIGKILL"), 20_000);
      for await (const line of linesOf(child.stdout)) {
        const [word, n, code, memory] = line.split(" ");
        if (word === "failed") {
          assertEquals([code, memory], ["STORE_UNAVAILABLE", `memory=${acked}`]);
          failed++;
          if (failed !== 2) continue;
          const lifted = await new Deno.Command("prlimit", {
            args: ["--pid", String(child.pid), "--fsize=unlimited"],
          }).output();
          assert(lifted.success);
        } else if (word === "acked") {
          acked = Number(n);
          if (failed < 2 || healed) continue;
          healed = true;
          child.kill("SIGKILL");
        }
      }
      await child.status;
      clearTimeout(deadline);
      assert(healed, "writes work again without a restart");
      const store = await GatewayStore.open({ path });
      assert(Number(store.meta.get("a")) >= acked);
      await store.close();
    });
  },
});

Deno.test("F05: while the folder is gone changes fail and are undone; reads go on; it heals by itself", async () => {
  await tempFolder(async (dir) => {
    const state = `${dir}/state`;
    await Deno.mkdir(state);
    const store = await GatewayStore.open({ path: `${state}/gateway.sqlite` });
    await Deno.rename(state, `${dir}/away`);
    const put = (n: string) => store.commit((tx) => tx.put(store.meta, "key", n));
    const [first, second] = [put("1"), put("2")];
    assertEquals(store.meta.get("key"), "2");
    for (const change of [first, second]) {
      const error = await assertRejects(() => change, OpenclawError);
      assertEquals([error.code, error.retryable], ["STORE_UNAVAILABLE", true]);
    }
    assertEquals(store.meta.get("key"), undefined);
    assertEquals(typeof store.status.degraded, "string");
    store.audit({
      atMs: 1,
      requester: "r",
      nodeId: "n",
      command: "system.run",
      ok: true,
      durationMs: 1,
    });
    await store.flush();
    await Deno.rename(`${dir}/away`, state);
    await put("3");
    assertEquals(store.status.degraded, undefined);
    assertEquals((await store.listAudit({ limit: 10 })).length, 1, "kept while it was gone");
    await store.close();
    const again = await GatewayStore.open({ path: `${state}/gateway.sqlite` });
    assertEquals(again.meta.get("key"), "3");
    await again.close();
  });
});

Deno.test("F05: a state folder that could not be written at start is filled when it can, with all of memory", async () => {
  await tempFolder(async (dir) => {
    const path = `${dir}/later/gateway.sqlite`;
    const store = await GatewayStore.open({ path });
    assertEquals(typeof store.status.degraded, "string");
    store.later(store.meta, "collected", "1");
    await Deno.mkdir(`${dir}/later`);
    await store.commit((tx) => tx.put(store.meta, "key", "1"));
    assertEquals(store.status.degraded, undefined);
    await store.close();
    const again = await GatewayStore.open({ path });
    assertEquals([again.meta.get("collected"), again.meta.get("key")], ["1", "1"]);
    await again.close();
  });
});
