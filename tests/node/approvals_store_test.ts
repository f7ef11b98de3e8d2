/** The node's policy file while the node runs: what was wrong with it counts as long as it is wrong. */
import { assertEquals } from "@std/assert";
import { join } from "@std/path";
import { systemClock } from "../../src/lib/clock.ts";
import { createLogger } from "../../src/lib/log.ts";
import { ApprovalsStore } from "../../src/node/files/approvals_store.ts";
import { lookBeforeStamping } from "../../src/platform/file_facts.ts";

Deno.test({
  name: "N40: a policy file that is a link to nowhere denies everything, until it is gone",
  ignore: Deno.build.os === "windows",
  fn: async () => {
    await lookBeforeStamping();
    const folder = await Deno.makeTempDir();
    try {
      const approvalsFile = join(folder, "exec-approvals.json");
      const store = new ApprovalsStore({
        approvalsFile,
        grantsFile: join(folder, "exec-grants.json"),
        clock: systemClock,
        log: createLogger({ subsystem: "test", sink: () => {} }),
      });
      const state = async () => (await store.load()).parsed.state;
      await Deno.symlink(join(folder, "nowhere"), approvalsFile);
      assertEquals([await state(), await state()], ["unparsable", "unparsable"]);
      await Deno.remove(approvalsFile);
      assertEquals(await state(), "missing");
      await Deno.writeTextFile(approvalsFile, '{"version":1}', { mode: 0o600 });
      assertEquals(await state(), "ok");
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});
