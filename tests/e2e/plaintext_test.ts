/** Plaintext to another address: refused, with the line over TLS and the fingerprint that host shows (decision 33). */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { freePort, run, start, TempHome } from "./program.ts";

/** An address of this machine that is not loopback. */
const lan = Deno.networkInterfaces()
  .find(({ family, address }) => family === "IPv4" && !address.startsWith("127."))?.address;
if (lan === undefined) console.log("skipped: this machine has no address but loopback");

Deno.test({
  name:
    "N25: a refused plaintext command prints the same line over TLS with the observed fingerprint",
  ignore: lan === undefined,
  fn: async (t) => {
    await using home = await TempHome.make();
    const port = freePort();
    await using gateway = start(
      ["gateway", "run", "--tls", "--bind", "lan", "--port", String(port)],
      { env: home.env("gateway", { OPENCLAW_DISABLE_BONJOUR: "1" }) },
    );
    await gateway.until(/ready/);
    const env = home.env("gateway");
    const pin = (await run(["gateway", "fingerprint"], { env })).stdout.match(/[0-9a-f]{64}/)?.[0];
    const token = (await run(["config", "get", "gateway.auth.token", "--reveal"], { env })).stdout
      .trim();
    const refused = async (args: string[], more = {}) => {
      const done = await run(args, { env: home.env("person", more) });
      assertEquals(done.code, 1);
      assertStringIncludes(done.stderr, "refusing plaintext");
      assertStringIncludes(done.stderr, 'if "openclaw gateway fingerprint" on the gateway');
      assert(!done.stderr.includes(token), "the token is repeated");
      return done.stderr;
    };
    await t.step("a command with --url: the pasted hint works", async () => {
      const said = await refused(["health", "--url", `ws://${lan}:${port}`, "--token", token]);
      const line = said.match(/hint: openclaw (.*?) \(if/)?.[1] as string;
      assertEquals(
        line,
        `health --token <token> --url wss://${lan}:${port} --tls-fingerprint ${pin}`,
      );
      const words = line.replace("<token>", token).split(" ");
      const done = await run(words, { env: home.env("person") });
      assert(done.code === 0 || done.stderr.includes("pairing required"), done.stderr);
    });
    await t.step("an address of the environment", async () => {
      const said = await refused(["health"], {
        OPENCLAW_GATEWAY_URL: `ws://${lan}:${port}`,
        OPENCLAW_GATEWAY_TOKEN: token,
      });
      assertStringIncludes(
        said,
        `export OPENCLAW_GATEWAY_URL=wss://${lan}:${port}; openclaw health --tls-fingerprint ${pin}`,
      );
    });
    await t.step("a node: the same flags with --tls and the fingerprint, exit 1", async () => {
      const said = await refused(["node", "run", "--host", lan!, "--port", String(port)], {
        OPENCLAW_GATEWAY_TOKEN: token,
      });
      assertStringIncludes(
        said,
        `openclaw node run --host ${lan} --port ${port} --tls --tls-fingerprint ${pin}`,
      );
    });
  },
});

Deno.test("N25: where nothing speaks TLS the ways out are named instead", async () => {
  await using home = await TempHome.make();
  const args = ["health", "--url", "ws://192.0.2.1:18789", "--token", "x"];
  const done = await run(args, { env: home.env("person") });
  assertEquals(done.code, 1);
  assertStringIncludes(done.stderr, "an SSH tunnel or Tailscale Serve");
});
