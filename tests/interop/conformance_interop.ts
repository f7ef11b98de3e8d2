/** Every frame that our gateway, node and command line exchange is held against the published schema of protocol 4. */
import { assertEquals } from "@std/assert";
import { Home } from "../support/reference.ts";
import { type Recorded, startRecorder } from "../support/recorder.ts";
import { Matrix } from "./matrix.ts";
import { Comparison, oracle } from "./schema_oracle.ts";
import { liveNode, openNodeHome, pendingDevice, stageGateway, TOKEN } from "./stage.ts";

function compared(frames: readonly Recorded[], comparison: Comparison): Comparison {
  for (const { conn, text } of frames) comparison.add({ conn, text, held: true });
  return comparison;
}

Deno.test({
  name: "every frame of ours is valid by the published schema",
  sanitizeOps: false,
  sanitizeResources: false,
  fn: async (t) => {
    const matrix = new Matrix("our frames -> published schema", "v4");
    const validate = await oracle();
    const gateway = await stageGateway("ours");
    const recorder = startRecorder(gateway.port);
    const operator = await Home.make("ours", {
      gateway: { mode: "local", port: recorder.port, auth: { mode: "token", token: TOKEN } },
    });
    const nodeHome = await openNodeHome();
    const node = await nodeHome.start([
      "node",
      "run",
      "--host",
      "127.0.0.1",
      "--port",
      String(recorder.port),
    ]);
    try {
      const { requestId, deviceId } = await pendingDevice(operator, []);
      await operator.json(["devices", "approve", requestId, "--yes", "--json"]);
      await liveNode(operator, []);
      const commands = [
        ["health"],
        ["status", "--deep"],
        ["gateway", "probe"],
        ["devices", "list"],
        ["nodes", "list"],
        ["nodes", "describe", "--node", deviceId],
        ["nodes", "rename", "--node", deviceId, "--name", "n"],
        ["approvals", "get", "--gateway"],
        ["approvals", "get", "--node", deviceId],
        ["approvals", "pending"],
        ["logs", "--limit", "5"],
        ["config", "get", "gateway.port"],
        [
          "nodes",
          "invoke",
          "--node",
          deviceId,
          "--command",
          "system.which",
          "--params",
          '{"bins":["sh"]}',
        ],
        ["gateway", "call", "system-presence"],
        ["gateway", "call", "agents.list"],
        ["gateway", "call", "tools.catalog"],
        ["gateway", "call", "update.status"],
        ["gateway", "call", "gateway.identity.get"],
        ["gateway", "call", "config.get"],
        ["gateway", "call", "config.schema"],
        ["gateway", "call", "config.schema.lookup", "--params", '{"path":"gateway.auth"}'],
        ["gateway", "call", "config.patch", "--params", '{"raw":"{session:{idle:5}}"}'],
      ];
      for (const command of commands) await operator.run([...command, "--json"]);
      await operator.run(["nodes", "run", "--node", deviceId, "--", "/bin/echo", "hi"]);
      await operator.run(["devices", "rotate", "--device", deviceId, "--role", "node", "--json"]);
      await matrix.scenario(t, "a session of every kind", () => {
        const { found, checked } = compared(recorder.frames, new Comparison(validate));
        console.log(
          `held ${checked} values of ${recorder.frames.length} frames against the schema`,
        );
        assertEquals([...found], []);
        assertEquals(checked > 150, true, `only ${checked} values were checked`);
        return Promise.resolve();
      });
    } finally {
      await node.stop();
      await recorder.close();
      await nodeHome.remove();
      await operator.remove();
      await gateway.close();
      await matrix.write();
    }
  },
});
