/** Gateways that go away and come back, nodes that freeze, lost keys: what a person finds afterwards. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { crowdReturns } from "./crowd_scene.ts";
import { eventually, Pair, start } from "../program.ts";

const linux = { ignore: Deno.build.os !== "linux" };

Deno.test(
  "F14: 100 nodes are back soon after their gateway, and not all at once",
  linux,
  async () => {
    const back = await crowdReturns(100, 3_000);
    console.log(`p50 ${Math.round(back.p50Ms)} ms, p99 ${Math.round(back.p99Ms)} ms`);
    assert(back.p99Ms <= 10_000, `p99 ${back.p99Ms} ms`);
    assert(!back.problems.has("HANDSHAKE_TIMEOUT"), "handshake time-outs");
    assert(back.differentWaits > 25, "no jitter");
  },
);

/** Open descriptors of a process. */
function descriptors(pid: number): number {
  return [...Deno.readDirSync(`/proc/${pid}/fd`)].length;
}

Deno.test(
  "F16, F20, F42: one node through a flapping gateway, a freeze and a lost key",
  linux,
  async (t) => {
    await using pair = await Pair.make();
    const { home, facts } = pair;
    await pair.policy("full", "off");
    const env = home.env("gateway", { OPENCLAW_GATEWAY_PORT: String(facts.port) });
    const runs = async () =>
      (await pair.cli(["nodes", "run", "--node", "build-1", "--", "echo", "up"])).stdout;
    const tokenFile = `${home.path}/node/identity/node-tokens.json`;
    const times = () => pair.node.said.match(/Connected to gateway/g)?.length ?? 0;

    await t.step("F20: a node frozen for a while is the same node afterwards", async () => {
      const before = times();
      pair.node.signal("SIGSTOP");
      // A call into the freeze is answered after it, not refused.
      const call = runs();
      await new Promise((resolve) => setTimeout(resolve, 3_000));
      pair.node.signal("SIGCONT");
      assertEquals(await call, "up\n");
      assertEquals(times(), before, "the connection survived");
      const status = await pair.cli(["nodes", "status"]);
      assertStringIncludes(status.stdout, "Known: 1 · Paired: 1 · Connected: 1");
    });

    let gateway = pair.gateway;
    await t.step("F16: a flapping gateway piles nothing up and rotates no token", async () => {
      const token = await Deno.readTextFile(tokenFile);
      const open = descriptors(pair.node.pid);
      for (let round = 0; round < 4; round++) {
        const before = times();
        await gateway.end();
        gateway = start(["gateway", "run", "--tls"], { env });
        await gateway.until(/ready/);
        await eventually("the node is back", () => times() > before, 15_000);
      }
      assertEquals(await Deno.readTextFile(tokenFile), token);
      await eventually(
        "no more descriptors than before",
        () => descriptors(pair.node.pid) <= open + 1,
      );
      assertEquals(await runs(), "up\n");
    });

    await t.step(
      "F42: a lost key is a new node that has to ask; the old one keeps its name",
      async () => {
        await pair.node.end();
        await Deno.remove(`${home.path}/node/identity/device.json`);
        const again = start(["node", "run"], {
          env: home.env("node", { OPENCLAW_GATEWAY_TOKEN: facts.token }),
        });
        try {
          await again.until(/pairing required/);
          const list = JSON.parse((await pair.cli(["devices", "list", "--json"])).stdout);
          const [request] = list.pending;
          const old = list.paired.find((d: { displayName?: string }) =>
            d.displayName === "build-1"
          );
          assert(old && request, JSON.stringify(list));
          assert(old.deviceId !== request.deviceId, "no silent take-over");
          const refused = await pair.cli(["nodes", "run", "--node", "build-1", "--", "true"]);
          assertEquals(refused.code, 255, "the name still means the old, absent node");
        } finally {
          await again.end();
        }
      },
    );
    await gateway.end();
  },
);
