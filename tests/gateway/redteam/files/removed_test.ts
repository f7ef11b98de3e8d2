/** F01, F06: the database's files are taken away under the gateway that writes them. What it acknowledges then is there after a crash. */
import { assertEquals } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import { GatewayStore } from "../../../../src/store/gateway_store.ts";

/** Records as they lie on the disk now: what a killed gateway would find. */
function onDisk(path: string): string[] {
  const copy = Deno.makeTempDirSync({ prefix: "openclaw-test-" });
  try {
    for (const part of ["", "-wal"]) {
      try {
        Deno.copyFileSync(path + part, `${copy}/gateway.sqlite${part}`);
      } catch (error) {
        if (!(error instanceof Deno.errors.NotFound)) throw error;
      }
    }
    const database = new DatabaseSync(`${copy}/gateway.sqlite`);
    const rows = database.prepare("SELECT id FROM record WHERE kind = 'meta' ORDER BY id").all();
    database.close();
    return rows.map((row) => String(row.id));
  } finally {
    Deno.removeSync(copy, { recursive: true });
  }
}

function remove(path: string, ...parts: string[]): void {
  for (const part of parts) Deno.removeSync(path + part);
}

/** How the files go. */
const THEFTS: Readonly<Record<string, (path: string) => void>> = {
  "the log is removed": (path) => remove(path, "-wal"),
  "the log is replaced by an empty one": (path) => {
    remove(path, "-wal");
    Deno.writeFileSync(`${path}-wal`, new Uint8Array(), { mode: 0o600 });
  },
  "the log and its index are removed": (path) => remove(path, "-wal", "-shm"),
  "the database is removed": (path) => remove(path, ""),
  "everything is removed": (path) => remove(path, "", "-wal", "-shm"),
  "the database is moved away": (path) => Deno.renameSync(path, `${path}.away`),
  "a copy is put in its place": (path) => {
    Deno.copyFileSync(path, `${path}.copy`);
    Deno.renameSync(`${path}.copy`, path);
  },
};

Deno.test({
  name:
    "F01, F06 variant: files taken away under a running gateway cost nothing that was acknowledged, and no change is refused",
  ignore: Deno.build.os === "windows",
  async fn() {
    for (const [name, steal] of Object.entries(THEFTS)) {
      const dir = await Deno.makeTempDir({ prefix: "openclaw-test-" });
      const path = `${dir}/gateway.sqlite`;
      const store = await GatewayStore.open({ path });
      const acknowledged: string[] = [];
      const write = async (id: string) => {
        await store.commit((tx) => tx.put(store.meta, id, id));
        acknowledged.push(id);
      };
      try {
        await write("a");
        await write("b");
        steal(path);
        for (const id of ["c", "d", "e"]) {
          await write(id);
          assertEquals(onDisk(path), acknowledged, `${name}: ${id}`);
        }
        assertEquals([...store.meta.values()].sort(), acknowledged, name);
        await store.close();
        const again = await GatewayStore.open({ path });
        assertEquals([...again.meta.values()].sort(), acknowledged, name);
        await again.close();
      } finally {
        await Deno.remove(dir, { recursive: true });
      }
    }
  },
});
