/** Our node host and our CLI on the real gateways of both versions. */
import { assertEquals } from "@std/assert";
import { Home } from "../support/reference.ts";
import { Matrix } from "./matrix.ts";
import {
  checkEcho,
  checkWhich,
  eventually,
  liveNode,
  openNodeHome,
  PATIENT,
  pendingSurfaces,
  reach,
  stageGateway,
  startNode,
  TOKEN,
} from "./stage.ts";

for (const kind of ["v3", "v4"] as const) {
  Deno.test({
    name: `our node and CLI on gateway ${kind}`,
    sanitizeOps: false,
    sanitizeResources: false,
    fn: async (t) => {
      const cliRows = new Matrix("our CLI -> gateway", kind);
      const nodeRows = new Matrix("our node -> gateway", kind);
      const gateway = await stageGateway(kind);
      const operator = await Home.make("ours", {
        gateway: { mode: "local", port: gateway.port, auth: { mode: "token", token: TOKEN } },
      });
      const nodeHome = await openNodeHome();
      const node = await startNode(nodeHome, gateway);
      let nodeId = "";
      try {
        for (
          const command of [
            ["health"],
            ["status", "--deep"],
            ["gateway", "probe"],
            ["gateway", "call", "health"],
            ["devices", "list"],
            ["nodes", "status"],
            ["nodes", "list"],
            ["logs", "--limit", "5"],
          ]
        ) {
          await cliRows.scenario(t, command.join(" "), async () => {
            const result = await operator.run([...command, "--json", ...PATIENT]);
            assertEquals(result.code, 0, `${result.stdout}\n${result.stderr}`);
          });
        }
        await cliRows.scenario(t, "health --url with a token", async () => {
          const result = await operator.run([
            "health",
            "--json",
            ...PATIENT,
            ...reach(operator, gateway),
          ]);
          assertEquals(result.code, 0, `${result.stdout}\n${result.stderr}`);
        });
        await cliRows.scenario(t, "approvals get --gateway", async () => {
          const answer = await operator.json(["approvals", "get", "--gateway", "--json"]) as {
            hash: string;
          };
          assertEquals(typeof answer.hash, "string");
        });
        await nodeRows.scenario(t, "is paired and approved", async () => {
          const pending = await eventually("a request or a connected node", async () => {
            const list = await operator.json(["devices", "list", "--json"]) as {
              pending: { requestId: string; deviceId: string; role: string }[];
              paired: { deviceId: string; roles: string[] }[];
            };
            const request = list.pending.find((r) => r.role === "node");
            if (request) {
              await operator.run(["devices", "approve", request.requestId, "--yes", "--json"]);
            }
            return list.paired.find((d) => d.roles.includes("node"));
          }, 60_000);
          nodeId = pending.deviceId;
        });
        await nodeRows.scenario(t, "its commands go live", async () => {
          await eventually("the surface to be approved", async () => {
            for (const requestId of await pendingSurfaces(operator)) {
              await operator.run(["nodes", "approve", requestId]);
            }
            const row = await liveNode(operator, [], "system.run", 1000);
            return row;
          }, 60_000);
        });
        await nodeRows.scenario(t, "system.which", async () => await checkWhich(operator, nodeId));

        await nodeRows.scenario(
          t,
          "system.run through our nodes run",
          async () => await checkEcho(operator, nodeId),
        );
        await nodeRows.scenario(t, "exec approvals are read through the gateway", async () => {
          const answer = await operator.json(["approvals", "get", "--node", nodeId, "--json"]) as {
            file: { defaults: { security: string } };
          };
          assertEquals(answer.file.defaults.security, "full");
        });
        await cliRows.scenario(t, "nodes run --wait: somebody else allows it", async () => {
          const run = ["nodes", "run", "--wait", "--ask", "always", "--node", nodeId];
          const running = await operator.start([...run, "--", "/bin/echo", "allowed"]);
          const [, id = ""] = await running.until(/approvals resolve (\S+) allow-once/);
          await operator.json(["approvals", "resolve", id, "allow-once", "--json"]);
          await running.until(/^allowed$/m);
          assertEquals((await running.process.status).code, 0, running.text);
        });
        await nodeRows.scenario(t, "comes back after a restart of the gateway", async () => {
          await gateway.restart();
          await liveNode(operator, []);
        });
      } finally {
        await node.stop();
        await nodeHome.remove();
        await operator.remove();
        await gateway.close();
        await nodeRows.write();
        await cliRows.write();
      }
    },
  });
}
