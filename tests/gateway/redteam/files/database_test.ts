/** N40, F04, F06, F34: the gateway database as somebody else may have left it. Refused cleanly, or nothing acknowledged is lost. */
import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import { OpenclawError } from "../../../../src/lib/errors.ts";
import { GatewayStore } from "../../../../src/store/gateway_store.ts";
import { within } from "../../../net/raw.ts";
import { startKillable, withStateDir } from "../../durable/killable.ts";
import { ALL } from "../../world.ts";
import { requestOf } from "../approvals/asking.ts";

const onPosix = Deno.build.os !== "windows";

/** A folder with a database that was closed properly. */
async function withDatabase(test: (path: string) => Promise<void>): Promise<void> {
  const dir = await Deno.makeTempDir({ prefix: "openclaw-test-" });
  const path = `${dir}/gateway.sqlite`;
  try {
    const store = await GatewayStore.open({ path });
    await store.commit((tx) => tx.put(store.meta, "kept", "yes"));
    await store.close();
    await test(path);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

function sql(path: string, text: string): void {
  const database = new DatabaseSync(path);
  database.exec(text);
  database.close();
}

async function fifo(path: string): Promise<void> {
  assert((await new Deno.Command("mkfifo", { args: [path] }).output()).success);
}

/** What was done to the files, and what the refusal says. */
const SPOILED: Readonly<
  Record<string, readonly [spoil: (path: string) => Promise<void> | void, says: RegExp]>
> = {
  "a directory": [async (path) => {
    await Deno.remove(path);
    await Deno.mkdir(path);
  }, /it is a directory/],
  "a link to a good database": [async (path) => {
    await Deno.rename(path, `${path}.real`);
    await Deno.symlink(`${path}.real`, path);
  }, /it is a symbolic link/],
  "a link to nothing": [async (path) => {
    await Deno.remove(path);
    await Deno.symlink("/no/such/place", path);
  }, /it is a symbolic link/],
  "a FIFO": [async (path) => {
    await Deno.remove(path);
    await fifo(path);
  }, /not an ordinary file/],
  "a file others can write": [(path) => Deno.chmod(path, 0o660), /others can write it/],
  "a log that is a link": [
    (path) => Deno.symlink("/dev/null", `${path}-wal`),
    /wal.*symbolic link/,
  ],
  "a log that is a directory": [(path) => Deno.mkdir(`${path}-wal`), /wal.*it is a directory/],
  "a log that is a FIFO": [(path) => fifo(`${path}-wal`), /wal.*not an ordinary file/],
  "a damaged page": [async (path) => {
    using file = await Deno.open(path, { write: true });
    await file.seek(4096, Deno.SeekMode.Start);
    await file.write(new Uint8Array(4096).fill(0x5a));
  }, /malformed/],
  "a table that is missing": [(path) => sql(path, "DROP TABLE record"), /no such table/],
  "a record that is no JSON": [
    (path) => sql(path, `INSERT INTO record VALUES('device', 'x', '{bad')`),
    /record "device" "x" is damaged/,
  ],
  "a record of another shape": [
    (path) => sql(path, `INSERT INTO record VALUES('open-approval', 'x', '{}')`),
    /record "open-approval" "x" is damaged/,
  ],
  "a record that is null": [
    (path) => sql(path, `INSERT INTO record VALUES('request', 'x', 'null')`),
    /record "request" "x" is damaged/,
  ],
};

Deno.test({
  name: "N40, F06 variant: a spoiled database is refused at once, says why, and is left as it was",
  ignore: !onPosix,
  async fn() {
    for (const [name, [spoil, says]] of Object.entries(SPOILED)) {
      await withDatabase(async (path) => {
        await spoil(path);
        const before = await Deno.lstat(path);
        const error = await assertRejects(
          () => within(3_000, GatewayStore.open({ path }), name),
          OpenclawError,
        );
        assertEquals([error.code, error.exitCode], ["STORE_UNREADABLE", 78], name);
        assertMatch(error.message, says, name);
        assert(error.hint, name);
        const after = await Deno.lstat(path);
        assertEquals([after.ino, after.size], [before.ino, before.size], name);
      });
    }
  },
});

Deno.test({
  name: "N40 variant: a database others can read is closed to them, and used",
  ignore: !onPosix,
  fn: () =>
    withDatabase(async (path) => {
      await Deno.chmod(path, 0o644);
      const store = await GatewayStore.open({ path });
      assertEquals(store.meta.get("kept"), "yes");
      await store.close();
      assertEquals(((await Deno.stat(path)).mode ?? 0) & 0o777, 0o600);
    }),
});

Deno.test({
  name:
    "F04 variant: a file size limit refuses approvals and answers, kills nobody, loses nothing acknowledged",
  ignore: Deno.build.os !== "linux",
  fn: () =>
    withStateDir(async (stateDir) => {
      const gateway = await startKillable(stateDir);
      const limit = async (bytes: string) => {
        const args = ["--pid", String(gateway.pid), `--fsize=${bytes}:unlimited`];
        assert((await new Deno.Command("prlimit", { args }).output()).success);
      };
      const options = { scopes: ALL, key: 20, caps: ["exec-approvals"] };
      const peer = (await gateway.connect(options)).expectHello();
      const acknowledged: string[] = [];
      const file = async () => {
        const command = "x".repeat(40_000);
        const params = requestOf({ host: "gateway", command, systemRunPlan: null, nodeId: null });
        const { ok, payload, error } = await peer.response(
          peer.send("exec.approval.request", params),
        );
        if (ok) acknowledged.push(payload.id);
        return error;
      };
      assertEquals(await file(), undefined);
      await limit("400000");
      let refused;
      for (let n = 0; n < 20 && refused === undefined; n++) refused = await file();
      assertEquals([refused?.code, refused?.details.code], ["UNAVAILABLE", "STORE_UNAVAILABLE"]);
      const [first = ""] = acknowledged;
      const answer = await peer.raw("exec.approval.resolve", { id: first, decision: "deny" });
      if (!answer.ok) assertEquals(answer.error.details.code, "STORE_UNAVAILABLE");
      await limit("unlimited");
      assertEquals(await file(), undefined, "it goes on without a restart");
      await gateway.kill();
      const again = await startKillable(stateDir);
      const back = (await again.connect(options)).expectHello();
      const left = await back.call("exec.approval.list");
      const ids = left.map((row: { id: string }) => row.id);
      const gone = answer.ok ? [first] : [];
      assertEquals(new Set(ids), new Set(acknowledged.filter((id) => !gone.includes(id))));
      await again.kill();
    }),
});
