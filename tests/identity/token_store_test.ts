import { assert, assertEquals, assertRejects } from "@std/assert";
import { join } from "@std/path";
import { gatewayKeyOf, TokenStore } from "../../src/identity/token_store.ts";
import { OpenclawError } from "../../src/lib/errors.ts";
import { Secret } from "../../src/lib/secret.ts";

const ID = "a".repeat(64);
const entry = (token: string) => ({
  token: new Secret(token),
  scopes: ["operator.read"],
  issuedAtMs: 5,
});

async function inTemp(run: (path: string, dir: string) => Promise<void>): Promise<void> {
  const dir = await Deno.makeTempDir();
  try {
    await run(join(dir, "identity", "device-tokens.json"), dir);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

Deno.test("tokens are kept per gateway and role, 0600, and read by the next process", () =>
  inTemp(async (path) => {
    const store = new TokenStore({ path, deviceId: ID });
    assertEquals(await store.load("g1", "node"), undefined);
    await store.save("g1", "node", entry("t1"));
    await store.save("g1", "operator", entry("t2"));
    await store.save("g2", "node", entry("t3"));
    const again = new TokenStore({ path, deviceId: ID });
    const all = [
      await again.load("g1", "node"),
      await again.load("g1", "operator"),
      await again.load("g2", "node"),
    ];
    assertEquals(all.map((found) => found?.token.reveal()), ["t1", "t2", "t3"]);
    assertEquals([all[0]?.scopes, all[0]?.issuedAtMs], [["operator.read"], 5]);
    if (Deno.build.os !== "windows") {
      assertEquals(((await Deno.stat(path)).mode ?? 0) & 0o777, 0o600);
    }
    await again.remove("g1", "node");
    assertEquals(await store.load("g1", "node"), undefined);
    await store.removeRole("node");
    assertEquals(await store.load("g2", "node"), undefined);
    assertEquals((await store.load("g1", "operator"))?.token.reveal(), "t2");
  }));

Deno.test("saving what is already kept writes nothing", () =>
  inTemp(async (path) => {
    const store = new TokenStore({ path, deviceId: ID });
    await store.save("g", "node", entry("t"));
    const before = await Deno.stat(path);
    await store.save("g", "node", entry("t"));
    const after = await Deno.stat(path);
    assertEquals([after.ino, after.mtime?.getTime()], [before.ino, before.mtime?.getTime()]);
  }));

Deno.test("twenty saves at once lose nothing", () =>
  inTemp(async (path) => {
    await Promise.all(
      Array.from({ length: 20 }, (_, i) =>
        new TokenStore({ path, deviceId: ID }).save(`g${i}`, "node", entry(`t${i}`))),
    );
    const store = new TokenStore({ path, deviceId: ID });
    for (let i = 0; i < 20; i++) {
      assertEquals((await store.load(`g${i}`, "node"))?.token.reveal(), `t${i}`);
    }
  }));

Deno.test("F42: tokens of another device key are not used, and gone with the next save", () =>
  inTemp(async (path) => {
    await new TokenStore({ path, deviceId: ID }).save("g", "node", entry("old"));
    const renewed = new TokenStore({ path, deviceId: "b".repeat(64) });
    assertEquals(await renewed.load("g", "node"), undefined);
    await renewed.save("g", "node", entry("new"));
    assert(!(await Deno.readTextFile(path)).includes('"old"'));
  }));

Deno.test("the seeds' device-auth.json is read for the named gateway only, once, and left as it is", () =>
  inTemp(async (path, dir) => {
    const seedPath = join(dir, "device-auth.json");
    const text = JSON.stringify({
      version: 1,
      deviceId: ID,
      tokens: { node: { token: "seed-token", role: "node", scopes: [], updatedAtMs: 1 } },
    });
    await Deno.writeTextFile(seedPath, text, { mode: 0o600 });
    const store = new TokenStore({
      path,
      deviceId: ID,
      seed: { path: seedPath, gatewayKey: "home" },
    });
    assertEquals((await store.load("home", "node"))?.token.reveal(), "seed-token");
    assertEquals(await store.load("elsewhere", "node"), undefined);
    await store.remove("home", "node");
    assertEquals(await store.load("home", "node"), undefined);
    const moved = new TokenStore({
      path,
      deviceId: ID,
      seed: { path: seedPath, gatewayKey: "elsewhere" },
    });
    assertEquals(await moved.load("elsewhere", "node"), undefined);
    assertEquals(await Deno.readTextFile(seedPath), text);
    const other = new TokenStore({
      path: path + "2",
      deviceId: "c".repeat(64),
      seed: { path: seedPath, gatewayKey: "home" },
    });
    assertEquals(await other.load("home", "node"), undefined);
  }));

Deno.test("a damaged store is reported and left as it is; odd names are just names", () =>
  inTemp(async (path, dir) => {
    const store = new TokenStore({ path, deviceId: ID });
    await store.save("__proto__", "constructor", entry("t"));
    assertEquals((await store.load("__proto__", "constructor"))?.token.reveal(), "t");
    assertEquals(await store.load("toString", "x"), undefined);
    for (const bad of ["", "{", "[]", '{"version":2}']) {
      await Deno.writeTextFile(path, bad);
      const error = await assertRejects(() => store.save("g", "node", entry("t")), OpenclawError);
      assertEquals(error.code, "TOKEN_STORE_UNREADABLE");
      assertEquals(await Deno.readTextFile(path), bad);
    }
    assert(dir);
  }));

Deno.test("gatewayKeyOf(): the pin, else the URL", () => {
  assertEquals(gatewayKeyOf("wss://x:1", ["p1", "p2"]), "p1");
  assertEquals(gatewayKeyOf("ws://x:1", []), "ws://x:1");
});
