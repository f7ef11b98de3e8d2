/** The published client package on our gateway: connect, request, pairing, scope errors, reconnect. */
import { assertEquals, assertMatch } from "@std/assert";
import { clientPackages, peerCommand, Running } from "../support/reference.ts";
import { Matrix } from "./matrix.ts";
import { stageGateway, TOKEN } from "./stage.ts";

interface Step {
  readonly step: string;
  readonly [fact: string]: unknown;
}

Deno.test({
  name: "GatewayClient on our gateway",
  sanitizeOps: false,
  sanitizeResources: false,
  fn: async (t) => {
    const matrix = new Matrix("GatewayClient -> our gateway", "v4");
    const gateway = await stageGateway("ours");
    const [node = ""] = await peerCommand("v4");
    const script = new URL("./gateway_client_peer.mjs", import.meta.url).pathname;
    const child = new Deno.Command(node, {
      args: [script, await clientPackages(), gateway.url, TOKEN],
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
      detached: true,
    }).spawn();
    const peer = new Running("gateway client", child);
    const step = async (name: string): Promise<Step> =>
      JSON.parse((await peer.until(new RegExp(`^\\{"step":"${name}".*\\}$`, "m")))[0]);
    try {
      await matrix.scenario(t, "connects", async () => {
        const hello = await step("hello");
        assertEquals(hello["protocol"], 4);
      });
      await matrix.scenario(
        t,
        "requests",
        async () => assertEquals((await step("health"))["ok"], true),
      );
      await matrix.scenario(t, "gets the error of an unknown method", async () => {
        assertMatch(String((await step("unknown"))["message"]), /unknown method|missing scope/);
      });
      await matrix.scenario(t, "pairs a device with the shared token", async () => {
        const paired = await step("paired");
        assertEquals(
          [paired["scopes"], paired["token"]],
          [["operator.read"], "string"],
          JSON.stringify(paired),
        );
      });
      await matrix.scenario(t, "gets scope errors", async () => {
        assertMatch(String((await step("scope"))["message"]), /missing scope: operator\.admin/);
      });
      await matrix.scenario(t, "receives events and reconnects after a restart", async () => {
        await step("waiting");
        const seen = peer.text.length;
        await gateway.restart();
        await peer.until(/"event":"(tick|health|shutdown|presence)"/, 45_000);
        await peer.until(/"step":"hello"/, 45_000, seen);
      });
    } finally {
      await child.stdin.close();
      await peer.stop();
      await gateway.close();
      await matrix.write();
    }
  },
});
