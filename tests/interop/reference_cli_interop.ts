/** The real command lines of both versions on our gateway, with a node of ours behind it. */
import { assertEquals, assertMatch } from "@std/assert";
import { join } from "@std/path";
import { Home } from "../support/reference.ts";
import { Matrix } from "./matrix.ts";
import {
  eventually,
  liveNode,
  openNodeHome,
  pendingDevice,
  pendingSurfaces,
  stageGateway,
  startNode,
  TOKEN,
} from "./stage.ts";

/** A command and what its JSON (or text) must show. */
type Line = readonly [args: readonly string[], shows: RegExp];

const COMMANDS: readonly Line[] = [
  [["health", "--json"], /"ok": ?true/],
  [["gateway", "health", "--json"], /"ok": ?true/],
  [["status", "--deep", "--json"], /"gateway"/],
  [["gateway", "probe", "--json"], /"ok": ?true/],
  [["gateway", "status", "--json"], /"rpc"/],
  [["gateway", "call", "health", "--json"], /"ok": ?true/],
  [["gateway", "call", "system-presence", "--json"], /"mode": ?"gateway"/],
  [["devices", "list", "--json"], /"paired"/],
  [["nodes", "status", "--json"], /"nodes"/],
  [["nodes", "list", "--json"], /"paired"/],
  [["nodes", "pending", "--json"], /\[|pending/],
  [["approvals", "get", "--gateway", "--json"], /"hash"/],
  [["system", "presence", "--json"], /"mode": ?"gateway"/],
  [["system", "heartbeat", "last", "--json"], /null|\{/],
  [["logs", "--limit", "5", "--json"], /"type": ?"(meta|log)"/],
];

for (const kind of ["v3", "v4"] as const) {
  Deno.test({
    name: `CLI ${kind} on our gateway`,
    sanitizeOps: false,
    sanitizeResources: false,
    fn: async (t) => {
      const matrix = new Matrix("CLI -> our gateway", kind);
      const gateway = await stageGateway("ours");
      const cli = await Home.make(kind, {
        gateway: { mode: "local", port: gateway.port, auth: { mode: "token", token: TOKEN } },
      });
      const nodeHome = await openNodeHome();
      const node = await startNode(nodeHome, gateway);
      let nodeId = "";
      try {
        await matrix.scenario(t, "devices approve + nodes approve", async () => {
          const { requestId, deviceId } = await pendingDevice(gateway.home, []);
          nodeId = deviceId;
          const device = await cli.run(["devices", "approve", requestId, "--json"]);
          assertEquals(device.code, 0, `${device.stdout}\n${device.stderr}`);
          const surfaces = await eventually("a surface to approve", async () => {
            const ids = await pendingSurfaces(gateway.home);
            return ids.length > 0 ? ids : undefined;
          });
          for (const requestId of surfaces) {
            const surface = await cli.run(["nodes", "approve", requestId, "--json"]);
            assertEquals(surface.code, 0, `${surface.stdout}\n${surface.stderr}`);
          }
          await liveNode(gateway.home, []);
        });
        for (const [args, shows] of COMMANDS) {
          await matrix.scenario(t, args.filter((arg) => arg !== "--json").join(" "), async () => {
            const result = await cli.run(args);
            assertEquals(result.code, 0, `${result.stdout}\n${result.stderr}`);
            assertMatch(result.stdout, shows);
          });
        }
        await matrix.scenario(t, "nodes describe", async () => {
          const result = await cli.run(["nodes", "describe", "--node", nodeId, "--json"]);
          assertEquals(result.code, 0, result.stderr);
          assertMatch(result.stdout, /system\.run/);
        });
        await matrix.scenario(t, "nodes rename", async () => {
          const result = await cli.run([
            "nodes",
            "rename",
            "--node",
            nodeId,
            "--name",
            "renamed",
            "--json",
          ]);
          assertEquals(result.code, 0, result.stderr);
        });
        await matrix.scenario(t, "nodes invoke system.which", async () => {
          const result = await cli.run([
            "nodes",
            "invoke",
            "--node",
            nodeId,
            "--command",
            "system.which",
            "--params",
            '{"bins":["sh"]}',
            "--json",
          ]);
          assertEquals(result.code, 0, result.stderr);
          assertMatch(result.stdout, /\/sh"/);
        });
        await matrix.scenario(t, "gateway call node.invoke system.run", async () => {
          const params = {
            nodeId,
            command: "system.run",
            params: { command: ["/bin/echo", "hello"], rawCommand: "/bin/echo hello" },
            timeoutMs: 15000,
            idempotencyKey: crypto.randomUUID(),
          };
          const result = await cli.run([
            "gateway",
            "call",
            "node.invoke",
            "--params",
            JSON.stringify(params),
            "--json",
          ]);
          assertEquals(result.code, 0, `${result.stdout}\n${result.stderr}`);
          assertMatch(result.stdout, /hello\\n/);
        });
        await matrix.scenario(t, "approvals get and set --node", async () => {
          const get = await cli.run(["approvals", "get", "--node", nodeId, "--json"]);
          assertEquals(get.code, 0, get.stderr);
          const file = join(cli.dir, "set.json");
          await Deno.writeTextFile(
            file,
            JSON.stringify({ version: 1, defaults: { security: "allowlist" }, agents: {} }),
          );
          const set = await cli.run([
            "approvals",
            "set",
            "--node",
            nodeId,
            "--file",
            file,
            "--json",
          ]);
          assertEquals(set.code, 0, `${set.stdout}\n${set.stderr}`);
        });
        await matrix.scenario(t, "devices rotate and revoke", async () => {
          for (const verb of ["rotate", "revoke"]) {
            const result = await cli.run([
              "devices",
              verb,
              "--device",
              nodeId,
              "--role",
              "node",
              "--json",
            ]);
            assertEquals(result.code, 0, `${result.stdout}\n${result.stderr}`);
          }
        });
        await matrix.scenario(t, "devices remove", async () => {
          const result = await cli.run(["devices", "remove", nodeId, "--json"]);
          assertEquals(result.code, 0, `${result.stdout}\n${result.stderr}`);
        });
      } finally {
        await node.stop();
        await nodeHome.remove();
        await cli.remove();
        await gateway.close();
        await matrix.write();
      }
    },
  });
}
