/** Grants for one requester: our gateway tells a node of ours who asks, and nothing a caller says can change it. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { createLogger, type LogRecord } from "../../src/lib/log.ts";
import { startNode } from "../../src/node/host.ts";
import {
  admittedNode,
  nodeOptions,
  openWorld,
  owner,
  type ScriptedPeer,
  TOKEN,
  type World,
} from "../gateway/world.ts";
import { cli } from "../cli/support.ts";
import { withBench } from "./support/node.ts";

const linux = { ignore: Deno.build.os !== "linux" };
const MISS = { version: 1, defaults: { security: "allowlist", ask: "off" }, agents: {} };

const call = (nodeId: string, command: string, params: Record<string, unknown>) => ({
  nodeId,
  command,
  params,
  idempotencyKey: crypto.randomUUID(),
  timeoutMs: 20_000,
});

Deno.test("A01: the requester a node is told is the connection's, whatever the caller says", async () => {
  await using world = await openWorld();
  const operator = await owner(world);
  const device = await owner(world, { key: 20 });
  const ours = await admittedNode(world, operator, nodeOptions(1, { caps: ["invoke-output"] }));
  const foreign = await admittedNode(world, operator, nodeOptions(2));
  const asked = async (peer: ScriptedPeer, node: ScriptedPeer, command = "system.run") => {
    const forged = { command: ["/bin/true"], bins: ["sh"], requester: "0".repeat(64) };
    const id = peer.send("node.invoke", call(node.id, command, forged));
    const request = await node.answerInvoke({ exitCode: 0, success: true });
    assert((await peer.response(id)).ok);
    return request;
  };
  for (const command of ["system.run", "system.which"]) {
    assertEquals((await asked(operator, ours, command)).requester, "owner");
    assertEquals((await asked(device, ours, command)).requester, device.id);
    assertEquals("requester" in await asked(device, foreign, command), false);
  }
  assertEquals("requester" in JSON.parse((await asked(device, ours)).paramsJSON), false);
  const beside = { ...call(ours.id, "system.run", { command: ["id"] }), requester: "owner" };
  assertEquals((await device.refusal("node.invoke", beside)).code, "INVALID_REQUEST");
});

/** A real node on a real gateway, admitted by `operator`. */
async function withOurNode(
  run: (nodeId: string, records: LogRecord[]) => Promise<void>,
  { world, operator }: { readonly world: World; readonly operator: ScriptedPeer },
): Promise<void> {
  await withBench(async (bench) => {
    await bench.approvals(MISS);
    const records: LogRecord[] = [];
    const node = await startNode(bench.options({
      env: { OPENCLAW_GATEWAY_TOKEN: TOKEN },
      flags: { host: "127.0.0.1", port: world.gateway.port },
      log: createLogger({ subsystem: "node", sink: (record) => records.push(record) }),
    }));
    try {
      const { requestId } = await operator.event("device.pair.requested");
      const { pending } = await operator.call("device.pair.list");
      const row = pending.find((one: { requestId: string }) => one.requestId === requestId);
      await operator.call("device.pair.admit", { requestId, surfaceHash: row.surfaceHash });
      const isHere = (one: { connected: boolean }) => one.connected;
      const endMs = performance.now() + 20_000;
      while (!(await operator.call("node.list")).nodes.some(isHere)) {
        assert(performance.now() < endMs, "the node connects after it was admitted");
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      await run(node.deviceId, records);
    } finally {
      await node.stop({ force: true });
    }
  });
}

Deno.test(
  "a grant for one device serves that device alone, and the node's log says who asked",
  linux,
  async () => {
    await using world = await openWorld();
    const operator = await owner(world, { caps: ["exec-grants"] });
    const device = await owner(world, { key: 20 });
    const other = await owner(world, { key: 21 });
    await withOurNode(async (nodeId, records) => {
      const grant = async (requester: string) => {
        const { file, hash } = await operator.call("exec.approvals.node.get", { nodeId });
        const add = [{ pattern: "/usr/bin/id", runs: 1, requester }];
        const changed = { ...file, grantChanges: { add } };
        await operator.call("exec.approvals.node.set", { nodeId, file: changed, baseHash: hash });
      };
      const id = (more = {}) =>
        call(nodeId, "system.run", { command: ["/usr/bin/id", "-u"], runId: "r1", ...more });
      const refused = async (peer: ScriptedPeer, more = {}) =>
        assertMatch((await peer.refusal("node.invoke", id(more))).message, /allowlist miss/);

      await grant(device.id);
      const target = ["--node", nodeId, "--url", world.gateway.url, "--token", TOKEN];
      const env = { HOME: world.stateDir, OPENCLAW_STATE_DIR: join(world.stateDir, "cli") };
      const shown = await cli(["approvals", "get", ...target], { env, columns: 200 });
      assertStringIncludes(shown.stdout, `/usr/bin/id, for ${device.id}, 1 runs left`);
      const json = await cli(["approvals", "get", "--json", ...target], { env });
      const { grants } = JSON.parse(json.stdout);
      assertEquals(grants.map((one: { requester: string }) => one.requester), [device.id]);
      await refused(other);
      await refused(other, { requester: device.id });
      await refused(operator, { requester: device.id });
      const explain = { command: ["/usr/bin/id"], explain: true };
      const would = async (peer: ScriptedPeer) =>
        (await peer.call("node.invoke", call(nodeId, "system.run.prepare", explain))).payload
          .decision;
      assertEquals([await would(device), await would(other)], ["run", "allowlist-miss"]);
      assertEquals((await device.call("node.invoke", id())).payload.exitCode, 0);
      await refused(device);

      await grant("owner");
      await refused(device);
      assertEquals((await operator.call("node.invoke", id())).payload.exitCode, 0);

      const told = records.filter(({ message }) => message.startsWith("command "));
      assertEquals(
        told.map(({ message, fields }) => [message, fields?.["requester"], fields?.["runId"]]),
        [
          ["command denied", other.id, "r1"],
          ["command denied", other.id, "r1"],
          ["command denied", "owner", "r1"],
          ["command allowed", device.id, "r1"],
          ["command denied", device.id, "r1"],
          ["command denied", device.id, "r1"],
          ["command allowed", "owner", "r1"],
        ],
      );
      assertMatch(String(told[3]?.fields?.["rule"]), /^grant /);
      assertEquals(JSON.stringify(told).includes("/usr/bin/id"), false);
    }, { world, operator });
  },
);
