/** A first start beside an existing set-up: asked at a terminal, named without one; its devices stay paired. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { olderNodeRecord } from "../support/older_store.ts";
import { testKey } from "../support/wire.ts";
import { freePort, run, start, TempHome } from "./program.ts";
import { Terminal } from "./terminal.ts";

const linux = { ignore: Deno.build.os !== "linux" };

/** A state directory of an older gateway with one paired node; its device id. */
async function existingSetup(home: TempHome): Promise<string> {
  const key = await testKey(32);
  const folder = `${home.path}/old/devices`;
  await Deno.mkdir(folder, { recursive: true, mode: 0o700 });
  const node = olderNodeRecord(key, "old-token", "Old Node");
  const text = JSON.stringify({ [key.deviceId]: node });
  await Deno.writeTextFile(`${folder}/paired.json`, text, { mode: 0o600 });
  return key.deviceId;
}

async function pairedIds(env: Record<string, string>): Promise<string[]> {
  const list = await run(["devices", "list", "--json"], { env });
  assertEquals(list.code, 0, list.stderr);
  return JSON.parse(list.stdout).paired.map((device: { deviceId: string }) => device.deviceId);
}

for (const answer of ["yes", "no"]) {
  Deno.test(
    `a first start at a terminal beside an existing set-up asks; answer "${answer}"`,
    linux,
    async () => {
      await using home = await TempHome.make();
      const env = home.env("old");
      const deviceId = await existingSetup(home);
      const args = ["gateway", "run", "--port", String(freePort())];
      await using screen = new Terminal(args, env);
      await screen.until(/Import them, so that its devices need no new approval\? \[y\/N\]/);
      assert(!screen.text.includes("ready"), "starts only after the answer");
      await screen.type(`${answer}\n`);
      await screen.until(/ready/);
      const ids = await pairedIds(env);
      if (answer === "yes") {
        assertStringIncludes(screen.text, "paired devices: 1");
        assert(ids.includes(deviceId), "the old node is paired");
      } else {
        assertStringIncludes(screen.text, `Not imported. Before the next start: openclaw import`);
        assert(!ids.includes(deviceId), "nothing was taken over");
      }
      await screen.type("\x03");
      assertEquals(await screen.ended(), 130, screen.text);
      // The old files are read, never written.
      assertStringIncludes(
        await Deno.readTextFile(`${home.path}/old/devices/paired.json`),
        deviceId,
      );
      await using again = start(args, { env });
      await again.until(/ready/);
      assert(!again.said.includes("existing set-up"), "asked once");
    },
  );
}

Deno.test("a first start without a terminal beside an existing set-up names the import, which keeps its pairings", async () => {
  await using home = await TempHome.make();
  const env = home.env("old");
  const deviceId = await existingSetup(home);
  const args = ["gateway", "run", "--port", String(freePort())];
  const gateway = start(args, { env });
  await gateway.until(/ready/);
  assertStringIncludes(gateway.said, "holds the pairings of an existing set-up");
  assertStringIncludes(gateway.said, `openclaw import ${home.path}/old`);
  await gateway.end();
  const imported = await run(["import", `${home.path}/old`], { env });
  assertEquals(imported.code, 0, imported.stderr);
  await using again = start(args, { env });
  await again.until(/ready/);
  assert(!again.said.includes("existing set-up"), "asked once");
  assert((await pairedIds(env)).includes(deviceId), "its pairing is kept");
});
