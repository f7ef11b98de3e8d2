/** Moving a real set-up over: its gateway stops, our gateway imports the state directory, and its node comes back by itself. */
import { assertEquals } from "@std/assert";
import { statePaths } from "../../src/config/paths.ts";
import { runImport } from "../../src/gateway/import/run.ts";
import { Home } from "../support/reference.ts";
import { Matrix } from "./matrix.ts";
import { eventually, liveNode, pendingSurfaces, stageGateway, startNode, TOKEN } from "./stage.ts";

for (const kind of ["v3", "v4"] as const) {
  Deno.test({
    name: `import from gateway ${kind}`,
    sanitizeOps: false,
    sanitizeResources: false,
    fn: async (t) => {
      const rows = new Matrix("import into our gateway", kind);
      const old = await stageGateway(kind);
      const config = {
        gateway: { mode: "local", port: old.port, auth: { mode: "token", token: TOKEN } },
      };
      const ours = await Home.make("ours", config);
      const nodeHome = await Home.make("ours", {}, { OPENCLAW_GATEWAY_TOKEN: TOKEN });
      const node = await startNode(nodeHome, old);
      let gateway: Awaited<ReturnType<Home["start"]>> | undefined;
      try {
        const before = await eventually("an approved node on the old gateway", async () => {
          const { pending } = await ours.json(["devices", "list", "--json"]) as {
            pending: { requestId: string }[];
          };
          for (const { requestId } of pending) {
            await ours.run(["devices", "approve", requestId, "--yes", "--json"]);
          }
          for (const requestId of await pendingSurfaces(ours)) {
            await ours.run(["nodes", "approve", requestId]);
          }
          if ((await pendingSurfaces(ours)).length > 0) return undefined;
          return await liveNode(ours, [], "system.run", 1_000).catch(() => undefined);
        }, 60_000);
        await old.process.stop();
        await rows.scenario(t, "the pairings are imported", async () => {
          const env = { HOME: ours.stateDir, OPENCLAW_STATE_DIR: ours.stateDir };
          const report = await runImport({ from: old.home.stateDir, paths: statePaths(env) });
          assertEquals([report.kind, report.nodes, report.skipped], [
            kind === "v3" ? "json" : "sqlite",
            [before.nodeId],
            [],
          ]);
        });
        await rows.scenario(t, "the node comes back without an approval", async () => {
          gateway = await ours.start(["gateway", "run", "--port", String(old.port)]);
          await gateway.until(/listening on/, 30_000);
          const live = await liveNode(ours, [], "system.run", 60_000);
          assertEquals(live.nodeId, before.nodeId);
        });
      } finally {
        await node.stop();
        await gateway?.stop();
        await old.close();
        await ours.remove();
        await nodeHome.remove();
      }
    },
  });
}
