/** The real node hosts of both versions on our gateway. Operators are ours. */
import { assertEquals } from "@std/assert";
import { join } from "@std/path";
import { Home } from "../support/reference.ts";
import { Matrix } from "./matrix.ts";
import {
  checkEcho,
  checkWhich,
  eventually,
  liveNode,
  pendingDevice,
  pendingSurfaces,
  stageGateway,
  startNode,
  TOKEN,
} from "./stage.ts";

const ALLOW_ALL = { version: 1, defaults: { security: "full", ask: "off" }, agents: {} };

for (const kind of ["v3", "v4"] as const) {
  Deno.test({
    name: `node host ${kind} on our gateway, over pinned TLS`,
    sanitizeOps: false,
    sanitizeResources: false,
    fn: async (t) => {
      const matrix = new Matrix("node host -> our gateway", kind);
      const gateway = await stageGateway("ours", { tls: true });
      const nodeHome = await Home.make(kind, {}, { OPENCLAW_GATEWAY_TOKEN: TOKEN });
      const operator = gateway.home;
      const flags: string[] = [];
      let node = await startNode(nodeHome, gateway);
      let nodeId = "";
      try {
        await matrix.scenario(
          t,
          "connects over TLS with a pin and waits for approval",
          async () => {
            const pending = await pendingDevice(operator, flags);
            nodeId = pending.deviceId;
            await node.until(/pairing required|PAIRING_REQUIRED/i);
          },
        );
        await matrix.scenario(t, "one approval of ours makes it live", async () => {
          const { requestId } = await pendingDevice(operator, flags);
          await operator.json(["devices", "approve", requestId, "--yes", "--json"]);
          // Protocol 3 nodes end when they are told to wait (decision 6): a supervisor starts them again.
          if (kind === "v3") {
            await node.stop();
            node = await startNode(nodeHome, gateway);
          }
          const row = await liveNode(operator, flags).catch(async () => {
            // A surface that differed from the admitted one is queued as its own request.
            for (const requestId of await pendingSurfaces(operator)) {
              await operator.run(["nodes", "approve", requestId]);
            }
            return await liveNode(operator, flags);
          });
          assertEquals(row.nodeId, nodeId);
        });
        await matrix.scenario(t, "system.which", async () => await checkWhich(operator, nodeId));

        await matrix.scenario(t, "exec approvals are read and set", async () => {
          const file = join(operator.dir, "approvals.json");
          await Deno.writeTextFile(file, JSON.stringify(ALLOW_ALL));
          await operator.json(["approvals", "set", "--node", nodeId, "--file", file, "--json"]);
          const snapshot = await operator.json([
            "approvals",
            "get",
            "--node",
            nodeId,
            "--json",
          ]) as {
            file: { defaults: { security: string } };
          };
          assertEquals(snapshot.file.defaults.security, "full");
        });
        await matrix.scenario(
          t,
          "system.run through nodes run",
          async () => await checkEcho(operator, nodeId),
        );
        await matrix.scenario(t, "a failing command keeps its exit code", async () => {
          const result = await operator.run(["nodes", "run", "--node", nodeId, "--", "/bin/false"]);
          assertEquals(result.code, 1, result.stderr);
        });
        await matrix.scenario(t, "comes back after a restart of the gateway", async () => {
          await gateway.restart();
          await liveNode(operator, flags);
        });
        await matrix.scenario(
          t,
          "comes back after a restart of the node, with its device token",
          async () => {
            await node.stop();
            await eventually("the node to be gone", async () => {
              const { nodes } = await operator.json(["nodes", "status", "--json"]) as {
                nodes: { connected: boolean }[];
              };
              return nodes.every((n) => !n.connected) || undefined;
            });
            delete nodeHome.env["OPENCLAW_GATEWAY_TOKEN"];
            node = await startNode(nodeHome, gateway);
            await liveNode(operator, flags);
          },
        );
        await matrix.scenario(t, "revoking its token ends the session", async () => {
          await operator.json([
            "devices",
            "revoke",
            "--device",
            nodeId,
            "--role",
            "node",
            "--json",
          ]);
          await eventually("the node to be gone", async () => {
            const { nodes } = await operator.json(["nodes", "status", "--json"]) as {
              nodes: { connected: boolean }[];
            };
            return nodes.every((n) => !n.connected) || undefined;
          });
        });
        await matrix.scenario(t, "a wrong token is refused by name", async () => {
          const stranger = await Home.make(kind, {}, { OPENCLAW_GATEWAY_TOKEN: "wrong-token" });
          const wrong = await startNode(stranger, gateway);
          await wrong.until(/token mismatch|AUTH_TOKEN_MISMATCH/i);
          await wrong.stop();
          await stranger.remove();
        });
        await matrix.scenario(t, "a wrong pin is refused by the node", async () => {
          const stranger = await Home.make(kind, {}, { OPENCLAW_GATEWAY_TOKEN: TOKEN });
          const wrong = await startNode(stranger, {
            ...gateway,
            port: gateway.port,
            fingerprint: "0".repeat(64),
          });
          await wrong.until(/fingerprint/i);
          await wrong.stop();
          await stranger.remove();
        });
      } finally {
        await node.stop();
        await nodeHome.remove();
        await gateway.close();
        await matrix.write();
      }
    },
  });
}
