/** Faults behind the gateway: nodes, their policies, and the node's own way to its gateway. */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { tempState } from "../../config/temp_state.ts";
import { freePort, Pair, start } from "../program.ts";
import { examine, expectCode, type Fault, gatewayAt, TOKEN } from "./report.ts";

/** One gateway and node for all of these faults, in their order: some leave the pair changed. */
export function nodeFaults(pair: Pair): readonly Fault[] {
  const env = pair.home.env("gateway");
  // Whatever listens at the usual port of the machine that runs the tests is none of theirs.
  const nodeEnv = pair.home.env("node", { OPENCLAW_GATEWAY_PORT: String(freePort()) });
  const node = ["--node", "build-1"];
  const given = ["--url", `wss://127.0.0.1:${pair.facts.port}`, "--token", pair.facts.token]
    .concat(["--tls-fingerprint", pair.facts.pin]);
  const faults: Fault[] = [];
  const fault = (title: string, code: string, inject: () => Promise<unknown>) =>
    faults.push({ title, code, inject });
  fault("the wrong port", "GATEWAY_OTHER_PORT", async () => {
    const at = ["--url", `ws://127.0.0.1:${freePort()}`, "--token", pair.facts.token];
    const { finding } = await expectCode("GATEWAY_OTHER_PORT", env, at);
    assertStringIncludes(finding?.command ?? "", `wss://127.0.0.1:${pair.facts.port}`);
  });
  fault(
    "a node nobody knows",
    "NODE_UNKNOWN",
    () => expectCode("NODE_UNKNOWN", env, ["--node", "nobody"]),
  );
  fault("a policy that denies everything", "POLICY_DENIES", async () => {
    await pair.policy("deny", "off");
    await expectCode("POLICY_DENIES", env, node);
  });
  fault("a command on no list, and nobody to ask", "ALLOWLIST_MISS", async () => {
    await pair.policy("allowlist", "off");
    const { finding } = await expectCode("ALLOWLIST_MISS", env, [...node, "--", "uname", "-a"]);
    assertEquals(finding?.command, "openclaw approvals explain --node build-1 -- uname -a");
  });
  fault("a broken approvals file", "APPROVALS_UNREADABLE", async () => {
    await Deno.writeTextFile(`${pair.home.path}/node/exec-approvals.json`, "{ broken");
    await expectCode("APPROVALS_UNREADABLE", env, node);
    await pair.policy("full", "off");
    assertEquals((await examine(env, node)).finding, null);
  });
  fault("a gateway policy without system.run", "NODE_CANNOT_RUN", async () => {
    const done = await pair.cli(["config", "set", "gateway.nodes.denyCommands", '["system.run"]']);
    assertEquals(done.code, 0, done.stderr);
    await pair.gateway.until(/configuration reloaded.*denyCommands/);
    await expectCode("NODE_CANNOT_RUN", env, node);
    await pair.cli(["config", "unset", "gateway.nodes.denyCommands"]);
  });
  fault("a node that talks to another gateway", "NODE_OTHER_GATEWAY", async () => {
    await using state = await tempState();
    await using other = await gatewayAt(state);
    const at = ["--url", other.url, "--token", TOKEN];
    await expectCode("NODE_OTHER_GATEWAY", nodeEnv, [...node, ...at]);
  });
  fault(
    "a node that waits to be let in, and then for its commands",
    "NODE_NOT_PAIRED",
    async () => {
      const second = pair.home.env("second", { OPENCLAW_GATEWAY_TOKEN: pair.facts.token });
      const at = ["--host", "127.0.0.1", "--port", String(pair.facts.port), "--tls-fingerprint"];
      await using waiting = start(
        ["node", "run", ...at, pair.facts.pin, "--display-name", "build-2"],
        { env: second },
      );
      const id = (await waiting.until(/requestId: ([0-9a-f-]{36})/))[1] as string;
      const { finding } = await expectCode("NODE_NOT_PAIRED", env, ["--node", "build-2"]);
      assertEquals(finding?.command, `openclaw devices approve ${id}`);
      // The same from the node's end.
      const there = await expectCode("NODE_NOT_PAIRED", second, ["--node", "build-2"]);
      assertEquals(there.finding?.end, "node");
      assertEquals(there.finding?.command, `openclaw devices approve ${id}`);
      const params = JSON.stringify({ requestId: id });
      const approved = await pair.cli([
        "gateway",
        "call",
        "device.pair.approve",
        "--params",
        params,
      ]);
      assertEquals(approved.code, 0, approved.stderr);
      await waiting.until(/Connected to gateway/);
      await expectCode("NODE_SURFACE_PENDING", env, ["--node", "build-2"]);
    },
  );
  fault(
    "the node's own gateway is gone: told at the node's end",
    "CONNECTION_REFUSED",
    async () => {
      const third = pair.home.env("third", { OPENCLAW_GATEWAY_TOKEN: "x" });
      const at = ["--host", "127.0.0.1", "--port", String(freePort()), "--display-name", "build-3"];
      await using lonely = start(["node", "run", ...at], { env: third });
      await lonely.until(/ECONNREFUSED/);
      const { finding } = await expectCode("CONNECTION_REFUSED", third, ["--node", "build-3"]);
      assertEquals(finding?.end, "node");
      assertEquals(finding?.hop, "tcp");
    },
  );
  fault("the node has a wrong pin: told at the node's end", "TLS_PIN_MISMATCH", async () => {
    const fourth = pair.home.env("fourth", { OPENCLAW_GATEWAY_TOKEN: pair.facts.token });
    const at = ["--host", "127.0.0.1", "--port", String(pair.facts.port), "--display-name", "n4"];
    await using wrong = start(
      ["node", "run", ...at, "--tls-fingerprint", "a".repeat(64)],
      { env: fourth },
    );
    await wrong.until(/fingerprint mismatch/);
    const { finding } = await expectCode("TLS_PIN_MISMATCH", fourth, ["--node", "n4"]);
    assertEquals(finding?.end, "node");
    assertStringIncludes(finding?.command ?? "", pair.facts.pin);
  });
  fault("the node was stopped, seen from its own end", "NODE_NOT_RUNNING", async () => {
    const there = await examine(nodeEnv, node);
    assertEquals(there.finding, null, "while it runs");
    assertStringIncludes(there.notes.join("\n"), "openclaw doctor --node build-1");
    assertEquals(there.hops.at(-1), { hop: "run", state: "not reached" });
    await pair.node.end();
    const { finding } = await expectCode("NODE_NOT_RUNNING", nodeEnv, node);
    assertEquals(finding?.end, "node");
  });
  fault(
    "the node was stopped, seen from the gateway",
    "NODE_OFFLINE",
    () => expectCode("NODE_OFFLINE", env, [...node, ...given]),
  );
  return faults;
}
