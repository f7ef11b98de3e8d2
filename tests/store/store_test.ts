/** The store as a file: what it refuses to open, and what it leaves untouched. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { sha256Hex } from "../../src/lib/bytes.ts";
import { OpenclawError } from "../../src/lib/errors.ts";
import { GatewayStore } from "../../src/store/gateway_store.ts";
import { FakeClock } from "../support/fake_clock.ts";

async function withStore(run: (path: string) => Promise<void>): Promise<void> {
  const dir = await Deno.makeTempDir({ prefix: "openclaw-store-test-" });
  try {
    const path = `${dir}/gateway.sqlite`;
    const store = await GatewayStore.open({ path });
    await store.commit((tx) => tx.put(store.meta, "key", "value"));
    await store.close();
    await run(path);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

const hashOf = async (path: string) => await sha256Hex(await Deno.readFile(path));

async function refusedUntouched(path: string, code: string, text: RegExp): Promise<void> {
  const before = await hashOf(path);
  const error = await assertRejects(() => GatewayStore.open({ path }), OpenclawError);
  assertEquals([error.code, error.exitCode], [code, 78]);
  assert(text.test(error.message), error.message);
  assertEquals(await hashOf(path), before);
}

async function patch(path: string, offset: number, bytes: number[]): Promise<void> {
  const data = await Deno.readFile(path);
  data.set(bytes, offset);
  await Deno.writeFile(path, data);
}

Deno.test("records are back after a reopen, a throwing change leaves nothing, later ones are collected", async () => {
  await withStore(async (path) => {
    const store = await GatewayStore.open({ path });
    assertEquals(store.meta.get("key"), "value");
    await assertRejects(
      () =>
        store.commit((tx) => {
          tx.remove(store.meta, "key");
          throw new TypeError("no");
        }),
      TypeError,
    );
    assertEquals(store.meta.get("key"), "value");
    store.later(store.meta, "soon", "1");
    store.later(store.meta, "soon", "2");
    await store.commit((tx) => tx.remove(store.meta, "key"));
    await store.close();
    const again = await GatewayStore.open({ path });
    assertEquals([again.meta.get("key"), again.meta.get("soon")], [undefined, "2"]);
    await again.close();
  });
});

Deno.test("a commit is not overtaken by an older collected value of the same record", async () => {
  await withStore(async (path) => {
    const store = await GatewayStore.open({ path });
    store.later(store.meta, "key", "collected");
    await store.commit((tx) => tx.put(store.meta, "key", "committed"));
    await store.close();
    const again = await GatewayStore.open({ path });
    assertEquals(again.meta.get("key"), "committed");
    await again.close();
  });
});

Deno.test("F34: a newer layout is refused and not touched", async () => {
  await withStore(async (path) => {
    await patch(path, 60, [0, 0, 0, 99]);
    await refusedUntouched(path, "STORE_TOO_NEW", /version 99, this program knows up to 1/);
  });
});

Deno.test("a database of another program is refused and not touched", async () => {
  await withStore(async (path) => {
    await patch(path, 68, [1, 2, 3, 4]);
    await refusedUntouched(path, "STORE_UNREADABLE", /another program/);
  });
});

Deno.test("garbage, an empty and a cut file are refused and not touched", async () => {
  await withStore(async (path) => {
    const whole = await Deno.readFile(path);
    await Deno.writeFile(path, whole.subarray(0, whole.length - 100));
    await refusedUntouched(path, "STORE_UNREADABLE", /cut off/);
    await Deno.writeFile(path, whole.subarray(0, 50));
    await refusedUntouched(path, "STORE_UNREADABLE", /cut off|not an SQLite/);
    await Deno.writeFile(path, new Uint8Array(0));
    await refusedUntouched(path, "STORE_UNREADABLE", /not an SQLite/);
    await Deno.writeFile(path, crypto.getRandomValues(new Uint8Array(8_192)));
    await refusedUntouched(path, "STORE_UNREADABLE", /not an SQLite/);
    const inside = whole.slice();
    inside.fill(0xee, 4_096, 12_288);
    await Deno.writeFile(path, inside);
    await refusedUntouched(path, "STORE_UNREADABLE", /malformed|damaged|disk image/);
  });
});

Deno.test({
  name: "F05: a read-only folder gives the records of before, from memory, and says so",
  async fn() {
    if (Deno.build.os === "windows" || Deno.uid() === 0) {
      return console.log(
        "skipped: root may write into a read-only folder; run the suite as another user",
      );
    }
    await withStore(async (path) => {
      const folder = path.slice(0, path.lastIndexOf("/"));
      await Deno.chmod(folder, 0o500);
      try {
        const store = await GatewayStore.open({ path });
        assertEquals(store.meta.get("key"), "value");
        const error = await assertRejects(
          () => store.commit((tx) => tx.put(store.meta, "key", "new")),
          OpenclawError,
        );
        assertEquals([error.code, store.meta.get("key")], ["STORE_UNAVAILABLE", "value"]);
        await store.close();
      } finally {
        await Deno.chmod(folder, 0o700);
      }
    });
  },
});

Deno.test("audit rows come back newest first, by node and by place", async () => {
  await withStore(async (path) => {
    const store = await GatewayStore.open({ path });
    const row = { requester: "r", command: "system.run", ok: true, durationMs: 1 };
    for (let i = 1; i <= 5; i++) store.audit({ ...row, atMs: i, nodeId: i % 2 ? "odd" : "even" });
    const all = await store.listAudit({ limit: 3 });
    assertEquals(all.map((r) => r.atMs), [5, 4, 3]);
    const before = await store.listAudit({ limit: 9, beforeId: all[2]?.id ?? 0, nodeId: "odd" });
    assertEquals(before.map((r) => r.atMs), [1]);
    await store.close();
  });
});

Deno.test("the writer thread goes after a minute without work, folds its log in, and comes back for the next change", async () => {
  await withStore(async (path) => {
    const clock = new FakeClock();
    const store = await GatewayStore.open({ path, clock });
    await store.commit((tx) => tx.put(store.meta, "key", "1"));
    assert((await Deno.stat(`${path}-wal`)).size > 0);
    clock.advance(60_000);
    await store.commit((tx) => tx.put(store.meta, "key", "2"));
    assertEquals(clock.pending, 1, "only the next minute is waited for");
    await store.close();
    assertEquals(clock.pending, 0);
    await assertRejects(() => Deno.stat(`${path}-wal`), Deno.errors.NotFound);
    const again = await GatewayStore.open({ path });
    assertEquals(again.meta.get("key"), "2");
    await again.close();
  });
});
