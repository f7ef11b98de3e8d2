/** F22 through ssh: a certificate is succeeded while tunnels to its gateway stand. */
import { assertEquals, assertMatch } from "@std/assert";
import { eventually } from "../program.ts";
import { RemoteScene } from "./ssh_scene.ts";

Deno.test("F22: a gateway's certificate is replaced while a lasting tunnel and a node's tunnel stand", async () => {
  await using scene = await RemoteScene.make();
  if (!scene) return;
  const { pair } = scene;
  const call = async (method: string) => {
    const done = await pair.cli(["gateway", "call", method, "--json"]);
    assertEquals(done.code, 0, done.stderr);
    return JSON.parse(done.stdout);
  };
  await scene.remoteMode("laptop");
  await using tunnel = scene.start("laptop", ["tunnel", "run"]);
  await tunnel.until(/Tunnel to gw open/);
  const { port, pin, token } = pair.facts;
  const way = ["--via", "ssh://gw", "--port", String(port), "--tls-fingerprint", pin];
  await using node = scene.start("far", ["node", "run", ...way, "--display-name", "far-1"], {
    OPENCLAW_GATEWAY_TOKEN: token,
  });
  const request = (await node.until(/requestId: ([0-9a-f-]{36})/))[1] as string;
  assertEquals((await pair.cli(["devices", "approve", request])).code, 0);
  await node.until(/Connected to gateway/);

  const next: string = (await call("gateway.cert.prepare")).next.fingerprint;
  await eventually("both nodes have it", async () => {
    const { nodes } = await call("gateway.cert.show");
    return nodes.length === 2 && nodes.every(({ heard }: { heard: boolean }) => heard);
  }, 20_000);
  // The command line hears of it by its next command, through the tunnel.
  await scene.must("laptop", ["nodes", "status"]);
  assertEquals((await call("gateway.cert.switch")).current.fingerprint, next);

  assertMatch(
    await scene.must("laptop", ["tunnel", "status"]),
    /Gateway: answers through the tunnel/,
  );
  await scene.must("laptop", ["health"]);
  await node.end("SIGTERM");
  await using again = scene.start("far", ["node", "run"], { OPENCLAW_GATEWAY_TOKEN: token });
  await again.until(/Connected to gateway/);
});
